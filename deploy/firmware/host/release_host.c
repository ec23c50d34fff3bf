/*
 * Decisions on releases as a program for tests: jobs on standard input, answers on output.
 *
 *   job:   u32 length, that many bytes:
 *          32 B public key, u32 highest sequence, u32 slot bytes, u8 cohort length, cohort, offer frame
 *   answer: u8 outcome (254: no offer frame), u32 sequence, u32 size, u32 seed, u16 chunks, u8 purpose,
 *           u8 exits, u32 last logits hash; zeros where the manifest could not be believed
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bw_bytes.h"
#include "bw_release.h"
#include "bw_update_frames.h"

#define NO_OFFER 254
#define ANSWER_BYTES 21

static void answer_job(uint8_t *answer, const uint8_t *job, uint32_t length) {
  bw_reader from = bw_read_from(job, length);
  bw_release_context context;
  bw_manifest manifest;
  bw_offer offer;
  context.public_keys = bw_take(&from, 32);
  context.public_key_count = 1;
  context.highest_sequence = bw_take_u32(&from);
  context.slot_bytes = bw_take_u32(&from);
  context.cohort_bytes = bw_take_u8(&from);
  context.cohort = bw_take(&from, context.cohort_bytes);
  bw_writer to = bw_write_to(answer, ANSWER_BYTES);
  memset(answer, 0, ANSWER_BYTES);
  if (!bw_read_offer(&offer, from.at, from.left)) {
    bw_put_u8(&to, NO_OFFER);
    return;
  }
  bw_outcome outcome =
      bw_open_release(&manifest, offer.signature, offer.manifest, offer.manifest_bytes, &context);
  bw_put_u8(&to, (uint8_t)outcome);
  if (outcome == BW_BAD_SIGNATURE || outcome == BW_BAD_MANIFEST) return;
  bw_put_u32(&to, manifest.sequence);
  bw_put_u32(&to, manifest.size_bytes);
  bw_put_u32(&to, manifest.self_test_seed);
  bw_put_u16(&to, manifest.chunks);
  bw_put_u8(&to, manifest.purpose);
  bw_put_u8(&to, manifest.hashes);
  bw_put_u32(&to, manifest.self_test_hashes[manifest.hashes - 1]);
}

int main(void) {
  uint8_t head[4];
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    uint32_t length = bw_get_u32(head);
    uint8_t answer[ANSWER_BYTES];
    /* A block of its own, so that a sanitizer sees any step out of it. */
    uint8_t *job = malloc(length);
    if (job == NULL || fread(job, 1, length, stdin) != length) return 2;
    answer_job(answer, job, length);
    free(job);
    (void)fwrite(answer, 1, sizeof answer, stdout);
  }
  return 0;
}
