/*
 * memcpy, and two loops: all that this code wants of a C library, declared here because bare-metal
 * compilers may come without <string.h>. boards/memory.c has a memcpy for those without any library.
 */
#ifndef BW_MEMORY_H
#define BW_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);

static inline void bw_zero(void *at, uint32_t count) {
  uint8_t *byte = at;
  while (count-- > 0) *byte++ = 0;
}

/* Not in constant time: nothing that is compared here is secret. */
static inline bool bw_same(const void *left, const void *right, uint32_t count) {
  const uint8_t *a = left;
  const uint8_t *b = right;
  for (; count > 0; count--) {
    if (*a++ != *b++) return false;
  }
  return true;
}

#endif
