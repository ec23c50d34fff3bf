/*
 * Prints what every student in the image says, as hashes: one line for each exit, with the FNV-1a
 * over the logits of all windows and another over the features. Exit code: the bw_code of the first
 * student that was refused.
 */

#include "board.h"
#include "bw.h"
#include "cases.h"

#ifndef RAM_BYTES
#define RAM_BYTES 10240
#endif

enum { MOST_EXITS = 8 };

static uint32_t ram[RAM_BYTES / 4];

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

static bw_code run_case(const student_case *it) {
  bw_model model;
  bw_run run;
  uint32_t logits[MOST_EXITS];
  uint32_t features[MOST_EXITS];
  bw_code code = bw_load(&model, it->container, it->container_bytes);
  if (code == BW_OK) code = bw_open(&run, &model, ram, sizeof ram);
  if (code != BW_OK) return code;
  for (uint32_t exit = 0; exit < MOST_EXITS; exit++) logits[exit] = features[exit] = 0x811c9dc5u;
  const uint32_t window_bytes = (uint32_t)model.window_samples * model.channels;
  for (uint32_t w = 0; w < it->window_count; w++) {
    bw_begin(&run, it->windows + w * window_bytes);
    for (uint32_t exit = 0; bw_exits_left(&run) > 0; exit++) {
      hash_exit(bw_next_exit(&run), model.classes, &logits[exit], &features[exit]);
    }
  }
  for (uint32_t exit = 0; exit < model.exits; exit++) {
    write_line(it->name, exit, logits[exit], features[exit]);
  }
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
