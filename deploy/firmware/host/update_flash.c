/*
 * NOR flash in memory. A write to what was not erased, or of part of a unit, ends the program: no
 * real chip would take it kindly.
 */

#include "update_flash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bw_hal.h"

#define WORD_BYTES 4u

static uint8_t bytes[FLASH_BYTES_MAX] __attribute__((aligned(16)));
/* The constant of a board, which here may be another for each test. */
static bw_flash shape = {bytes, 0, 0};
extern const bw_flash bw_hal_flash __attribute__((alias("shape")));

jmp_buf power_cut;
static uint32_t cut_at, refuse_at, operations, calls;
static uint8_t cut_torn;

static void insist(int holds, const char *rule, uint32_t address) {
  if (holds) return;
  (void)fprintf(stderr, "flash at %u: %s\n", address, rule);
  abort();
}

/* Counts an operation; 1 when the power goes in the middle of it. Does not return before it. */
static int is_torn(void) {
  operations += 1;
  if (operations != cut_at) return 0;
  if (!cut_torn) longjmp(power_cut, 1);
  return 1;
}

/* In the middle of an erase either the page's first half has some of its bits back, or only what was
 * written last is gone, which is the worst that can become of a log. */
static void tear_page(uint8_t *page) {
  uint32_t end = shape.page_bytes;
  if (cut_torn == 1) {
    for (uint32_t i = 0; i < shape.page_bytes / 2; i++) page[i] |= 0x5a;
    return;
  }
  while (end > 0 && page[end - 1] == 0xff) end -= 1;
  for (uint32_t i = end > BW_FLASH_UNIT ? end - BW_FLASH_UNIT : 0; i < end; i++) page[i] = 0xff;
}

static void erase_page(uint32_t address) {
  if (is_torn()) {
    tear_page(bytes + address);
    longjmp(power_cut, 1);
  }
  memset(bytes + address, 0xff, shape.page_bytes);
}

static void write_word(uint32_t address, const uint8_t *from) {
  int torn = is_torn();
  for (uint32_t i = 0; i < WORD_BYTES; i++) {
    insist(bytes[address + i] == 0xff, "written twice", address);
    bytes[address + i] = (uint8_t)(torn ? from[i] | (cut_torn == 1 ? 0x33 : 0xcc) : from[i]);
  }
  if (torn) longjmp(power_cut, 1);
}

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  uint32_t step = data == NULL ? shape.page_bytes : BW_FLASH_UNIT;
  insist(address <= shape.length && length <= shape.length - address, "outside", address);
  insist(address % step == 0 && length % step == 0, "a part of a unit or page", address);
  calls += 1;
  if (calls == refuse_at) length = length / step / 2 * step;
  for (uint32_t i = 0; i < length; i += data == NULL ? step : WORD_BYTES) {
    if (data == NULL) erase_page(address + i);
    else write_word(address + i, (const uint8_t *)data + i);
  }
  return calls != refuse_at;
}

void flash_format(uint32_t page_bytes, uint32_t length) {
  insist(length <= FLASH_BYTES_MAX, "larger than the test has", length);
  memset(bytes, 0xff, sizeof bytes);
  shape.page_bytes = page_bytes;
  shape.length = length;
}

void flash_cut_at(uint32_t operation, uint8_t torn) {
  operations = 0;
  cut_at = operation;
  cut_torn = torn;
}

void flash_refuse_at(uint32_t call) {
  calls = 0;
  refuse_at = call;
}

uint32_t flash_operations(void) { return operations; }
uint32_t flash_calls(void) { return calls; }
void flash_flip(uint32_t address, uint8_t bits) { bytes[address] ^= bits; }

void flash_restore(const uint8_t *from, uint32_t length) {
  insist(length == shape.length, "another chip", length);
  memcpy(bytes, from, length);
}
