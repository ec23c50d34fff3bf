/*
 * The update of a node as a program for tests: commands on standard input, what happens on output.
 *
 *   command: u8 what, u32 length, that many bytes
 *   'K' public keys                     'M' the model that the node is made with
 *   'F' u32 page bytes, u32 length      new flash
 *   'C' u32 operation, u8 torn          the power is cut there: nothing is done until the next boot
 *   'R' u32 call                        flash refuses that call
 *   'D' u32 address, u8 bits            a byte of flash decays
 *   'S' u16 want chunks, u16 trial windows, u8 trial boots, u32 trial ms, u32 want ms, u32 want ms max,
 *       u32 RAM
 *   'T' u64 ms                          the time from now on
 *   'B' boots   'c' connects   'd' disconnects   't' steps   'h' u32 seq: acknowledged
 *   'o' 'k' an offer or chunk frame     'w' a window, run through the student
 *   'f' frames to send                  -> 'f', u16 length, frame; each
 *   'q' what is                         -> 'q', then as written by answer_status
 *   'I' flash as it is                  -> 'I', u32 length, the bytes; 'P' bytes puts it back
 */

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bw_bytes.h"
#include "bw_gate.h"
#include "bw_hal.h"
#include "bw_self_test.h"
#include "bw_update.h"
#include "update_flash.h"

#define STUDENT_RAM (64u << 10)
#define WINDOW_BYTES 8192u

static bw_update node;
static bw_update_settings settings;
static bw_run student;
static bw_now now;
static uint8_t is_on;
static uint8_t *factory;
static uint32_t factory_bytes;
static uint8_t *keys;
static int8_t window[WINDOW_BYTES];
static uint32_t ram[STUDENT_RAM / 4];
static uint32_t windows, last_hash, reopened, changed, hellos;

static void take_changes(uint8_t changes) {
  if (changes & BW_UPDATE_CHANGED) changed += 1;
  if (!(changes & BW_UPDATE_REOPEN)) return;
  reopened += 1;
  if (bw_open(&student, &node.running.model, ram, settings.ram_bytes) != BW_OK) abort();
}

static void boot(void) {
  is_on = 1;
  if (!bw_update_boot(&node, &settings, factory, factory_bytes, now)) {
    (void)fprintf(stderr, "the node does not start\n");
    abort();
  }
  take_changes(BW_UPDATE_REOPEN);
}

/* Through all exits; what exit 0 says goes to the trial, as in a node. */
static void run_window(const uint8_t *bytes, uint32_t length) {
  int8_t statistics[BW_GATE_STATISTICS];
  const bw_model *model = &node.running.model;
  if (length != (uint32_t)model->window_samples * model->channels) abort();
  memcpy(window, bytes, length);
  bw_window_statistics(window, model->window_samples, model->channels, statistics);
  bw_begin(&student, window);
  last_hash = BW_HASH_START;
  for (uint32_t exit = 0; exit < model->exits; exit++) {
    const int16_t *logits = bw_next_exit(&student).logits;
    last_hash = bw_hash_logits(last_hash, logits, model->classes);
    if (exit > 0) continue;
    bw_update_watch(&node, statistics, (uint8_t)(2 * model->channels), logits);
  }
  windows += 1;
  now.next_seq += 1;
}

static void answer_frames(void) {
  uint8_t out[3 + BW_UPDATE_FRAME_BYTES];
  uint32_t length;
  while ((length = bw_update_next_frame(&node, now.ms, out + 3, BW_UPDATE_FRAME_BYTES)) > 0) {
    out[0] = 'f';
    out[1] = (uint8_t)length;
    out[2] = (uint8_t)(length >> 8);
    (void)fwrite(out, 1, length + 3, stdout);
  }
  hellos += bw_update_wants_hello(&node, now.ms);
}

static void answer_status(void) {
  uint8_t out[64];
  bw_writer to = bw_write_to(out, sizeof out);
  bw_put_u8(&to, 'q');
  bw_put_u8(&to, node.running.slot);
  bw_put_u32(&to, node.running.sequence);
  bw_put_bytes(&to, node.running.model_id, BW_MODEL_ID_BYTES);
  bw_put_u8(&to, node.is_on_trial);
  bw_put_u8(&to, node.is_staging);
  bw_put_u16(&to, node.assembly.missing);
  bw_put_u32(&to, node.floor);
  bw_put_u32(&to, node.slots.image_bytes);
  bw_put_u32(&to, flash_operations());
  bw_put_u32(&to, flash_calls());
  bw_put_u32(&to, windows);
  bw_put_u32(&to, last_hash);
  bw_put_u32(&to, reopened);
  bw_put_u32(&to, changed);
  bw_put_u32(&to, hellos);
  (void)fwrite(out, 1, to.length, stdout);
}

static void keep(uint8_t **place, const uint8_t *bytes, uint32_t length) {
  free(*place);
  *place = malloc(length);
  if (*place == NULL) abort();
  memcpy(*place, bytes, length);
}

static void set(const uint8_t *bytes, uint32_t length) {
  bw_reader from = bw_read_from(bytes, length);
  settings.want_chunks = bw_take_u16(&from);
  settings.trial_windows = bw_take_u16(&from);
  settings.trial_boots = bw_take_u8(&from);
  settings.trial_ms = bw_take_u32(&from);
  settings.want_ms = bw_take_u32(&from);
  settings.want_ms_max = bw_take_u32(&from);
  settings.ram_bytes = bw_take_u32(&from);
  if (from.failed || settings.ram_bytes > STUDENT_RAM) abort();
}

/* What is done to the world; also where the node is off. 0: it is nothing of that kind. */
static int change_world(int what, const uint8_t *bytes, uint32_t length) {
  switch (what) {
    case 'K':
      keep(&keys, bytes, length);
      settings.public_keys = keys;
      settings.public_key_count = (uint8_t)(length / 32);
      return 1;
    case 'M':
      keep(&factory, bytes, length);
      factory_bytes = length;
      return 1;
    case 'F':
      flash_format(bw_get_u32(bytes), bw_get_u32(bytes + 4));
      settings.flash_length = bw_get_u32(bytes + 4);
      return 1;
    case 'C':
      flash_cut_at(bw_get_u32(bytes), bytes[4]);
      return 1;
    case 'R':
      flash_refuse_at(bw_get_u32(bytes));
      return 1;
    case 'D':
      flash_flip(bw_get_u32(bytes), bytes[4]);
      return 1;
    case 'S':
      set(bytes, length);
      return 1;
    case 'T':
      now.ms = bw_get_u32(bytes) | ((uint64_t)bw_get_u32(bytes + 4) << 32);
      return 1;
    case 'I':
      (void)fwrite("I", 1, 1, stdout);
      (void)fwrite(&bw_hal_flash.length, 1, 4, stdout);
      (void)fwrite(bw_hal_flash.bytes, 1, bw_hal_flash.length, stdout);
      return 1;
    case 'P':
      flash_restore(bytes, length);
      return 1;
    default:
      return 0;
  }
}

static void act(int what, const uint8_t *bytes, uint32_t length) {
  switch (what) {
    case 'c':
      bw_update_connected(&node, now);
      break;
    case 'd':
      bw_update_disconnected(&node);
      break;
    case 't':
      take_changes(bw_update_step(&node, now));
      break;
    case 'h':
      bw_update_heard(&node, bw_get_u32(bytes));
      break;
    case 'o':
      take_changes(bw_update_take_offer(&node, bytes, length, now));
      break;
    case 'k':
      bw_update_take_chunk(&node, bytes, length, now);
      break;
    case 'w':
      run_window(bytes, length);
      break;
    case 'f':
      answer_frames();
      break;
    case 'q':
      answer_status();
      break;
    default:
      abort();
  }
}

static void obey(int what, const uint8_t *bytes, uint32_t length) {
  if (change_world(what, bytes, length)) return;
  if (what != 'B' && !is_on) return;
  if (setjmp(power_cut) != 0) {
    is_on = 0;
    return;
  }
  if (what == 'B') boot();
  else act(what, bytes, length);
}

int main(void) {
  uint8_t head[5];
  settings.ram = ram;
  settings.window = window;
  settings.window_bytes = sizeof window;
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    uint32_t length = bw_get_u32(head + 1);
    /* A block of its own, so that a sanitizer sees any step out of it. */
    uint8_t *bytes = malloc(length);
    if (bytes == NULL || fread(bytes, 1, length, stdin) != length) return 2;
    obey(head[0], bytes, length);
    free(bytes);
    (void)fflush(stdout);
  }
  return 0;
}
