/* Switching on, and one turn after another: device-sim/node.ts. */
#include "bw_node.h"
#include "bw_hal.h"
#include "bw_node_parts.h"
#include "bw_update_frames.h"

#define INFLIGHT 16
#define TICK_MS 1000u
#define BATTERY_FULL 100
#define FIRMWARE_NAME_MAX 32
/* Journals, a backlog of four pages and two slots of a few. */
#define PAGES_LEAST 16u

/* A life's number, in flash: with the seed and the clock it makes an epoch that no life before had,
 * so that a node that lost its outbox cannot give a sequence number twice. */
static uint32_t begin_life(bw_node *node, bw_time now) {
  uint8_t bytes[4];
  uint32_t lives = node->lives.length == 4 ? bw_get_u32(node->lives.bytes) : 0;
  bw_prng epochs;
  bw_set_u32(bytes, lives + 1);
  (void)bw_journal_write(&node->lives, bytes, sizeof bytes);
  uint32_t seed = node->provision->seed + lives * 0x9e3779b9u;
  bw_prng_seed(&epochs, seed ^ (uint32_t)(now.wall_ms / 1000), "epoch", 5);
  uint32_t epoch = bw_prng_next(&epochs);
  bw_outbox_start(&node->outbox, epoch == 0 ? 1 : epoch);
  return lives;
}

/* The streams of a simulated collar with the same seed, in its first life. */
static void seed_chance(bw_node *node, uint32_t lives) {
  static const char node_stream[] = "node ";
  static const char jitter_stream[] = "jitter ";
  char stream[8 + 64];
  const bw_text name = node->provision->node;
  uint32_t seed = node->provision->seed + lives;
  uint32_t length = 0;
  for (; length < sizeof node_stream - 1; length++) stream[length] = node_stream[length];
  for (uint32_t i = 0; i < name.length; i++) stream[length + i] = name.text[i];
  bw_prng_seed(&node->random, seed, stream, length + name.length);
  for (length = 0; length < sizeof jitter_stream - 1; length++) {
    stream[length] = jitter_stream[length];
  }
  for (uint32_t i = 0; i < name.length; i++) stream[length + i] = name.text[i];
  bw_prng_seed(&node->jitter, seed, stream, length + name.length);
}

static void prepare_outbox(bw_node *node) {
  node->outbox.entries = node->memory.entries;
  node->outbox.entries_room = node->memory.entry_count;
  node->outbox.bytes = node->memory.outbox;
  node->outbox.bytes_room = node->memory.outbox_bytes;
  node->outbox.limits.inflight = INFLIGHT;
  node->outbox.limits.retry_ms = node->provision->retry_ms;
  node->outbox.limits.retry_ms_max = node->provision->retry_ms_max;
}

static void prepare_link(bw_node *node, bw_time now) {
  const bw_provision *provision = node->provision;
  node->mqtt.options.client_id = provision->node;
  node->mqtt.options.user = provision->user;
  node->mqtt.options.password = provision->password;
  node->mqtt.options.base = provision->base;
  node->mqtt.options.keepalive_seconds = provision->keepalive_seconds;
  node->mqtt.options.retry_ms = provision->connect_ms;
  node->mqtt.options.retry_ms_max = provision->connect_ms_max;
  node->mqtt.buffer = node->memory.packet;
  node->mqtt.room = node->memory.packet_bytes;
  bw_mqtt_start(&node->mqtt, now.uptime_ms);
}

bw_boot_code bw_node_boot(bw_node *node, const bw_provision *provision,
                          const bw_node_memory *memory, const uint8_t *factory, uint32_t length,
                          bw_time now) {
  uint32_t page = bw_hal_flash.page_bytes;
  if (bw_hal_flash.length / page < PAGES_LEAST) return BW_NO_FLASH;
  node->provision = provision;
  node->memory = *memory;
  bw_journal_open(&node->lives, 0);
  bw_journal_open(&node->gate_saved, 2 * page);
  bw_backlog_open(&node->backlog, BW_BACKLOG_PAGE * page, bw_backlog_pages());
  prepare_outbox(node);
  seed_chance(node, begin_life(node, now));
  bw_boot_code code = bw_boot_model(node, factory, length, now);
  if (code != BW_BOOTED) return code;
  for (uint32_t i = 0; i < BW_MODEL_ID_BYTES; i++) {
    node->reporter.model_id[i] = node->update.running.model_id[i];
  }
  node->reporter.count = 0;
  node->reporter.alarm = 0;
  node->reporter.drift_q8 = 0;
  node->reporter.since_ms = now.uptime_ms;
  node->reporter.last_ms = now.uptime_ms;
  node->next_window = 0;
  node->doubts = 0;
  node->battery_percent = BATTERY_FULL;
  node->bad_frames = 0;
  prepare_link(node, now);
  return BW_BOOTED;
}

/* A hello without a name, or with a longer one, is refused, and the node would never have joined. */
static bw_text name_of_firmware(const bw_node *node) {
  static const char unnamed[] = "bellwether-fw";
  bw_text name = node->firmware;
  if (name.text == 0 || name.length == 0) {
    name.text = unnamed;
    name.length = sizeof unnamed - 1;
  }
  if (name.length > FIRMWARE_NAME_MAX) name.length = FIRMWARE_NAME_MAX;
  return name;
}

static void say_hello(bw_node *node, bw_time now) {
  uint8_t frame[34 + 64 + FIRMWARE_NAME_MAX];
  const bw_running *running = &node->update.running;
  const uint8_t *names = running->model.names; /* the cohort first */
  bw_hello hello = {
      .epoch = node->outbox.epoch,
      .model_id = running->model_id,
      .release_sequence = running->sequence,
      .format_version = BW_CONTAINER_VERSION,
      .slot_bytes = node->update.slots.image_bytes,
      .ram_bytes = node->memory.student_bytes,
      .wake_ms = node->provision->wake_ms,
      .cohort = {(const char *)names + 1, names[0]},
      .firmware = name_of_firmware(node),
  };
  uint32_t length = bw_encode_hello(&hello, frame, sizeof frame);
  bw_mqtt_publish(&node->mqtt, "hello", frame, length, now.uptime_ms);
}

/* What the update has to say: chunks that it wants, what became of a release. */
static void send_update_frames(bw_node *node, bw_time now) {
  uint8_t frame[BW_UPDATE_FRAME_BYTES];
  for (;;) {
    uint32_t length =
        bw_update_next_frame(&node->update, now.uptime_ms, frame, sizeof frame);
    if (length == 0) return;
    const char *kind = frame[1] == BW_FRAME_WANT ? "want" : "outcome";
    bw_mqtt_publish(&node->mqtt, kind, frame, length, now.uptime_ms);
  }
}

/* What is owed to time rather than to an event. */
static void pump(bw_node *node, bw_time now) {
  bw_follow_update(node, bw_update_step(&node->update, bw_update_now(node, now)), now);
  if (bw_report_is_due(node, now)) bw_flush_report(node, now);
  if (!bw_is_connected(node)) return;
  if (bw_update_wants_hello(&node->update, now.uptime_ms)) say_hello(node, now);
  send_update_frames(node, now);
  bw_fetch_owed(node);
  for (;;) {
    const bw_outbox_entry *entry = bw_outbox_due(&node->outbox, now.uptime_ms, &node->jitter);
    if (entry == 0) return;
    const char *kind = entry->kind == BW_ENTRY_REPORT ? "report" : "offload";
    bw_mqtt_publish(&node->mqtt, kind, node->outbox.bytes + entry->offset, entry->length,
                    now.uptime_ms);
  }
}

static bw_frame_code take_ack(bw_node *node, const uint8_t *frame, uint32_t length, bw_time now) {
  bw_ack ack;
  bw_frame_code code = bw_decode_ack(&ack, frame, length);
  if (code != BW_FRAME_OK) return code;
  for (uint32_t i = 0; i < ack.count; i++) {
    uint32_t seq = bw_get_u32(ack.seqs + 4 * i);
    bw_place place;
    if (!bw_outbox_acknowledge(&node->outbox, ack.epoch, seq, now.uptime_ms, &place)) continue;
    bw_backlog_done(&node->backlog, place);
    if (ack.epoch == node->outbox.epoch) bw_update_heard(&node->update, seq);
  }
  return code;
}

/* A verdict of another life of this node, or in another list of classes, says nothing to this
 * one. */
static bw_frame_code take_verdict(bw_node *node, const uint8_t *frame, uint32_t length) {
  bw_verdict verdict;
  bw_frame_code code = bw_decode_verdict(&verdict, frame, length);
  if (code != BW_FRAME_OK || verdict.epoch != node->outbox.epoch) return code;
  if (verdict.classes != bw_model_of(node)->classes) return code;
  bw_gate_verdict told = {
      .window_index = verdict.window_index,
      .class_index = verdict.class_index,
      .trusted = verdict.trusted,
      .classes = verdict.classes,
      .probabilities_q8 = verdict.probabilities_q8,
  };
  bw_gate_take_verdict(&node->gate, &node->gate_state, &told);
  return code;
}

static bw_frame_code take_setting(bw_node *node, const uint8_t *frame, uint32_t length) {
  bw_setting setting;
  bw_frame_code code = bw_decode_setting(&setting, frame, length);
  if (code != BW_FRAME_OK) return code;
  bw_gate_set(&node->gate_state, setting.audit_chance_q16, setting.burst_windows);
  return code;
}

/* Kept at once: a node that loses its power is where it was sent. */
static bw_frame_code take_share(bw_node *node, const uint8_t *frame, uint32_t length,
                                bw_time now) {
  uint16_t share_q16 = 0;
  bw_frame_code code = bw_decode_operating_point(&share_q16, frame, length);
  if (code != BW_FRAME_OK || share_q16 == node->gate_state.operating_share_q16) return code;
  if (node->reporter.count > 0) bw_flush_report(node, now);
  bw_gate_move(&node->gate, &node->gate_state, share_q16);
  bw_save_gate(node);
  return code;
}

static uint8_t is_kind(bw_text kind, const char *name) {
  for (uint32_t i = 0; i < kind.length; i++) {
    if (name[i] == 0 || kind.text[i] != name[i]) return 0;
  }
  return name[kind.length] == 0;
}

static void take_message(bw_node *node, bw_time now) {
  const bw_text kind = node->mqtt.kind;
  const uint8_t *frame = node->mqtt.payload;
  uint32_t length = node->mqtt.payload_length;
  bw_frame_code code = BW_FRAME_OK;
  if (is_kind(kind, "ack")) code = take_ack(node, frame, length, now);
  if (is_kind(kind, "verdict")) code = take_verdict(node, frame, length);
  if (is_kind(kind, "setting")) code = take_setting(node, frame, length);
  if (is_kind(kind, "point")) code = take_share(node, frame, length, now);
  if (is_kind(kind, "chunk")) {
    bw_update_take_chunk(&node->update, frame, length, bw_update_now(node, now));
  }
  if (is_kind(kind, "offer")) {
    bw_now at = bw_update_now(node, now);
    bw_follow_update(node, bw_update_take_offer(&node->update, frame, length, at), now);
  }
  if (code != BW_FRAME_OK) node->bad_frames += 1;
}

static void take_event(bw_node *node, bw_mqtt_event event, bw_time now) {
  if (event == BW_MQTT_CONNECTED) {
    say_hello(node, now);
    bw_update_connected(&node->update, bw_update_now(node, now));
  }
  if (event == BW_MQTT_LOST) {
    bw_owed_link_lost(node);
    bw_update_disconnected(&node->update);
  }
  if (event == BW_MQTT_MESSAGE) take_message(node, now);
}

void bw_node_receive(bw_node *node, const uint8_t *bytes, uint32_t length, bw_time now) {
  while (length > 0) {
    bw_mqtt_event event =
        bw_mqtt_feed(&node->mqtt, &bytes, &length, now.uptime_ms, &node->jitter);
    if (event == BW_MQTT_NOTHING) continue;
    take_event(node, event, now);
    pump(node, now);
  }
}

void bw_node_samples(bw_node *node, const bw_samples *samples, bw_time now) {
  uint32_t rate = bw_model_of(node)->rate_centihertz;
  if (samples->channels != bw_model_of(node)->channels) return;
  for (uint32_t row = 0; row < samples->rows; row++) {
    const int16_t *millig = samples->millig + row * samples->channels;
    if (!bw_take_row(&node->windowing, samples->start_sample + row, millig)) continue;
    uint64_t after = ((samples->rows - 1u - row) * 100000u + rate / 2) / rate;
    bw_answer_window(node, now.wall_ms > after ? now.wall_ms - after : 0, now);
  }
  pump(node, now);
}

void bw_node_battery(bw_node *node, uint8_t percent) {
  node->battery_percent = percent < BATTERY_FULL ? percent : BATTERY_FULL;
}

void bw_node_tick(bw_node *node, bw_time now) {
  bw_mqtt_event event = bw_mqtt_tick(&node->mqtt, now.uptime_ms, &node->jitter);
  take_event(node, event, now);
  pump(node, now);
}

uint32_t bw_node_idle_ms(const bw_node *node, uint64_t uptime_ms) {
  if (bw_is_connected(node) || node->mqtt.due_ms >= uptime_ms + TICK_MS) return TICK_MS;
  return node->mqtt.due_ms > uptime_ms ? (uint32_t)(node->mqtt.due_ms - uptime_ms) : 0;
}
