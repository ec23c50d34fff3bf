/* Frames written and read, field by field in the order of docs/FORMATS.md. */
#include "bw_frames.h"
#include "bw_codes.h"
#include "bw_companded.h"

#define OFFLOADED_BIT 0x80

static bw_writer begin(uint8_t *bytes, uint32_t room, uint8_t type) {
  bw_writer to = bw_write_to(bytes, room);
  bw_put_u8(&to, BW_FRAME_VERSION);
  bw_put_u8(&to, type);
  return to;
}

static uint32_t finish(const bw_writer *to) { return to->full ? 0 : to->length; }

static void put_text(bw_writer *to, bw_text text) {
  bw_put_u8(to, text.length);
  bw_put_bytes(to, text.text, text.length);
}

uint32_t bw_encode_hello(const bw_hello *hello, uint8_t *bytes, uint32_t room) {
  bw_writer to = begin(bytes, room, BW_FRAME_HELLO);
  bw_put_u32(&to, hello->epoch);
  bw_put_bytes(&to, hello->model_id, BW_MODEL_ID_BYTES);
  bw_put_u32(&to, hello->release_sequence);
  bw_put_u16(&to, hello->format_version);
  bw_put_u32(&to, hello->slot_bytes);
  bw_put_u32(&to, hello->ram_bytes);
  bw_put_u32(&to, hello->wake_ms);
  put_text(&to, hello->cohort);
  put_text(&to, hello->firmware);
  return finish(&to);
}

uint32_t bw_encode_report(const bw_report *report, uint8_t *bytes, uint32_t room) {
  bw_writer to = begin(bytes, room, BW_FRAME_REPORT);
  bw_put_u32(&to, report->epoch);
  bw_put_u32(&to, report->seq);
  bw_put_bytes(&to, report->model_id, BW_MODEL_ID_BYTES);
  bw_put_u32(&to, report->drift_q8);
  bw_put_u8(&to, (report->alarm ? 1u : 0u) | (uint32_t)report->operating_point << 1);
  bw_put_u8(&to, report->battery_percent);
  bw_put_u32(&to, report->dropped);
  bw_put_u8(&to, report->entry_count);
  for (uint32_t i = 0; i < report->entry_count; i++) {
    const bw_report_entry *entry = &report->entries[i];
    bw_put_u32(&to, entry->window_index);
    bw_put_u48(&to, entry->time_ms);
    bw_put_u8(&to, entry->class_index);
    bw_put_u8(&to, entry->confidence_q8);
    bw_put_u8(&to, entry->exit | (entry->offloaded ? OFFLOADED_BIT : 0u));
  }
  return finish(&to);
}

static uint32_t bits_of(uint8_t encoding) { return encoding == BW_ENCODING_COMPANDED4 ? 4 : 2; }

static void put_codes(bw_writer *to, const bw_codes *codes) {
  const uint32_t length = bw_packed_code_bytes(codes->count, codes->bits);
  bw_put_u16(to, length);
  bw_put_u8(to, 0);
  bw_put_u8(to, BW_ENCODING_CODES);
  bw_put_bytes(to, codes->encoder, BW_ENCODER_ID_BYTES);
  uint8_t *packed = bw_put_room(to, length);
  if (packed) bw_pack_codes(codes->codes, codes->count, codes->bits, packed);
}

static void put_window(bw_writer *to, const bw_offload_frame *offload) {
  uint16_t samples = offload->window_samples;
  uint8_t channels = offload->channels;
  bw_put_u16(to, samples);
  bw_put_u8(to, channels);
  bw_put_u8(to, offload->encoding);
  bw_put_u32(to, offload->microg_per_step);
  bw_put_u32(to, offload->rate_centihertz);
  if (offload->encoding == BW_ENCODING_INT8) {
    bw_put_bytes(to, offload->window, (uint32_t)samples * channels);
    return;
  }
  uint32_t bits = bits_of(offload->encoding);
  uint8_t *bytes = bw_put_room(to, bw_companded_bytes(samples, channels, bits));
  if (bytes) bw_encode_companded(offload->window, samples, channels, bits, bytes);
}

uint32_t bw_encode_offload(const bw_offload_frame *offload, uint8_t *bytes, uint32_t room) {
  bw_writer to = begin(bytes, room, BW_FRAME_OFFLOAD);
  bw_put_u32(&to, offload->epoch);
  bw_put_u32(&to, offload->seq);
  bw_put_bytes(&to, offload->model_id, BW_MODEL_ID_BYTES);
  bw_put_u32(&to, offload->window_index);
  bw_put_u48(&to, offload->time_ms);
  bw_put_u8(&to, offload->reason);
  bw_put_u8(&to, offload->class_index);
  bw_put_u8(&to, offload->confidence_q8);
  bw_put_u8(&to, offload->exit);
  bw_put_u16(&to, offload->chance_q16);
  if (offload->encoding == BW_ENCODING_CODES) put_codes(&to, &offload->codes);
  else put_window(&to, offload);
  return finish(&to);
}

uint32_t bw_offload_bytes(uint8_t encoding, uint16_t samples, uint8_t channels) {
  uint32_t window = encoding == BW_ENCODING_INT8
                        ? (uint32_t)samples * channels
                        : bw_companded_bytes(samples, channels, bits_of(encoding));
  return BW_OFFLOAD_HEAD_BYTES + window;
}

uint32_t bw_codes_frame_bytes(uint32_t code_bytes) { return BW_CODES_HEAD_BYTES + code_bytes; }

bw_frame_code bw_open_frame(bw_reader *from, const uint8_t *bytes, uint32_t length, uint8_t type) {
  *from = bw_read_from(bytes, length);
  if (length > BW_FRAME_BYTES_MAX) return BW_FRAME_OVERSIZED;
  uint8_t version = bw_take_u8(from);
  if (from->failed) return BW_FRAME_TRUNCATED;
  if (version != BW_FRAME_VERSION) return BW_FRAME_BAD_VERSION;
  uint8_t found = bw_take_u8(from);
  if (from->failed) return BW_FRAME_TRUNCATED;
  return found == type ? BW_FRAME_OK : BW_FRAME_BAD_TYPE;
}

bw_frame_code bw_close_frame(const bw_reader *from) {
  if (from->failed) return BW_FRAME_TRUNCATED;
  return from->left > 0 ? BW_FRAME_TRAILING_BYTES : BW_FRAME_OK;
}

/* What to say of a value that was read, if it was. */
static bw_frame_code within(const bw_reader *from, uint32_t value, uint32_t low, uint32_t high) {
  if (from->failed) return BW_FRAME_TRUNCATED;
  return value < low || value > high ? BW_FRAME_OUT_OF_RANGE : BW_FRAME_OK;
}

bw_frame_code bw_decode_ack(bw_ack *ack, const uint8_t *bytes, uint32_t length) {
  bw_reader from;
  bw_frame_code code = bw_open_frame(&from, bytes, length, BW_FRAME_ACK);
  if (code != BW_FRAME_OK) return code;
  ack->epoch = bw_take_u32(&from);
  if ((code = within(&from, ack->epoch, 1, 0xffffffffu)) != BW_FRAME_OK) return code;
  ack->count = bw_take_u16(&from);
  if ((code = within(&from, ack->count, 1, BW_ACK_SEQS_MAX)) != BW_FRAME_OK) return code;
  ack->seqs = bw_take(&from, 4u * ack->count);
  return bw_close_frame(&from);
}

bw_frame_code bw_decode_verdict(bw_verdict *verdict, const uint8_t *bytes, uint32_t length) {
  bw_reader from;
  bw_frame_code code = bw_open_frame(&from, bytes, length, BW_FRAME_VERDICT);
  if (code != BW_FRAME_OK) return code;
  verdict->epoch = bw_take_u32(&from);
  if ((code = within(&from, verdict->epoch, 1, 0xffffffffu)) != BW_FRAME_OK) return code;
  verdict->seq = bw_take_u32(&from);
  verdict->window_index = bw_take_u32(&from);
  verdict->class_index = bw_take_u8(&from);
  code = within(&from, verdict->class_index, 0, BW_CLASSES_MAX - 1);
  if (code != BW_FRAME_OK) return code;
  verdict->trusted = bw_take_u8(&from);
  if ((code = within(&from, verdict->trusted, 0, 1)) != BW_FRAME_OK) return code;
  verdict->classes = bw_take_u8(&from);
  if ((code = within(&from, verdict->classes, 2, BW_CLASSES_MAX)) != BW_FRAME_OK) return code;
  if (verdict->class_index >= verdict->classes) return BW_FRAME_OUT_OF_RANGE;
  verdict->probabilities_q8 = bw_take(&from, verdict->classes);
  return bw_close_frame(&from);
}

bw_frame_code bw_decode_setting(bw_setting *setting, const uint8_t *bytes, uint32_t length) {
  bw_reader from;
  bw_frame_code code = bw_open_frame(&from, bytes, length, BW_FRAME_SETTING);
  if (code != BW_FRAME_OK) return code;
  setting->audit_chance_q16 = bw_take_u16(&from);
  setting->burst_windows = bw_take_u16(&from);
  code = within(&from, setting->burst_windows, 0, BW_BURST_WINDOWS_MAX);
  return code == BW_FRAME_OK ? bw_close_frame(&from) : code;
}

bw_frame_code bw_decode_operating_point(uint16_t *share_q16, const uint8_t *bytes,
                                        uint32_t length) {
  bw_reader from;
  bw_frame_code code = bw_open_frame(&from, bytes, length, BW_FRAME_OPERATING_POINT);
  if (code != BW_FRAME_OK) return code;
  *share_q16 = bw_take_u16(&from);
  return bw_close_frame(&from);
}
