/*
 * The node: what one collar does with everything that happens to it. The program of
 * device-sim/node.ts for a microcontroller.
 *
 * It knows no board: bytes and flash go through bw_hal.h, samples and the time are handed in. All
 * memory is the caller's, so that a board decides what it can spare. A window is answered when it
 * is complete, whatever the link and the gateway are doing.
 *
 *   bw_node_boot(&node, &provision, &memory, factory, length, now);
 *   for (;;) {
 *     bw_node_receive(&node, bytes, bw_hal_receive(bytes, sizeof bytes), now);
 *     bw_node_samples(&node, &samples, now);
 *     bw_node_tick(&node, now);
 *     bw_hal_sleep(bw_node_idle_ms(&node, now.uptime_ms));
 *   }
 */
#ifndef BW_NODE_H
#define BW_NODE_H

#include "../runtime/bw.h"
#include "bw_backlog.h"
#include "bw_gate.h"
#include "bw_journal.h"
#include "bw_mqtt.h"
#include "bw_outbox.h"
#include "bw_provision.h"
#include "bw_sensor_bus.h"
#include "bw_update.h"
#include "bw_windowing.h"
#include <stdint.h>

/* Answers that one report can hold: what is held back when the power is cut is lost. */
#define BW_NODE_REPORT_ENTRIES 16u

/* Two clocks: timers follow the uptime, labels the wall clock, which may jump. */
typedef struct bw_time {
  uint64_t uptime_ms;
  uint64_t wall_ms; /* since 1970; of the last sample where samples are handed in */
} bw_time;

typedef struct bw_node_memory {
  void *student; /* activations, on a multiple of four */
  uint32_t student_bytes;
  int16_t *ring; /* the last samples, and the window cut from them */
  int8_t *window;
  uint32_t window_values;
  bw_outbox_entry *entries;
  uint32_t entry_count;
  uint8_t *outbox;
  uint32_t outbox_bytes;
  uint8_t *packet; /* one MQTT packet */
  uint32_t packet_bytes;
} bw_node_memory;

typedef struct bw_reporter {
  bw_report_entry entries[BW_NODE_REPORT_ENTRIES];
  uint8_t count;
  uint8_t alarm;
  uint16_t drift_q8;
  uint8_t model_id[BW_MODEL_ID_BYTES]; /* whose answers they are */
  uint64_t since_ms; /* uptime at the first entry, and at the last report */
  uint64_t last_ms;
} bw_reporter;

typedef struct bw_node {
  const bw_provision *provision;
  bw_text firmware; /* its name, the caller's to set before a start: up to 32 characters */
  bw_node_memory memory;
  bw_update_settings update_settings;
  bw_update update; /* which model runs */
  bw_run run;
  bw_gate gate; /* of that model */
  bw_gate_state gate_state;
  bw_windowing windowing;
  bw_reporter reporter;
  bw_outbox outbox;
  bw_mqtt mqtt;
  bw_prng random; /* for decisions: as many numbers as windows */
  bw_prng jitter;
  bw_journal lives;
  bw_journal gate_saved;
  bw_backlog backlog; /* what is owed, while nobody listens */
  uint32_t next_window;
  uint32_t doubts; /* that were offloaded in this life */
  uint8_t battery_percent;
  uint8_t encoder_id[BW_ENCODER_ID_BYTES]; /* where the model has an encoder */
  uint32_t bad_frames;
} bw_node;

typedef enum bw_boot_code {
  BW_BOOTED = 0,
  BW_BAD_FACTORY = 1, /* the model that the node was made with cannot be used, or needs more memory
                         than the board gives */
  BW_NO_FLASH = 2     /* fewer pages than the node needs */
} bw_boot_code;

bw_boot_code bw_node_boot(bw_node *node, const bw_provision *provision,
                          const bw_node_memory *memory, const uint8_t *factory, uint32_t length,
                          bw_time now);
void bw_node_samples(bw_node *node, const bw_samples *samples, bw_time now);
/* What a board that measures its battery says now and then; full until then. More than 100 is full. */
void bw_node_battery(bw_node *node, uint8_t percent);
void bw_node_receive(bw_node *node, const uint8_t *bytes, uint32_t length, bw_time now);
/* Time passes: at least once a second. */
void bw_node_tick(bw_node *node, bw_time now);
/* How long nothing needs to happen. */
uint32_t bw_node_idle_ms(const bw_node *node, uint64_t uptime_ms);

#endif
