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
 *   exits           for each exit its logits, then its features
 *
 * A layer writes between the zeros that the layer after it wants around its input, so that no loop
 * looks at a border.
 */
#include "bw.h"

#include "bw_check.h"
#include "bw_gate_tables.h"
#include "bw_kernels.h"
#include "bw_layout.h"

static void zero(int8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) from[i] = 0;
}

/* Tables are aligned, and nothing else ever writes to them: they are read as the arrays they are. */
static BW_SMALL void find_rows(bw_rows *rows, const uint8_t *bytes, const uint8_t *places,
                               uint32_t count, uint32_t columns) {
  rows->weights = (const int8_t *)(bytes + bw_u32(places));
  rows->biases = (const int32_t *)(const void *)(bytes + bw_u32(places + 4));
  rows->multipliers = (const int16_t *)(const void *)(bytes + bw_u32(places + 8));
  rows->shifts = bytes + bw_u32(places + 12);
  rows->count = (int32_t)count;
  rows->columns = (int32_t)columns;
  rows->fast = bw_fast_form(rows->shifts, rows->count);
}

static int32_t *scratch_of(const bw_run *run) {
  return (int32_t *)(void *)run->ram;
}
static int16_t *state_of(const bw_run *run) {
  return (int16_t *)(void *)(run->ram + run->model->scratch_bytes);
}

/* Zeros around `bytes` of activation that `layer` reads, and where it starts between them. */
static BW_SMALL int8_t *between_zeros(int8_t *buffer, const uint8_t *layer, uint32_t bytes,
                                      uint32_t channels) {
  const uint32_t before = bw_u16(layer + BW_AT_PAD) * channels;
  const uint32_t both = bw_margin(layer) * channels;
  zero(buffer, before);
  zero(buffer + before + bytes, both - before);
  return buffer + before;
}

/* `reader` is the record of the layer that comes after; null where none does. */
static BW_SMALL int8_t *run_convolution(bw_run *run, const uint8_t *layer,
                                        const uint8_t *reader) {
  const uint32_t kernel = bw_u16(layer + BW_AT_KERNEL);
  const uint32_t out_time = bw_u16(layer + BW_AT_OUT_TIME);
  const uint32_t in_channels = bw_u16(layer + BW_AT_IN_CHANNELS);
  const uint32_t out_channels = bw_u16(layer + BW_AT_OUT_CHANNELS);
  const int32_t step = (int32_t)(bw_u16(layer + BW_AT_STRIDE) * in_channels);
  const int depthwise = layer[0] == BW_DEPTHWISE;
  int8_t *input = run->input;
  int8_t *buffer = run->output;
  int8_t *output = buffer;
  if (reader != 0) output = between_zeros(buffer, reader, out_time * out_channels, out_channels);
  bw_rows rows;
  find_rows(&rows, run->model->bytes, layer + BW_AT_TABLES, out_channels,
            depthwise ? kernel : kernel * in_channels);
  if (depthwise) bw_depthwise(&rows, input, step, (int32_t)out_time, output);
  else bw_conv(&rows, input, step, (int32_t)out_time, output, scratch_of(run));
  run->input = buffer;
  run->output = input;
  return output;
}

static BW_SMALL void run_gru(bw_run *run, const uint8_t *layer) {
  const bw_model *model = run->model;
  const uint32_t hidden = model->hidden;
  const uint32_t columns = bw_u16(layer + BW_AT_PATCH_SAMPLES) * model->channels;
  const int8_t *patch = run->input + bw_u16(layer + BW_AT_FIRST_PATCH) * columns;
  int16_t *state = state_of(run);
  int16_t *from_input = state + hidden;
  int16_t *from_state = from_input + 3 * hidden;
  bw_rows input_rows;
  bw_rows state_rows;
  find_rows(&input_rows, model->bytes, layer + BW_AT_TABLES, 3 * hidden, columns);
  find_rows(&state_rows, model->bytes, layer + BW_AT_STATE_TABLES, 3 * hidden, hidden);
  for (uint32_t left = bw_u16(layer + BW_AT_PATCHES); left > 0; left--, patch += columns) {
    bw_dense(&input_rows, patch, from_input, scratch_of(run));
    bw_dense_16(&state_rows, state, from_state, scratch_of(run));
    bw_gru_update(from_input, from_state, (int32_t)hidden, bw_sigmoid_q15, bw_tanh_q15, state);
  }
}

/* The dense layers of one head, from the features to the logits. Hidden layers are int8 in int16. */
static BW_SMALL void run_head(bw_run *run, const uint8_t *layer, const int8_t *features,
                              int16_t *logits) {
  const bw_model *model = run->model;
  int16_t *next = state_of(run) + bw_gru_bytes(model->hidden) / 2;
  const int16_t *input = 0;
  for (;; layer += BW_LAYER_RECORD_BYTES) {
    const uint32_t outputs = bw_u16(layer + BW_AT_OUT_CHANNELS);
    const int last = layer[0] == BW_DENSE_LOGITS;
    int16_t *output = last ? logits : next;
    bw_rows rows;
    find_rows(&rows, model->bytes, layer + BW_AT_TABLES, outputs,
              bw_u16(layer + BW_AT_IN_CHANNELS));
    if (input == 0) bw_dense(&rows, features, output, scratch_of(run));
    else bw_dense_16(&rows, input, output, scratch_of(run));
    if (last) return;
    bw_relu(output, (int32_t)outputs);
    input = output;
    next += outputs;
  }
}

bw_code bw_open(bw_run *run, const bw_model *model, void *ram, uint32_t ram_bytes) {
  if (((uintptr_t)ram & 3u) != 0) return BW_BAD_ALIGNMENT;
  if (ram_bytes < model->ram_bytes) return BW_NO_RAM;
  run->model = model;
  run->ram = (int8_t *)ram;
  run->next_stage = model->exits;
  return BW_OK;
}

BW_SMALL void bw_begin(bw_run *run, const int8_t *window) {
  const bw_model *model = run->model;
  const uint32_t bytes = (uint32_t)model->window_samples * model->channels;
  int8_t *input = (int8_t *)state_of(run) + bw_gru_bytes(model->hidden) + model->dense_bytes;
  run->input = input;
  run->output = input + model->input_bytes;
  run->next_stage = 0;
  run->next_layer = model->layer_records;
  run->exit = run->output + model->output_bytes;
  if (model->hidden == 0) input = between_zeros(input, run->next_layer, bytes, model->channels);
  else zero((int8_t *)state_of(run), 2u * model->hidden);
  __builtin_memcpy(input, window, bytes);
}

BW_SMALL bw_exit bw_next_exit(bw_run *run) {
  bw_exit result = {0, 0, 0};
  const bw_model *model = run->model;
  if (run->next_stage >= model->exits) return result;
  const uint8_t *stage = model->stage_records + run->next_stage * BW_STAGE_RECORD_BYTES;
  const uint8_t *layer = run->next_layer;
  const uint8_t *head = layer + stage[BW_AT_LAYERS] * BW_LAYER_RECORD_BYTES;
  const uint8_t *next = head + stage[BW_AT_HEAD_LAYERS] * BW_LAYER_RECORD_BYTES;
  const uint32_t features = bw_u16(stage + BW_AT_FEATURES);
  int16_t *logits = (int16_t *)(void *)run->exit;
  int8_t *feature = run->exit + 2u * model->classes;
  run->next_stage++;
  run->next_layer = next;
  run->exit += bw_exit_bytes(model, features);
  if (model->hidden != 0) {
    run_gru(run, layer);
    bw_state_pool(state_of(run), (int32_t)features, feature);
  } else {
    const uint8_t *after = run->next_stage < model->exits ? next : 0;
    const int8_t *activation = run->input;
    uint32_t times = 0;
    for (; layer != head; layer += BW_LAYER_RECORD_BYTES) {
      const uint8_t *reader = layer + BW_LAYER_RECORD_BYTES;
      times = bw_u16(layer + BW_AT_OUT_TIME);
      activation = run_convolution(run, layer, reader == head ? after : reader);
    }
    bw_mean_pool(activation, times, features, (int16_t)bw_u16(stage + BW_AT_POOL_MULTIPLIER),
                 stage[BW_AT_POOL_SHIFT], feature);
  }
  run_head(run, head, feature, logits);
  result.logits = logits;
  result.features = feature;
  result.feature_count = (uint16_t)features;
  return result;
}

uint8_t bw_exits_left(const bw_run *run) {
  return (uint8_t)(run->model->exits - run->next_stage);
}
