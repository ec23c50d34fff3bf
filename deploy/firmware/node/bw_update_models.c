/*
 * Which model runs, and how that changes: load, activate, confirm, revert, mark bad, tell.
 *
 * State records are written last, after what they vouch for. Where flash refuses one, what is in
 * RAM goes on until the next start, which then decides anew by what flash does hold.
 */

#include "../crypto/bw_memory.h"
#include "../crypto/bw_sha2.h"
#include "bw_gate.h"
#include "bw_self_test.h"
#include "bw_update_parts.h"

void bw_tell_once(bw_update *update, const bw_news *news) {
  if (!update->connected) return;
  if (update->pending_count == BW_OUTCOMES_KEPT) {
    for (uint32_t i = 1; i < BW_OUTCOMES_KEPT; i++) update->pending[i - 1] = update->pending[i];
    update->pending_count -= 1;
  }
  update->pending[update->pending_count++] = *news;
}

static bw_news news_of(uint32_t sequence, const uint8_t *model_id, bw_outcome outcome) {
  bw_news news;
  news.sequence = sequence;
  news.outcome = (uint8_t)outcome;
  memcpy(news.model_id, model_id, BW_MODEL_ID_BYTES);
  return news;
}

void bw_tell(bw_update *update, uint32_t sequence, const uint8_t *model_id, bw_outcome outcome) {
  update->last = news_of(sequence, model_id, outcome);
  update->has_last = 1;
  bw_tell_once(update, &update->last);
}

uint8_t bw_write_state(bw_update *update, uint8_t slot, bw_slot_state state, uint8_t boots,
                       bw_outcome outcome, uint32_t sequence) {
  bw_slot_record record;
  record.state = (uint8_t)state;
  record.boots = boots;
  record.outcome = (uint8_t)outcome;
  record.sequence = sequence;
  return bw_slots_write_record(&update->slots, slot, &record);
}

static void raise_floor(bw_update *update, uint32_t sequence) {
  if (sequence <= update->floor) return;
  update->floor = sequence;
  (void)bw_slots_raise_floor(&update->slots, sequence);
}

static void remember_bad(bw_update *update, uint32_t sequence, const uint8_t *model_id,
                         bw_outcome outcome) {
  if (update->bad_count < BW_OUTCOMES_KEPT) update->bad_count += 1;
  for (uint32_t i = update->bad_count - 1u; i > 0; i--) update->bad[i] = update->bad[i - 1];
  update->bad[0] = news_of(sequence, model_id, outcome);
}

void bw_mark_bad(bw_update *update, uint8_t slot, const bw_manifest *manifest, bw_outcome outcome) {
  raise_floor(update, manifest->sequence);
  remember_bad(update, manifest->sequence, manifest->model, outcome);
  (void)bw_write_state(update, slot, BW_SLOT_BAD, 0, outcome, manifest->sequence);
  bw_tell(update, manifest->sequence, manifest->model, outcome);
}

static uint8_t whole_hash_is_right(const uint8_t *image, const bw_manifest *manifest) {
  bw_sha256 sha;
  uint8_t digest[BW_SHA256_BYTES];
  bw_sha256_start(&sha);
  bw_sha256_add(&sha, image, manifest->size_bytes);
  bw_sha256_end(&sha, digest);
  return bw_same(digest, manifest->sha256, sizeof digest);
}

/* A gate that was made for another student is no better than a container that cannot be read. */
static uint8_t gate_is_sound(const bw_model *model) {
  bw_gate gate;
  return bw_gate_of(&gate, model) == BW_GATE_OK;
}

/* A node has one sensor: rate, axes and window are not a release's to change. */
static uint8_t is_for_this_node(const bw_model *model, const bw_manifest *manifest,
                                const bw_model *now) {
  uint32_t cohort_bytes = now->names[0];
  return model->names[0] == cohort_bytes && manifest->cohort_bytes == cohort_bytes &&
         bw_same(model->names + 1, now->names + 1, cohort_bytes) &&
         bw_same(manifest->cohort, now->names + 1, cohort_bytes) &&
         model->window_samples == now->window_samples && model->channels == now->channels &&
         model->rate_centihertz == now->rate_centihertz;
}

static uint8_t passes_self_test(bw_update *update, const bw_model *model,
                                const bw_manifest *manifest) {
  const bw_update_settings *settings = update->settings;
  uint32_t hashes[BW_SELF_TEST_HASHES_MAX];
  const uint32_t count = bw_self_test_hashes(model);
  bw_run run;
  if (count != manifest->hashes) return 0;
  update->changes |= BW_UPDATE_REOPEN;
  if (bw_open(&run, model, settings->ram, settings->ram_bytes) != BW_OK) return 0;
  bw_self_test(&run, manifest->self_test_seed, settings->window, hashes);
  return bw_same(hashes, manifest->self_test_hashes, count * (uint32_t)sizeof hashes[0]);
}

bw_outcome bw_load_release(bw_update *update, bw_model *model, uint8_t slot,
                           const bw_manifest *manifest, const bw_model *now) {
  const uint8_t *image = bw_slots_image(&update->slots, slot);
  if (manifest->size_bytes > update->slots.image_bytes) return BW_WRONG_HASH;
  if (!whole_hash_is_right(image, manifest)) return BW_WRONG_HASH;
  if (bw_load(model, image, manifest->size_bytes) != BW_OK) return BW_BAD_CONTAINER;
  if (!gate_is_sound(model)) return BW_BAD_CONTAINER;
  if (!is_for_this_node(model, manifest, now)) return BW_WRONG_COHORT;
  if (bw_ram_bytes(model) > update->settings->ram_bytes) return BW_TOO_LARGE;
  return passes_self_test(update, model, manifest) ? BW_NO_OUTCOME : BW_SELF_TEST_FAILED;
}

void bw_run_slot(bw_update *update, const bw_model *model, uint8_t slot,
                 const bw_manifest *manifest, bw_now now) {
  update->fallback = update->running;
  update->running.model = *model;
  update->running.sequence = manifest->sequence;
  update->running.slot = slot;
  memcpy(update->running.model_id, manifest->model, BW_MODEL_ID_BYTES);
  bw_trial_start(&update->trial, now.next_seq, now.ms);
  update->is_on_trial = 1;
  update->changes |= BW_UPDATE_REOPEN | BW_UPDATE_CHANGED;
  bw_tell(update, manifest->sequence, manifest->model, BW_ACTIVATED);
}

void bw_activate(bw_update *update, const bw_model *model, uint8_t slot,
                 const bw_manifest *manifest, bw_now now) {
  uint32_t sequence = manifest->sequence;
  if (!bw_write_state(update, slot, BW_SLOT_VERIFIED, 0, BW_ACTIVATED, sequence)) {
    bw_abandon_staging(update);
    return;
  }
  raise_floor(update, sequence);
  (void)bw_write_state(update, slot, BW_SLOT_TRIAL, 0, BW_ACTIVATED, sequence);
  bw_run_slot(update, model, slot, manifest, now);
}

void bw_end_trial(bw_update *update, bw_outcome outcome) {
  bw_running ended = update->running;
  bw_slot_state state = outcome == BW_CONFIRMED ? BW_SLOT_CONFIRMED : BW_SLOT_BAD;
  update->is_on_trial = 0;
  (void)bw_write_state(update, ended.slot, state, 0, outcome, ended.sequence);
  if (outcome == BW_CONFIRMED) {
    update->fallback = ended;
  } else {
    remember_bad(update, ended.sequence, ended.model_id, outcome);
    update->running = update->fallback;
    update->changes |= BW_UPDATE_REOPEN | BW_UPDATE_CHANGED;
  }
  bw_tell(update, ended.sequence, ended.model_id, outcome);
}
