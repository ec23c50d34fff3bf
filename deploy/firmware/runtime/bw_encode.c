/*
 * The encoder: a chain of a student's own convolutions over the window, from records as bw_run.c reads
 * them. src/engine/encode.ts defines its bits.
 *
 * It runs when the exits have, over the same RAM, from the start of the caller's block:
 *
 *   scratch         inputs of one layer, widened to int16
 *   input buffer    the window with its zeros, and every second map after the first layer
 *   output buffer   the maps in between
 *
 * All of it ends before what the exits have said.
 */
#include "bw.h"

#include "bw_layout.h"
#include "bw_run_parts.h"

__attribute__((cold)) const uint8_t *bw_encode(bw_run *run, const int8_t *window) {
  const bw_model *model = run->model;
  const uint8_t *layer = model->encoder + BW_ENCODER_HEAD_BYTES;
  const uint32_t bytes = (uint32_t)model->window_samples * model->channels;
  const int8_t most = (int8_t)((1u << model->code_bits) - 1u);
  int8_t *codes = 0;
  run->next_stage = model->exits;
  run->input = (int8_t *)run->scratch + model->encoder_scratch_bytes;
  run->output = run->input + model->encoder_input_bytes;
  __builtin_memcpy(bw_between_zeros(run->input, layer, bytes, model->channels), window, bytes);
  for (uint32_t left = model->encoder[BW_AT_ENCODER_LAYERS]; left > 0; left--) {
    const uint8_t *reader = layer + BW_LAYER_RECORD_BYTES;
    codes = bw_run_convolution(run, model->encoder, layer, left == 1 ? 0 : reader);
    layer = reader;
  }
  for (uint32_t i = 0; i < model->codes; i++) {
    if (codes[i] > most) codes[i] = most;
  }
  return (const uint8_t *)codes;
}
