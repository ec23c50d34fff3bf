/*
 * The ring of pages. Page number n lies at n modulo the number of pages.
 *
 *      page     0 0xB6   4 number u32   8 CRC-32 of the 8 bytes before   .. 0xFF up to 16
 *      frame    0 0xB8   1 kind u8   2 bytes u16   4 CRC-32 of 4 bytes and the frame   .. 0 up to 16
 *              16 0xFF while it is owed, else 0, up to 32
 *              32 the frame, filled up with 0 to a multiple of 16
 */
#include "bw_backlog.h"
#include "../crypto/bw_crc32.h"
#include "bw_bytes.h"
#include "bw_hal.h"

#define PAGE_MAGIC 0xb6u
#define FRAME_MAGIC 0xb8u
#define UNIT BW_FLASH_UNIT
#define FRAME_HEAD (2u * UNIT)

static uint32_t page_address(const bw_backlog *backlog, uint32_t page) {
  return backlog->address + page % backlog->pages * bw_hal_flash.page_bytes;
}

static const uint8_t *page_start(const bw_backlog *backlog, uint32_t page) {
  return bw_hal_flash.bytes + page_address(backlog, page);
}

static uint8_t is_blank(const uint8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < length; i++) {
    if (bytes[i] != 0xff) return 0;
  }
  return 1;
}

static uint32_t padded(uint32_t length) { return (length + UNIT - 1) / UNIT * UNIT; }

/* Whether the page is there under this number. */
static uint8_t is_page(const bw_backlog *backlog, uint32_t page) {
  const uint8_t *head = page_start(backlog, page);
  return page != 0 && head[0] == PAGE_MAGIC && bw_get_u32(head + 4) == page &&
         bw_get_u32(head + 8) == bw_crc32(0, head, 8);
}

static uint32_t frame_crc(const uint8_t *head, const uint8_t *frame, uint32_t length) {
  return bw_crc32(bw_crc32(0, head, 4), frame, length);
}

/* The frame at a place, whether owed or not. 0: none that checks. */
static uint8_t frame_at(const bw_backlog *backlog, bw_place place, bw_kept_frame *frame) {
  uint32_t room = bw_hal_flash.page_bytes - place.at;
  const uint8_t *head = page_start(backlog, place.page) + place.at;
  if (place.at >= bw_hal_flash.page_bytes || room < FRAME_HEAD || head[0] != FRAME_MAGIC) return 0;
  frame->place = place;
  frame->kind = head[1];
  frame->length = bw_get_u16(head + 2);
  frame->bytes = head + FRAME_HEAD;
  if (frame->length > room - FRAME_HEAD) return 0;
  return frame_crc(head, frame->bytes, frame->length) == bw_get_u32(head + 4);
}

static uint32_t behind(const bw_kept_frame *frame) {
  return frame->place.at + FRAME_HEAD + padded(frame->length);
}

static uint8_t is_owed(const bw_kept_frame *frame) {
  return is_blank(frame->bytes - UNIT, UNIT);
}

/* The oldest page that may hold something. */
static uint32_t oldest_page(const bw_backlog *backlog) {
  uint32_t newest = backlog->end.page;
  return newest > backlog->pages ? newest - backlog->pages + 1 : 1;
}

void bw_backlog_rewind(bw_backlog *backlog) {
  backlog->next.page = oldest_page(backlog);
  backlog->next.at = UNIT;
}

/* Frames that are owed on a page, by their kind. */
static void count_owed_on(const bw_backlog *backlog, uint32_t page, uint32_t owed[2]) {
  bw_kept_frame frame;
  bw_place place = {page, UNIT};
  if (!is_page(backlog, page)) return;
  for (; frame_at(backlog, place, &frame); place.at = behind(&frame)) {
    owed[frame.kind & 1] += is_owed(&frame);
  }
}

void bw_backlog_open(bw_backlog *backlog, uint32_t address, uint32_t pages) {
  bw_kept_frame frame;
  backlog->address = address;
  backlog->pages = pages;
  backlog->end.page = 0;
  backlog->end.at = bw_hal_flash.page_bytes;
  for (uint32_t i = 0; i < pages; i++) {
    uint32_t number = bw_get_u32(bw_hal_flash.bytes + address + i * bw_hal_flash.page_bytes + 4);
    if (number % pages != i || number <= backlog->end.page || !is_page(backlog, number)) continue;
    backlog->end.page = number;
  }
  bw_place place = {backlog->end.page, UNIT};
  if (place.page != 0) {
    while (frame_at(backlog, place, &frame)) place.at = behind(&frame);
    const uint8_t *rest = page_start(backlog, place.page) + place.at;
    if (is_blank(rest, bw_hal_flash.page_bytes - place.at)) backlog->end.at = place.at;
  }
  bw_backlog_rewind(backlog);
  backlog->owed[0] = backlog->owed[1] = 0;
  for (uint32_t page = backlog->next.page; page <= backlog->end.page; page++) {
    count_owed_on(backlog, page, backlog->owed);
  }
}

static uint8_t write_units(uint32_t address, const uint8_t *bytes, uint32_t length, uint8_t fill) {
  uint8_t unit[UNIT];
  for (uint32_t at = 0; at < length; at += UNIT) {
    for (uint32_t i = 0; i < UNIT; i++) unit[i] = at + i < length ? bytes[at + i] : fill;
    if (!bw_hal_flash_write(address + at, unit, UNIT)) return 0;
  }
  return 1;
}

/* The next page of the ring, without what it held. */
static uint8_t begin_page(bw_backlog *backlog, uint32_t *lost) {
  uint32_t page = backlog->end.page + 1;
  uint8_t head[12] = {PAGE_MAGIC, 0, 0, 0};
  uint32_t gone[2] = {0, 0};
  if (page > backlog->pages) count_owed_on(backlog, page - backlog->pages, gone);
  *lost += gone[0] + gone[1];
  backlog->owed[0] -= gone[0];
  backlog->owed[1] -= gone[1];
  if (!bw_hal_flash_write(page_address(backlog, page), 0, bw_hal_flash.page_bytes)) return 0;
  bw_set_u32(head + 4, page);
  bw_set_u32(head + 8, bw_crc32(0, head, 8));
  if (!write_units(page_address(backlog, page), head, sizeof head, 0xff)) return 0;
  backlog->end.page = page;
  backlog->end.at = UNIT;
  if (backlog->next.page < oldest_page(backlog)) bw_backlog_rewind(backlog);
  return 1;
}

uint8_t bw_backlog_put(bw_backlog *backlog, uint8_t kind, const uint8_t *frame, uint16_t length,
                       uint32_t *lost) {
  uint32_t whole = FRAME_HEAD + padded(length);
  uint8_t head[UNIT] = {FRAME_MAGIC, kind, (uint8_t)length, (uint8_t)(length >> 8)};
  if (backlog->pages < 2 || whole > bw_hal_flash.page_bytes - UNIT) return 0;
  if (whole > bw_hal_flash.page_bytes - backlog->end.at && !begin_page(backlog, lost)) return 0;
  uint32_t address = page_address(backlog, backlog->end.page) + backlog->end.at;
  /* Whatever becomes of it, nothing is written there again. */
  backlog->end.at += whole;
  bw_set_u32(head + 4, frame_crc(head, frame, length));
  /* The head last: without it what was written of the frame is nothing. */
  if (!write_units(address + FRAME_HEAD, frame, length, 0) ||
      !write_units(address, head, sizeof head, 0)) {
    backlog->end.at = bw_hal_flash.page_bytes;
    return 0;
  }
  backlog->owed[kind & 1] += 1;
  return 1;
}

uint8_t bw_backlog_peek(bw_backlog *backlog, bw_kept_frame *frame) {
  bw_place *next = &backlog->next;
  while (next->page <= backlog->end.page) {
    while (is_page(backlog, next->page) && frame_at(backlog, *next, frame)) {
      if (is_owed(frame)) return 1;
      next->at = behind(frame);
    }
    /* More may yet be written behind the newest page's last frame. */
    if (next->page == backlog->end.page) return 0;
    next->page += 1;
    next->at = UNIT;
  }
  return 0;
}

void bw_backlog_took(bw_backlog *backlog, const bw_kept_frame *frame) {
  backlog->next.page = frame->place.page;
  backlog->next.at = behind(frame);
}

void bw_backlog_done(bw_backlog *backlog, bw_place place) {
  static const uint8_t done[UNIT];
  bw_kept_frame frame;
  if (!is_page(backlog, place.page) || !frame_at(backlog, place, &frame)) return;
  if (!is_owed(&frame)) return;
  (void)bw_hal_flash_write(page_address(backlog, place.page) + place.at + UNIT, done, UNIT);
  if (!is_owed(&frame)) backlog->owed[frame.kind & 1] -= 1;
}
