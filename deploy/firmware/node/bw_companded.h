/*
 * A window in 4 or 2 bits a value, as src/wire/companded.ts writes it: per channel its mean and its peak,
 * then a code for each sample. docs/FORMATS.md draws it.
 *
 * It writes only: what a gateway makes of it is the gateway's business.
 */
#ifndef BW_COMPANDED_H
#define BW_COMPANDED_H

#include <stdint.h>

/* What a window of this shape takes. `bits` is 4 or 2. */
uint32_t bw_companded_bytes(uint16_t samples, uint8_t channels, uint32_t bits);

/* Fills that many bytes. `window` is [time][channel], at least one sample. */
void bw_encode_companded(const int8_t *window, uint16_t samples, uint8_t channels, uint32_t bits,
                         uint8_t *bytes);

#endif
