/*
 * A release on a microcontroller: the signed manifest, read in place, and whether to believe it.
 *
 * The same decisions in the same order as `openRelease` in src/wire/release.ts; the manifest's bytes
 * are drawn in docs/FORMATS.md. Nothing of an unsigned manifest is looked at. Nothing is copied but
 * numbers: texts and hashes stay where they came, in a receive buffer or in flash.
 */
#ifndef BW_RELEASE_H
#define BW_RELEASE_H

#include "bw_frames.h"

#include <stdint.h>

#define BW_CHUNK_HASH_BYTES 8u
/* Containers up to this format are read. */
#define BW_CONTAINER_VERSION 3u
/* Bounds of src/wire/limits.ts, which has the reasons. */
#define BW_RELEASE_BYTES_MAX (1024u * 1024u)
#define BW_CHUNK_BYTES_MIN 512u
#define BW_CHUNK_BYTES_MAX 1024u
#define BW_MANIFEST_BYTES_MAX (20u * 1024u)
#define BW_COHORT_BYTES_MAX 64u
#define BW_EXITS_MAX 8u
/* One for each exit, and one of an encoder's codes. */
#define BW_SELF_TEST_HASHES_MAX (BW_EXITS_MAX + 1u)
#define BW_SEQUENCE_JUMP 10000u

/* What became of a release on a node, as in the frame `outcome`. */
typedef enum bw_outcome {
  BW_ACTIVATED = 0,
  BW_CONFIRMED = 1,
  BW_REVERTED = 2,
  BW_BAD_SIGNATURE = 3,
  BW_STALE = 4,
  BW_WRONG_COHORT = 5,
  BW_WRONG_HASH = 6,
  BW_BAD_CONTAINER = 7,
  BW_SELF_TEST_FAILED = 8,
  BW_TOO_LARGE = 9,
  BW_BAD_MANIFEST = 10,
  BW_WRONG_FORMAT = 11,
  BW_TOO_FAR = 12,
  BW_NO_OUTCOME = 255 /* never sent: nothing stands against the release so far */
} bw_outcome;

typedef enum bw_purpose { BW_RELEASE = 1, BW_ROLLBACK = 2 } bw_purpose;

/* A manifest that was read. Its pointers lead into the bytes that it was read from. */
typedef struct bw_manifest {
  const uint8_t *cohort; /* ASCII, without an end */
  const uint8_t *model;  /* 8 bytes */
  const uint8_t *sha256; /* of the container, 32 bytes */
  const uint8_t *chunk_hashes;
  uint32_t sequence;
  uint32_t size_bytes; /* of the container, 1 to BW_RELEASE_BYTES_MAX */
  uint32_t self_test_seed;
  uint32_t self_test_hashes[BW_SELF_TEST_HASHES_MAX];
  uint16_t format_version;
  uint16_t chunk_bytes;
  uint16_t chunks;
  uint8_t purpose; /* bw_purpose */
  uint8_t cohort_bytes;
  uint8_t hashes;
} bw_manifest;

/* What a node knows of itself when an offer comes. */
typedef struct bw_release_context {
  const uint8_t *public_keys; /* 32 bytes each; any of them may have signed */
  const uint8_t *cohort;
  uint32_t highest_sequence; /* ever run, not merely the present one */
  uint32_t slot_bytes;
  uint8_t public_key_count;
  uint8_t cohort_bytes;
} bw_release_context;

/* BW_NO_OUTCOME when the release is to be fetched, else why not. `manifest` is filled in unless the
 * outcome is BW_BAD_SIGNATURE or BW_BAD_MANIFEST. */
bw_outcome bw_open_release(bw_manifest *manifest, const uint8_t signature[64],
                           const uint8_t *manifest_bytes, uint32_t length,
                           const bw_release_context *context);

/* Whether one of the keys has signed exactly these bytes. */
uint8_t bw_release_is_signed(const uint8_t signature[64], const uint8_t *manifest_bytes,
                             uint32_t length, const uint8_t *public_keys, uint8_t key_count);

/* Reads a manifest and checks that its parts agree. 0: it is none. */
uint8_t bw_read_manifest(bw_manifest *manifest, const uint8_t *bytes, uint32_t length);

#endif
