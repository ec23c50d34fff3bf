/*
 * Loads a model container in place: header, sections and names here, the student in bw_check.c.
 *
 * The container may come from anyone. What src/model/container.ts refuses is refused here, with a
 * code; the one encoding is not made again to compare, but everything that it fixes is checked on
 * the way: order, places, zeros between tables. No byte outside of the container is ever read.
 */
#include "bw.h"

#include "bw_check.h"
#include "bw_layout.h"
#include "bw_limits.h"

static int in_range(uint32_t value, uint32_t most) {
  return value - 1u < most;
}

/* Sections without encoder and points: names, gate, stages, layers, and two of each stage. */
static uint32_t of_student(const bw_model *model) {
  return 4u + 2u * model->exits;
}

static int has_points(const bw_model *model) {
  return bw_u16(model->bytes + 4) == BW_POINTS_VERSION;
}

/* Of points the version tells, of an encoder beside them only the number of sections. */
static int has_encoder(const bw_model *model) {
  if (!has_points(model)) return bw_u16(model->bytes + 4) == BW_ENCODER_VERSION;
  return bw_u16(model->bytes + 6) > of_student(model) + 1u;
}

static uint32_t section_count(const bw_model *model) {
  return of_student(model) + (has_encoder(model) ? 1u : 0u) + (has_points(model) ? 1u : 0u);
}

static bw_code read_header(bw_model *model, const uint8_t *bytes, uint32_t length) {
  if (((uintptr_t)bytes & 3u) != 0) return BW_BAD_ALIGNMENT;
  if (length < BW_HEADER_BYTES || length > BW_MAX_CONTAINER_BYTES) return BW_BAD_HEADER;
  if (bw_u32(bytes) != BW_MAGIC) return BW_BAD_HEADER;
  if (!in_range(bw_u16(bytes + 4), BW_POINTS_VERSION)) return BW_BAD_HEADER;
  if (bw_u32(bytes + 8) != length || bw_u32(bytes + 28) != 0) return BW_BAD_HEADER;
  model->bytes = bytes;
  model->length = length;
  model->window_samples = (uint16_t)bw_u16(bytes + 12);
  model->channels = bytes[14];
  model->classes = bytes[15];
  model->hop_samples = (uint16_t)bw_u16(bytes + 16);
  model->exits = bytes[18];
  model->layers = bytes[19];
  model->rate_centihertz = bw_u32(bytes + 20);
  model->microg_per_step = bw_u32(bytes + 24);
  if (!in_range(model->exits, BW_MAX_STAGES)) return BW_BAD_HEADER;
  if (bw_u16(bytes + 6) != section_count(model)) return BW_BAD_HEADER;
  if (!in_range(model->window_samples, BW_MAX_WINDOW_SAMPLES)) return BW_BAD_SHAPE;
  if (!in_range(model->channels, BW_MAX_CHANNELS)) return BW_BAD_SHAPE;
  if ((uint32_t)model->window_samples * model->channels > BW_MAX_WINDOW_BYTES) return BW_BAD_SHAPE;
  if (model->classes < 2 || model->classes > BW_MAX_CLASSES) return BW_BAD_SHAPE;
  if (model->hop_samples == 0 || model->microg_per_step == 0) return BW_BAD_SETTING;
  if (!in_range(model->rate_centihertz, BW_MAX_RATE_CENTIHERTZ)) return BW_BAD_SETTING;
  return BW_OK;
}

/* Sections stand one behind the other in the order of their types, zeros up to each next four. */
static bw_code check_sections(const bw_model *model) {
  const uint8_t *entry = model->bytes + BW_HEADER_BYTES;
  const uint32_t count = section_count(model);
  uint32_t at = BW_HEADER_BYTES + count * BW_SECTION_ENTRY_BYTES;
  if (at > model->length) return BW_BAD_SECTIONS;
  for (uint32_t i = 0; i < count; i++, entry += BW_SECTION_ENTRY_BYTES) {
    uint32_t type = i < 4 ? i + 1 : BW_BODY + (i & 1);
    uint32_t index = i < 4 ? 0 : (i - 4) >> 1;
    if (i >= of_student(model)) {
      type = i == of_student(model) && has_encoder(model) ? BW_ENCODER : BW_POINTS;
      index = 0;
    }
    uint32_t length = bw_u32(entry + 8);
    if (bw_u32(entry) != (type | index << 8) || bw_u32(entry + 4) != at) return BW_BAD_SECTIONS;
    if (length > model->length - at) return BW_BAD_SECTIONS;
    at += length;
    for (; (at & 3u) != 0; at++) {
      if (at >= model->length || model->bytes[at] != 0) return BW_BAD_SECTIONS;
    }
  }
  return at == model->length ? BW_OK : BW_BAD_SECTIONS;
}

static int same_text(const uint8_t *a, const uint8_t *b) {
  uint32_t i = 0;
  while (i <= a[0] && a[i] == b[i]) i++;
  return i > a[0];
}

/* The cohort, then the classes: printable ASCII, none empty, no class twice. */
static bw_code check_names(const bw_model *model) {
  const uint8_t *name = model->names;
  const uint8_t *end = name + model->names_length;
  const uint8_t *first_class = name;
  for (uint32_t i = 0; i <= model->classes; i++) {
    uint32_t most = i == 0 ? BW_MAX_COHORT_BYTES : BW_MAX_CLASS_NAME_BYTES;
    if (name == end || !in_range(name[0], most)) return BW_BAD_SETTING;
    if (name[0] >= end - name) return BW_BAD_SETTING;
    for (uint32_t c = 1; c <= name[0]; c++) {
      if (name[c] < 0x20 || name[c] > 0x7e) return BW_BAD_SETTING;
    }
    if (i > 0) {
      for (const uint8_t *other = first_class; other != name; other += 1 + other[0]) {
        if (same_text(other, name)) return BW_BAD_SETTING;
      }
    }
    name += 1 + name[0];
    if (i == 0) first_class = name;
  }
  return name == end ? BW_OK : BW_BAD_SETTING;
}

/* Encoder and points, which come behind the student where there are any. */
static bw_code find_the_rest(bw_model *model, const uint8_t *entry) {
  model->encoder = 0;
  model->points = 0;
  if (has_encoder(model)) {
    model->encoder = model->bytes + bw_u32(entry + 4);
    model->encoder_length = bw_u32(entry + 8);
    entry += BW_SECTION_ENTRY_BYTES;
    bw_code code = bw_check_encoder(model);
    if (code != BW_OK) return code;
  }
  if (!has_points(model)) return BW_OK;
  model->points = model->bytes + bw_u32(entry + 4);
  model->points_length = bw_u32(entry + 8);
  return model->points_length <= BW_MAX_POINTS_BYTES ? BW_OK : BW_BAD_SETTING;
}

bw_code bw_load(bw_model *model, const void *container, uint32_t length) {
  const uint8_t *bytes = (const uint8_t *)container;
  bw_code code = read_header(model, bytes, length);
  if (code == BW_OK) code = check_sections(model);
  if (code != BW_OK) return code;
  const uint8_t *entry = bytes + BW_HEADER_BYTES;
  model->names = bytes + bw_u32(entry + 4);
  model->names_length = bw_u32(entry + 8);
  entry += BW_SECTION_ENTRY_BYTES;
  model->gate = bytes + bw_u32(entry + 4);
  model->gate_length = bw_u32(entry + 8);
  entry += BW_SECTION_ENTRY_BYTES;
  model->stage_records = bytes + bw_u32(entry + 4);
  if (bw_u32(entry + 8) != model->exits * BW_STAGE_RECORD_BYTES) return BW_BAD_SECTIONS;
  entry += BW_SECTION_ENTRY_BYTES;
  model->layer_records = bytes + bw_u32(entry + 4);
  if (bw_u32(entry + 8) != model->layers * BW_LAYER_RECORD_BYTES) return BW_BAD_SECTIONS;
  if (model->gate_length > BW_MAX_GATE_BYTES) return BW_BAD_SETTING;
  code = check_names(model);
  entry += BW_SECTION_ENTRY_BYTES;
  if (code == BW_OK) code = bw_check_student(model, entry);
  entry += 2u * model->exits * BW_SECTION_ENTRY_BYTES;
  return code == BW_OK ? find_the_rest(model, entry) : code;
}

uint32_t bw_ram_bytes(const bw_model *model) {
  return model->ram_bytes;
}
