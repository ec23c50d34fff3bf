/* The provisioning block read, field by field in the order of docs/FORMATS.md. */
#include "bw_provision.h"
#include "../crypto/bw_crc32.h"

#define HEAD_BYTES 10u
#define CRC_BYTES 4u
#define TEXT_BYTES_MAX 64u
#define PERCENT_MAX 100u

static const uint8_t MAGIC[8] = {'B', 'W', 'P', 'R', 'O', 'V', '4', 0};

static bw_text take_text(bw_reader *from, uint32_t low) {
  bw_text text = {0, 0};
  text.length = bw_take_u8(from);
  if (text.length < low || text.length > TEXT_BYTES_MAX) from->failed = 1;
  text.text = (const char *)bw_take(from, text.length);
  for (uint32_t i = 0; !from->failed && i < text.length; i++) {
    if (text.text[i] < 0x20 || text.text[i] > 0x7e) from->failed = 1;
  }
  return text;
}

static uint16_t positive_u16(bw_reader *from) {
  uint16_t value = bw_take_u16(from);
  if (value == 0) from->failed = 1;
  return value;
}

/* Waits are at most a week, so that sums of them and the uptime stay far from wrapping. */
static uint32_t wait_ms(bw_reader *from) {
  uint32_t value = bw_take_u32(from);
  if (value == 0 || value > 7u * 24u * 3600u * 1000u) from->failed = 1;
  return value;
}

static void read_settings(bw_provision *provision, bw_reader *from) {
  provision->seed = bw_take_u32(from);
  provision->keepalive_seconds = positive_u16(from);
  provision->report_windows = positive_u16(from);
  provision->report_windows_offline = positive_u16(from);
  provision->report_ms_max = wait_ms(from);
  provision->wake_ms = wait_ms(from);
  provision->retry_ms = wait_ms(from);
  provision->retry_ms_max = wait_ms(from);
  provision->connect_ms = wait_ms(from);
  provision->connect_ms_max = wait_ms(from);
  provision->want_ms = wait_ms(from);
  provision->want_ms_max = wait_ms(from);
  provision->trial_windows = positive_u16(from);
  provision->trial_boots = positive_u16(from);
  provision->trial_ms = wait_ms(from);
  provision->gate_save_windows = positive_u16(from);
  provision->offload_encoding = bw_take_u8(from);
  const uint8_t encoding = provision->offload_encoding;
  if (encoding > BW_ENCODING_COMPANDED2 || encoding == BW_ENCODING_CODES) from->failed = 1;
  provision->offload_bytes_max = positive_u16(from);
  provision->owed_max = positive_u16(from);
  provision->doubts_per_window = bw_take_u8(from);
  provision->owed_spares = bw_take_u16(from);
  provision->macs_per_byte = bw_take_u32(from);
  if (provision->macs_per_byte == 0) from->failed = 1;
  provision->battery_low_percent = bw_take_u8(from);
  if (provision->battery_low_percent > PERCENT_MAX) from->failed = 1;
}

uint8_t bw_read_provision(bw_provision *provision, const uint8_t *block, uint32_t room) {
  if (room < HEAD_BYTES + CRC_BYTES) return 0;
  for (uint32_t i = 0; i < sizeof MAGIC; i++) {
    if (block[i] != MAGIC[i]) return 0;
  }
  uint32_t length = bw_get_u16(block + 8);
  if (length < HEAD_BYTES + CRC_BYTES || length > room) return 0;
  if (bw_crc32(0, block, length - CRC_BYTES) != bw_get_u32(block + length - CRC_BYTES)) return 0;
  bw_reader from = bw_read_from(block + HEAD_BYTES, length - HEAD_BYTES - CRC_BYTES);
  read_settings(provision, &from);
  provision->base = take_text(&from, 1);
  provision->node = take_text(&from, 1);
  provision->user = take_text(&from, 0);
  provision->password = take_text(&from, 0);
  provision->key_count = bw_take_u8(&from);
  if (provision->key_count > BW_PUBLIC_KEYS_MAX) from.failed = 1;
  provision->public_keys = bw_take(&from, BW_PUBLIC_KEY_BYTES * provision->key_count);
  return !from.failed && from.left == 0;
}
