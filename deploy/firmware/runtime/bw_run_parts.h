/* What bw_encode.c has of bw_run.c: nobody else runs layers. */
#ifndef BW_RUN_PARTS_H
#define BW_RUN_PARTS_H

#include "bw.h"

/* Zeros around `bytes` of activation that `layer` reads, and where it starts between them. */
int8_t *bw_between_zeros(int8_t *buffer, const uint8_t *layer, uint32_t bytes, uint32_t channels);

/* Runs one layer from the run's input to its output, which then change places; where its map starts.
 * `bytes` are what the record's offsets count from, `reader` is the record of the layer that comes
 * after; null where none does. */
int8_t *bw_run_convolution(bw_run *run, const uint8_t *bytes, const uint8_t *layer,
                           const uint8_t *reader);

#endif
