/*
 * How the host programs here talk to the test that drives them: operations in one file, answers in
 * another, little-endian. Nothing is checked: the test writes the file.
 */
#ifndef HOST_IO_H
#define HOST_IO_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static FILE *host_in;
static FILE *host_out;

static inline int host_open(int count, char **arguments) {
  if (count != 3) return 0;
  host_in = fopen(arguments[1], "rb");
  host_out = fopen(arguments[2], "wb");
  return host_in != 0 && host_out != 0;
}

static inline int host_close(void) {
  fclose(host_in);
  return fclose(host_out) == 0 ? 0 : 3;
}

/* The next operation's letter, or EOF. */
static inline int host_next(void) { return fgetc(host_in); }

static inline uint32_t get(uint32_t bytes) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < bytes; i++) value |= (uint32_t)(fgetc(host_in) & 255) << (8 * i);
  return value;
}

/* Exactly as many bytes as asked for, so that a sanitizer sees a read of one more. */
static inline uint8_t *get_bytes(uint32_t count) {
  uint8_t *bytes = (uint8_t *)malloc(count > 0 ? count : 1);
  if (bytes == 0 || fread(bytes, 1, count, host_in) != count) exit(3);
  return bytes;
}

static inline void put(uint32_t value, uint32_t bytes) {
  for (uint32_t i = 0; i < bytes; i++) fputc((int)((value >> (8 * i)) & 255), host_out);
}

static inline void put_bytes(const void *bytes, uint32_t count) {
  if (count > 0) fwrite(bytes, 1, count, host_out);
}

#endif
