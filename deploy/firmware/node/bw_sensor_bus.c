/* Finds frames in the bytes of the bus. */
#include "bw_sensor_bus.h"
#include "../crypto/bw_crc32.h"
#include "bw_bytes.h"

#define MAGIC 0xb5u
#define CRC_BYTES 4u

void bw_bus_start(bw_sensor_bus *bus) {
  bus->got = 0;
  bus->skipped = 0;
}

/* Of the frame that has begun; 0 while its shape is not known. */
static uint32_t frame_bytes(const bw_sensor_bus *bus) {
  if (bus->got < 4) return 0;
  return BW_BUS_HEAD_BYTES + 2u * bus->frame[1] * bus->frame[2] + CRC_BYTES;
}

/* Whether what is there may still become a frame. */
static uint8_t may_be(const bw_sensor_bus *bus) {
  const uint8_t *frame = bus->frame;
  if (bus->got > 0 && frame[0] != MAGIC) return 0;
  if (bus->got > 1 && (frame[1] == 0 || frame[1] > BW_BUS_ROWS_MAX)) return 0;
  if (bus->got > 2 && (frame[2] == 0 || frame[2] > BW_BUS_CHANNELS_MAX)) return 0;
  return bus->got < 4 || frame[3] == 0;
}

/* Drops the first byte, and more, until the rest may become a frame. */
static void step_over(bw_sensor_bus *bus) {
  do {
    bus->got -= 1;
    bus->skipped += 1;
    for (uint32_t i = 0; i < bus->got; i++) bus->frame[i] = bus->frame[i + 1];
  } while (!may_be(bus));
}

static void read_samples(const bw_sensor_bus *bus, bw_samples *samples) {
  const uint8_t *frame = bus->frame;
  samples->rows = frame[1];
  samples->channels = frame[2];
  samples->start_sample = bw_get_u32(frame + 4);
  samples->time_ms = bw_get_u32(frame + 8) | (uint64_t)bw_get_u16(frame + 12) << 32;
  for (uint32_t i = 0; i < (uint32_t)samples->rows * samples->channels; i++) {
    samples->millig[i] = bw_get_i16(frame + BW_BUS_HEAD_BYTES + 2 * i);
  }
}

uint8_t bw_bus_take(bw_sensor_bus *bus, uint8_t byte, bw_samples *samples) {
  bus->frame[bus->got++] = byte;
  if (!may_be(bus)) step_over(bus);
  /* Bytes that were stepped over may have uncovered a whole frame. */
  for (uint32_t length = frame_bytes(bus); length > 0 && bus->got >= length;
       length = frame_bytes(bus)) {
    uint32_t crc = bw_get_u32(bus->frame + length - CRC_BYTES);
    if (bw_crc32(0, bus->frame, length - CRC_BYTES) != crc) {
      step_over(bus);
      continue;
    }
    read_samples(bus, samples);
    bus->got -= length;
    for (uint32_t i = 0; i < bus->got; i++) bus->frame[i] = bus->frame[i + length];
    return 1;
  }
  return 0;
}
