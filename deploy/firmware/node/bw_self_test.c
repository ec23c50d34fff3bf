/* The self-test: xorshift32 (Marsaglia, 2003) draws windows, FNV-1a hashes what comes out. */

#include "bw_self_test.h"

#define WINDOWS 8u
#define CHANNELS_MAX 8u

/* Never 0 once it is not 0. The draw is a signed number, so that shifts keep its sign. */
static int32_t draw(uint32_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 17;
  *state ^= *state << 5;
  return (int32_t)*state;
}

/* Gravity, -64..63 on each channel, and noise about it. */
static void draw_window(uint32_t *state, int8_t *window, const bw_model *model, uint32_t number) {
  int8_t gravity[CHANNELS_MAX];
  for (uint32_t c = 0; c < model->channels; c++) gravity[c] = (int8_t)(draw(state) >> 25);
  for (uint32_t t = 0; t < model->window_samples; t++) {
    for (uint32_t c = 0; c < model->channels; c++) {
      *window++ = (int8_t)(gravity[c] + (draw(state) >> (25u + (number & 3u))));
    }
  }
}

static uint32_t hash_codes(uint32_t hash, const uint8_t *codes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) hash = (hash ^ codes[i]) * 0x01000193u;
  return hash;
}

void bw_self_test(bw_run *run, uint32_t seed, int8_t *window, uint32_t *hashes) {
  const bw_model *model = run->model;
  uint32_t state = seed == 0 ? 0x9e3779b9u : seed;
  const uint32_t count = bw_self_test_hashes(model);
  for (uint32_t i = 0; i < count; i++) hashes[i] = BW_HASH_START;
  for (uint32_t number = 0; number < WINDOWS; number++) {
    draw_window(&state, window, model, number);
    bw_begin(run, window);
    for (uint32_t exit = 0; exit < model->exits; exit++) {
      hashes[exit] = bw_hash_logits(hashes[exit], bw_next_exit(run).logits, model->classes);
    }
    if (model->encoder == 0) continue;
    uint32_t *last = &hashes[count - 1u];
    *last = hash_codes(*last, bw_encode(run, window), model->codes);
  }
}

uint32_t bw_hash_logits(uint32_t hash, const int16_t *logits, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    uint32_t value = (uint16_t)logits[i];
    hash = (hash ^ (value & 0xffu)) * 0x01000193u;
    hash = (hash ^ (value >> 8)) * 0x01000193u;
  }
  return hash;
}
