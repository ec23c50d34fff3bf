/*
 * What a student must satisfy before it runs: src/model/check-student.ts in C, over the container's
 * own bytes, and the plan of the RAM that it runs in.
 *
 * Every kernel relies on what is checked here and checks nothing in its loops: shapes that follow
 * from one another, tables one behind the other in their section, multipliers and shifts in range,
 * and sums that cannot leave an int32 whatever the window.
 */
#include "bw_check.h"

#include "bw_layout.h"
#include "bw_limits.h"

#define INT32_MOST 0x7fffffffu
/* The largest magnitude of an int8 activation, and of a Q15 state. */
#define INT8_MAGNITUDE 128u
#define Q15_MAGNITUDE 32768u

/* Where the walk over a container's records is. */
typedef struct records_walk {
  bw_model *model;
  const uint8_t *bytes; /* what records' offsets count from */
  const uint8_t *layer; /* the next record */
  const uint8_t *gru;   /* record of the first GRU */
  uint32_t layers_left;
  uint32_t at, end; /* of the section in which the next table stands */
  uint32_t macs;
  uint32_t scratch_bytes;
  uint32_t time, channels; /* of the activation; a GRU's next patch in `time` */
  uint32_t side;           /* which of the two buffers it lies in */
  uint32_t buffer_bytes[2];
} records_walk;

static int in_range(uint32_t value, uint32_t most) {
  return value - 1u < most;
}

static uint32_t larger(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

static uint32_t magnitude_of(int32_t value) {
  return value < 0 ? 0u - (uint32_t)value : (uint32_t)value;
}

/* A table must stand where the one before ends. Null where it does not. */
static const uint8_t *take_table(records_walk *walk, uint32_t announced, uint32_t length) {
  const uint8_t *bytes = walk->bytes;
  if (announced != walk->at || length > walk->end - walk->at) return 0;
  walk->at += length;
  for (; (walk->at & 3u) != 0; walk->at++) {
    if (walk->at == walk->end || bytes[walk->at] != 0) return 0;
  }
  return bytes + announced;
}

/* `places` are four offsets in a record. Weights of a row are `apart` bytes one from the other. */
static bw_code check_rows(records_walk *walk, const uint8_t *places, uint32_t rows,
                          uint32_t columns, uint32_t apart, uint32_t magnitude) {
  const uint8_t *weights = take_table(walk, bw_u32(places), rows * columns);
  const uint8_t *biases = weights ? take_table(walk, bw_u32(places + 4), 4 * rows) : 0;
  const uint8_t *multipliers = biases ? take_table(walk, bw_u32(places + 8), 2 * rows) : 0;
  const uint8_t *shifts = multipliers ? take_table(walk, bw_u32(places + 12), rows) : 0;
  if (shifts == 0) return BW_BAD_TABLE;
  for (uint32_t row = 0; row < rows; row++) {
    if (bw_u16(multipliers + 2 * row) - BW_MIN_MULTIPLIER >= BW_MIN_MULTIPLIER) return BW_BAD_RANGE;
    if (!in_range(shifts[row], BW_MAX_SHIFT)) return BW_BAD_RANGE;
    /* At most 2^14 columns of 2^7 by 2^7, or 2^8 of 2^7 by 2^15, and 2^31: less than 2^32. */
    const int8_t *weight = (const int8_t *)weights + (apart == 1 ? row * columns : row);
    uint32_t most = 0;
    for (uint32_t c = 0; c < columns; c++, weight += apart) most += magnitude_of(*weight);
    most = most * magnitude + magnitude_of((int32_t)bw_u32(biases + 4 * row));
    if (most > INT32_MOST) return BW_BAD_SUM;
  }
  return BW_OK;
}

static int are_zero(const uint8_t *from, uint32_t count) {
  while (count > 0 && from[count - 1] == 0) count--;
  return count == 0;
}

/* Scratch for `columns` of so many positions as kernels take at once, widened to int16. */
static void want_scratch(records_walk *walk, uint32_t columns, uint32_t positions) {
  const uint32_t bytes = 2u * positions * bw_aligned(columns);
  walk->scratch_bytes = larger(walk->scratch_bytes, bytes);
}

/* Counts what a layer multiplies, so often as it runs. */
static int affords(records_walk *walk, uint32_t times, uint32_t weights) {
  if (weights > BW_MAX_CONTAINER_BYTES) return 0; /* no tables could hold them */
  walk->macs += times * weights;
  return walk->macs <= BW_MAX_MULTIPLY_ACCUMULATES;
}

static bw_code check_convolution(records_walk *walk, const uint8_t *layer) {
  const int depthwise = layer[0] == BW_DEPTHWISE;
  if (!depthwise && layer[0] != BW_CONV) return BW_BAD_SHAPE;
  const uint32_t kernel = bw_u16(layer + BW_AT_KERNEL);
  const uint32_t stride = bw_u16(layer + BW_AT_STRIDE);
  const uint32_t out_time = bw_u16(layer + BW_AT_OUT_TIME);
  const uint32_t out_channels = bw_u16(layer + BW_AT_OUT_CHANNELS);
  if (layer[BW_AT_FLAGS] != 0 || !are_zero(layer + BW_AT_STATE_TABLES, 16)) return BW_BAD_SHAPE;
  if (bw_u16(layer + BW_AT_IN_TIME) != walk->time) return BW_BAD_SHAPE;
  if (bw_u16(layer + BW_AT_IN_CHANNELS) != walk->channels) return BW_BAD_SHAPE;
  if (depthwise && out_channels != walk->channels) return BW_BAD_SHAPE;
  if (!in_range(out_channels, BW_MAX_WIDTH) || !in_range(kernel, BW_MAX_KERNEL)) {
    return BW_BAD_SHAPE;
  }
  if (!in_range(stride, BW_MAX_STRIDE)) return BW_BAD_SHAPE;
  /* out_time = ceil(time / stride), without the division that a Cortex-M0 lacks. */
  if (out_time * stride - walk->time >= stride) return BW_BAD_SHAPE;
  const uint32_t margin = bw_margin(layer);
  if (bw_u16(layer + BW_AT_PAD) != margin >> 1) return BW_BAD_SHAPE;
  const uint32_t columns = depthwise ? kernel : kernel * walk->channels;
  if (!affords(walk, out_time, out_channels * columns)) return BW_BAD_SHAPE;
  if (!depthwise) want_scratch(walk, columns, 4u);
  uint32_t *input_bytes = &walk->buffer_bytes[walk->side];
  *input_bytes = larger(*input_bytes, (walk->time + margin) * walk->channels);
  walk->side ^= 1u;
  walk->time = out_time;
  walk->channels = out_channels;
  return check_rows(walk, layer + BW_AT_TABLES, out_channels, columns,
                    depthwise ? out_channels : 1u, INT8_MAGNITUDE);
}

static bw_code check_gru(records_walk *walk, const uint8_t *layer) {
  const bw_model *model = walk->model;
  const uint32_t patch = bw_u16(layer + BW_AT_PATCH_SAMPLES);
  const uint32_t patches = bw_u16(layer + BW_AT_PATCHES);
  const uint32_t hidden = bw_u16(layer + BW_AT_OUT_CHANNELS);
  const uint32_t columns = patch * model->channels;
  const uint8_t *first = walk->gru;
  if (layer[0] != BW_GRU || layer[BW_AT_FLAGS] != (first != 0)) return BW_BAD_SHAPE;
  if (bw_u16(layer + BW_AT_FIRST_PATCH) != walk->time) return BW_BAD_SHAPE;
  if (!are_zero(layer + BW_AT_IN_TIME, 4)) return BW_BAD_SHAPE;
  if (bw_u16(layer + BW_AT_IN_CHANNELS) != model->channels) return BW_BAD_SHAPE;
  if (!in_range(hidden, BW_MAX_HIDDEN) || !in_range(patch, BW_MAX_PATCH_SAMPLES)) {
    return BW_BAD_SHAPE;
  }
  if (!in_range(patches, model->window_samples)) return BW_BAD_SHAPE;
  walk->time += patches;
  walk->channels = hidden;
  if (walk->time * patch > model->window_samples) return BW_BAD_SHAPE;
  if (!affords(walk, patches, 3 * hidden * (columns + hidden))) return BW_BAD_SHAPE;
  if (first != 0) {
    /* It runs on the first one's tables, hence with its shape. */
    for (uint32_t i = BW_AT_IN_CHANNELS; i < BW_LAYER_RECORD_BYTES; i++) {
      if (layer[i] != first[i]) return i < BW_AT_TABLES ? BW_BAD_SHAPE : BW_BAD_TABLE;
    }
    return patch == bw_u16(first + BW_AT_PATCH_SAMPLES) ? BW_OK : BW_BAD_SHAPE;
  }
  walk->gru = layer;
  walk->model->hidden = (uint16_t)hidden;
  want_scratch(walk, larger(columns, hidden), 1u);
  bw_code code =
      check_rows(walk, layer + BW_AT_TABLES, 3 * hidden, columns, 1u, INT8_MAGNITUDE);
  if (code != BW_OK) return code;
  return check_rows(walk, layer + BW_AT_STATE_TABLES, 3 * hidden, hidden, 1u, Q15_MAGNITUDE);
}

/* The head's layers are the next in the walk; `dense_bytes` grows to what they need in between. */
static bw_code check_head(records_walk *walk, const uint8_t *stage, uint32_t pool) {
  bw_model *model = walk->model;
  uint32_t inputs = walk->channels;
  uint32_t dense_bytes = 0;
  if (stage[BW_AT_POOL] != pool || bw_u16(stage + BW_AT_FEATURES) != inputs) return BW_BAD_SHAPE;
  if (bw_u16(stage + BW_AT_POOL_MULTIPLIER) - BW_MIN_MULTIPLIER >= BW_MIN_MULTIPLIER) {
    return BW_BAD_RANGE;
  }
  if (!in_range(stage[BW_AT_POOL_SHIFT], BW_MAX_SHIFT)) return BW_BAD_RANGE;
  for (uint32_t left = stage[BW_AT_HEAD_LAYERS]; left > 0; left--) {
    const uint8_t *layer = walk->layer;
    const uint32_t outputs = bw_u16(layer + BW_AT_OUT_CHANNELS);
    walk->layer += BW_LAYER_RECORD_BYTES;
    if (layer[0] != (left == 1 ? BW_DENSE_LOGITS : BW_DENSE_RELU)) return BW_BAD_SHAPE;
    if (!are_zero(layer + BW_AT_FLAGS, BW_AT_IN_CHANNELS - BW_AT_FLAGS)) return BW_BAD_SHAPE;
    if (!are_zero(layer + BW_AT_STATE_TABLES, 16)) return BW_BAD_SHAPE;
    if (bw_u16(layer + BW_AT_IN_CHANNELS) != inputs) return BW_BAD_SHAPE;
    if (!in_range(outputs, BW_MAX_WIDTH)) return BW_BAD_SHAPE;
    if (left == 1 && outputs != model->classes) return BW_BAD_SHAPE;
    if (left > 1) dense_bytes += 2 * outputs;
    want_scratch(walk, inputs, 1u);
    if (!affords(walk, 1u, outputs * inputs)) return BW_BAD_SHAPE;
    bw_code code =
        check_rows(walk, layer + BW_AT_TABLES, outputs, inputs, 1u, INT8_MAGNITUDE);
    if (code != BW_OK) return code;
    inputs = outputs;
  }
  model->dense_bytes = larger(model->dense_bytes, bw_aligned(dense_bytes));
  model->ram_bytes += bw_exit_bytes(model, walk->channels);
  return BW_OK;
}

static void enter_section(records_walk *walk, const uint8_t *entry) {
  walk->at = bw_u32(entry + 4);
  walk->end = walk->at + bw_u32(entry + 8);
}

static bw_code check_stage(records_walk *walk, const uint8_t *stage, const uint8_t *entries,
                           int gru) {
  const uint32_t layers = stage[BW_AT_LAYERS];
  const uint32_t head_layers = stage[BW_AT_HEAD_LAYERS];
  if (!in_range(layers, gru ? 1u : BW_MAX_LAYERS_PER_STAGE)) return BW_BAD_SHAPE;
  if (!in_range(head_layers, BW_MAX_HEAD_LAYERS)) return BW_BAD_SHAPE;
  if (layers + head_layers > walk->layers_left) return BW_BAD_SECTIONS;
  walk->layers_left -= layers + head_layers;
  enter_section(walk, entries);
  for (uint32_t l = 0; l < layers; l++) {
    const uint8_t *layer = walk->layer;
    walk->layer += BW_LAYER_RECORD_BYTES;
    bw_code code = gru ? check_gru(walk, layer) : check_convolution(walk, layer);
    if (code != BW_OK) return code;
  }
  if (walk->at != walk->end) return BW_BAD_TABLE;
  enter_section(walk, entries + BW_SECTION_ENTRY_BYTES);
  bw_code code = check_head(walk, stage, gru ? BW_POOL_STATE : BW_POOL_MEAN);
  if (code != BW_OK) return code;
  return walk->at == walk->end ? BW_OK : BW_BAD_TABLE;
}

/* The two buffers of a chain of convolutions that was walked. Nobody reads what the last layer
 * wrote but a pool or a packer, which want no zeros around it. */
static void end_chain(records_walk *walk, uint32_t last) {
  uint32_t *bytes = &walk->buffer_bytes[walk->side];
  *bytes = larger(*bytes, last);
}

bw_code bw_check_student(bw_model *model, const uint8_t *entries) {
  const int gru = model->layers > 0 && model->layer_records[0] == BW_GRU;
  const uint8_t *stage = model->stage_records;
  const uint32_t window = (uint32_t)model->window_samples * model->channels;
  records_walk walk = {0};
  walk.model = model;
  walk.bytes = model->bytes;
  walk.layer = model->layer_records;
  walk.layers_left = model->layers;
  walk.time = gru ? 0 : model->window_samples;
  walk.channels = model->channels;
  model->hidden = 0;
  model->dense_bytes = 0;
  model->ram_bytes = 0;
  for (uint32_t s = 0; s < model->exits; s++) {
    bw_code code = check_stage(&walk, stage, entries, gru);
    if (code != BW_OK) return code;
    stage += BW_STAGE_RECORD_BYTES;
    entries += 2 * BW_SECTION_ENTRY_BYTES;
  }
  if (walk.layers_left != 0) return BW_BAD_SECTIONS;
  end_chain(&walk, gru ? window : walk.time * walk.channels);
  model->input_bytes = bw_aligned(walk.buffer_bytes[0]);
  model->scratch_bytes = walk.scratch_bytes;
  model->exits_at = model->input_bytes + bw_aligned(walk.buffer_bytes[1]) + model->dense_bytes;
  model->exits_at += model->scratch_bytes + bw_gru_bytes(model->hidden);
  model->ram_bytes += model->exits_at;
  return model->ram_bytes <= BW_MAX_RAM_BYTES ? BW_OK : BW_BAD_SHAPE;
}

/* It runs where the student has run, between two windows of it: what exits have said lies behind
 * both. */
bw_code bw_check_encoder(bw_model *model) {
  const uint8_t *section = model->encoder;
  if (model->encoder_length < BW_ENCODER_HEAD_BYTES) return BW_BAD_TABLE;
  const uint32_t bits = section[BW_AT_CODE_BITS];
  const uint32_t layers = section[BW_AT_ENCODER_LAYERS];
  if (section[BW_AT_STAGES_BEFORE] != 0 || section[3] != 0) return BW_BAD_SHAPE;
  if (!in_range(bits, BW_MAX_CODE_BITS)) return BW_BAD_SHAPE;
  if (!in_range(layers, BW_MAX_LAYERS_PER_STAGE)) return BW_BAD_SHAPE;
  records_walk walk = {0};
  walk.model = model;
  walk.bytes = section;
  walk.layer = section + BW_ENCODER_HEAD_BYTES;
  walk.at = BW_ENCODER_HEAD_BYTES + layers * BW_LAYER_RECORD_BYTES;
  walk.end = model->encoder_length;
  walk.time = model->window_samples;
  walk.channels = model->channels;
  if (walk.at > walk.end) return BW_BAD_TABLE;
  for (uint32_t l = 0; l < layers; l++, walk.layer += BW_LAYER_RECORD_BYTES) {
    bw_code code = check_convolution(&walk, walk.layer);
    if (code != BW_OK) return code;
  }
  if (walk.at != walk.end) return BW_BAD_TABLE;
  const uint32_t codes = walk.time * walk.channels;
  if ((codes * bits + 7u) / 8u > BW_MAX_CODE_BYTES) return BW_BAD_SHAPE;
  end_chain(&walk, codes);
  model->codes = (uint16_t)codes;
  model->code_bits = (uint8_t)bits;
  model->encoder_macs = walk.macs;
  model->encoder_scratch_bytes = walk.scratch_bytes;
  model->encoder_input_bytes = bw_aligned(walk.buffer_bytes[0]);
  uint32_t needed = walk.scratch_bytes + model->encoder_input_bytes;
  needed += bw_aligned(walk.buffer_bytes[1]);
  if (needed > BW_MAX_RAM_BYTES) return BW_BAD_SHAPE;
  if (needed > model->exits_at) {
    model->ram_bytes += needed - model->exits_at;
    model->exits_at = needed;
  }
  return BW_OK;
}
