/*
 * A small record that survives power cuts: two pages of flash, written in turns.
 *
 * Each new version goes behind the last one; when a page is full the other is erased and goes on.
 * The newest that checks counts, so that a cut during a write leaves the version before it. It
 * refuses to be a file system: one record of one kind, read where it lies.
 */
#ifndef BW_JOURNAL_H
#define BW_JOURNAL_H

#include <stdint.h>

typedef struct bw_journal {
  uint32_t address; /* of the first of two pages, as bw_hal_flash_write counts */
  uint32_t version; /* of the newest; 0: none */
  uint32_t next;    /* where the next one goes; beyond both pages: nowhere yet */
  const uint8_t *bytes;
  uint32_t length;
} bw_journal;

/* Finds the newest record. */
void bw_journal_open(bw_journal *journal, uint32_t address);

/* Writes a version; `bytes` must not lie in the journal. 0: flash refused, and the version before
 * may still stand. A record is at most a page less 16 bytes. */
uint8_t bw_journal_write(bw_journal *journal, const uint8_t *bytes, uint32_t length);

#endif
