/*
 * Which model a node runs, and how another comes to it over the air: the decisions of
 * device-sim/staging.ts, updater.ts, trial.ts and boot-slots.ts over flash.
 *
 * Everything is pulled: the node asks for the chunks that it lacks until they are there. Nothing of
 * an offer is looked at before its signature holds, and nothing is run before hash, shape, memory
 * and self-test hold for the bytes as they are in flash. The slot that runs, and during a trial the
 * slot to fall back to, are never written.
 *
 * No call waits for anything but flash and its own arithmetic. Frames to send are fetched with
 * bw_update_next_frame. Offers and steps may use the student's memory for a self-test: call them
 * between two windows, and open the student again when they say so.
 *
 *   bw_update_boot(&update, &settings, factory, factory_bytes, now);
 *   changes = bw_update_step(&update, now);             between any two windows
 *   while ((length = bw_update_next_frame(&update, now_ms, frame, sizeof frame)) > 0) publish it
 */
#ifndef BW_UPDATE_H
#define BW_UPDATE_H

#include <stdint.h>

#include "../runtime/bw.h"
#include "bw_assembly.h"
#include "bw_release.h"
#include "bw_slots.h"
#include "bw_trial.h"

#define BW_NO_SLOT 255u
/* In an outcome for an offer that cannot be believed, so that it names no release. */
#define BW_UNBELIEVED_SEQUENCE 0xffffffffu
#define BW_OUTCOMES_KEPT 4u
/* A want frame for the largest slot. */
#define BW_UPDATE_FRAME_BYTES (BW_WANT_FRAME_HEAD_BYTES + BW_SLOT_CHUNKS_MAX / 8u)

/* What a call may have done: bits. */
#define BW_UPDATE_REOPEN 1u  /* the student's memory was used: bw_open it before the next window */
#define BW_UPDATE_CHANGED 2u /* update->running is another model; REOPEN is set too */

typedef struct bw_update_settings {
  const uint8_t *public_keys; /* 32 bytes each; any of them may sign releases */
  uint8_t public_key_count;
  uint8_t trial_boots;    /* starts of the node that a trial, or the check before it, may take */
  uint16_t want_chunks;   /* asked for at once */
  uint16_t trial_windows; /* a new model is confirmed after so many and a word from the gateway */
  uint32_t trial_ms;
  uint32_t want_ms; /* how long to wait for the next chunk; doubles up to the other */
  uint32_t want_ms_max;
  uint32_t flash_address; /* of the region that bw_slots divides */
  uint32_t flash_length;
  void *ram; /* the student's, for bw_open */
  uint32_t ram_bytes;
  int8_t *window; /* room for one window, free between two windows */
  uint32_t window_bytes;
} bw_update_settings;

typedef struct bw_now {
  uint64_t ms;
  uint32_t next_seq; /* the number that the outbox gives out next */
} bw_now;

typedef struct bw_running {
  bw_model model;
  uint32_t sequence; /* of its release; 0 for the model that the node was made with */
  uint8_t slot;      /* BW_NO_SLOT for that model */
  uint8_t model_id[BW_MODEL_ID_BYTES];
} bw_running;

/* What became of a release, to be told. */
typedef struct bw_news {
  uint32_t sequence;
  uint8_t model_id[BW_MODEL_ID_BYTES];
  uint8_t outcome; /* bw_outcome */
} bw_news;

typedef struct bw_update {
  const bw_update_settings *settings;
  bw_slots slots;
  bw_running running;
  bw_running fallback; /* what runs if the trial ends badly */
  bw_trial trial;
  bw_assembly assembly;
  uint64_t want_due_ms;
  uint64_t refused_ms;
  uint64_t hello_due_ms;
  uint64_t now_ms; /* of the present call */
  uint32_t floor;       /* the highest sequence ever run or found bad */
  uint16_t outstanding; /* chunks asked for that have not come */
  uint8_t attempts;
  uint8_t checks; /* of what is being received, begun and never ended */
  uint8_t is_on_trial;
  uint8_t is_staging;
  uint8_t has_refused;
  uint8_t connected;
  uint8_t offer_waits; /* one came during the trial and was set aside */
  uint8_t wants_hello;
  uint8_t changes; /* since the present call began */
  uint8_t has_last;
  uint8_t bad_count;
  uint8_t pending_count;
  bw_news last; /* told again on every connection: an outcome is not worth an outbox entry */
  bw_news bad[BW_OUTCOMES_KEPT]; /* newest first */
  bw_news pending[BW_OUTCOMES_KEPT]; /* to be sent, oldest first */
} bw_update;

/* Decides what runs, whatever the last cut left in the slots. 0: the factory's container cannot be
 * used, or the flash region cannot be divided. `settings` and `factory` must stay. */
uint8_t bw_update_boot(bw_update *update, const bw_update_settings *settings,
                       const uint8_t *factory, uint32_t factory_bytes, bw_now now);

/* Frames that came on .../down/offer and .../down/chunk; what is no such frame is ignored. */
uint8_t bw_update_take_offer(bw_update *update, const uint8_t *frame, uint32_t length, bw_now now);
void bw_update_take_chunk(bw_update *update, const uint8_t *frame, uint32_t length, bw_now now);

void bw_update_connected(bw_update *update, bw_now now);
void bw_update_disconnected(bw_update *update);

/* One window was answered: its statistics and the logits of exit 0. */
void bw_update_watch(bw_update *update, const int8_t *statistics, uint8_t statistics_count,
                     const int16_t *logits);
/* The gateway has acknowledged an outbox entry. */
void bw_update_heard(bw_update *update, uint32_t seq);

/* Checks a release whose chunks are all there, and ends a trial that is over. */
uint8_t bw_update_step(bw_update *update, bw_now now);

/* The next frame to publish, want or outcome by its second byte; 0 when there is none now. Only
 * while connected. */
uint32_t bw_update_next_frame(bw_update *update, uint64_t now_ms, uint8_t *frame, uint32_t room);

/* 1, once, when the node should say hello again, so that the gateway repeats an offer that could
 * not be kept: after a trial, or a good while after flash refused a write. */
uint8_t bw_update_wants_hello(bw_update *update, uint64_t now_ms);

#endif
