/*
 * Prints what every student in the image costs, one line "student what number" each: instructions
 * of bw_load with bw_open, of bw_begin, of each exit and of an encoder alone (sums over the windows),
 * bytes of RAM and of stack.
 *
 * Only under -icount, see bench_counter.h. The pair of reads around nothing is taken off.
 */

#include "bench_counter.h"
#include "figures.h"
#include "open_case.h"
#include "stack_mark.h"

static uint32_t nothing; /* instructions that counting alone takes */

static uint32_t count_from(uint32_t start) {
  return counter_instructions(start, counter_read()) - nothing;
}

static void calibrate(void) {
  counter_start();
  nothing = 0;
  const uint32_t start = counter_read();
  nothing = count_from(start);
}

static void measure_windows(const student_case *it) {
  static char exit_name[] = "exit0";
  uint32_t exits[MOST_EXITS] = {0};
  uint32_t begin = 0;
  uint32_t encoder = 0;
  for (uint32_t w = 0; w < it->window_count; w++) {
    uint32_t start = counter_read();
    begin_window(it, w);
    begin += count_from(start);
    for (uint32_t exit = 0; exit < it->exits; exit++) {
      start = counter_read();
      (void)next_exit(it);
      exits[exit] += count_from(start);
    }
    if (!has_encoder(it)) continue;
    start = counter_read();
    (void)encode_window(it, w);
    encoder += count_from(start);
  }
  write_figure(it->name, "begin", begin);
  for (uint32_t exit = 0; exit < it->exits; exit++) {
    exit_name[4] = (char)('1' + exit);
    write_figure(it->name, exit_name, exits[exit]);
  }
  if (has_encoder(it)) write_figure(it->name, "encode", encoder);
}

static bw_code measure_case(const student_case *it) {
  stack_paint();
  const uint32_t start = counter_read();
  const bw_code code = open_case(it);
  const uint32_t load = count_from(start);
  const uint32_t load_stack = stack_used();
  if (code != BW_OK) return code;
  stack_paint();
  begin_window(it, 0);
  for (uint32_t exit = 0; exit < it->exits; exit++) (void)next_exit(it);
  if (has_encoder(it)) (void)encode_window(it, 0);
  const uint32_t run_stack = stack_used();
  const int interpreted = it->container != 0;
  write_figure(it->name, "ram", interpreted ? bw_ram_bytes(&case_model) : it->ram_bytes);
  write_figure(it->name, "state", interpreted ? sizeof case_model + sizeof case_run : 0);
  write_figure(it->name, "load", load);
  write_figure(it->name, "loadStack", load_stack);
  write_figure(it->name, "runStack", run_stack);
  measure_windows(it);
  return BW_OK;
}

int main(void) {
  calibrate();
  for (uint32_t i = 0; i < student_case_count; i++) {
    const bw_code code = measure_case(&student_cases[i]);
    if (code != BW_OK) {
      write_figure(student_cases[i].name, "refused", (uint32_t)code);
      return (int)code;
    }
  }
  return 0;
}
