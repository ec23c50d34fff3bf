/*
 * Samples to windows, as device-sim/windowing.ts cuts them: a ring of the last samples, cut every
 * hop, quantized to int8.
 *
 * The samples come at the student's own rate: resampling is a sensor's business. A window never
 * spans a gap; when samples were lost the ring begins afresh. The ring is the caller's memory:
 * window samples times channels int16, and as many int8 for the window.
 */
#ifndef BW_WINDOWING_H
#define BW_WINDOWING_H

#include <stdint.h>

typedef struct bw_windowing {
  uint16_t window_samples;
  uint16_t hop_samples;
  uint8_t channels;
  uint32_t microg_per_step;
  int16_t *ring;
  int8_t *window; /* the last window that was cut; valid until the next row is taken */
  uint32_t row;
  uint32_t filled;       /* rows since the last gap; stops at the window's length */
  uint32_t until_window; /* rows until the next window may end */
  uint32_t next_sample;
} bw_windowing;

/* Begins, or changes the shape: the samples stay where only hop or step differ. */
void bw_windowing_start(bw_windowing *windowing, int16_t *ring, int8_t *window);

/* Takes one row of milli-g with the sensor's own count of it. 1: a window is complete. */
uint8_t bw_take_row(bw_windowing *windowing, uint32_t sample, const int16_t *millig);

/* Milli-g to int8 steps: rounded half up, saturated symmetrically at 127 steps. */
int8_t bw_quantize_millig(int32_t millig, uint32_t microg_per_step);

#endif
