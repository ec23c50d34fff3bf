/*
 * A program for every board, whose behaviour is known: are .data and .bss as C wants them, does the
 * counter count, do memcpy and its like do their work? Exit code 0 if so, else the check's number.
 */

#include "bench_counter.h"
#include "board.h"

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);

static volatile uint32_t with_value = 0x12345678u;
static volatile uint32_t without_value;

/* Four instructions for each turn, on all processors. */
static uint32_t loop_of_known_length(uint32_t turns) {
  const uint32_t from = counter_read();
#if defined(__riscv)
  __asm__ volatile("1: addi %0, %0, -1\n nop\n nop\n bnez %0, 1b\n" : "+r"(turns));
#else
  __asm__ volatile(".syntax unified\n 1: nop\n nop\n subs %0, %0, #1\n bne 1b\n"
                   : "+l"(turns)
                   :
                   : "cc");
#endif
  return counter_instructions(from, counter_read());
}

static uint32_t wrong_with_memory(void) {
  uint8_t bytes[32];
  uint8_t copy[32];
  for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
  for (size_t start = 0; start < 4; start++) {
    for (size_t count = 0; count + start <= 32; count++) {
      memset(copy, 0xff, sizeof copy);
      memcpy(copy, bytes + start, count);
      if (memcmp(copy, bytes + start, count) != 0) return 10;
      if (count < 32 && copy[count] != 0xff) return 11;
    }
  }
  memcpy(copy, bytes, 32);
  memmove(copy + 3, copy, 20);
  if (memcmp(copy + 3, bytes, 20) != 0) return 12;
  memcpy(copy, bytes, 32);
  memmove(copy, copy + 3, 20);
  if (memcmp(copy, bytes + 3, 20) != 0) return 13;
  if (memcmp("a\xff", "a\x01", 2) <= 0) return 14;
  return 0;
}

int main(void) {
  if (with_value != 0x12345678u) return 1;
  if (without_value != 0) return 2;
  with_value = 0;
  without_value = 1;
  counter_start();
  for (uint32_t turns = 1000; turns <= 100000; turns *= 10) {
    board_write_number(loop_of_known_length(turns));
    board_write("\n");
  }
  return (int)wrong_with_memory();
}
