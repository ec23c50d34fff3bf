/*
 * The outbox as a program of the host, driven by test/firmware-outbox.test.ts.
 *
 *   'N' u32 epoch, u16 entries, u16 bytes, u16 in flight, u32 retry, u32 longest, u32 seed   begins
 *   'P' u8 kind, u16 length           put a frame of the low byte of its number
 *   'D' u32 now                       -> seqs that are due, u32 each, and 0xffffffff
 *   'A' u32 seq, u32 now              -> u8 whether it was there
 *   'L'                               the link is lost
 *   '?'                               -> u32 next seq, dropped, count, bytes; the frames' seqs
 */
#include "../node/bw_bytes.h"
#include "../node/bw_outbox.h"
#include "host_io.h"

static bw_outbox outbox;
static bw_prng jitter;

static void begin(void) {
  uint32_t epoch = get(4);
  free(outbox.entries);
  free(outbox.bytes);
  outbox.entries_room = get(2);
  outbox.bytes_room = get(2);
  outbox.limits.inflight = (uint16_t)get(2);
  outbox.limits.retry_ms = get(4);
  outbox.limits.retry_ms_max = get(4);
  outbox.entries = (bw_outbox_entry *)malloc(outbox.entries_room * sizeof *outbox.entries);
  outbox.bytes = (uint8_t *)malloc(outbox.bytes_room);
  bw_prng_seed(&jitter, get(4), "jitter", 6);
  bw_outbox_start(&outbox, epoch);
}

static void put_frame(void) {
  bw_entry_kind kind = get(1) == 0 ? BW_ENTRY_REPORT : BW_ENTRY_OFFLOAD;
  uint32_t length = get(2);
  uint8_t *frame = bw_outbox_room(&outbox, length);
  if (frame == 0) return;
  for (uint32_t i = 0; i < length; i++) frame[i] = (uint8_t)outbox.next_seq;
  bw_set_u32(frame + 2, outbox.epoch);
  bw_outbox_put(&outbox, kind, length);
}

/* A frame that was moved must still be its own. */
static void check_frame(const bw_outbox_entry *entry) {
  for (uint32_t i = 6; i < entry->length; i++) {
    if (outbox.bytes[entry->offset + i] != (uint8_t)entry->seq) exit(6);
  }
}

static void due(void) {
  uint64_t now = get(4);
  for (;;) {
    const bw_outbox_entry *entry = bw_outbox_due(&outbox, now, &jitter);
    if (entry == 0) break;
    check_frame(entry);
    put(entry->seq, 4);
  }
  put(0xffffffffu, 4);
}

static void tell(void) {
  put(outbox.next_seq, 4);
  put(outbox.dropped, 4);
  put(outbox.count, 4);
  put(outbox.bytes_used, 4);
  for (uint32_t at = 0; at < outbox.count; at++) {
    check_frame(&outbox.entries[at]);
    put(outbox.entries[at].seq, 4);
  }
}

int main(int count, char **arguments) {
  if (!host_open(count, arguments)) return 2;
  for (int operation = host_next(); operation != EOF; operation = host_next()) {
    if (operation == 'N') begin();
    if (operation == 'P') put_frame();
    if (operation == 'D') due();
    if (operation == 'L') bw_outbox_link_lost(&outbox);
    if (operation == '?') tell();
    if (operation == 'A') {
      uint32_t seq = get(4);
      bw_place place;
      put(bw_outbox_acknowledge(&outbox, outbox.epoch, seq, get(4), &place), 1);
    }
  }
  free(outbox.entries);
  free(outbox.bytes);
  return host_close();
}
