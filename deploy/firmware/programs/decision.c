/*
 * Prints what the gate costs beside its student, one line "student what number" each: instructions
 * of the decision and of the exits that ran, summed over the windows, those of the whole depth, and
 * the FNV-1a over all decisions.
 *
 * Runs windows as a node does: exit by exit until the gate has heard enough, then the statistics of
 * the window and the decision. Cases are containers whose gate section is filled.
 */

#include "../node/bw_gate.h"
#include "bench_counter.h"
#include "figures.h"
#include "open_case.h"

enum { NOTHING_KNOWN = 90 };

static uint32_t nothing;

static uint32_t count_from(uint32_t start) {
  return counter_instructions(start, counter_read()) - nothing;
}

typedef struct costs {
  uint32_t decision;
  uint32_t statistics;
  uint32_t student;
  uint32_t exits;
  uint32_t offloads;
  uint32_t most; /* the dearest decision */
  uint32_t hash;
} costs;

static uint32_t hash_word(uint32_t hash, uint32_t value) {
  hash = (hash ^ (value & 0xff)) * 0x01000193u;
  return (hash ^ (value >> 8 & 0xff)) * 0x01000193u;
}

/* Each field as 16 bits. */
static uint32_t hash_decision(uint32_t hash, const bw_decision *decided) {
  hash = hash_word(hash, decided->exit);
  hash = hash_word(hash, decided->class_index);
  hash = hash_word(hash, decided->confidence_q8);
  hash = hash_word(hash, (uint32_t)decided->offload);
  hash = hash_word(hash, decided->alarm);
  hash = hash_word(hash, decided->margin_q8);
  hash = hash_word(hash, decided->chance_q16);
  return hash_word(hash, decided->drift_q8);
}

static void decide_window(const student_case *it, const bw_gate *gate, bw_gate_state *state,
                          bw_prng *random, uint32_t window, costs *sum) {
  bw_exit exits[BW_GATE_EXITS];
  bw_answer answer;
  int8_t statistics[BW_GATE_STATISTICS];
  bw_decision decided;
  uint8_t count = 0;
  uint32_t decision = 0;
  bw_gate_step step;
  uint32_t start = counter_read();
  begin_window(it, window);
  sum->student += count_from(start);
  do {
    start = counter_read();
    exits[count++] = next_exit(it);
    sum->student += count_from(start);
    start = counter_read();
    step = bw_gate_exit(gate, state, exits, count, &answer);
    decision += count_from(start);
  } while (step == BW_GATE_NEXT);
  start = counter_read();
  bw_window_statistics(it->windows + window * it->window_bytes, case_model.window_samples,
                       case_model.channels, statistics);
  const uint32_t of_statistics = count_from(start);
  const bw_gate_input input = {exits, &answer, count, (uint8_t)(2 * case_model.channels),
                               statistics, window};
  start = counter_read();
  bw_gate_window(gate, state, &input, random, &decided);
  decision += of_statistics + count_from(start);
  sum->statistics += of_statistics;
  sum->decision += decision;
  sum->exits += count;
  if (decided.offload != BW_KEPT) sum->offloads++;
  if (decision > sum->most) sum->most = decision;
  sum->hash = hash_decision(sum->hash, &decided);
}

static int measure_case(const student_case *it) {
  static bw_gate gate;
  static bw_gate_state state;
  bw_prng random;
  costs sum = {0, 0, 0, 0, 0, 0, 0x811c9dc5u};
  if (open_case(it) != BW_OK) return 1;
  if (bw_gate_of(&gate, &case_model) != BW_GATE_OK) return 2;
  bw_gate_start(&gate, &state);
  bw_prng_seed(&random, 1, "gate", 4);
  for (uint32_t w = 0; w < it->window_count; w++) {
    decide_window(it, &gate, &state, &random, w, &sum);
  }
  const uint32_t start = counter_read();
  begin_window(it, 0);
  for (uint32_t exit = 0; exit < it->exits; exit++) (void)next_exit(it);
  write_figure(it->name, "whole", count_from(start));
  write_figure(it->name, "decision", sum.decision);
  write_figure(it->name, "statistics", sum.statistics);
  write_figure(it->name, "most", sum.most);
  write_figure(it->name, "student", sum.student);
  write_figure(it->name, "exits", sum.exits);
  write_figure(it->name, "offloads", sum.offloads);
  write_figure(it->name, "hash", sum.hash);
  return 0;
}

int main(void) {
  counter_start();
  const uint32_t start = counter_read();
  nothing = count_from(start);
  for (uint32_t i = 0; i < student_case_count; i++) {
    const int failed = measure_case(&student_cases[i]);
    if (failed != 0) return NOTHING_KNOWN + failed;
  }
  return 0;
}
