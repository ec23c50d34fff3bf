/*
 * The interpreter: runs a loaded student stage by stage, each layer from its record.
 *
 * RAM, from the start of the caller's block, each part on a multiple of four:
 *
 *   scratch         inputs of one layer, widened to int16, where kernels want that
 *   GRU             state, pre-activations from the input and from the state, int16
 *   dense           hidden layers of one head
 *   input buffer    the window with its zeros, and every second activation after the first layer
 *   output buffer   the activations in between
 *   exits           for each exit its features, then its logits
 *
 * Kernels read words of int8, and up to three bytes behind the last: something else is there.
 *
 * A layer writes between the zeros that the layer after it wants around its input, so that no loop
 * looks at a border.
 */
#include "bw.h"

#include "bw_check.h"
#include "bw_gate_tables.h"
#include "bw_kernels.h"
#include "bw_layout.h"
#include "bw_run_parts.h"

BW_SMALL void zero(int8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) from[i] = 0;
}

/* The tables of so many rows and columns as are there already. Tables are aligned, and nobody
 * ever writes to them: they are read as the arrays they are. */
BW_SMALL void find_rows(bw_rows *rows, const uint8_t *bytes, const uint8_t *places) {
  rows->weights = (const int8_t *)(bytes + bw_u32(places));
  rows->biases = (const int32_t *)(const void *)(bytes + bw_u32(places + 4));
  rows->multipliers = (const int16_t *)(const void *)(bytes + bw_u32(places + 8));
  rows->shifts = bytes + bw_u32(places + 12);
  rows->fast = bw_fast_form(rows->shifts, rows->count);
}

__attribute__((cold)) int8_t *bw_between_zeros(int8_t *buffer, const uint8_t *layer,
                                               uint32_t bytes, uint32_t channels) {
  const uint32_t before = bw_u16(layer + BW_AT_PAD) * channels;
  const uint32_t both = bw_margin(layer) * channels;
  zero(buffer, before);
  zero(buffer + before + bytes, both - before);
  return buffer + before;
}

__attribute__((cold)) int8_t *bw_run_convolution(bw_run *run, const uint8_t *bytes,
                                                 const uint8_t *layer, const uint8_t *reader) {
  const uint32_t kernel = bw_u16(layer + BW_AT_KERNEL);
  const uint32_t out_time = bw_u16(layer + BW_AT_OUT_TIME);
  const uint32_t in_channels = bw_u16(layer + BW_AT_IN_CHANNELS);
  const uint32_t out_channels = bw_u16(layer + BW_AT_OUT_CHANNELS);
  const int32_t step = (int32_t)(bw_u16(layer + BW_AT_STRIDE) * in_channels);
  const int depthwise = layer[0] == BW_DEPTHWISE;
  int8_t *input = run->input;
  int8_t *buffer = run->output;
  int8_t *output = buffer;
  if (reader != 0) output = bw_between_zeros(buffer, reader, out_time * out_channels, out_channels);
  bw_rows rows;
  rows.count = (int32_t)out_channels;
  rows.columns = (int32_t)(depthwise ? kernel : kernel * in_channels);
  find_rows(&rows, bytes, layer + BW_AT_TABLES);
  if (depthwise) bw_depthwise(&rows, input, step, (int32_t)out_time, output);
  else bw_conv(&rows, input, step, (int32_t)out_time, output, run->scratch);
  run->input = buffer;
  run->output = input;
  return output;
}

BW_SMALL void run_gru(bw_run *run, const uint8_t *layer) {
  const bw_model *model = run->model;
  const uint32_t hidden = model->hidden;
  const uint32_t columns = bw_u16(layer + BW_AT_PATCH_SAMPLES) * model->channels;
  const int8_t *patch = run->input + bw_u16(layer + BW_AT_FIRST_PATCH) * columns;
  int16_t *state = run->state;
  int16_t *from_input = state + hidden;
  int16_t *from_state = from_input + 3 * hidden;
  bw_rows input_rows;
  bw_rows state_rows;
  input_rows.count = state_rows.count = (int32_t)(3 * hidden);
  input_rows.columns = (int32_t)columns;
  state_rows.columns = (int32_t)hidden;
  find_rows(&input_rows, model->bytes, layer + BW_AT_TABLES);
  find_rows(&state_rows, model->bytes, layer + BW_AT_STATE_TABLES);
  for (uint32_t left = bw_u16(layer + BW_AT_PATCHES); left > 0; left--, patch += columns) {
    bw_dense(&input_rows, patch, 0, from_input, run->scratch);
    bw_dense(&state_rows, 0, state, from_state, run->scratch);
    bw_gru_update(from_input, from_state, (int32_t)hidden, bw_sigmoid_q15, bw_tanh_q15, state);
  }
}

/* A head's dense layers, from the features to the logits. Hidden ones are int8 in int16. */
BW_SMALL void run_head(bw_run *run, const uint8_t *layer, const int8_t *features, int16_t *logits) {
  const bw_model *model = run->model;
  int16_t *next = run->state + bw_gru_bytes(model->hidden) / 2;
  const int16_t *wide = 0;
  for (;; layer += BW_LAYER_RECORD_BYTES) {
    const uint32_t outputs = bw_u16(layer + BW_AT_OUT_CHANNELS);
    const int last = layer[0] == BW_DENSE_LOGITS;
    int16_t *output = last ? logits : next;
    bw_rows rows;
    rows.count = (int32_t)outputs;
    rows.columns = (int32_t)bw_u16(layer + BW_AT_IN_CHANNELS);
    find_rows(&rows, model->bytes, layer + BW_AT_TABLES);
    bw_dense(&rows, features, wide, output, run->scratch);
    if (last) return;
    bw_relu(output, (int32_t)outputs);
    features = 0;
    wide = output;
    next += outputs;
  }
}

__attribute__((cold)) bw_code bw_open(bw_run *run, const bw_model *model, void *ram, uint32_t ram_bytes) {
  if (((uintptr_t)ram & 3u) != 0) return BW_BAD_ALIGNMENT;
  if (ram_bytes < model->ram_bytes) return BW_NO_RAM;
  run->model = model;
  run->scratch = (int32_t *)ram;
  run->state = (int16_t *)(void *)((int8_t *)ram + model->scratch_bytes);
  run->next_stage = model->exits;
  return BW_OK;
}

__attribute__((cold)) void bw_begin(bw_run *run, const int8_t *window) {
  const bw_model *model = run->model;
  const uint32_t bytes = (uint32_t)model->window_samples * model->channels;
  int8_t *input = (int8_t *)run->state + bw_gru_bytes(model->hidden) + model->dense_bytes;
  run->input = input;
  run->output = input + model->input_bytes;
  run->next_stage = 0;
  run->next_layer = model->layer_records;
  run->exit = (int8_t *)run->scratch + model->exits_at;
  if (model->hidden == 0) input = bw_between_zeros(input, run->next_layer, bytes, model->channels);
  else zero((int8_t *)run->state, 2u * model->hidden);
  __builtin_memcpy(input, window, bytes);
}

/* Runs a stage's convolutions and pools the last one's output; `after` is the next stage's first
 * layer, null where there is none. */
BW_SMALL void run_convolutions(bw_run *run, const uint8_t *layer, const uint8_t *stage,
                               const uint8_t *after, int8_t *features) {
  const int8_t *activation = 0;
  uint32_t times = 0;
  for (uint32_t left = stage[BW_AT_LAYERS]; left > 0; left--) {
    const uint8_t *reader = layer + BW_LAYER_RECORD_BYTES;
    times = bw_u16(layer + BW_AT_OUT_TIME);
    activation = bw_run_convolution(run, run->model->bytes, layer, left == 1 ? after : reader);
    layer = reader;
  }
  bw_mean_pool(activation, (int32_t)times, (int32_t)bw_u16(stage + BW_AT_FEATURES),
               (int32_t)bw_u16(stage + BW_AT_POOL_MULTIPLIER), stage[BW_AT_POOL_SHIFT], features);
}

__attribute__((cold)) bw_exit bw_next_exit(bw_run *run) {
  const bw_model *model = run->model;
  bw_exit result;
  result.logits = 0;
  result.features = 0;
  result.feature_count = 0;
  if (run->next_stage >= model->exits) return result;
  const uint8_t *stage = model->stage_records + run->next_stage * BW_STAGE_RECORD_BYTES;
  const uint8_t *layer = run->next_layer;
  const uint8_t *head = layer + stage[BW_AT_LAYERS] * BW_LAYER_RECORD_BYTES;
  const uint8_t *next = head + stage[BW_AT_HEAD_LAYERS] * BW_LAYER_RECORD_BYTES;
  const uint32_t count = bw_u16(stage + BW_AT_FEATURES);
  int8_t *features = run->exit;
  int16_t *logits = (int16_t *)(void *)(features + bw_aligned(count));
  run->next_stage++;
  run->next_layer = next;
  run->exit += bw_exit_bytes(model, count);
  if (model->hidden != 0) {
    run_gru(run, layer);
    bw_state_pool(run->state, (int32_t)count, features);
  } else {
    run_convolutions(run, layer, stage, run->next_stage < model->exits ? next : 0, features);
  }
  run_head(run, head, features, logits);
  result.logits = logits;
  result.features = features;
  result.feature_count = (uint16_t)count;
  return result;
}

uint8_t bw_exits_left(const bw_run *run) {
  return (uint8_t)(run->model->exits - run->next_stage);
}
