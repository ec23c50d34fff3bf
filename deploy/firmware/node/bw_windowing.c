/* The ring, the hop and the rounding of device-sim/windowing.ts and src/signal/make-windows.ts. */
#include "bw_windowing.h"

#define STEPS_MOST 127

void bw_windowing_start(bw_windowing *windowing, int16_t *ring, int8_t *window) {
  windowing->ring = ring;
  windowing->window = window;
  windowing->row = 0;
  windowing->filled = 0;
  windowing->until_window = 0;
  windowing->next_sample = 0;
}

int8_t bw_quantize_millig(int32_t millig, uint32_t microg_per_step) {
  /* Half of such a step is more than any int16 of milli-g. */
  if (microg_per_step >= 1u << 29) return 0;
  /* floor(x + 1/2) with x = 1000 millig / step, which is how JavaScript rounds; below 2^31. */
  int32_t step = (int32_t)microg_per_step;
  int32_t twice = 2000 * millig + step;
  int32_t rounded = twice / (2 * step);
  if (twice < 0 && rounded * 2 * step != twice) rounded -= 1;
  if (rounded > STEPS_MOST) return STEPS_MOST;
  if (rounded < -STEPS_MOST) return -STEPS_MOST;
  return (int8_t)rounded;
}

/* The ring from its oldest row, in int8 steps. */
static void cut(bw_windowing *windowing) {
  uint32_t length = (uint32_t)windowing->window_samples * windowing->channels;
  uint32_t from = windowing->row * windowing->channels;
  for (uint32_t i = 0; i < length; i++) {
    uint32_t at = from + i < length ? from + i : from + i - length;
    windowing->window[i] = bw_quantize_millig(windowing->ring[at], windowing->microg_per_step);
  }
}

uint8_t bw_take_row(bw_windowing *windowing, uint32_t sample, const int16_t *millig) {
  if (sample != windowing->next_sample) {
    windowing->row = 0;
    windowing->filled = 0;
    windowing->until_window = 0;
  }
  windowing->next_sample = sample + 1;
  int16_t *to = windowing->ring + windowing->row * windowing->channels;
  for (uint32_t c = 0; c < windowing->channels; c++) to[c] = millig[c];
  windowing->row += 1;
  if (windowing->row == windowing->window_samples) windowing->row = 0;
  if (windowing->filled < windowing->window_samples) windowing->filled += 1;
  if (windowing->until_window > 0) windowing->until_window -= 1;
  if (windowing->filled < windowing->window_samples || windowing->until_window > 0) return 0;
  windowing->until_window = windowing->hop_samples;
  cut(windowing);
  return 1;
}
