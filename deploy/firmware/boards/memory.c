/*
 * memcpy, memmove, memset and memcmp: what a C compiler may call even where no library is linked.
 *
 * Words where both sides are aligned, else bytes. Copies of a few known bytes never come here: the
 * compiler writes them out itself. Compile with -fno-tree-loop-distribute-patterns, or it finds the
 * loops below to be memcpy and memset.
 */

#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t count);
void *memmove(void *to, const void *from, size_t count);
void *memset(void *to, int value, size_t count);
int memcmp(const void *left, const void *right, size_t count);

/* A word that may lie over any object. */
typedef uint32_t __attribute__((may_alias)) word;

static int is_aligned(const void *pointer) { return ((uintptr_t)pointer & 3) == 0; }

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if (is_aligned(out) && is_aligned(in)) {
    for (; count >= 4; count -= 4, out += 4, in += 4) {
      *(word *)(void *)out = *(const word *)(const void *)in;
    }
  }
  for (; count > 0; count--) *out++ = *in++;
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *out = to;
  const uint8_t *in = from;
  if ((uintptr_t)out - (uintptr_t)in >= count) return memcpy(to, from, count);
  while (count-- > 0) out[count] = in[count];
  return to;
}

void *memset(void *to, int value, size_t count) {
  uint8_t *out = to;
  const uint8_t byte = (uint8_t)value;
  if (is_aligned(out)) {
    const uint32_t four = byte * 0x01010101u;
    for (; count >= 4; count -= 4, out += 4) *(word *)(void *)out = four;
  }
  for (; count > 0; count--) *out++ = byte;
  return to;
}

int memcmp(const void *left, const void *right, size_t count) {
  const uint8_t *a = left;
  const uint8_t *b = right;
  for (; count > 0; count--, a++, b++) {
    if (*a != *b) return *a < *b ? -1 : 1;
  }
  return 0;
}
