/* What the node's own files say to each other. Nobody else includes this. */
#ifndef BW_NODE_PARTS_H
#define BW_NODE_PARTS_H

#include "bw_hal.h"
#include "bw_node.h"

/* bw_answer.c */
void bw_answer_window(bw_node *node, uint64_t time_ms, bw_time now);
uint8_t bw_report_is_due(const bw_node *node, bw_time now);
void bw_flush_report(bw_node *node, bw_time now);

/* bw_owed.c: as bw_outbox_room and bw_outbox_put */
uint8_t *bw_owe_room(bw_node *node, uint32_t length);
void bw_owe(bw_node *node, bw_entry_kind kind, uint32_t length);
void bw_fetch_owed(bw_node *node);
/* Offloads that are not acknowledged, wherever they lie. */
uint32_t bw_owed_offloads(const bw_node *node);
void bw_owed_link_lost(bw_node *node);

/* bw_model_change.c */
bw_boot_code bw_boot_model(bw_node *node, const uint8_t *factory, uint32_t length, bw_time now);
/* Lets the rest of the node follow what a call to bw_update has changed. */
void bw_follow_update(bw_node *node, uint8_t changes, bw_time now);
void bw_save_gate(bw_node *node);

/* The node's flash: two journals of two pages, a quarter of all pages for what is owed, the slots. */
#define BW_BACKLOG_PAGE 4u
static inline uint32_t bw_backlog_pages(void) {
  return bw_hal_flash.length / bw_hal_flash.page_bytes / 4;
}

static inline uint8_t bw_is_connected(const bw_node *node) {
  return node->mqtt.phase == BW_MQTT_READY;
}

static inline const bw_model *bw_model_of(const bw_node *node) {
  return &node->update.running.model;
}

static inline bw_now bw_update_now(const bw_node *node, bw_time now) {
  bw_now at = {now.uptime_ms, node->outbox.next_seq};
  return at;
}

#endif
