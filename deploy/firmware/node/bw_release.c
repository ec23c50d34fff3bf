/*
 * Manifests: the part of deterministic CBOR that they need (RFC 8949, section 4.2.1), straight into
 * a struct. One manifest has one encoding, so a reader that knows what comes next need only compare.
 */

#include "bw_release.h"

#include "../crypto/bw_ed25519.h"
#include "../crypto/bw_memory.h"
#include "bw_bytes.h"

/* Major types of CBOR. */
enum { UNSIGNED = 0, BYTES = 2, TEXT = 3, ARRAY = 4, MAP = 5 };

/* The argument of the next head, if that is of this type and in its shortest form. */
static uint64_t take_head(bw_reader *from, uint8_t major) {
  uint8_t first = bw_take_u8(from);
  uint8_t form = first & 31u;
  uint64_t argument = 0;
  if (first >> 5 != major || form > 27u) from->failed = 1;
  if (from->failed || form < 24u) return form;
  uint32_t bytes = 1u << (form - 24u);
  const uint8_t *at = bw_take(from, bytes);
  for (uint32_t i = 0; at != 0 && i < bytes; i++) argument = (argument << 8) | at[i];
  /* What fits the next shorter form belongs there: below 24, then half of the bytes. */
  if (form == 24u ? argument < 24u : argument >> (4u * bytes) == 0) from->failed = 1;
  return argument;
}

static uint64_t take_number(bw_reader *from, uint64_t low, uint64_t high) {
  uint64_t number = take_head(from, UNSIGNED);
  if (number < low || number > high) from->failed = 1;
  return number;
}

static void take_key(bw_reader *from, uint32_t key) { (void)take_number(from, key, key); }

/* A byte string or text where it lies; its length, within bounds. */
static const uint8_t *take_string(bw_reader *from, uint8_t major, uint32_t least, uint32_t most,
                                  uint32_t *length) {
  uint64_t count = take_head(from, major);
  if (count < least || count > most) from->failed = 1;
  *length = (uint32_t)count;
  return bw_take(from, (uint32_t)count);
}

static void take_cohort(bw_reader *from, bw_manifest *manifest) {
  uint32_t length;
  manifest->cohort = take_string(from, TEXT, 1, BW_COHORT_BYTES_MAX, &length);
  manifest->cohort_bytes = (uint8_t)length;
  for (uint32_t i = 0; !from->failed && i < length; i++) {
    if (manifest->cohort[i] < 0x20 || manifest->cohort[i] > 0x7e) from->failed = 1;
  }
}

static void take_self_test(bw_reader *from, bw_manifest *manifest) {
  if (take_head(from, MAP) != 2) from->failed = 1;
  take_key(from, 1);
  manifest->self_test_seed = (uint32_t)take_number(from, 0, 0xffffffffu);
  take_key(from, 2);
  uint64_t count = take_head(from, ARRAY);
  if (count < 1 || count > BW_SELF_TEST_HASHES_MAX) from->failed = 1;
  manifest->hashes = (uint8_t)count;
  for (uint32_t i = 0; !from->failed && i < count; i++) {
    manifest->self_test_hashes[i] = (uint32_t)take_number(from, 0, 0xffffffffu);
  }
}

uint8_t bw_read_manifest(bw_manifest *manifest, const uint8_t *bytes, uint32_t length) {
  bw_reader from = bw_read_from(bytes, length);
  uint32_t hash_bytes = 0;
  uint32_t fixed;
  if (take_head(&from, MAP) != 11) return 0;
  take_key(&from, 1);
  manifest->format_version = (uint16_t)take_number(&from, 1, 0xffffu);
  take_key(&from, 2);
  manifest->sequence = (uint32_t)take_number(&from, 1, 0xffffffffu);
  take_key(&from, 3);
  manifest->purpose = (uint8_t)take_number(&from, BW_RELEASE, BW_ROLLBACK);
  take_key(&from, 4);
  take_cohort(&from, manifest);
  take_key(&from, 5);
  manifest->model = take_string(&from, BYTES, BW_MODEL_ID_BYTES, BW_MODEL_ID_BYTES, &fixed);
  take_key(&from, 6); /* when it was made: for people */
  (void)take_number(&from, 0, 0xffffffffffffu);
  take_key(&from, 7);
  manifest->size_bytes = (uint32_t)take_number(&from, 1, BW_RELEASE_BYTES_MAX);
  take_key(&from, 8);
  manifest->chunk_bytes = (uint16_t)take_number(&from, BW_CHUNK_BYTES_MIN, BW_CHUNK_BYTES_MAX);
  take_key(&from, 9);
  manifest->sha256 = take_string(&from, BYTES, 32, 32, &fixed);
  take_key(&from, 10);
  manifest->chunk_hashes = take_string(&from, BYTES, 0, length, &hash_bytes);
  take_key(&from, 11);
  take_self_test(&from, manifest);
  if (from.failed || from.left > 0) return 0;
  uint32_t chunks = (manifest->size_bytes + manifest->chunk_bytes - 1u) / manifest->chunk_bytes;
  manifest->chunks = (uint16_t)chunks;
  return hash_bytes == chunks * BW_CHUNK_HASH_BYTES &&
         bw_same(manifest->model, manifest->sha256, BW_MODEL_ID_BYTES);
}

uint8_t bw_release_is_signed(const uint8_t signature[64], const uint8_t *manifest_bytes,
                             uint32_t length, const uint8_t *public_keys, uint8_t key_count) {
  /* With its zero, so that a signature is never one of anything else. */
  static const char PREFIX[] = "bellwether-release-v1";
  for (uint8_t i = 0; i < key_count; i++, public_keys += BW_PUBLIC_KEY_BYTES) {
    if (bw_ed25519_verify(signature, public_keys, PREFIX, sizeof PREFIX, manifest_bytes, length)) {
      return 1;
    }
  }
  return 0;
}

bw_outcome bw_open_release(bw_manifest *manifest, const uint8_t signature[64],
                           const uint8_t *manifest_bytes, uint32_t length,
                           const bw_release_context *context) {
  if (!bw_release_is_signed(signature, manifest_bytes, length, context->public_keys,
                            context->public_key_count)) {
    return BW_BAD_SIGNATURE;
  }
  if (!bw_read_manifest(manifest, manifest_bytes, length)) return BW_BAD_MANIFEST;
  if (manifest->sequence <= context->highest_sequence) return BW_STALE;
  if (manifest->sequence - context->highest_sequence > BW_SEQUENCE_JUMP) return BW_TOO_FAR;
  if (manifest->cohort_bytes != context->cohort_bytes ||
      !bw_same(manifest->cohort, context->cohort, context->cohort_bytes)) {
    return BW_WRONG_COHORT;
  }
  if (manifest->format_version > BW_CONTAINER_VERSION) return BW_WRONG_FORMAT;
  return manifest->size_bytes > context->slot_bytes ? BW_TOO_LARGE : BW_NO_OUTCOME;
}
