/*
 * What an update costs on a board: instructions, and the deepest that the stack goes.
 *
 * One line each, "name instructions stack", the stack found by painting it. A good signature of a
 * manifest's length is verified; the hashes run over 16 KiB; then a whole release is taken, from its
 * offer to its trial, over flash that is RAM here and takes no time. The micro:bit has no RAM to
 * play flash, and leaves that out. Exit code: the number of what did not come out as it should.
 */

#include "bench_counter.h"
#include "board.h"
#include "bw_ed25519.h"
#include "bw_hal.h"
#include "bw_memory.h"
#include "bw_sha2.h"
#include "bw_update.h"
#include "bw_update_frames.h"
#include "update_case.h"

#define PAINTED_WORDS 1024u
#define PAINT 0xa5c3a5c3u
#define HASHED_BYTES (16u << 10)

static uint8_t verified;

static void verify(void) {
  verified =
      bw_ed25519_verify(SIGNATURE, MESSAGE_KEY, MESSAGE, 22, MESSAGE + 22, sizeof MESSAGE - 22);
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

#if !defined(BOARD_MICROBIT)
#define PAGE_BYTES 1024u
#define FLASH_BYTES (32u * PAGE_BYTES)

static uint8_t flash[FLASH_BYTES] __attribute__((aligned(16)));
const bw_flash bw_hal_flash = {flash, FLASH_BYTES, PAGE_BYTES};

bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length) {
  const uint8_t *from = data;
  for (uint32_t i = 0; i < length; i++) flash[address + i] = from == 0 ? 0xff : from[i];
  return true;
}

static bw_update node;
static uint32_t student_ram[2048];
static int8_t window[256];
static uint8_t frame[10 + BW_CHUNK_BYTES_MAX];
static uint32_t frame_bytes;
static bw_update_settings settings;
static const bw_now now = {0, 0};
static uint8_t booted;

static void boot(void) {
  booted = bw_update_boot(&node, &settings, FACTORY, sizeof FACTORY, now);
}
static void take_offer(void) { (void)bw_update_take_offer(&node, OFFER, sizeof OFFER, now); }
static void take_chunk(void) { bw_update_take_chunk(&node, frame, frame_bytes, now); }
static void check(void) { (void)bw_update_step(&node, now); }

static void make_chunk(uint32_t index) {
  uint32_t at = index * BW_CHUNK_BYTES_MAX;
  uint32_t left = (uint32_t)sizeof CONTAINER - at;
  uint32_t length = left < BW_CHUNK_BYTES_MAX ? left : BW_CHUNK_BYTES_MAX;
  const uint8_t head[10] = {1, BW_FRAME_CHUNK, SEQUENCE, 0, 0, 0, (uint8_t)index, 0,
                            (uint8_t)length, (uint8_t)(length >> 8)};
  memcpy(frame, head, sizeof head);
  memcpy(frame + sizeof head, CONTAINER + at, length);
  frame_bytes = (uint32_t)sizeof head + length;
}

static int measure_update(void) {
  (void)bw_hal_flash_write(0, 0, FLASH_BYTES);
  settings.public_keys = PUBLIC_KEY;
  settings.public_key_count = 1;
  settings.trial_boots = 3;
  settings.trial_windows = 24;
  settings.trial_ms = 86400000;
  settings.want_chunks = 8;
  settings.flash_length = FLASH_BYTES;
  settings.ram = student_ram;
  settings.ram_bytes = sizeof student_ram;
  settings.window = window;
  settings.window_bytes = sizeof window;
  boot();
  if (!booted) return 2;
  measure("offer", take_offer);
  if (!node.is_staging) return 3;
  make_chunk(0);
  measure("chunk", take_chunk);
  for (uint32_t i = 1; i * BW_CHUNK_BYTES_MAX < sizeof CONTAINER; i++) {
    make_chunk(i);
    take_chunk();
  }
  measure("check", check);
  if (!node.is_on_trial) return 4;
  measure("boot", boot);
  return node.running.sequence == SEQUENCE ? 0 : 5;
}
#endif

int main(void) {
  counter_start();
  measure("verify", verify);
  if (!verified) return 1;
  measure("sha256", hash256);
  measure("sha512", hash512);
  board_write("ram ");
  board_write_number(sizeof(bw_update));
  board_write(" 0\n");
#if defined(BOARD_MICROBIT)
  return 0;
#else
  return measure_update();
#endif
}
