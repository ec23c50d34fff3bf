/*
 * Samples from a sensor beside the processor: framed int16 milli-g over a serial line, drawn in
 * docs/FORMATS.md.
 *
 * A frame that does not check is stepped over; the sample count of the next one shows the gap, and
 * no window spans it.
 */
#ifndef BW_SENSOR_BUS_H
#define BW_SENSOR_BUS_H

#include <stdint.h>

#define BW_BUS_ROWS_MAX 16u
#define BW_BUS_CHANNELS_MAX 8u
#define BW_BUS_HEAD_BYTES 14u
#define BW_BUS_FRAME_BYTES (BW_BUS_HEAD_BYTES + 2u * BW_BUS_ROWS_MAX * BW_BUS_CHANNELS_MAX + 4u)

/* What one frame brought. `millig` is [row][channel]. */
typedef struct bw_samples {
  uint32_t start_sample;
  uint64_t time_ms; /* of the last row; 0 where the sensor has no clock */
  uint8_t rows;
  uint8_t channels;
  int16_t millig[BW_BUS_ROWS_MAX * BW_BUS_CHANNELS_MAX];
} bw_samples;

typedef struct bw_sensor_bus {
  uint32_t got;
  uint32_t skipped; /* bytes that were part of no good frame */
  uint8_t frame[BW_BUS_FRAME_BYTES];
} bw_sensor_bus;

void bw_bus_start(bw_sensor_bus *bus);

/* Takes one byte. 1: `samples` holds a frame. */
uint8_t bw_bus_take(bw_sensor_bus *bus, uint8_t byte, bw_samples *samples);

#endif
