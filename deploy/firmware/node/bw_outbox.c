/*
 * device-sim/outbox.ts without its maps: entries are few and lie in the order of their numbers; the
 * order in which they wait or were sent is in their turns.
 */
#include "bw_outbox.h"
#include "bw_bytes.h"

/* After so many attempts an entry that the gateway passes over makes room for the others. */
#define ATTEMPTS_IN_FRONT 3

void bw_outbox_start(bw_outbox *outbox, uint32_t epoch) {
  outbox->epoch = epoch;
  outbox->next_seq = 0;
  outbox->dropped = 0;
  outbox->count = 0;
  outbox->bytes_used = 0;
  outbox->offloads = 0;
  outbox->sent = 0;
  outbox->turns = 0;
  outbox->last_ack_ms = 0;
}

void bw_outbox_forget(bw_outbox *outbox, uint32_t at) {
  bw_outbox_entry gone = outbox->entries[at];
  uint8_t *hole = outbox->bytes + gone.offset;
  uint32_t behind = outbox->bytes_used - gone.offset - gone.length;
  for (uint32_t i = 0; i < behind; i++) hole[i] = hole[i + gone.length];
  for (; at + 1 < outbox->count; at++) {
    outbox->entries[at] = outbox->entries[at + 1];
    outbox->entries[at].offset -= gone.length;
  }
  outbox->count -= 1;
  outbox->bytes_used -= gone.length;
  if (gone.kind == BW_ENTRY_OFFLOAD) outbox->offloads -= 1;
  if (gone.attempts > 0) outbox->sent -= 1;
}

static uint8_t is_sent(const bw_outbox_entry *entry) { return entry->attempts > 0; }

/* Waiting entries first: one that is on its way may have arrived. */
static uint32_t oldest(const bw_outbox *outbox, uint8_t kind) {
  uint32_t found = outbox->count;
  for (uint32_t at = 0; at < outbox->count; at++) {
    const bw_outbox_entry *entry = &outbox->entries[at];
    if (entry->kind != kind) continue;
    if (found == outbox->count) {
      found = at;
      continue;
    }
    const bw_outbox_entry *best = &outbox->entries[found];
    if (is_sent(best) && !is_sent(entry)) found = at;
    if (is_sent(best) == is_sent(entry) && entry->turn < best->turn) found = at;
  }
  return found;
}

uint8_t *bw_outbox_room(bw_outbox *outbox, uint32_t length) {
  if (length > outbox->bytes_room || length > 0xffff) {
    outbox->next_seq += 1;
    outbox->dropped += 1;
    return 0;
  }
  while (outbox->count == outbox->entries_room ||
         length > outbox->bytes_room - outbox->bytes_used) {
    uint8_t kind = outbox->offloads > 0 ? BW_ENTRY_OFFLOAD : BW_ENTRY_REPORT;
    uint32_t victim = oldest(outbox, kind);
    if (outbox->entries[victim].place.page == 0) outbox->dropped += 1;
    bw_outbox_forget(outbox, victim);
  }
  return outbox->bytes + outbox->bytes_used;
}

static void add(bw_outbox *outbox, uint32_t seq, uint8_t kind, uint32_t length, bw_place place) {
  bw_outbox_entry *entry = &outbox->entries[outbox->count++];
  entry->seq = seq;
  entry->offset = outbox->bytes_used;
  entry->length = (uint16_t)length;
  entry->kind = kind;
  entry->attempts = 0;
  entry->turn = outbox->turns++;
  entry->place = place;
  entry->first_ms = 0;
  entry->due_ms = 0;
  outbox->bytes_used += length;
  if (kind == BW_ENTRY_OFFLOAD) outbox->offloads += 1;
}

void bw_outbox_put(bw_outbox *outbox, bw_entry_kind kind, uint32_t length) {
  bw_place nowhere = {0, 0};
  add(outbox, outbox->next_seq++, (uint8_t)kind, length, nowhere);
}

/* Where frames that are acknowledged say whose they are. */
static uint32_t epoch_of(const uint8_t *frame) { return bw_get_u32(frame + 2); }
static uint32_t seq_of(const uint8_t *frame) { return bw_get_u32(frame + 6); }

void bw_outbox_put_kept(bw_outbox *outbox, const bw_kept_frame *frame) {
  uint8_t *to = outbox->bytes + outbox->bytes_used;
  for (uint32_t i = 0; i < frame->length; i++) to[i] = frame->bytes[i];
  add(outbox, seq_of(frame->bytes), frame->kind, frame->length, frame->place);
}

static const bw_outbox_entry *send(bw_outbox *outbox, bw_outbox_entry *entry, uint64_t now_ms,
                                   bw_prng *jitter) {
  uint64_t wait_ms = outbox->limits.retry_ms;
  for (uint32_t i = 0; i < entry->attempts && wait_ms < outbox->limits.retry_ms_max; i++) {
    wait_ms *= 2;
  }
  if (wait_ms > outbox->limits.retry_ms_max) wait_ms = outbox->limits.retry_ms_max;
  /* Jitter of a quarter, so that a herd that lost one gateway does not answer in one breath. */
  uint64_t eighths_q32 = ((uint64_t)7 << 32) + 2 * (uint64_t)bw_prng_next(jitter);
  entry->due_ms = now_ms + ((wait_ms * eighths_q32 + ((uint64_t)1 << 35) - 1) >> 35);
  if (entry->attempts == 0) {
    entry->first_ms = now_ms;
    entry->turn = outbox->turns++;
    outbox->sent += 1;
  }
  if (entry->attempts < 255) entry->attempts += 1;
  return entry;
}

/* The first in turn among those sent whose answer is overdue, or among those waiting. */
static bw_outbox_entry *first(bw_outbox *outbox, uint8_t sent, uint64_t now_ms) {
  bw_outbox_entry *found = 0;
  for (uint32_t at = 0; at < outbox->count; at++) {
    bw_outbox_entry *entry = &outbox->entries[at];
    if (is_sent(entry) != sent || (sent && entry->due_ms > now_ms)) continue;
    if (found == 0 || entry->turn < found->turn) found = entry;
  }
  return found;
}

const bw_outbox_entry *bw_outbox_due(bw_outbox *outbox, uint64_t now_ms, bw_prng *jitter) {
  bw_outbox_entry *entry = first(outbox, 1, now_ms);
  while (entry != 0) {
    if (entry->attempts < ATTEMPTS_IN_FRONT || outbox->last_ack_ms <= entry->first_ms) {
      return send(outbox, entry, now_ms, jitter);
    }
    /* The gateway answers others but not this one. It waits behind all of them, so that a frame
     * which no gateway will take cannot close the way. */
    entry->attempts = 0;
    entry->turn = outbox->turns++;
    outbox->sent -= 1;
    entry = first(outbox, 1, now_ms);
  }
  if (outbox->sent >= outbox->limits.inflight) return 0;
  entry = first(outbox, 0, now_ms);
  return entry == 0 ? 0 : send(outbox, entry, now_ms, jitter);
}

uint8_t bw_outbox_acknowledge(bw_outbox *outbox, uint32_t epoch, uint32_t seq, uint64_t now_ms,
                              bw_place *place) {
  for (uint32_t at = 0; at < outbox->count; at++) {
    const bw_outbox_entry *entry = &outbox->entries[at];
    if (entry->seq != seq || epoch_of(outbox->bytes + entry->offset) != epoch) continue;
    *place = entry->place;
    bw_outbox_forget(outbox, at);
    outbox->last_ack_ms = now_ms;
    return 1;
  }
  return 0;
}

void bw_outbox_link_lost(bw_outbox *outbox) {
  for (uint32_t at = 0; at < outbox->count; at++) {
    outbox->entries[at].attempts = 0;
    outbox->entries[at].turn = outbox->turns++;
  }
  outbox->sent = 0;
}
