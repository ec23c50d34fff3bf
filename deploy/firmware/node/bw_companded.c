/* Mean, peak and codes of a window, one pass over a channel for each. */
#include "bw_companded.h"

#define CODES_MAX 16

/* Q8 parts of the peak, of codes of 4 bits and of 2. */
static const int16_t FINE[CODES_MAX] = {-256, -194, -144, -104, -72, -45, -24, -7,
                                        7,    24,   45,   72,   104, 144, 194, 256};
static const int16_t COARSE[4] = {-256, -45, 45, 256};

static int32_t magnitude(int32_t value) { return value < 0 ? -value : value; }

/* Unsigned, for halves are to round up on both sides of zero. */
static int32_t mean_of(const int8_t *first, uint32_t samples, uint8_t channels) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < samples; i++) {
    sum += (uint32_t)(first[i * channels] + 128);
  }
  return (int32_t)((sum + samples / 2) / samples) - 128;
}

static int32_t peak_of(const int8_t *first, uint32_t samples, uint8_t channels, int32_t mean) {
  int32_t peak = 0;
  for (uint32_t i = 0; i < samples; i++) {
    int32_t distance = magnitude(first[i * channels] - mean);
    if (distance > peak) peak = distance;
  }
  return peak;
}

/* Where one code gives way to the next, twice over, and the lowest code that stands for the same. */
typedef struct ladder {
  int16_t twice_between[CODES_MAX - 1];
  uint8_t lowest[CODES_MAX];
} ladder;

static int32_t value_of(int32_t mean, int32_t peak, int32_t level) {
  const int32_t value = mean + ((level * peak + 128) >> 8);
  return value < -128 ? -128 : value > 127 ? 127 : value;
}

/* What codes stand for never falls from one to the next. */
static void make_ladder(int32_t mean, int32_t peak, uint32_t bits, ladder *to) {
  const int16_t *levels = bits == 4 ? FINE : COARSE;
  int32_t below = value_of(mean, peak, levels[0]);
  to->lowest[0] = 0;
  for (uint32_t code = 1; code < 1u << bits; code++) {
    const int32_t value = value_of(mean, peak, levels[code]);
    to->twice_between[code - 1] = (int16_t)(below + value);
    to->lowest[code] = value == below ? to->lowest[code - 1] : (uint8_t)code;
    below = value;
  }
}

/* Of two that are as near, the lower code. */
static uint32_t nearest(const ladder *of, uint32_t codes, int32_t sample) {
  uint32_t code = 0;
  for (uint32_t half = codes / 2; half > 0; half /= 2) {
    if (2 * sample > of->twice_between[code + half - 1]) code += half;
  }
  return of->lowest[code];
}

static uint32_t packed_bytes(uint32_t values, uint32_t bits) { return (values * bits + 7) / 8; }

uint32_t bw_companded_bytes(uint16_t samples, uint8_t channels, uint32_t bits) {
  return 2u * channels + packed_bytes((uint32_t)samples * channels, bits);
}

void bw_encode_companded(const int8_t *window, uint16_t samples, uint8_t channels, uint32_t bits,
                         uint8_t *bytes) {
  uint32_t values = (uint32_t)samples * channels;
  uint8_t *packed = bytes + 2u * channels;
  for (uint32_t i = 0; i < packed_bytes(values, bits); i++) packed[i] = 0;
  for (uint8_t channel = 0; channel < channels; channel++) {
    ladder steps;
    int32_t mean = mean_of(window + channel, samples, channels);
    int32_t peak = peak_of(window + channel, samples, channels, mean);
    bytes[2u * channel] = (uint8_t)mean;
    bytes[2u * channel + 1] = (uint8_t)peak;
    make_ladder(mean, peak, bits, &steps);
    for (uint32_t i = channel; i < values; i += channels) {
      uint32_t at = i * bits;
      packed[at / 8] |= (uint8_t)(nearest(&steps, 1u << bits, window[i]) << (at & 7));
    }
  }
}
