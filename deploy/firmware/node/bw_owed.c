/*
 * What the node owes, wherever it lies: in RAM while somebody listens, in flash while nobody does.
 *
 * Frames leave in the order in which they were made. So what is new goes to flash as long as
 * something older is still there, and what waits in RAM follows when room is short.
 */
#include "bw_node_parts.h"

/* What waits and is in no flash. Where flash refuses, it stays. */
static void stow(bw_node *node) {
  bw_outbox *outbox = &node->outbox;
  for (uint32_t at = 0; at < outbox->count;) {
    const bw_outbox_entry *entry = &outbox->entries[at];
    if (entry->place.page != 0 || entry->attempts > 0) {
      at++;
      continue;
    }
    const uint8_t *frame = outbox->bytes + entry->offset;
    if (!bw_backlog_put(&node->backlog, entry->kind, frame, entry->length, &outbox->dropped)) {
      return;
    }
    bw_outbox_forget(outbox, at);
  }
}

uint32_t bw_owed_offloads(const bw_node *node) {
  const bw_outbox *outbox = &node->outbox;
  uint32_t owed = node->backlog.owed[BW_ENTRY_OFFLOAD];
  for (uint32_t at = 0; at < outbox->count; at++) {
    const bw_outbox_entry *entry = &outbox->entries[at];
    owed += entry->kind == BW_ENTRY_OFFLOAD && entry->place.page == 0;
  }
  return owed;
}

uint8_t *bw_owe_room(bw_node *node, uint32_t length) {
  const bw_outbox *outbox = &node->outbox;
  uint8_t fits = outbox->count < outbox->entries_room &&
                 length <= outbox->bytes_room - outbox->bytes_used;
  if (!fits) stow(node);
  return bw_outbox_room(&node->outbox, length);
}

void bw_owe(bw_node *node, bw_entry_kind kind, uint32_t length) {
  bw_kept_frame older;
  bw_outbox_put(&node->outbox, kind, length);
  if (!bw_is_connected(node) || bw_backlog_peek(&node->backlog, &older)) stow(node);
}

/* From flash, as many as may be on their way at once, and never more than half of the room: the
 * other half is for what comes meanwhile. A frame that is larger than that goes alone, and one that an
 * earlier firmware made, with more room than there is now, is lost: neither may close the way. */
void bw_fetch_owed(bw_node *node) {
  bw_outbox *outbox = &node->outbox;
  bw_kept_frame frame;
  while (outbox->count < outbox->limits.inflight && outbox->count < outbox->entries_room / 2 &&
         bw_backlog_peek(&node->backlog, &frame)) {
    if (frame.length > outbox->bytes_room) {
      bw_backlog_done(&node->backlog, frame.place);
      outbox->dropped += 1;
    } else {
      uint32_t used = outbox->bytes_used + frame.length;
      if (outbox->count > 0 && used > outbox->bytes_room / 2) return;
      bw_outbox_put_kept(outbox, &frame);
    }
    bw_backlog_took(&node->backlog, &frame);
  }
}

void bw_owed_link_lost(bw_node *node) {
  bw_outbox *outbox = &node->outbox;
  bw_outbox_link_lost(outbox);
  for (uint32_t at = outbox->count; at-- > 0;) {
    if (outbox->entries[at].place.page != 0) bw_outbox_forget(outbox, at);
  }
  bw_backlog_rewind(&node->backlog);
  stow(node);
}
