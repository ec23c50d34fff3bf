/*
 * Two slots for models in NOR flash, and the highest release sequence ever run.
 *
 * Drawn in docs/FORMATS.md ("Firmware flash layout"). What is found at boot proves itself: records
 * by a CRC, the header by its signature, the image by its hashes. State records are appended to a
 * page of their own, so that no write ever endangers what was written before it; the last that
 * checks counts. Nothing here decides what may be written: bw_update does.
 *
 * Functions that write return 0 when flash refused or does not hold what was written.
 */
#ifndef BW_SLOTS_H
#define BW_SLOTS_H

#include <stdint.h>

#include "bw_hal.h"

#define BW_SLOTS 2u
/* Chunks that a slot can be received in; bounds the bitmap in RAM, and with it the slot. */
#ifndef BW_SLOT_CHUNKS_MAX
#define BW_SLOT_CHUNKS_MAX 512u
#endif

typedef enum bw_slot_state {
  BW_SLOT_EMPTY = 0,
  BW_SLOT_RECEIVING = 1,
  BW_SLOT_VERIFIED = 2,  /* complete, right hash, self-test passed; not run yet */
  BW_SLOT_TRIAL = 3,     /* runs, and goes back to the other slot unless confirmed */
  BW_SLOT_CONFIRMED = 4,
  BW_SLOT_BAD = 5        /* must not be run; `outcome` says why */
} bw_slot_state;

typedef struct bw_slot_record {
  uint8_t state;   /* bw_slot_state */
  uint8_t boots;   /* starts of the node during the trial; while receiving, checks begun */
  uint8_t outcome; /* bw_outcome; of a meaning where the state is bad */
  uint32_t sequence;
} bw_slot_record;

/* Where things are: addresses as bw_hal_flash_write counts them. */
typedef struct bw_slots {
  uint32_t floor_pages[2];
  uint32_t record_pages[BW_SLOTS];
  uint32_t headers[BW_SLOTS];
  uint32_t images[BW_SLOTS];
  uint32_t header_bytes;
  uint32_t image_bytes; /* largest container that a slot holds, whole pages */
} bw_slots;

/* What was signed, where it lies in flash. */
typedef struct bw_slot_header {
  const uint8_t *signature;
  const uint8_t *manifest;
  uint32_t manifest_bytes;
} bw_slot_header;

/* Divides a region of flash. Page-aligned, at least eight pages; 0 otherwise. */
uint8_t bw_slots_open(bw_slots *slots, uint32_t address, uint32_t length);

/* The highest sequence that either copy of the floor holds; 0 where neither does. */
uint32_t bw_slots_floor(const bw_slots *slots);
uint8_t bw_slots_raise_floor(const bw_slots *slots, uint32_t sequence);

/* The slot's last record that checks; 0: it has none. */
uint8_t bw_slots_record(const bw_slots *slots, uint8_t slot, bw_slot_record *record);
/* Appends, unless the slot says so already. A full page is erased instead, and the slot is empty. */
uint8_t bw_slots_write_record(const bw_slots *slots, uint8_t slot, const bw_slot_record *record);

/* 0 where nothing was written. Whether it is signed is the reader's to find out. */
uint8_t bw_slots_header(const bw_slots *slots, uint8_t slot, bw_slot_header *header);
/* Empties the slot but for its image, and writes a new header. */
uint8_t bw_slots_begin(const bw_slots *slots, uint8_t slot, const bw_slot_header *header);

const uint8_t *bw_slots_image(const bw_slots *slots, uint8_t slot);
/* `offset` is a multiple of BW_FLASH_UNIT, and nothing was written there since it was erased. */
uint8_t bw_slots_write_image(const bw_slots *slots, uint8_t slot, uint32_t offset,
                             const uint8_t *bytes, uint32_t length);
uint8_t bw_slots_erase_image_page(const bw_slots *slots, uint8_t slot, uint32_t offset);
/* Whether a part of the image is erased. */
uint8_t bw_slots_image_is_blank(const bw_slots *slots, uint8_t slot, uint32_t offset,
                                uint32_t length);

#endif
