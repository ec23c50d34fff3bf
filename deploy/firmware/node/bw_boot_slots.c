/*
 * What a node runs after it was switched on, whatever the last cut has left in its slots.
 *
 * There is always a valid model: a slot counts only if its state record checks, its manifest is
 * signed, and its image has the signed hash and passes; the model that the node was made with is the
 * last resort. A slot on trial gets a bounded number of starts, which is counted before it runs, so
 * that a model which crashes the node is given up by itself.
 */

#include "../crypto/bw_memory.h"
#include "../crypto/bw_sha2.h"
#include "bw_update_parts.h"

/* A slot whose record checks and whose manifest is signed. */
typedef struct found_slot {
  uint8_t is_there;
  bw_slot_record record;
  bw_manifest manifest;
} found_slot;

static found_slot find_slot(const bw_update *update, uint8_t slot) {
  const bw_update_settings *settings = update->settings;
  found_slot found;
  bw_slot_header header;
  found.is_there = 0;
  if (!bw_slots_record(&update->slots, slot, &found.record)) return found;
  if (found.record.state == BW_SLOT_EMPTY) return found;
  if (!bw_slots_header(&update->slots, slot, &header)) return found;
  if (!bw_release_is_signed(header.signature, header.manifest, header.manifest_bytes,
                            settings->public_keys, settings->public_key_count)) {
    return found;
  }
  if (!bw_read_manifest(&found.manifest, header.manifest, header.manifest_bytes)) return found;
  found.is_there = found.manifest.sequence == found.record.sequence;
  return found;
}

static uint8_t start_factory(bw_update *update, const uint8_t *factory, uint32_t factory_bytes) {
  bw_running *made = &update->running;
  bw_sha256 sha;
  uint8_t digest[BW_SHA256_BYTES];
  if (bw_load(&made->model, factory, factory_bytes) != BW_OK) return 0;
  if (bw_ram_bytes(&made->model) > update->settings->ram_bytes) return 0;
  uint32_t window_bytes = (uint32_t)made->model.window_samples * made->model.channels;
  if (window_bytes > update->settings->window_bytes) return 0;
  bw_sha256_start(&sha);
  bw_sha256_add(&sha, factory, factory_bytes);
  bw_sha256_end(&sha, digest);
  memcpy(made->model_id, digest, BW_MODEL_ID_BYTES);
  made->sequence = 0;
  made->slot = BW_NO_SLOT;
  return 1;
}

/* The confirmed slot with the highest sequence that can be run takes the place of the factory's. */
static void start_confirmed(bw_update *update, const found_slot found[BW_SLOTS]) {
  const bw_model factory = update->running.model;
  uint8_t newer = found[1].is_there && found[0].is_there &&
                  found[1].manifest.sequence > found[0].manifest.sequence;
  for (uint8_t i = 0; i < BW_SLOTS; i++) {
    uint8_t slot = i ^ newer;
    const found_slot *one = &found[slot];
    bw_model model;
    if (!one->is_there || one->record.state != BW_SLOT_CONFIRMED) continue;
    bw_outcome outcome = bw_load_release(update, &model, slot, &one->manifest, &factory);
    if (outcome == BW_NO_OUTCOME) {
      update->running.model = model;
      update->running.sequence = one->manifest.sequence;
      update->running.slot = slot;
      memcpy(update->running.model_id, one->manifest.model, BW_MODEL_ID_BYTES);
      return;
    }
    (void)bw_write_state(update, slot, BW_SLOT_EMPTY, 0, outcome, 0);
  }
}

/* The node was restarted during the trial: by chance, or by the model. */
static void resume_trial(bw_update *update, uint8_t slot, const found_slot *one, bw_now now) {
  uint32_t boots = one->record.boots + 1u;
  bw_model model;
  if (boots >= update->settings->trial_boots) {
    bw_mark_bad(update, slot, &one->manifest, BW_REVERTED);
    return;
  }
  if (!bw_write_state(update, slot, BW_SLOT_TRIAL, (uint8_t)boots, BW_ACTIVATED,
                      one->manifest.sequence)) {
    /* A start that cannot be counted must not happen. */
    bw_mark_bad(update, slot, &one->manifest, BW_REVERTED);
    return;
  }
  bw_outcome outcome =
      bw_load_release(update, &model, slot, &one->manifest, &update->running.model);
  if (outcome == BW_NO_OUTCOME) {
    bw_run_slot(update, &model, slot, &one->manifest, now);
  } else {
    bw_mark_bad(update, slot, &one->manifest, outcome);
  }
}

/* The cut came between the check and the first run: checks again, then runs. */
static void resume_verified(bw_update *update, uint8_t slot, const found_slot *one, bw_now now) {
  bw_model model;
  bw_outcome outcome =
      bw_load_release(update, &model, slot, &one->manifest, &update->running.model);
  if (outcome == BW_NO_OUTCOME) {
    bw_activate(update, &model, slot, &one->manifest, now);
  } else {
    bw_mark_bad(update, slot, &one->manifest, outcome);
  }
}

static void resume_slot(bw_update *update, uint8_t slot, const found_slot *one, bw_now now) {
  switch (one->record.state) {
    case BW_SLOT_RECEIVING:
      if (!update->is_staging) {
        bw_resume_staging(update, slot, &one->manifest, one->record.boots);
      }
      break;
    case BW_SLOT_VERIFIED:
      resume_verified(update, slot, one, now);
      break;
    case BW_SLOT_TRIAL:
      resume_trial(update, slot, one, now);
      break;
    case BW_SLOT_BAD:
      bw_tell(update, one->manifest.sequence, one->manifest.model,
              (bw_outcome)one->record.outcome);
      break;
    default:
      break;
  }
}

static void note_slot(bw_update *update, const found_slot *one) {
  uint32_t sequence = one->manifest.sequence;
  if (!one->is_there) return;
  if (one->record.state >= BW_SLOT_TRIAL && sequence > update->floor) update->floor = sequence;
  if (one->record.state != BW_SLOT_BAD) return;
  bw_news *bad = &update->bad[update->bad_count++];
  bad->sequence = sequence;
  bad->outcome = one->record.outcome;
  memcpy(bad->model_id, one->manifest.model, BW_MODEL_ID_BYTES);
}

uint8_t bw_update_boot(bw_update *update, const bw_update_settings *settings,
                       const uint8_t *factory, uint32_t factory_bytes, bw_now now) {
  found_slot found[BW_SLOTS];
  bw_zero(update, sizeof *update);
  update->settings = settings;
  update->now_ms = now.ms;
  if (!bw_slots_open(&update->slots, settings->flash_address, settings->flash_length)) return 0;
  if (!start_factory(update, factory, factory_bytes)) return 0;
  update->floor = bw_slots_floor(&update->slots);
  for (uint8_t slot = 0; slot < BW_SLOTS; slot++) {
    found[slot] = find_slot(update, slot);
    note_slot(update, &found[slot]);
  }
  start_confirmed(update, found);
  update->fallback = update->running;
  uint32_t confirmed = update->running.sequence;
  for (uint8_t slot = 0; slot < BW_SLOTS; slot++) {
    /* A rest from before the running release: nothing that is left to do. */
    if (!found[slot].is_there || found[slot].manifest.sequence <= confirmed) continue;
    resume_slot(update, slot, &found[slot], now);
  }
  if (!update->has_last && update->running.slot != BW_NO_SLOT) {
    /* It may have been confirmed in the very moment of the cut, before anybody could be told. */
    bw_tell(update, update->running.sequence, update->running.model_id, BW_CONFIRMED);
  }
  return 1;
}
