/* What the node's own files say to each other. Nobody else includes this. */
#ifndef BW_NODE_PARTS_H
#define BW_NODE_PARTS_H

#include "bw_node.h"

/* bw_answer.c */
void bw_answer_window(bw_node *node, uint64_t time_ms, bw_time now);
uint8_t bw_report_is_due(const bw_node *node, bw_time now);
void bw_flush_report(bw_node *node, bw_time now);

/* bw_model_change.c */
bw_boot_code bw_boot_model(bw_node *node, const uint8_t *factory, uint32_t length, bw_time now);
/* Lets the rest of the node follow what a call to bw_update has changed. */
void bw_follow_update(bw_node *node, uint8_t changes, bw_time now);
void bw_save_gate(bw_node *node);

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
