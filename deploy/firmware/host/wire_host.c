/*
 * Frames, windows and MQTT as a program of the host, driven by test/firmware-wire.test.ts.
 *
 *   'H' 'P' 'O'  a hello, a report, an offload, field by field  -> u16 length, frame
 *   'A' 'V' 'T' 'I'  u16 length, bytes: decode an ack, a verdict, a setting, an operating
 *        point                                                  -> u8 code, fields
 *   'G'  u8 reason, u8 alarm, u8 battery, u8 low from, u8 doubts per window, u32 each: owed, most,
 *        spares, doubts, bytes of codes, of the window          -> u8 form, u8 doubts stood for
 *   'S'  u16 samples, u16 hop, u8 channels, u32 step            a windowing begins
 *   'R'  u32 sample, i16 per channel                            -> u8, and the window where it is 1
 *   'Q'  i16 milli-g, u32 step                                  -> i8
 *   'M'  texts id, user, password, base, u16 keepalive, u16 room       a client begins at time 0
 *   'K'  u32 now                                                tick -> events
 *   'F'  u32 now, u16 length, bytes                             feed -> events
 *   'U'  u32 now, text kind, u16 length, frame                  publish -> events
 *
 * Events: u16 bytes sent and those bytes, then u8 per event, 2 with a text and u16 length, bytes;
 * 255 ends them.
 */
#include "../node/bw_hal.h"
#include "../node/bw_mqtt.h"
#include "../node/bw_offload_form.h"
#include "../node/bw_windowing.h"
#include "host_io.h"
#include <string.h>

enum { SENT_ROOM = 65535 };

static uint8_t sent[SENT_ROOM];
static uint32_t sent_length;

bool bw_hal_transmit(const uint8_t *bytes, uint32_t length) {
  if (length > SENT_ROOM - sent_length) exit(3);
  memcpy(sent + sent_length, bytes, length);
  sent_length += length;
  return true;
}

static char *get_text(bw_text *text) {
  text->length = (uint8_t)get(1);
  char *bytes = (char *)get_bytes(text->length);
  text->text = bytes;
  return bytes;
}

static uint64_t get_u48(void) {
  uint64_t low = get(4);
  return low | (uint64_t)get(2) << 32;
}

/* Into a block that has not one byte more than the frame is said to need. */
static void put_frame(uint32_t (*encode)(const void *, uint8_t *, uint32_t), const void *message) {
  static uint8_t bytes[BW_FRAME_BYTES_MAX];
  uint32_t length = encode(message, bytes, sizeof bytes);
  uint8_t *tight = (uint8_t *)malloc(length);
  if (tight == 0 || encode(message, tight, length) != length) exit(4);
  if (encode(message, tight, length - 1) != 0) exit(5);
  put(length, 2);
  put_bytes(tight, length);
  free(tight);
}

static uint32_t encode_hello(const void *message, uint8_t *bytes, uint32_t room) {
  return bw_encode_hello((const bw_hello *)message, bytes, room);
}
static uint32_t encode_report(const void *message, uint8_t *bytes, uint32_t room) {
  return bw_encode_report((const bw_report *)message, bytes, room);
}
static uint32_t encode_offload(const void *message, uint8_t *bytes, uint32_t room) {
  return bw_encode_offload((const bw_offload_frame *)message, bytes, room);
}

static void hello(void) {
  bw_hello message;
  message.epoch = get(4);
  uint8_t *model = get_bytes(8);
  message.model_id = model;
  message.release_sequence = get(4);
  message.format_version = (uint16_t)get(2);
  message.slot_bytes = get(4);
  message.ram_bytes = get(4);
  message.wake_ms = get(4);
  char *cohort = get_text(&message.cohort);
  char *firmware = get_text(&message.firmware);
  put_frame(encode_hello, &message);
  free(model);
  free(cohort);
  free(firmware);
}

static void report(void) {
  static bw_report_entry entries[BW_REPORT_ENTRIES_MAX];
  bw_report message;
  message.epoch = get(4);
  message.seq = get(4);
  uint8_t *model = get_bytes(8);
  message.model_id = model;
  message.drift_q8 = get(4);
  message.alarm = (uint8_t)get(1);
  message.operating_point = (uint8_t)get(1);
  message.battery_percent = (uint8_t)get(1);
  message.dropped = get(4);
  message.entry_count = (uint8_t)get(1);
  message.entries = entries;
  for (uint32_t i = 0; i < message.entry_count; i++) {
    entries[i].window_index = get(4);
    entries[i].time_ms = get_u48();
    entries[i].class_index = (uint8_t)get(1);
    entries[i].confidence_q8 = (uint8_t)get(1);
    entries[i].exit = (uint8_t)get(1);
    entries[i].offloaded = (uint8_t)get(1);
  }
  put_frame(encode_report, &message);
  free(model);
}

static void offload(void) {
  bw_offload_frame message;
  message.epoch = get(4);
  message.seq = get(4);
  uint8_t *model = get_bytes(8);
  message.model_id = model;
  message.window_index = get(4);
  message.time_ms = get_u48();
  message.reason = (uint8_t)get(1);
  message.class_index = (uint8_t)get(1);
  message.confidence_q8 = (uint8_t)get(1);
  message.exit = (uint8_t)get(1);
  message.chance_q16 = (uint16_t)get(2);
  message.encoding = (uint8_t)get(1);
  uint8_t *encoder = 0;
  uint8_t *payload;
  if (message.encoding == BW_ENCODING_CODES) {
    message.codes.bits = (uint8_t)get(1);
    message.codes.count = (uint16_t)get(2);
    message.codes.encoder = encoder = get_bytes(BW_ENCODER_ID_BYTES);
    message.codes.codes = payload = get_bytes(message.codes.count);
  } else {
    message.window_samples = (uint16_t)get(2);
    message.channels = (uint8_t)get(1);
    message.microg_per_step = get(4);
    message.rate_centihertz = get(4);
    payload = get_bytes((uint32_t)message.window_samples * message.channels);
    message.window = (int8_t *)payload;
  }
  put_frame(encode_offload, &message);
  free(model);
  free(encoder);
  free(payload);
}

static void choose_form(void) {
  bw_form_question question;
  question.reason = (bw_offload)get(1);
  question.alarm = (uint8_t)get(1);
  question.battery_percent = (uint8_t)get(1);
  question.battery_low_percent = (uint8_t)get(1);
  question.doubts_per_window = (uint8_t)get(1);
  question.owed = get(4);
  question.owed_max = get(4);
  question.owed_spares = get(4);
  question.doubts = get(4);
  question.codes_bytes = get(4);
  question.window_bytes = get(4);
  put(bw_offload_form(&question), 1);
  put(bw_doubts_stood_for(&question), 1);
}

static void decode(int kind) {
  uint32_t length = get(2);
  uint8_t *bytes = get_bytes(length);
  bw_ack ack;
  bw_verdict verdict;
  bw_setting setting;
  uint16_t share_q16;
  bw_frame_code code = kind == 'A'   ? bw_decode_ack(&ack, bytes, length)
                       : kind == 'V' ? bw_decode_verdict(&verdict, bytes, length)
                       : kind == 'T' ? bw_decode_setting(&setting, bytes, length)
                                     : bw_decode_operating_point(&share_q16, bytes, length);
  put(code, 1);
  if (code == BW_FRAME_OK && kind == 'A') {
    put(ack.epoch, 4);
    put(ack.count, 2);
    put_bytes(ack.seqs, 4u * ack.count);
  } else if (code == BW_FRAME_OK && kind == 'V') {
    put(verdict.epoch, 4);
    put(verdict.seq, 4);
    put(verdict.window_index, 4);
    put(verdict.class_index, 1);
    put(verdict.trusted, 1);
    put(verdict.classes, 1);
    put_bytes(verdict.probabilities_q8, verdict.classes);
  } else if (code == BW_FRAME_OK && kind == 'I') {
    put(share_q16, 2);
  } else if (code == BW_FRAME_OK) {
    put(setting.audit_chance_q16, 2);
    put(setting.burst_windows, 2);
  }
  free(bytes);
}

static bw_windowing windowing;
static int16_t *ring;
static int8_t *window;

static void start_windowing(void) {
  free(ring);
  free(window);
  windowing.window_samples = (uint16_t)get(2);
  windowing.hop_samples = (uint16_t)get(2);
  windowing.channels = (uint8_t)get(1);
  windowing.microg_per_step = get(4);
  uint32_t values = (uint32_t)windowing.window_samples * windowing.channels;
  ring = (int16_t *)malloc(2 * values);
  window = (int8_t *)malloc(values);
  bw_windowing_start(&windowing, ring, window);
}

static void take_row(void) {
  int16_t row[8];
  uint32_t sample = get(4);
  for (uint32_t c = 0; c < windowing.channels; c++) row[c] = (int16_t)get(2);
  uint8_t complete = bw_take_row(&windowing, sample, row);
  put(complete, 1);
  if (complete) put_bytes(window, (uint32_t)windowing.window_samples * windowing.channels);
}

static void quantize(void) {
  int16_t millig = (int16_t)get(2);
  put((uint8_t)bw_quantize_millig(millig, get(4)), 1);
}

static bw_mqtt client;
static bw_prng jitter;
static uint8_t *buffer;
static char *texts[4];

static void start_client(void) {
  bw_text *options[4] = {&client.options.client_id, &client.options.user,
                         &client.options.password, &client.options.base};
  for (uint32_t i = 0; i < 4; i++) {
    free(texts[i]);
    texts[i] = get_text(options[i]);
  }
  client.options.keepalive_seconds = (uint16_t)get(2);
  client.options.retry_ms = 1000;
  client.options.retry_ms_max = 8000;
  client.room = get(2);
  free(buffer);
  buffer = (uint8_t *)malloc(client.room);
  client.buffer = buffer;
  bw_prng_seed(&jitter, 1, "jitter", 6);
  bw_mqtt_start(&client, 0);
}

static void put_event(bw_mqtt_event event) {
  if (event == BW_MQTT_NOTHING) return;
  put(event, 1);
  if (event != BW_MQTT_MESSAGE) return;
  put(client.kind.length, 1);
  put_bytes(client.kind.text, client.kind.length);
  put(client.payload_length, 2);
  put_bytes(client.payload, client.payload_length);
}

/* The events are written behind what was sent, which is known only afterwards. */
static void step_client(int operation) {
  FILE *answers = host_out;
  FILE *events = tmpfile();
  uint64_t now = get(4);
  sent_length = 0;
  host_out = events;
  if (operation == 'K') put_event(bw_mqtt_tick(&client, now, &jitter));
  if (operation == 'F') {
    uint32_t left = get(2);
    uint8_t *bytes = get_bytes(left);
    const uint8_t *at = bytes;
    while (left > 0) put_event(bw_mqtt_feed(&client, &at, &left, now, &jitter));
    free(bytes);
  }
  if (operation == 'U') {
    char kind[256];
    uint32_t length = get(1);
    for (uint32_t i = 0; i < length; i++) kind[i] = (char)get(1);
    kind[length] = 0;
    length = get(2);
    uint8_t *frame = get_bytes(length);
    bw_mqtt_publish(&client, kind, frame, length, now);
    free(frame);
  }
  host_out = answers;
  put(sent_length, 2);
  put_bytes(sent, sent_length);
  rewind(events);
  for (int byte = fgetc(events); byte != EOF; byte = fgetc(events)) put((uint32_t)byte, 1);
  fclose(events);
  put(255, 1);
}

int main(int count, char **arguments) {
  if (!host_open(count, arguments)) return 2;
  for (int operation = host_next(); operation != EOF; operation = host_next()) {
    if (operation == 'H') hello();
    if (operation == 'P') report();
    if (operation == 'O') offload();
    if (operation == 'A' || operation == 'V' || operation == 'T' || operation == 'I') {
      decode(operation);
    }
    if (operation == 'G') choose_form();
    if (operation == 'S') start_windowing();
    if (operation == 'R') take_row();
    if (operation == 'Q') quantize();
    if (operation == 'M') start_client();
    if (operation == 'K' || operation == 'F' || operation == 'U') step_client(operation);
  }
  free(ring);
  free(window);
  free(buffer);
  for (uint32_t i = 0; i < 4; i++) free(texts[i]);
  return host_close();
}
