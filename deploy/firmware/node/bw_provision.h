/*
 * What a node is told once, when it is made or joined: its name, its keys, its broker's password.
 *
 * A block in flash that the firmware only reads, drawn in docs/FORMATS.md. It is not built into the
 * image: one image serves a herd. A block whose CRC does not hold is no block.
 */
#ifndef BW_PROVISION_H
#define BW_PROVISION_H

#include "bw_frames.h"
#include <stdint.h>

#define BW_PUBLIC_KEY_BYTES 32u
#define BW_PUBLIC_KEYS_MAX 4u

/* Texts and keys point into the block. */
typedef struct bw_provision {
  uint32_t seed; /* what this node's chance starts from: another one for every node */
  uint16_t keepalive_seconds;
  uint16_t report_windows; /* in one report while connected, and while not */
  uint16_t report_windows_offline;
  uint32_t report_ms_max;
  uint32_t wake_ms; /* longest silence that a gateway should expect */
  uint32_t retry_ms; /* of the outbox, and its longest */
  uint32_t retry_ms_max;
  uint32_t connect_ms; /* between two attempts to connect, and the longest */
  uint32_t connect_ms_max;
  uint32_t want_ms; /* until chunks are asked for again, and the longest */
  uint32_t want_ms_max;
  uint16_t trial_windows;
  uint16_t trial_boots;
  uint32_t trial_ms;
  uint16_t gate_save_windows;
  uint8_t offload_encoding; /* bw_encoding; whoever sets another than 0 knows the gateways */
  uint16_t offload_bytes_max; /* a longer frame of an offload is not sent */
  uint16_t owed_max;          /* nor any, while so many are owed */
  uint8_t doubts_per_window;  /* of so many doubts one goes as a window; 0: codes are never sent */
  uint16_t owed_spares;       /* owed offloads from which on a doubt goes as codes alone */
  uint32_t macs_per_byte;     /* of an encoder, that take as much energy as sending one byte more */
  uint8_t battery_low_percent; /* below it a doubt goes as codes alone; 0: it is never low */
  bw_text base;
  bw_text node;
  bw_text user;
  bw_text password;
  uint8_t key_count;
  const uint8_t *public_keys; /* 32 bytes each; any of them may sign releases */
} bw_provision;

/* 1: the block is whole and its values are possible. Reads at most `room` bytes. */
uint8_t bw_read_provision(bw_provision *provision, const uint8_t *block, uint32_t room);

#endif
