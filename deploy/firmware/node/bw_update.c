/* How a release comes to a node: offer, chunks, check; and what is sent about it. */

#include "bw_update.h"

#include "../crypto/bw_memory.h"
#include "../crypto/bw_sha2.h"
#include "bw_update_frames.h"
#include "bw_update_parts.h"

/* Refusals are told at most this often: an answer to a stranger must cost less than his question. */
#define REFUSAL_MS 1000u
/* Doubling a wait more often leaves no settings' limit unreached. */
#define DOUBLINGS_MAX 16u

/* The gateway offers again after each hello. Not at once: flash that fails would be worn out. */
void bw_abandon_staging(bw_update *update) {
  update->is_staging = 0;
  update->wants_hello = 1;
  update->hello_due_ms = update->now_ms + update->settings->want_ms_max;
}

void bw_resume_staging(bw_update *update, uint8_t slot, const bw_manifest *manifest,
                       uint8_t checks) {
  if (!bw_assembly_takes(manifest) || manifest->size_bytes > update->slots.image_bytes) return;
  update->is_staging = 1;
  update->outstanding = 0;
  update->attempts = 0;
  update->checks = checks;
  update->want_due_ms = 0;
  if (!bw_assembly_resume(&update->assembly, &update->slots, slot, manifest)) {
    bw_abandon_staging(update);
  }
}

/* Until the record is written the slot has none, and so vouches for nothing. */
static void stage(bw_update *update, const bw_offer *offer) {
  /* The slot that neither runs nor is fallen back to. */
  uint8_t slot = update->running.slot == 0 ? 1 : 0;
  bw_slot_header header;
  bw_manifest manifest;
  header.signature = offer->signature;
  header.manifest = offer->manifest;
  header.manifest_bytes = offer->manifest_bytes;
  update->is_staging = 0;
  if (!bw_slots_begin(&update->slots, slot, &header) ||
      !bw_slots_header(&update->slots, slot, &header) ||
      !bw_read_manifest(&manifest, header.manifest, header.manifest_bytes) ||
      !bw_write_state(update, slot, BW_SLOT_RECEIVING, 0, BW_STALE, manifest.sequence)) {
    bw_abandon_staging(update);
    return;
  }
  bw_resume_staging(update, slot, &manifest, 0);
}

/* Nothing that it says may be repeated, so the refusal names the offer by its hash. */
static void refuse_stranger(bw_update *update, const bw_offer *offer, bw_outcome outcome,
                            bw_now now) {
  bw_sha256 sha;
  bw_news news;
  uint8_t digest[BW_SHA256_BYTES];
  if (update->has_refused && now.ms - update->refused_ms < REFUSAL_MS) return;
  update->has_refused = 1;
  update->refused_ms = now.ms;
  bw_sha256_start(&sha);
  bw_sha256_add(&sha, offer->manifest, offer->manifest_bytes);
  bw_sha256_end(&sha, digest);
  news.sequence = BW_UNBELIEVED_SEQUENCE;
  news.outcome = (uint8_t)outcome;
  memcpy(news.model_id, digest, BW_MODEL_ID_BYTES);
  bw_tell_once(update, &news);
}

/* The signature holds and the manifest could be read, so it may be named. */
static void refuse_release(bw_update *update, const bw_manifest *manifest, bw_outcome outcome) {
  const bw_running *running = &update->running;
  if (manifest->sequence == running->sequence &&
      bw_same(manifest->model, running->model_id, BW_MODEL_ID_BYTES)) {
    outcome = update->is_on_trial ? BW_ACTIVATED : BW_CONFIRMED;
  } else {
    for (uint32_t i = update->bad_count; i-- > 0;) {
      if (update->bad[i].sequence == manifest->sequence) {
        outcome = (bw_outcome)update->bad[i].outcome;
      }
    }
  }
  bw_tell(update, manifest->sequence, manifest->model, outcome);
}

static bw_outcome open_offer(const bw_update *update, bw_manifest *manifest,
                             const bw_offer *offer) {
  bw_release_context context;
  const uint8_t *names = update->running.model.names;
  context.public_keys = update->settings->public_keys;
  context.public_key_count = update->settings->public_key_count;
  context.cohort = names + 1;
  context.cohort_bytes = names[0];
  context.highest_sequence = update->floor;
  context.slot_bytes = update->slots.image_bytes;
  bw_outcome outcome = bw_open_release(manifest, offer->signature, offer->manifest,
                                       offer->manifest_bytes, &context);
  if (outcome == BW_NO_OUTCOME && !bw_assembly_takes(manifest)) return BW_WRONG_FORMAT;
  return outcome;
}

uint8_t bw_update_take_offer(bw_update *update, const uint8_t *frame, uint32_t length, bw_now now) {
  bw_offer offer;
  bw_manifest manifest;
  update->changes = 0;
  update->now_ms = now.ms;
  if (!bw_read_offer(&offer, frame, length)) return 0;
  bw_outcome outcome = open_offer(update, &manifest, &offer);
  if (outcome == BW_BAD_SIGNATURE || outcome == BW_BAD_MANIFEST) {
    refuse_stranger(update, &offer, outcome, now);
    return 0;
  }
  if (outcome != BW_NO_OUTCOME) {
    refuse_release(update, &manifest, outcome);
    return 0;
  }
  if (update->is_staging) {
    uint32_t staged = update->assembly.manifest.sequence;
    if (manifest.sequence == staged) {
      update->want_due_ms = now.ms;
      update->attempts = 0;
      return 0;
    }
    if (manifest.sequence < staged) {
      bw_tell(update, manifest.sequence, manifest.model, BW_STALE);
      return 0;
    }
  }
  if (update->is_on_trial) {
    if (manifest.purpose == BW_RELEASE) {
      /* There is no room to keep it: it is asked for again when the trial is over. */
      update->offer_waits = 1;
      return 0;
    }
    bw_end_trial(update, BW_REVERTED);
  }
  stage(update, &offer);
  update->want_due_ms = now.ms;
  return update->changes;
}

void bw_update_take_chunk(bw_update *update, const uint8_t *frame, uint32_t length, bw_now now) {
  bw_chunk chunk;
  update->now_ms = now.ms;
  if (!update->is_staging || !bw_read_chunk(&chunk, frame, length)) return;
  switch (bw_assembly_take(&update->assembly, &update->slots, &chunk)) {
    case BW_CHUNK_STORED:
      update->attempts = 0;
      if (update->outstanding > 0) update->outstanding -= 1;
      update->want_due_ms = now.ms + (update->outstanding > 0 ? update->settings->want_ms : 0);
      break;
    case BW_CHUNK_FLASH_FAILED:
      bw_abandon_staging(update);
      break;
    default:
      break;
  }
}

void bw_update_connected(bw_update *update, bw_now now) {
  update->connected = 1;
  update->pending_count = 0;
  update->wants_hello = 0; /* it is said now */
  if (update->has_last) bw_tell_once(update, &update->last);
  update->attempts = 0;
  update->want_due_ms = now.ms;
}

void bw_update_disconnected(bw_update *update) {
  update->connected = 0;
  update->pending_count = 0;
}

void bw_update_watch(bw_update *update, const int8_t *statistics, uint8_t statistics_count,
                     const int16_t *logits) {
  if (!update->is_on_trial) return;
  bw_trial_watch(&update->trial, statistics, statistics_count, logits,
                 update->running.model.classes);
}

void bw_update_heard(bw_update *update, uint32_t seq) {
  if (seq >= update->trial.first_seq) update->trial.heard = 1;
}

static void check_staged(bw_update *update, bw_now now) {
  const bw_manifest manifest = update->assembly.manifest;
  uint8_t slot = update->assembly.slot;
  uint32_t checks = update->checks + 1u;
  bw_model model;
  update->is_staging = 0;
  /* Counted before it is begun: a container that resets the node must not do so for ever. */
  if (checks >= update->settings->trial_boots) {
    bw_mark_bad(update, slot, &manifest, BW_SELF_TEST_FAILED);
    return;
  }
  if (!bw_write_state(update, slot, BW_SLOT_RECEIVING, (uint8_t)checks, BW_STALE,
                      manifest.sequence)) {
    bw_abandon_staging(update);
    return;
  }
  bw_outcome outcome = bw_load_release(update, &model, slot, &manifest, &update->running.model);
  if (outcome == BW_NO_OUTCOME) {
    bw_activate(update, &model, slot, &manifest, now);
  } else {
    bw_mark_bad(update, slot, &manifest, outcome);
  }
}

uint8_t bw_update_step(bw_update *update, bw_now now) {
  const bw_update_settings *settings = update->settings;
  update->changes = 0;
  update->now_ms = now.ms;
  if (update->is_staging && update->assembly.missing == 0) check_staged(update, now);
  if (update->is_on_trial) {
    bw_trial_verdict verdict =
        bw_trial_judge(&update->trial, settings->trial_windows, settings->trial_ms, now.ms);
    if (verdict != BW_GO_ON) {
      bw_end_trial(update, verdict == BW_CONFIRM ? BW_CONFIRMED : BW_REVERTED);
      if (update->offer_waits) {
        update->offer_waits = 0;
        update->wants_hello = 1;
        update->hello_due_ms = now.ms;
      }
    }
  }
  return update->changes;
}

static uint32_t write_outcome(bw_update *update, uint8_t *frame, uint32_t room) {
  const bw_news news = update->pending[0];
  update->pending_count -= 1;
  for (uint32_t i = 0; i < update->pending_count; i++) update->pending[i] = update->pending[i + 1];
  return bw_write_outcome(frame, room, news.sequence, news.model_id, (bw_outcome)news.outcome);
}

static uint32_t write_want(bw_update *update, uint64_t now_ms, uint8_t *frame, uint32_t room) {
  const bw_update_settings *settings = update->settings;
  const bw_manifest *manifest = &update->assembly.manifest;
  uint8_t bitmap[BW_SLOT_CHUNKS_MAX / 8u];
  uint16_t first;
  uint16_t bytes = bw_assembly_wanted(&update->assembly, settings->want_chunks, bitmap,
                                      sizeof bitmap, &first, &update->outstanding);
  uint64_t wait_ms = (uint64_t)settings->want_ms << update->attempts;
  if (wait_ms > settings->want_ms_max) wait_ms = settings->want_ms_max;
  update->want_due_ms = now_ms + wait_ms;
  if (update->attempts < DOUBLINGS_MAX) update->attempts += 1;
  return bw_write_want(frame, room, manifest->sequence, manifest->model, first, bitmap, bytes);
}

uint32_t bw_update_next_frame(bw_update *update, uint64_t now_ms, uint8_t *frame, uint32_t room) {
  if (!update->connected) return 0;
  if (update->pending_count > 0) return write_outcome(update, frame, room);
  if (!update->is_staging || update->assembly.missing == 0) return 0;
  return now_ms < update->want_due_ms ? 0 : write_want(update, now_ms, frame, room);
}

uint8_t bw_update_wants_hello(bw_update *update, uint64_t now_ms) {
  if (!update->connected || !update->wants_hello || now_ms < update->hello_due_ms) return 0;
  update->wants_hello = 0;
  return 1;
}
