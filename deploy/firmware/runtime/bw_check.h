/* What bw_load.c asks of bw_check.c, and what bw_run.c shares with it. Not for callers. */
#ifndef BW_CHECK_H
#define BW_CHECK_H

#include "bw.h"

/* Checks every stage, layer and table of a container whose sections have been found, and fills in
 * what of the model follows from them. `entries` are the section table's, body and head of each. */
bw_code bw_check_student(bw_model *model, const uint8_t *entries);

/* The same for an encoder, once the student has been checked and the section been found. */
bw_code bw_check_encoder(bw_model *model);

/* Bytes for what an exit gives to its caller: its features, up to a multiple of four, which kernels
 * read by the word, and its logits. */
static inline uint32_t bw_exit_bytes(const bw_model *model, uint32_t features) {
  return ((features + 3u) & ~3u) + ((2u * model->classes + 3u) & ~3u);
}

/* Bytes for a GRU's state and its two vectors of pre-activations. */
static inline uint32_t bw_gru_bytes(uint32_t hidden) {
  return (2u * 7u * hidden + 3u) & ~3u;
}

#endif
