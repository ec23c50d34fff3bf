/*
 * Prints what every student in the image says, as hashes: one line for each exit, with the FNV-1a
 * over the logits of all windows and another over the features; and, of a student that has an
 * encoder, one line with that over the codes of all windows, a byte each. Exit code: the bw_code of the first
 * student that was refused.
 */

#include "board.h"
#include "open_case.h"

static uint32_t hash_byte(uint32_t hash, uint32_t byte) {
  return (hash ^ (byte & 0xff)) * 0x01000193u;
}

static void hash_exit(bw_exit exit, uint32_t classes, uint32_t *logits, uint32_t *features) {
  for (uint32_t i = 0; i < classes; i++) {
    const uint32_t value = (uint32_t)exit.logits[i];
    *logits = hash_byte(hash_byte(*logits, value), value >> 8);
  }
  for (uint32_t i = 0; i < exit.feature_count; i++) {
    *features = hash_byte(*features, (uint32_t)exit.features[i]);
  }
}

static uint32_t hash_codes(uint32_t hash, const student_case *it, uint32_t window) {
  const uint8_t *codes = encode_window(it, window);
  for (uint32_t i = 0; i < codes_of(it); i++) hash = hash_byte(hash, codes[i]);
  return hash;
}

static void write_line(const char *name, uint32_t exit, uint32_t logits, uint32_t features) {
  board_write(name);
  board_write(" ");
  board_write_number(exit);
  board_write(" ");
  board_write_number(logits);
  board_write(" ");
  board_write_number(features);
  board_write("\n");
}

static void write_codes(const char *name, uint32_t codes) {
  board_write(name);
  board_write(" codes ");
  board_write_number(codes);
  board_write("\n");
}

static bw_code run_case(const student_case *it) {
  uint32_t logits[MOST_EXITS];
  uint32_t features[MOST_EXITS];
  uint32_t codes = 0x811c9dc5u;
  const bw_code code = open_case(it);
  if (code != BW_OK) return code;
  for (uint32_t exit = 0; exit < MOST_EXITS; exit++) logits[exit] = features[exit] = 0x811c9dc5u;
  for (uint32_t w = 0; w < it->window_count; w++) {
    begin_window(it, w);
    for (uint32_t exit = 0; exit < it->exits; exit++) {
      hash_exit(next_exit(it), it->classes, &logits[exit], &features[exit]);
    }
    if (has_encoder(it)) codes = hash_codes(codes, it, w);
  }
  for (uint32_t exit = 0; exit < it->exits; exit++) {
    write_line(it->name, exit, logits[exit], features[exit]);
  }
  if (has_encoder(it)) write_codes(it->name, codes);
  return BW_OK;
}

int main(void) {
  for (uint32_t i = 0; i < student_case_count; i++) {
    const bw_code code = run_case(&student_cases[i]);
    if (code != BW_OK) {
      board_write(student_cases[i].name);
      board_write(" was refused\n");
      return (int)code;
    }
  }
  return 0;
}
