/* Chunks in flash: which are there, which pages must go, which to ask for. */

#include "bw_assembly.h"

#include "../crypto/bw_memory.h"
#include "../crypto/bw_sha2.h"

static uint8_t is_present(const bw_assembly *assembly, uint32_t chunk) {
  return (uint8_t)((uint32_t)assembly->present[chunk >> 3] >> (chunk & 7u) & 1u);
}

static void set_present(bw_assembly *assembly, uint32_t chunk, uint8_t present) {
  if (is_present(assembly, chunk) == present) return;
  assembly->present[chunk >> 3] = (uint8_t)(assembly->present[chunk >> 3] ^ (1u << (chunk & 7u)));
  assembly->missing = (uint16_t)(present ? assembly->missing - 1 : assembly->missing + 1);
}

static uint32_t chunk_length(const bw_manifest *manifest, uint32_t chunk) {
  uint32_t left = manifest->size_bytes - chunk * manifest->chunk_bytes;
  return left < manifest->chunk_bytes ? left : manifest->chunk_bytes;
}

static uint8_t hash_is_right(const bw_manifest *manifest, uint32_t chunk, const uint8_t *bytes) {
  bw_sha256 sha;
  uint8_t digest[BW_SHA256_BYTES];
  bw_sha256_start(&sha);
  bw_sha256_add(&sha, bytes, chunk_length(manifest, chunk));
  bw_sha256_end(&sha, digest);
  return bw_same(digest, manifest->chunk_hashes + chunk * BW_CHUNK_HASH_BYTES,
                 BW_CHUNK_HASH_BYTES);
}

uint8_t bw_assembly_takes(const bw_manifest *manifest) {
  return manifest->chunk_bytes % BW_FLASH_UNIT == 0;
}

static void look_at_chunks(bw_assembly *assembly, const uint8_t *image) {
  const bw_manifest *manifest = &assembly->manifest;
  bw_zero(assembly->present, sizeof assembly->present);
  assembly->missing = manifest->chunks;
  for (uint32_t chunk = 0; chunk < manifest->chunks; chunk++) {
    const uint8_t *bytes = image + chunk * manifest->chunk_bytes;
    set_present(assembly, chunk, hash_is_right(manifest, chunk, bytes));
  }
}

/* What a write of so many bytes touches. */
static uint32_t whole_units(uint32_t bytes) {
  return (bytes + BW_FLASH_UNIT - 1u) / BW_FLASH_UNIT * BW_FLASH_UNIT;
}

/* Whether a page holds anything where a missing chunk must be written. */
static uint8_t page_is_dirty(const bw_assembly *assembly, const bw_slots *slots, uint32_t page) {
  const bw_manifest *manifest = &assembly->manifest;
  uint32_t page_end = page + bw_hal_flash.page_bytes;
  for (uint32_t chunk = page / manifest->chunk_bytes; chunk < manifest->chunks; chunk++) {
    uint32_t start = chunk * manifest->chunk_bytes;
    uint32_t end = start + whole_units(chunk_length(manifest, chunk));
    if (start >= page_end) return 0;
    if (start < page) start = page;
    if (end > page_end) end = page_end;
    if (is_present(assembly, chunk) || end <= start) continue;
    if (!bw_slots_image_is_blank(slots, assembly->slot, start, end - start)) return 1;
  }
  return 0;
}

static void forget_chunks_on(bw_assembly *assembly, uint32_t page) {
  const bw_manifest *manifest = &assembly->manifest;
  uint32_t chunk = page / manifest->chunk_bytes;
  for (; chunk < manifest->chunks && chunk * manifest->chunk_bytes < page + bw_hal_flash.page_bytes;
       chunk++) {
    set_present(assembly, chunk, 0);
  }
}

uint8_t bw_assembly_resume(bw_assembly *assembly, const bw_slots *slots, uint8_t slot,
                           const bw_manifest *manifest) {
  uint32_t page_bytes = bw_hal_flash.page_bytes;
  uint32_t page = 0;
  assembly->manifest = *manifest;
  assembly->slot = slot;
  look_at_chunks(assembly, bw_slots_image(slots, slot));
  while (page < manifest->size_bytes) {
    if (!page_is_dirty(assembly, slots, page)) {
      page += page_bytes;
      continue;
    }
    if (!bw_slots_erase_image_page(slots, slot, page)) return 0;
    forget_chunks_on(assembly, page);
    /* A chunk that lay on the page before as well is now missing there. */
    if (page > 0 && page % manifest->chunk_bytes != 0) page -= page_bytes;
  }
  return 1;
}

bw_chunk_outcome bw_assembly_take(bw_assembly *assembly, const bw_slots *slots,
                                  const bw_chunk *chunk) {
  const bw_manifest *manifest = &assembly->manifest;
  if (chunk->sequence != manifest->sequence || chunk->index >= manifest->chunks) {
    return BW_CHUNK_IGNORED;
  }
  if (is_present(assembly, chunk->index)) return BW_CHUNK_IGNORED;
  if (chunk->length != chunk_length(manifest, chunk->index)) return BW_CHUNK_IGNORED;
  if (!hash_is_right(manifest, chunk->index, chunk->bytes)) return BW_CHUNK_IGNORED;
  uint32_t offset = (uint32_t)chunk->index * manifest->chunk_bytes;
  if (!bw_slots_write_image(slots, assembly->slot, offset, chunk->bytes, chunk->length)) {
    return BW_CHUNK_FLASH_FAILED;
  }
  set_present(assembly, chunk->index, 1);
  return BW_CHUNK_STORED;
}

uint16_t bw_assembly_wanted(const bw_assembly *assembly, uint16_t most, uint8_t *bitmap,
                            uint16_t bitmap_room, uint16_t *first, uint16_t *count) {
  uint16_t bytes = 0;
  *count = 0;
  *first = 0;
  for (uint32_t chunk = 0; chunk < assembly->manifest.chunks && *count < most; chunk++) {
    if (is_present(assembly, chunk)) continue;
    if (*count == 0) *first = (uint16_t)chunk;
    uint32_t bit = chunk - *first;
    if (bit >> 3 >= bitmap_room) break;
    while (bytes <= bit >> 3) bitmap[bytes++] = 0;
    bitmap[bit >> 3] = (uint8_t)(bitmap[bit >> 3] | (1u << (bit & 7u)));
    *count = (uint16_t)(*count + 1);
  }
  return bytes;
}
