/*
 * The model that runs: given its memory when the node starts and whenever an update has changed it,
 * with the gate's state kept over restarts.
 */
#include "../crypto/bw_memory.h"
#include "../crypto/bw_sha2.h"
#include "bw_node_parts.h"

/* Eight chunks are 8 KiB in flight: what a small node buffers, or lets wait in the line. */
#define WANT_CHUNKS 8

/* A budget that a restart refills is no budget; a state that cannot be read starts afresh. */
static void restore_gate(bw_node *node) {
  const bw_journal *saved = &node->gate_saved;
  uint8_t same = 1;
  if (saved->length < BW_MODEL_ID_BYTES) {
    bw_gate_start(&node->gate, &node->gate_state);
    return;
  }
  for (uint32_t i = 0; i < BW_MODEL_ID_BYTES; i++) {
    if (saved->bytes[i] != node->update.running.model_id[i]) same = 0;
  }
  (void)bw_gate_restore(&node->gate, &node->gate_state, saved->bytes + BW_MODEL_ID_BYTES,
                        saved->length - BW_MODEL_ID_BYTES, same);
}

/*
 * An empty bucket is written: tokens that are spent until the next time would be there once more
 * after a cut of the power, at each cut. What is lost where flash refuses is minutes of adaptation.
 */
void bw_save_gate(bw_node *node) {
  uint8_t bytes[BW_MODEL_ID_BYTES + BW_GATE_STATE_BYTES];
  uint32_t level_q8 = node->gate_state.level_q8;
  for (uint32_t i = 0; i < BW_MODEL_ID_BYTES; i++) bytes[i] = node->update.running.model_id[i];
  node->gate_state.level_q8 = 0;
  uint32_t length = bw_gate_save(&node->gate_state, bytes + BW_MODEL_ID_BYTES);
  node->gate_state.level_q8 = level_q8;
  (void)bw_journal_write(&node->gate_saved, bytes, BW_MODEL_ID_BYTES + length);
}

/* An encoder is known by its bytes: codes go to the tail that was made for it. */
static void name_encoder(bw_node *node) {
  const bw_model *model = bw_model_of(node);
  uint8_t digest[BW_SHA256_BYTES];
  bw_sha256 sha;
  if (model->encoder == 0) return;
  bw_sha256_start(&sha);
  bw_sha256_add(&sha, model->encoder, model->encoder_length);
  bw_sha256_end(&sha, digest);
  memcpy(node->encoder_id, digest, sizeof node->encoder_id);
}

/* The student's memory, the gate's parameters, and how windows are cut. The samples stay. */
static uint8_t open_model(bw_node *node) {
  const bw_model *model = bw_model_of(node);
  const bw_node_memory *memory = &node->memory;
  if (bw_open(&node->run, model, memory->student, memory->student_bytes) != BW_OK) return 0;
  if (bw_gate_of(&node->gate, model) != BW_GATE_OK) return 0;
  name_encoder(node);
  node->windowing.window_samples = model->window_samples;
  node->windowing.hop_samples = model->hop_samples;
  node->windowing.channels = model->channels;
  node->windowing.microg_per_step = model->microg_per_step;
  return 1;
}

static void set_up_update(bw_node *node) {
  const bw_provision *provision = node->provision;
  const bw_node_memory *memory = &node->memory;
  bw_update_settings *settings = &node->update_settings;
  uint32_t before = (BW_BACKLOG_PAGE + bw_backlog_pages()) * bw_hal_flash.page_bytes;
  settings->public_keys = provision->public_keys;
  settings->public_key_count = provision->key_count;
  settings->trial_boots = (uint8_t)(provision->trial_boots < 255 ? provision->trial_boots : 255);
  settings->want_chunks = WANT_CHUNKS;
  settings->trial_windows = provision->trial_windows;
  settings->trial_ms = provision->trial_ms;
  settings->want_ms = provision->want_ms;
  settings->want_ms_max = provision->want_ms_max;
  settings->flash_address = before;
  settings->flash_length = bw_hal_flash.length - before;
  settings->ram = memory->student;
  settings->ram_bytes = memory->student_bytes;
  settings->window = memory->window;
  settings->window_bytes = memory->window_values;
}

bw_boot_code bw_boot_model(bw_node *node, const uint8_t *factory, uint32_t length, bw_time now) {
  bw_slots slots;
  set_up_update(node);
  const bw_update_settings *settings = &node->update_settings;
  if (bw_hal_flash.length <= settings->flash_address) return BW_NO_FLASH;
  if (!bw_slots_open(&slots, settings->flash_address, settings->flash_length)) return BW_NO_FLASH;
  bw_now at = bw_update_now(node, now);
  if (!bw_update_boot(&node->update, settings, factory, length, at)) return BW_BAD_FACTORY;
  if (!open_model(node)) return BW_BAD_FACTORY;
  bw_windowing_start(&node->windowing, node->memory.ring, node->memory.window);
  restore_gate(node);
  /* A new node's reserve is there once. */
  if (node->gate_state.level_q8 > 0) bw_save_gate(node);
  return BW_BOOTED;
}

void bw_follow_update(bw_node *node, uint8_t changes, bw_time now) {
  if (changes & BW_UPDATE_CHANGED) {
    /* A report is of one model; its entries still name the one before. */
    if (node->reporter.count > 0) bw_flush_report(node, now);
    for (uint32_t i = 0; i < BW_MODEL_ID_BYTES; i++) {
      node->reporter.model_id[i] = node->update.running.model_id[i];
    }
  }
  if (changes & BW_UPDATE_REOPEN) (void)open_model(node);
  if (changes & BW_UPDATE_CHANGED) bw_gate_carry(&node->gate, &node->gate_state);
}
