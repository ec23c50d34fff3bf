/*
 * What is owed while nobody listens, in flash: a ring of pages to which frames are appended and from
 * which they are handed out in the same order, until the gateway has acknowledged them.
 *
 * Frames name their epoch and number themselves, so that those of an earlier life of the node can
 * follow it into the next. When the ring is full its oldest page goes, with whatever is still owed
 * on it. A frame that the power cut through is none; a page after whose last good frame something
 * stands that is not blank is not written any further.
 */
#ifndef BW_BACKLOG_H
#define BW_BACKLOG_H

#include <stdint.h>

/* Where a frame lies. Pages are numbered on and on, so that a place is never another frame's. */
typedef struct bw_place {
  uint32_t page; /* from 1; 0: nowhere */
  uint32_t at;
} bw_place;

typedef struct bw_backlog {
  uint32_t address; /* of the first page, as bw_hal_flash_write counts */
  uint32_t pages;
  bw_place end;  /* where the next frame goes */
  bw_place next; /* at or before the next one to hand out */
  uint32_t owed[2]; /* frames that are owed, by their kind */
} bw_backlog;

typedef struct bw_kept_frame {
  bw_place place;
  const uint8_t *bytes;
  uint16_t length;
  uint8_t kind;
} bw_kept_frame;

/* Finds what flash holds; all of it is handed out again. */
void bw_backlog_open(bw_backlog *backlog, uint32_t address, uint32_t pages);

/* Appends. `*lost` grows by the frames that had to go. 0: flash refused, or the frame is larger than
 * a page. */
uint8_t bw_backlog_put(bw_backlog *backlog, uint8_t kind, const uint8_t *frame, uint16_t length,
                       uint32_t *lost);

/* The next frame that is owed and was not handed out, which stays so; 0: there is none. */
uint8_t bw_backlog_peek(bw_backlog *backlog, bw_kept_frame *frame);
/* What peek found is handed out. */
void bw_backlog_took(bw_backlog *backlog, const bw_kept_frame *frame);

/* It was acknowledged. A place whose page has gone meanwhile is left alone. */
void bw_backlog_done(bw_backlog *backlog, bw_place place);

/* The connection is gone: whatever is owed is handed out again. */
void bw_backlog_rewind(bw_backlog *backlog);

#endif
