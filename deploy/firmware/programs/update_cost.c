/*
 * What an update's arithmetic costs on a board: instructions, and the deepest that the stack goes.
 *
 * One line each, "name instructions stack", the stack found by painting it. A good signature of a
 * manifest's length is verified; the hashes run over 16 KiB. Exit code 1 where it does not verify.
 */

#include "bench_counter.h"
#include "board.h"
#include "bw_ed25519.h"
#include "bw_sha2.h"
#include "bw_update.h"
#include "signed_message.h"

#define PAINTED_WORDS 1024u
#define PAINT 0xa5c3a5c3u
#define HASHED_BYTES (16u << 10)

static uint8_t verified;

static void verify(void) {
  verified = bw_ed25519_verify(SIGNATURE, PUBLIC_KEY, MESSAGE, 22, MESSAGE + 22, sizeof MESSAGE - 22);
}

static void hash256(void) {
  bw_sha256 sha;
  uint8_t digest[BW_SHA256_BYTES];
  bw_sha256_start(&sha);
  for (uint32_t at = 0; at < HASHED_BYTES; at += sizeof MESSAGE) {
    bw_sha256_add(&sha, MESSAGE, sizeof MESSAGE);
  }
  bw_sha256_end(&sha, digest);
}

static void hash512(void) {
  bw_sha512 sha;
  uint8_t digest[BW_SHA512_BYTES];
  bw_sha512_start(&sha);
  for (uint32_t at = 0; at < HASHED_BYTES; at += sizeof MESSAGE) {
    bw_sha512_add(&sha, MESSAGE, sizeof MESSAGE);
  }
  bw_sha512_end(&sha, digest);
}

/* Below this frame nobody lives: what is called from the same place later finds it painted. */
static __attribute__((noinline)) uintptr_t paint(void) {
  volatile uint32_t words[PAINTED_WORDS];
  for (uint32_t i = 0; i < PAINTED_WORDS; i++) words[i] = PAINT;
  return (uintptr_t)words;
}

static uint32_t painted_over(uintptr_t bottom) {
  const volatile uint32_t *words = (const volatile uint32_t *)bottom;
  uint32_t untouched = 0;
  while (untouched < PAINTED_WORDS && words[untouched] == PAINT) untouched++;
  return (PAINTED_WORDS - untouched) * 4u;
}

static __attribute__((noinline)) void measure(const char *name, void (*work)(void)) {
  const uintptr_t bottom = paint();
  const uint32_t from = counter_read();
  work();
  const uint32_t to = counter_read();
  const uint32_t stack = painted_over(bottom);
  board_write(name);
  board_write(" ");
  board_write_number(counter_instructions(from, to));
  board_write(" ");
  board_write_number(stack);
  board_write("\n");
}

int main(void) {
  counter_start();
  measure("verify", verify);
  measure("sha256", hash256);
  measure("sha512", hash512);
  board_write("ram ");
  board_write_number(sizeof(bw_update));
  board_write(" 0\n");
  return verified ? 0 : 1;
}
