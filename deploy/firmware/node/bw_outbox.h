/*
 * The outbox: what a node owes its gateway, and when each entry is sent again. The rules of
 * device-sim/outbox.ts in two fixed blocks of memory.
 *
 * An entry leaves only when the gateway's application acknowledgement names its (epoch, seq). When
 * the outbox is full the oldest offloads go first, then the oldest reports, and every loss is
 * counted. It lies in RAM; bw_owed.c moves what waits to flash while nobody listens, and back. A node
 * that starts again takes a new epoch, so that no sequence number is ever given to two windows.
 *
 * Frames lie one behind another in `bytes`, in the order of their sequence numbers; taking one out
 * moves those behind it. That is a few kilobytes now and then, and no free list can fail.
 */
#ifndef BW_OUTBOX_H
#define BW_OUTBOX_H

#include "bw_backlog.h"
#include "bw_prng.h"
#include <stdint.h>

typedef enum bw_entry_kind { BW_ENTRY_REPORT = 0, BW_ENTRY_OFFLOAD = 1 } bw_entry_kind;

typedef struct bw_outbox_entry {
  uint32_t seq;
  uint32_t offset; /* of its frame in `bytes` */
  uint16_t length;
  uint8_t kind;
  uint8_t attempts; /* since the connection began; 0: waiting */
  uint32_t turn;    /* its place among those waiting, or among those sent */
  bw_place place; /* where it lies in flash as well, or nowhere */
  uint64_t first_ms;
  uint64_t due_ms;
} bw_outbox_entry;

typedef struct bw_outbox_limits {
  uint16_t inflight; /* entries sent and not yet acknowledged */
  uint32_t retry_ms; /* until an entry is sent again; doubles with every attempt */
  uint32_t retry_ms_max; /* below 2^28 */
} bw_outbox_limits;

typedef struct bw_outbox {
  bw_outbox_entry *entries;
  uint8_t *bytes;
  uint32_t entries_room;
  uint32_t bytes_room;
  bw_outbox_limits limits;
  uint32_t epoch;
  uint32_t next_seq;
  uint32_t dropped;
  uint32_t count;
  uint32_t bytes_used;
  uint32_t offloads;
  uint32_t sent;
  uint32_t turns;       /* given out so far */
  uint64_t last_ack_ms; /* 0: none in this epoch */
} bw_outbox;

/* Memory, rooms and limits are the caller's to set first. */
void bw_outbox_start(bw_outbox *outbox, uint32_t epoch);

/* Room for a frame of that length, dropping the oldest; null where it alone is larger than all of
 * it, which is counted. The caller writes the frame with `next_seq` in it, then calls _put. */
uint8_t *bw_outbox_room(bw_outbox *outbox, uint32_t length);
void bw_outbox_put(bw_outbox *outbox, bw_entry_kind kind, uint32_t length);

/* The next entry to send now, or null; call it until then, and only while connected. */
const bw_outbox_entry *bw_outbox_due(bw_outbox *outbox, uint64_t now_ms, bw_prng *jitter);

/* The same for a frame that an earlier moment, or an earlier life, has left in flash: it has its
 * number, and is not counted when it must make room. */
void bw_outbox_put_kept(bw_outbox *outbox, const bw_kept_frame *frame);

/* The gateway has stored this one. 1: it was here and is gone; `*place` is where flash has it. */
uint8_t bw_outbox_acknowledge(bw_outbox *outbox, uint32_t epoch, uint32_t seq, uint64_t now_ms,
                              bw_place *place);

/* Takes an entry out, which somebody else keeps. */
void bw_outbox_forget(bw_outbox *outbox, uint32_t at);

/* The connection is gone: whatever was not acknowledged is sent again on the next. */
void bw_outbox_link_lost(bw_outbox *outbox);

#endif
