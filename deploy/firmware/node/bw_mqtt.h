/*
 * A small MQTT 3.1.1 client over a byte stream: what a node needs, and no more.
 *
 * Clean sessions, one subscription, QoS 1 both ways, a last will. What must not be lost is in the
 * outbox, so nothing is repeated here: the broker's PUBACK is read and forgotten. It sends by
 * bw_hal_transmit and is fed whatever bytes arrive, in pieces of any size. A packet larger than its
 * buffer is acknowledged, skipped and counted. Anything that the standard (OASIS MQTT 3.1.1) does
 * not allow ends the connection, as does silence: a stream that only looks open is a lost link.
 */
#ifndef BW_MQTT_H
#define BW_MQTT_H

#include "bw_frames.h"
#include "bw_prng.h"
#include <stdint.h>

typedef struct bw_mqtt_options {
  bw_text client_id;
  bw_text user; /* of no length: none, and no password then */
  bw_text password;
  bw_text base; /* what stands before every topic of ours */
  uint16_t keepalive_seconds;
  uint32_t retry_ms; /* shortest wait between two attempts to connect; doubles */
  uint32_t retry_ms_max;
} bw_mqtt_options;

typedef enum bw_mqtt_event {
  BW_MQTT_NOTHING = 0,
  BW_MQTT_CONNECTED = 1, /* and subscribed */
  BW_MQTT_MESSAGE = 2,   /* `kind` and `payload` are set, until the next call */
  BW_MQTT_LOST = 3
} bw_mqtt_event;

typedef enum bw_mqtt_phase {
  BW_MQTT_WAITING = 0, /* for the next attempt */
  BW_MQTT_CONNECTING = 1,
  BW_MQTT_SUBSCRIBING = 2,
  BW_MQTT_READY = 3
} bw_mqtt_phase;

typedef struct bw_mqtt {
  bw_mqtt_options options;
  uint8_t *buffer; /* of one packet's body */
  uint32_t room;   /* 64 or more */
  bw_mqtt_phase phase;
  uint64_t due_ms;   /* of the next attempt, or when the broker must have answered */
  uint64_t heard_ms; /* when bytes last came, and when a packet last went */
  uint64_t said_ms;
  uint64_t ready_ms;
  uint8_t attempts;
  uint8_t broken; /* the hardware says that the link is down */
  uint16_t packet_id;
  uint32_t oversized; /* packets skipped because they were larger than the buffer */
  /* The packet that is coming in. */
  uint8_t head;
  uint8_t length_bytes; /* of the remaining length read so far; 0xff: all of it */
  uint32_t remaining;
  uint32_t got;
  /* A message for this node. */
  bw_text kind; /* the last level of its topic */
  const uint8_t *payload;
  uint32_t payload_length;
} bw_mqtt;

/* Options and buffer are the caller's to set first. The first attempt is made at once. */
void bw_mqtt_start(bw_mqtt *mqtt, uint64_t now_ms);

/* Takes bytes from `*bytes` until something has happened or none is left. */
bw_mqtt_event bw_mqtt_feed(bw_mqtt *mqtt, const uint8_t **bytes, uint32_t *left, uint64_t now_ms,
                           bw_prng *jitter);

/* Attempts, pings and timeouts. At least once a second. BW_MQTT_LOST or nothing. */
bw_mqtt_event bw_mqtt_tick(bw_mqtt *mqtt, uint64_t now_ms, bw_prng *jitter);

/* Sends a frame on this node's `up/<kind>`; does nothing unless connected. */
void bw_mqtt_publish(bw_mqtt *mqtt, const char *kind, const uint8_t *frame, uint32_t length,
                     uint64_t now_ms);

#endif
