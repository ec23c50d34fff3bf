/* What the files of the update say to one another; for nobody else. */
#ifndef BW_UPDATE_PARTS_H
#define BW_UPDATE_PARTS_H

#include "bw_update.h"

/* Tells what became of a release, and remembers it for the next connection. */
void bw_tell(bw_update *update, uint32_t sequence, const uint8_t *model_id, bw_outcome outcome);
void bw_tell_once(bw_update *update, const bw_news *news);

/* BW_NO_OUTCOME where a slot's image can be run in place of `now`; `model` is then loaded. Uses the
 * student's memory. */
bw_outcome bw_load_release(bw_update *update, bw_model *model, uint8_t slot,
                           const bw_manifest *manifest, const bw_model *now);

void bw_activate(bw_update *update, const bw_model *model, uint8_t slot,
                 const bw_manifest *manifest, bw_now now);
void bw_mark_bad(bw_update *update, uint8_t slot, const bw_manifest *manifest, bw_outcome outcome);
void bw_end_trial(bw_update *update, bw_outcome outcome);

/* Begins or goes on to receive what a slot's header names; `checks` of it were begun before. */
void bw_resume_staging(bw_update *update, uint8_t slot, const bw_manifest *manifest,
                       uint8_t checks);
void bw_abandon_staging(bw_update *update);

uint8_t bw_write_state(bw_update *update, uint8_t slot, bw_slot_state state, uint8_t boots,
                       bw_outcome outcome, uint32_t sequence);
void bw_run_slot(bw_update *update, const bw_model *model, uint8_t slot,
                 const bw_manifest *manifest, bw_now now);

#endif
