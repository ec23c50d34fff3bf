/*
 * Slots in NOR flash. Every write is of whole units that were erased before, and is read back.
 *
 * A slot is emptied header first: until that page is gone the slot is what it was, and afterwards
 * its records vouch for nothing, whatever a torn erase leaves of them.
 */

#include "bw_slots.h"

#include "../crypto/bw_crc32.h"
#include "../crypto/bw_memory.h"
#include "bw_bytes.h"
#include "bw_release.h"

#define RECORD_BYTES BW_FLASH_UNIT
#define STATE_MAGIC 0x5bu
#define FLOOR_MAGIC 0x5cu
#define ERASED 0xffu
/* Length and a unit's rest, then the signature, then the manifest. */
#define SIGNATURE_AT BW_FLASH_UNIT
#define SIGNATURE_BYTES 64u
#define MANIFEST_AT (SIGNATURE_AT + SIGNATURE_BYTES)
/* A manifest is at most 198 bytes and the hashes of its chunks. */
#define MANIFEST_FIXED_BYTES 256u

static const uint8_t *at(uint32_t address) { return bw_hal_flash.bytes + address; }

static uint8_t is_blank(uint32_t address, uint32_t length) {
  const uint8_t *byte = at(address);
  for (; length > 0; length--) {
    if (*byte++ != ERASED) return 0;
  }
  return 1;
}

static uint8_t write_whole(uint32_t address, const void *data, uint32_t length) {
  return bw_hal_flash_write(address, data, length) && bw_same(at(address), data, length);
}

/* Any length: the last unit is filled up with what erased flash holds. */
static uint8_t write_padded(uint32_t address, const uint8_t *data, uint32_t length) {
  uint8_t unit[BW_FLASH_UNIT];
  uint32_t whole = length - length % BW_FLASH_UNIT;
  if (whole > 0 && !write_whole(address, data, whole)) return 0;
  if (whole == length) return 1;
  for (uint32_t i = 0; i < BW_FLASH_UNIT; i++) {
    unit[i] = whole + i < length ? data[whole + i] : ERASED;
  }
  return write_whole(address + whole, unit, BW_FLASH_UNIT);
}

static uint8_t erase(uint32_t address, uint32_t length) {
  return bw_hal_flash_write(address, 0, length) && is_blank(address, length);
}

static uint32_t whole_pages(uint32_t bytes) {
  return (bytes + bw_hal_flash.page_bytes - 1u) / bw_hal_flash.page_bytes;
}

uint8_t bw_slots_open(bw_slots *slots, uint32_t address, uint32_t length) {
  uint32_t page = bw_hal_flash.page_bytes;
  uint32_t pages = length / page;
  if (pages < 8u || address % page != 0 || address > bw_hal_flash.length) return 0;
  if (length > bw_hal_flash.length - address) return 0;
  uint32_t each = (pages - 2u) / 2u;
  uint32_t image = each - 2u;
  uint32_t header = 1;
  for (; image > 0; image--) {
    uint32_t chunks = (image * page + BW_CHUNK_BYTES_MIN - 1u) / BW_CHUNK_BYTES_MIN;
    header = whole_pages(MANIFEST_AT + MANIFEST_FIXED_BYTES + BW_CHUNK_HASH_BYTES * chunks);
    if (chunks <= BW_SLOT_CHUNKS_MAX && 1u + header + image <= each) break;
  }
  if (image == 0) return 0;
  slots->header_bytes = header * page;
  slots->image_bytes = image * page;
  for (uint32_t i = 0; i < BW_SLOTS; i++) {
    uint32_t start = address + (2u + i * each) * page;
    slots->floor_pages[i] = address + i * page;
    slots->record_pages[i] = start;
    slots->headers[i] = start + page;
    slots->images[i] = start + page + slots->header_bytes;
  }
  return 1;
}

/* The first unit of a log that nothing was written to, not even a torn record; the page's length
 * where it is full. */
static uint32_t end_of_log(uint32_t page) {
  uint32_t end = bw_hal_flash.page_bytes;
  while (end > 0 && is_blank(page + end - RECORD_BYTES, RECORD_BYTES)) end -= RECORD_BYTES;
  return end;
}

/* Records are alike: magic, three bytes, sequence, CRC-32 of these, and a rest that stays erased.
 * The magic matters: the CRC of four erased bytes is four erased bytes. */
static uint8_t record_checks(const uint8_t *record, uint8_t magic) {
  return record[0] == magic && bw_get_u32(record + 8) == bw_crc32(0, record, 8);
}

static uint8_t append_record(uint32_t address, uint8_t magic, const bw_slot_record *record) {
  uint8_t bytes[RECORD_BYTES];
  for (uint32_t i = 0; i < RECORD_BYTES; i++) bytes[i] = ERASED;
  bytes[0] = magic;
  bytes[1] = record->state;
  bytes[2] = record->boots;
  bytes[3] = record->outcome;
  bw_set_u32(bytes + 4, record->sequence);
  bw_set_u32(bytes + 8, bw_crc32(0, bytes, 8));
  return write_whole(address, bytes, RECORD_BYTES);
}

static uint32_t floor_in(uint32_t page) {
  uint32_t floor = 0;
  for (uint32_t i = 0; i < bw_hal_flash.page_bytes; i += RECORD_BYTES) {
    const uint8_t *record = at(page + i);
    uint32_t sequence = bw_get_u32(record + 4);
    if (sequence > floor && record_checks(record, FLOOR_MAGIC)) floor = sequence;
  }
  return floor;
}

uint32_t bw_slots_floor(const bw_slots *slots) {
  uint32_t one = floor_in(slots->floor_pages[0]);
  uint32_t other = floor_in(slots->floor_pages[1]);
  return one > other ? one : other;
}

/* One copy after the other: whatever is cut off, one of them holds the old floor or the new. */
uint8_t bw_slots_raise_floor(const bw_slots *slots, uint32_t sequence) {
  const bw_slot_record record = {0, 0, 0, sequence};
  uint8_t written = 1;
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t page = slots->floor_pages[i];
    if (floor_in(page) >= sequence) continue;
    uint32_t end = end_of_log(page);
    if (end == bw_hal_flash.page_bytes) {
      if (!erase(page, bw_hal_flash.page_bytes)) return 0;
      end = 0;
    }
    written = append_record(page + end, FLOOR_MAGIC, &record) && written;
  }
  return written;
}

uint8_t bw_slots_record(const bw_slots *slots, uint8_t slot, bw_slot_record *record) {
  uint32_t page = slots->record_pages[slot];
  for (uint32_t i = end_of_log(page); i > 0; i -= RECORD_BYTES) {
    const uint8_t *bytes = at(page + i - RECORD_BYTES);
    if (!record_checks(bytes, STATE_MAGIC) || bytes[1] > BW_SLOT_BAD) continue;
    record->state = bytes[1];
    record->boots = bytes[2];
    record->outcome = bytes[3];
    record->sequence = bw_get_u32(bytes + 4);
    return 1;
  }
  return 0;
}

uint8_t bw_slots_write_record(const bw_slots *slots, uint8_t slot, const bw_slot_record *record) {
  uint32_t page = slots->record_pages[slot];
  bw_slot_record last;
  if (bw_slots_record(slots, slot, &last) && last.state == record->state &&
      last.boots == record->boots && last.outcome == record->outcome &&
      last.sequence == record->sequence) {
    return 1;
  }
  uint32_t end = end_of_log(page);
  if (end == bw_hal_flash.page_bytes) {
    /* Dozens of cuts in the middle of a record: to forget the slot is safe, to lose this is not. */
    (void)erase(page, bw_hal_flash.page_bytes);
    return 0;
  }
  return append_record(page + end, STATE_MAGIC, record);
}

uint8_t bw_slots_header(const bw_slots *slots, uint8_t slot, bw_slot_header *header) {
  uint32_t start = slots->headers[slot];
  uint32_t length = bw_get_u32(at(start));
  if (length < 1 || length > slots->header_bytes - MANIFEST_AT) return 0;
  header->signature = at(start + SIGNATURE_AT);
  header->manifest = at(start + MANIFEST_AT);
  header->manifest_bytes = length;
  return 1;
}

uint8_t bw_slots_begin(const bw_slots *slots, uint8_t slot, const bw_slot_header *header) {
  uint32_t start = slots->headers[slot];
  uint8_t head[BW_FLASH_UNIT];
  if (header->manifest_bytes > slots->header_bytes - MANIFEST_AT) return 0;
  for (uint32_t i = 0; i < BW_FLASH_UNIT; i++) head[i] = ERASED;
  bw_set_u32(head, header->manifest_bytes);
  /* The page with the signature goes first. */
  for (uint32_t i = 0; i < slots->header_bytes; i += bw_hal_flash.page_bytes) {
    if (!erase(start + i, bw_hal_flash.page_bytes)) return 0;
  }
  return erase(slots->record_pages[slot], bw_hal_flash.page_bytes) &&
         write_whole(start, head, sizeof head) &&
         write_whole(start + SIGNATURE_AT, header->signature, SIGNATURE_BYTES) &&
         write_padded(start + MANIFEST_AT, header->manifest, header->manifest_bytes);
}

const uint8_t *bw_slots_image(const bw_slots *slots, uint8_t slot) {
  return at(slots->images[slot]);
}

uint8_t bw_slots_write_image(const bw_slots *slots, uint8_t slot, uint32_t offset,
                             const uint8_t *bytes, uint32_t length) {
  return write_padded(slots->images[slot] + offset, bytes, length);
}

uint8_t bw_slots_erase_image_page(const bw_slots *slots, uint8_t slot, uint32_t offset) {
  return erase(slots->images[slot] + offset, bw_hal_flash.page_bytes);
}

uint8_t bw_slots_image_is_blank(const bw_slots *slots, uint8_t slot, uint32_t offset,
                                uint32_t length) {
  return is_blank(slots->images[slot] + offset, length);
}
