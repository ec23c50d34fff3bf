/*
 * Versions of one record in two pages.
 *
 *      0  u8   0xB3
 *      1  u8   0
 *      2  u16  bytes of the record
 *      4  u32  version, from 1
 *      8  u32  CRC-32 of the 8 bytes before and of the record
 *     12  4 B  0
 *     16       the record, filled up to a multiple of 16 with zeros
 */
#include "bw_journal.h"
#include "../crypto/bw_crc32.h"
#include "bw_bytes.h"
#include "bw_hal.h"

#define MAGIC 0xb3u
#define HEAD_BYTES BW_FLASH_UNIT

static uint32_t padded(uint32_t length) {
  return (length + BW_FLASH_UNIT - 1) / BW_FLASH_UNIT * BW_FLASH_UNIT;
}

static uint32_t crc_of(const uint8_t *head, const uint8_t *bytes, uint32_t length) {
  return bw_crc32(bw_crc32(0, head, 8), bytes, length);
}

/* Whether the unit is as an erase leaves it. */
static uint8_t is_blank(const uint8_t *unit) {
  for (uint32_t i = 0; i < BW_FLASH_UNIT; i++) {
    if (unit[i] != 0xff) return 0;
  }
  return 1;
}

/* Walks one page from its start. A version that does not check ends the walk: what lies behind a
 * torn write is not to be written again before an erase. */
static void read_page(bw_journal *journal, uint32_t page) {
  uint32_t page_bytes = bw_hal_flash.page_bytes;
  const uint8_t *start = bw_hal_flash.bytes + journal->address + page * page_bytes;
  uint32_t at = 0;
  while (at + HEAD_BYTES <= page_bytes && !is_blank(start + at)) {
    const uint8_t *head = start + at;
    uint32_t length = bw_get_u16(head + 2);
    uint32_t room = page_bytes - at - HEAD_BYTES;
    if (head[0] != MAGIC || length > room) return;
    if (crc_of(head, head + HEAD_BYTES, length) != bw_get_u32(head + 8)) return;
    at += HEAD_BYTES + padded(length);
    if (bw_get_u32(head + 4) <= journal->version) continue;
    journal->version = bw_get_u32(head + 4);
    journal->bytes = head + HEAD_BYTES;
    journal->length = length;
    journal->next = page * page_bytes + at;
  }
}

/* Where there is room behind the newest: only where all of the rest of its page is blank. */
static uint8_t fits(const bw_journal *journal, uint32_t bytes) {
  uint32_t page_bytes = bw_hal_flash.page_bytes;
  uint32_t end = (journal->next + page_bytes - 1) / page_bytes * page_bytes;
  if (journal->version == 0 || bytes > end - journal->next) return 0;
  for (uint32_t at = journal->next; at < journal->next + bytes; at += BW_FLASH_UNIT) {
    if (!is_blank(bw_hal_flash.bytes + journal->address + at)) return 0;
  }
  return 1;
}

void bw_journal_open(bw_journal *journal, uint32_t address) {
  journal->address = address;
  journal->version = 0;
  journal->next = 0;
  journal->bytes = 0;
  journal->length = 0;
  read_page(journal, 0);
  read_page(journal, 1);
}

/* Whole units: the head and as many of the record as there are. */
static uint8_t write_units(uint32_t address, const uint8_t *bytes, uint32_t length) {
  uint8_t unit[BW_FLASH_UNIT];
  for (uint32_t at = 0; at < length; at += BW_FLASH_UNIT) {
    for (uint32_t i = 0; i < BW_FLASH_UNIT; i++) unit[i] = at + i < length ? bytes[at + i] : 0;
    if (!bw_hal_flash_write(address + at, unit, BW_FLASH_UNIT)) return 0;
  }
  return 1;
}

uint8_t bw_journal_write(bw_journal *journal, const uint8_t *bytes, uint32_t length) {
  uint32_t page_bytes = bw_hal_flash.page_bytes;
  uint32_t whole = HEAD_BYTES + padded(length);
  if (whole > page_bytes) return 0;
  uint32_t at = journal->next;
  if (!fits(journal, whole)) {
    /* The page that does not hold the newest. */
    uint32_t newest = journal->version == 0 ? 1 : (journal->next - 1) / page_bytes;
    at = newest == 0 ? page_bytes : 0;
    if (!bw_hal_flash_write(journal->address + at, 0, page_bytes)) return 0;
  }
  uint8_t head[HEAD_BYTES] = {MAGIC, 0, (uint8_t)length, (uint8_t)(length >> 8)};
  bw_set_u32(head + 4, journal->version + 1);
  bw_set_u32(head + 8, crc_of(head, bytes, length));
  /* The head last: without it what was written of the record is nothing. */
  if (!write_units(journal->address + at + HEAD_BYTES, bytes, length)) return 0;
  if (!write_units(journal->address + at, head, HEAD_BYTES)) return 0;
  journal->version += 1;
  journal->bytes = bw_hal_flash.bytes + journal->address + at + HEAD_BYTES;
  journal->length = length;
  journal->next = at + whole;
  return bw_crc32(0, journal->bytes, length) == bw_crc32(0, bytes, length);
}
