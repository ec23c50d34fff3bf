/*
 * Prints what the forms of an offload cost to make, one line "student what number" each: instructions
 * of the encoder, of packing its codes, and of a window in 4 and in 2 bits, summed over the windows.
 *
 * Cases are containers that have an encoder.
 */

#include "../node/bw_codes.h"
#include "../node/bw_companded.h"
#include "bench_counter.h"
#include "figures.h"
#include "open_case.h"
#include "stack_mark.h"

enum { WRONG_CASE = 90, BYTES_MOST = 8192 };

static uint32_t nothing;
static uint8_t bytes[BYTES_MOST];

static uint32_t count_from(uint32_t start) {
  return counter_instructions(start, counter_read()) - nothing;
}

static uint32_t compand(const int8_t *window, uint32_t bits) {
  const uint32_t start = counter_read();
  bw_encode_companded(window, case_model.window_samples, case_model.channels, bits, bytes);
  return count_from(start);
}

static void measure_window(const student_case *it, uint32_t w, uint32_t sums[4]) {
  const int8_t *window = it->windows + w * it->window_bytes;
  begin_window(it, w);
  for (uint32_t exit = 0; exit < it->exits; exit++) (void)next_exit(it);
  uint32_t start = counter_read();
  const uint8_t *codes = encode_window(it, w);
  sums[0] += count_from(start);
  start = counter_read();
  bw_pack_codes(codes, case_model.codes, case_model.code_bits, bytes);
  sums[1] += count_from(start);
  sums[2] += compand(window, 4);
  sums[3] += compand(window, 2);
}

static int measure_case(const student_case *it) {
  static const char *const NAMES[4] = {"encode", "pack", "companded4", "companded2"};
  uint32_t sums[4] = {0, 0, 0, 0};
  if (open_case(it) != BW_OK || !has_encoder(it)) return 1;
  begin_window(it, 0);
  for (uint32_t exit = 0; exit < it->exits; exit++) (void)next_exit(it);
  stack_paint();
  (void)encode_window(it, 0);
  write_figure(it->name, "stack", stack_used());
  write_figure(it->name, "ram", bw_ram_bytes(&case_model));
  for (uint32_t w = 0; w < it->window_count; w++) measure_window(it, w, sums);
  for (uint32_t i = 0; i < 4; i++) write_figure(it->name, NAMES[i], sums[i]);
  const uint32_t start = counter_read();
  begin_window(it, 0);
  for (uint32_t exit = 0; exit < it->exits; exit++) (void)next_exit(it);
  write_figure(it->name, "whole", count_from(start));
  return 0;
}

int main(void) {
  counter_start();
  const uint32_t start = counter_read();
  nothing = count_from(start);
  for (uint32_t i = 0; i < student_case_count; i++) {
    if (measure_case(&student_cases[i]) != 0) return WRONG_CASE;
  }
  return 0;
}
