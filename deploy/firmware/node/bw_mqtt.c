/* MQTT 3.1.1 (OASIS Standard, 29 October 2014); sections are named beside what satisfies them. */
#include "bw_mqtt.h"
#include "bw_hal.h"

#define CONNECT 0x10
#define CONNACK 0x20
#define PUBLISH 0x30
#define PUBACK 0x40
#define SUBSCRIBE 0x82
#define SUBACK 0x90
#define PINGREQ 0xc0
#define PINGRESP 0xd0
#define PUBLISH_QOS1 0x32

#define CLEAN_SESSION 0x02
#define WILL_QOS1_RETAIN 0x2c
#define HAS_PASSWORD 0x40
#define HAS_USER 0x80

#define LENGTH_READ 0xff
/* Until the broker must have answered CONNECT and SUBSCRIBE: short at first, since what was sent into
 * a line that broke is never answered, and longer with each attempt, since a broker that is only slow
 * must not be asked twice on one connection (section 3.1). */
#define ANSWER_MS 1500u
#define ANSWER_DOUBLINGS 3u
/* A connection that lasted so long was a good one: the next attempt is not held back. */
#define GOOD_CONNECTION_MS 10000u

static const char OFFLINE[] = "{\"state\":\"offline\"}";
static const char DOWN[] = "/down/";

static uint32_t length_of(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) length++;
  return length;
}

static void say(bw_mqtt *mqtt, const void *bytes, uint32_t length) {
  if (!bw_hal_transmit((const uint8_t *)bytes, length)) mqtt->broken = 1;
}

static void say_u16(bw_mqtt *mqtt, uint32_t value) {
  uint8_t bytes[2] = {(uint8_t)(value >> 8), (uint8_t)value};
  say(mqtt, bytes, 2);
}

static void say_text(bw_mqtt *mqtt, bw_text text) {
  say_u16(mqtt, text.length);
  say(mqtt, text.text, text.length);
}

/* Section 2.2: the type, and the remaining length in groups of seven bits. */
static void say_head(bw_mqtt *mqtt, uint8_t head, uint32_t remaining, uint64_t now_ms) {
  uint8_t bytes[5] = {head, 0, 0, 0, 0};
  uint32_t count = 1;
  do {
    bytes[count++] = (uint8_t)((remaining & 127) | (remaining > 127 ? 128 : 0));
    remaining >>= 7;
  } while (remaining > 0);
  say(mqtt, bytes, count);
  mqtt->said_ms = now_ms;
}

static void say_puback(bw_mqtt *mqtt, uint32_t packet_id, uint64_t now_ms) {
  say_head(mqtt, PUBACK, 2, now_ms);
  say_u16(mqtt, packet_id);
}

static uint16_t next_packet_id(bw_mqtt *mqtt) {
  mqtt->packet_id += 1;
  if (mqtt->packet_id == 0) mqtt->packet_id = 1; /* section 2.3.1 */
  return mqtt->packet_id;
}

/* Section 3.1, with the node's availability as its last will. */
static void say_connect(bw_mqtt *mqtt, uint64_t now_ms) {
  const bw_mqtt_options *options = &mqtt->options;
  static const uint8_t protocol[7] = {0, 4, 'M', 'Q', 'T', 'T', 4};
  static const char availability[] = "/availability";
  uint32_t tail = sizeof availability - 1;
  uint32_t topic = (uint32_t)options->base.length + 1 + options->client_id.length + tail;
  uint32_t will = sizeof OFFLINE - 1;
  uint8_t flags = CLEAN_SESSION | 0x04 | WILL_QOS1_RETAIN;
  uint32_t remaining = 10u + 2 + options->client_id.length + 2 + topic + 2 + will;
  if (options->user.length > 0) {
    flags |= HAS_USER | HAS_PASSWORD;
    remaining += 4u + options->user.length + options->password.length;
  }
  say_head(mqtt, CONNECT, remaining, now_ms);
  say(mqtt, protocol, sizeof protocol);
  say(mqtt, &flags, 1);
  say_u16(mqtt, options->keepalive_seconds);
  say_text(mqtt, options->client_id);
  say_u16(mqtt, topic);
  say(mqtt, options->base.text, options->base.length);
  say(mqtt, "/", 1);
  say(mqtt, options->client_id.text, options->client_id.length);
  say(mqtt, availability, tail);
  say_u16(mqtt, will);
  say(mqtt, OFFLINE, will);
  if (options->user.length > 0) {
    say_text(mqtt, options->user);
    say_text(mqtt, options->password);
  }
}

static void say_node_topic(bw_mqtt *mqtt, const char *direction, const char *kind) {
  static const char node[] = "/node/";
  const bw_mqtt_options *options = &mqtt->options;
  uint32_t tail = length_of(direction) + length_of(kind);
  say_u16(mqtt, (uint32_t)options->base.length + 6 + options->client_id.length + tail);
  say(mqtt, options->base.text, options->base.length);
  say(mqtt, node, sizeof node - 1);
  say(mqtt, options->client_id.text, options->client_id.length);
  say(mqtt, direction, length_of(direction));
  say(mqtt, kind, length_of(kind));
}

static uint32_t node_topic_bytes(const bw_mqtt *mqtt, const char *direction, const char *kind) {
  uint32_t tail = length_of(direction) + length_of(kind);
  return 2u + mqtt->options.base.length + 6u + mqtt->options.client_id.length + tail;
}

/* Section 3.8: everything for this node, at QoS 1. */
static void say_subscribe(bw_mqtt *mqtt, uint64_t now_ms) {
  uint8_t qos = 1;
  say_head(mqtt, SUBSCRIBE, 2 + node_topic_bytes(mqtt, DOWN, "+") + 1, now_ms);
  say_u16(mqtt, next_packet_id(mqtt));
  say_node_topic(mqtt, DOWN, "+");
  say(mqtt, &qos, 1);
}

static uint32_t answer_ms(const bw_mqtt *mqtt) {
  uint32_t doublings = mqtt->attempts > 0 ? mqtt->attempts - 1u : 0;
  return ANSWER_MS << (doublings < ANSWER_DOUBLINGS ? doublings : ANSWER_DOUBLINGS);
}

static void expect_packet(bw_mqtt *mqtt) {
  mqtt->head = 0;
  mqtt->length_bytes = 0;
  mqtt->remaining = 0;
  mqtt->got = 0;
}

void bw_mqtt_start(bw_mqtt *mqtt, uint64_t now_ms) {
  mqtt->phase = BW_MQTT_WAITING;
  mqtt->due_ms = now_ms;
  mqtt->heard_ms = now_ms;
  mqtt->said_ms = now_ms;
  mqtt->ready_ms = now_ms;
  mqtt->attempts = 0;
  mqtt->packet_id = 0;
  mqtt->oversized = 0;
  mqtt->broken = 0;
  expect_packet(mqtt);
}

/* Gives the connection up; attempts back off with jitter, so that a herd that lost its gateway does
 * not come back in one breath. */
static bw_mqtt_event give_up(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter) {
  mqtt->broken = 0;
  bw_mqtt_event event = mqtt->phase == BW_MQTT_READY ? BW_MQTT_LOST : BW_MQTT_NOTHING;
  if (event == BW_MQTT_LOST && now_ms - mqtt->ready_ms >= GOOD_CONNECTION_MS) mqtt->attempts = 0;
  uint64_t wait_ms = mqtt->options.retry_ms;
  for (uint32_t i = 0; i < mqtt->attempts && wait_ms < mqtt->options.retry_ms_max; i++) {
    wait_ms *= 2;
  }
  if (wait_ms > mqtt->options.retry_ms_max) wait_ms = mqtt->options.retry_ms_max;
  mqtt->due_ms = now_ms + wait_ms / 2 + ((wait_ms / 2 * (bw_prng_next(jitter) >> 16)) >> 16);
  if (mqtt->attempts < 255) mqtt->attempts += 1;
  mqtt->phase = BW_MQTT_WAITING;
  expect_packet(mqtt);
  return event;
}

bw_mqtt_event bw_mqtt_tick(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter) {
  uint64_t keepalive_ms = 1000u * (uint64_t)mqtt->options.keepalive_seconds;
  if (mqtt->broken) return give_up(mqtt, now_ms, jitter);
  switch (mqtt->phase) {
    case BW_MQTT_WAITING:
      if (now_ms < mqtt->due_ms) return BW_MQTT_NOTHING;
      mqtt->phase = BW_MQTT_CONNECTING;
      mqtt->due_ms = now_ms + answer_ms(mqtt);
      expect_packet(mqtt);
      say_connect(mqtt, now_ms);
      return BW_MQTT_NOTHING;
    case BW_MQTT_CONNECTING:
    case BW_MQTT_SUBSCRIBING:
      return now_ms >= mqtt->due_ms ? give_up(mqtt, now_ms, jitter) : BW_MQTT_NOTHING;
    default:
      break;
  }
  /* Asks after half of it, and after all of it believes the silence (section 3.1.2.10). */
  if (now_ms - mqtt->heard_ms >= keepalive_ms) return give_up(mqtt, now_ms, jitter);
  uint64_t silent_ms = now_ms - mqtt->heard_ms;
  uint8_t ask = silent_ms >= keepalive_ms / 2 && now_ms - mqtt->said_ms >= keepalive_ms / 4;
  if (ask || now_ms - mqtt->said_ms >= keepalive_ms / 2) say_head(mqtt, PINGREQ, 0, now_ms);
  return BW_MQTT_NOTHING;
}

void bw_mqtt_publish(bw_mqtt *mqtt, const char *kind, const uint8_t *frame, uint32_t length,
                     uint64_t now_ms) {
  static const char up[] = "/up/";
  if (mqtt->phase != BW_MQTT_READY) return;
  say_head(mqtt, PUBLISH_QOS1, node_topic_bytes(mqtt, up, kind) + 2 + length, now_ms);
  say_node_topic(mqtt, up, kind);
  say_u16(mqtt, next_packet_id(mqtt));
  say(mqtt, frame, length);
}

static uint32_t get_u16(const uint8_t *at) { return ((uint32_t)at[0] << 8) | at[1]; }

/* Whether `topic` is `<base>/node/<id>/down/<kind>`, and its last level. */
static uint8_t is_ours(bw_mqtt *mqtt, const uint8_t *topic, uint32_t length) {
  const bw_mqtt_options *options = &mqtt->options;
  const char *parts[4] = {options->base.text, "/node/", options->client_id.text, DOWN};
  uint32_t lengths[4] = {options->base.length, 6, options->client_id.length, sizeof DOWN - 1};
  uint32_t at = 0;
  for (uint32_t part = 0; part < 4; part++) {
    for (uint32_t i = 0; i < lengths[part]; i++, at++) {
      if (at == length || topic[at] != (uint8_t)parts[part][i]) return 0;
    }
  }
  if (length - at > 16) return 0;
  mqtt->kind.text = (const char *)topic + at;
  mqtt->kind.length = (uint8_t)(length - at);
  return 1;
}

/* Section 3.3. A message that did not fit the buffer is acknowledged all the same: it will not fit
 * the next time either. */
static bw_mqtt_event take_publish(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter) {
  uint8_t qos = (mqtt->head >> 1) & 3;
  uint8_t whole = mqtt->remaining <= mqtt->room;
  uint32_t held = whole ? mqtt->remaining : mqtt->room;
  uint32_t body = 2 + (qos > 0 ? 2u : 0u);
  if (qos > 1 || mqtt->remaining < body) return give_up(mqtt, now_ms, jitter);
  uint32_t topic_length = get_u16(mqtt->buffer);
  if (topic_length > mqtt->remaining - body) return give_up(mqtt, now_ms, jitter);
  body += topic_length;
  if (!whole) mqtt->oversized += 1;
  if (body > held) return BW_MQTT_NOTHING;
  if (qos > 0) say_puback(mqtt, get_u16(mqtt->buffer + 2 + topic_length), now_ms);
  if (!whole || !is_ours(mqtt, mqtt->buffer + 2, topic_length)) return BW_MQTT_NOTHING;
  mqtt->payload = mqtt->buffer + body;
  mqtt->payload_length = mqtt->remaining - body;
  return BW_MQTT_MESSAGE;
}

static bw_mqtt_event take_suback(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter) {
  /* Without answers a node would send for ever: a refusal ends the connection (section 3.9.3). */
  if (mqtt->remaining != 3 || mqtt->buffer[2] > 2) return give_up(mqtt, now_ms, jitter);
  mqtt->phase = BW_MQTT_READY;
  mqtt->ready_ms = now_ms;
  return BW_MQTT_CONNECTED;
}

/* One whole packet. */
static bw_mqtt_event take_packet(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter) {
  uint8_t type = mqtt->head & 0xf0;
  if (mqtt->phase == BW_MQTT_CONNECTING) {
    if (mqtt->head != CONNACK || mqtt->remaining != 2 || mqtt->buffer[1] != 0) {
      return give_up(mqtt, now_ms, jitter);
    }
    mqtt->phase = BW_MQTT_SUBSCRIBING;
    mqtt->due_ms = now_ms + answer_ms(mqtt);
    say_subscribe(mqtt, now_ms);
    return BW_MQTT_NOTHING;
  }
  if (type == PUBLISH) return take_publish(mqtt, now_ms, jitter);
  if (mqtt->head == SUBACK && mqtt->phase == BW_MQTT_SUBSCRIBING) {
    return take_suback(mqtt, now_ms, jitter);
  }
  if (mqtt->head == PINGRESP && mqtt->remaining == 0) return BW_MQTT_NOTHING;
  if (mqtt->head == PUBACK && mqtt->remaining == 2) return BW_MQTT_NOTHING;
  return give_up(mqtt, now_ms, jitter);
}

/* 1: the fixed header is complete. 2: it cannot be one. */
static uint8_t take_head_byte(bw_mqtt *mqtt, uint8_t byte) {
  if (mqtt->head == 0) {
    /* What an old connection left in the line is no CONNACK: it is let pass. */
    if (mqtt->phase == BW_MQTT_CONNECTING && byte != CONNACK) return 0;
    mqtt->head = byte;
    return byte == 0 ? 2 : 0;
  }
  mqtt->remaining |= (uint32_t)(byte & 127) << (7 * mqtt->length_bytes);
  mqtt->length_bytes += 1;
  if (byte > 127) return mqtt->length_bytes == 4 ? 2 : 0;
  mqtt->length_bytes = LENGTH_READ;
  return 1;
}

bw_mqtt_event bw_mqtt_feed(bw_mqtt *mqtt, const uint8_t **bytes, uint32_t *left, uint64_t now_ms,
                           bw_prng *jitter) {
  if (*left > 0) mqtt->heard_ms = now_ms;
  while (*left > 0) {
    uint8_t byte = *(*bytes)++;
    *left -= 1;
    /* Nothing is owed to us before the next attempt. */
    if (mqtt->phase == BW_MQTT_WAITING) continue;
    if (mqtt->length_bytes != LENGTH_READ) {
      uint8_t found = take_head_byte(mqtt, byte);
      if (found == 2) return give_up(mqtt, now_ms, jitter);
      if (found == 0 || mqtt->remaining > 0) continue;
    } else {
      if (mqtt->got < mqtt->room) mqtt->buffer[mqtt->got] = byte;
      mqtt->got += 1;
      if (mqtt->got < mqtt->remaining) continue;
    }
    bw_mqtt_event event = take_packet(mqtt, now_ms, jitter);
    expect_packet(mqtt);
    if (event != BW_MQTT_NOTHING) return event;
  }
  return BW_MQTT_NOTHING;
}
