/*
 * A window's statistics against sums taken one byte at a time, for every length up to where the
 * sums of three channels at once stop, at every address. Prints how many windows were the same;
 * the exit code is 0 if all were.
 */

#include "bw_gate.h"
#include "board.h"

#define SAMPLES_MAX 520
#define CHANNELS_MAX 4

static int8_t bytes[SAMPLES_MAX * CHANNELS_MAX + 4];

/* By pattern: all of the least, the least and the most by turns, noise. */
static void fill(uint32_t pattern) {
  uint32_t noise = 1;
  for (uint32_t i = 0; i < sizeof bytes; i++) {
    noise = noise * 1664525u + 1013904223u;
    bytes[i] = pattern == 0 ? -128 : (int8_t)(noise >> 24);
    if (pattern == 1) bytes[i] = (i & 1) != 0 ? -128 : 127;
  }
}

static uint8_t same(const int8_t *window, uint32_t samples, uint8_t channels) {
  int8_t statistics[2 * CHANNELS_MAX];
  bw_window_statistics(window, samples, channels, statistics);
  for (uint32_t channel = 0; channel < channels; channel++) {
    int64_t sum = 0;
    int64_t squares = 0;
    int64_t root = 0;
    for (uint32_t i = 0; i < samples; i++) {
      const int32_t value = window[i * channels + channel];
      sum += value;
      squares += value * value;
    }
    const int64_t spread = samples * squares - sum * sum;
    while ((root + 1) * (root + 1) * samples * samples <= spread) root++;
    if (statistics[channel] != sum / (int64_t)samples) return 0;
    if (statistics[channels + channel] != root) return 0;
  }
  return 1;
}

int main(void) {
  uint32_t agreed = 0;
  for (uint32_t pattern = 0; pattern < 3; pattern++) {
    fill(pattern);
    for (uint32_t samples = 1; samples <= SAMPLES_MAX; samples++) {
      const uint8_t channels = (samples & 15) == 0 ? CHANNELS_MAX : 3;
      if (!same(bytes + ((samples + (samples >> 2)) & 3), samples, channels)) return 1;
      agreed++;
    }
  }
  board_write_number(agreed);
  return 0;
}
