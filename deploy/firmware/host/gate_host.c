/*
 * The gate's C files as a program of the host, driven by test/firmware-gate.test.ts.
 *
 * Reads operations from a file, writes what the gate answers to another: the test gives the same
 * operations to src/gate and compares every byte. Sanitizers watch meanwhile. Nothing is checked
 * here: the test writes the file.
 *
 *   'L' u32 length, section, u32 length, points of no bytes or more   load  -> u8 code
 *   'S' u32 seed, u8 length, stream             start      -> state
 *   'W' u32 window index, u16 samples, u8 channels, u8 features, window,
 *       then per exit of the gate: logits, features       window     -> decision, state
 *   'V' u32 window index, u8 class, u8 trusted, u8 classes, chances    -> state
 *   'T' u16 audit chance, u16 burst                        setting    -> state
 *   'P' u16 share                                          move       -> state
 *   'C' carry -> state
 *   'R' u8 same release, u32 length, bytes                 restore    -> u8 code, state
 *
 * A state is u16 length and bytes; a decision is exit, class, confidence, offload, alarm as u8,
 * margin, chance and drift as u16.
 */
#include "../node/bw_gate.h"
#include "host_io.h"

static bw_gate gate;
static bw_gate_state state;
static bw_prng draws;
static uint8_t *section;
static uint8_t *points;

static void put_state(void) {
  uint8_t bytes[BW_GATE_STATE_BYTES];
  uint32_t length = bw_gate_save(&state, bytes);
  put(length, 2);
  put_bytes(bytes, length);
}

static void load(void) {
  uint32_t length = get(4);
  free(section);
  section = get_bytes(length);
  bw_gate_code code = bw_gate_load(&gate, section, length);
  free(points);
  length = get(4);
  points = get_bytes(length);
  if (code == BW_GATE_OK && length > 0) code = bw_gate_load_points(&gate, points, length);
  put(code, 1);
}

static void start(void) {
  uint32_t seed = get(4);
  uint32_t length = get(1);
  char *stream = (char *)get_bytes(length);
  bw_prng_seed(&draws, seed, stream, length);
  free(stream);
  bw_gate_start(&gate, &state);
  put_state();
}

static void window(void) {
  int16_t logits[BW_GATE_EXITS][BW_GATE_CLASSES];
  int8_t *features[BW_GATE_EXITS];
  bw_exit exits[BW_GATE_EXITS];
  bw_answer answer;
  int8_t statistics[BW_GATE_STATISTICS];
  bw_decision decision;
  uint32_t index = get(4);
  uint32_t samples = get(2);
  uint8_t channels = (uint8_t)get(1);
  uint8_t feature_count = (uint8_t)get(1);
  int8_t *samples_of = (int8_t *)get_bytes(samples * channels);
  for (uint32_t k = 0; k < gate.exit_count; k++) {
    for (uint32_t c = 0; c < gate.classes; c++) logits[k][c] = (int16_t)get(2);
    features[k] = (int8_t *)get_bytes(feature_count);
    exits[k].logits = logits[k];
    exits[k].features = features[k];
    exits[k].feature_count = feature_count;
  }
  uint8_t count = 0;
  do count++;
  while (bw_gate_exit(&gate, &state, exits, count, &answer) == BW_GATE_NEXT);
  bw_window_statistics(samples_of, samples, channels, statistics);
  bw_gate_input input = {exits, &answer, count, (uint8_t)(2 * channels), statistics, index};
  bw_gate_window(&gate, &state, &input, &draws, &decision);
  put(decision.exit, 1);
  put(decision.class_index, 1);
  put(decision.confidence_q8, 1);
  put(decision.offload, 1);
  put(decision.alarm, 1);
  put(decision.margin_q8, 2);
  put(decision.chance_q16, 2);
  put(decision.drift_q8, 2);
  put_state();
  for (uint32_t k = 0; k < gate.exit_count; k++) free(features[k]);
  free(samples_of);
}

static void verdict(void) {
  bw_gate_verdict told;
  told.window_index = get(4);
  told.class_index = (uint8_t)get(1);
  told.trusted = (uint8_t)get(1);
  told.classes = (uint8_t)get(1);
  uint8_t *chances = get_bytes(told.classes);
  told.probabilities_q8 = chances;
  bw_gate_take_verdict(&gate, &state, &told);
  put_state();
  free(chances);
}

static void setting(void) {
  uint16_t audit = (uint16_t)get(2);
  uint16_t burst = (uint16_t)get(2);
  bw_gate_set(&state, audit, burst);
  put_state();
}

static void restore(void) {
  uint8_t same = (uint8_t)get(1);
  uint32_t length = get(4);
  uint8_t *bytes = get_bytes(length);
  put(bw_gate_restore(&gate, &state, bytes, length, same), 1);
  put_state();
  free(bytes);
}

int main(int count, char **arguments) {
  if (!host_open(count, arguments)) return 2;
  for (int operation = host_next(); operation != EOF; operation = host_next()) {
    if (operation == 'L') load();
    if (operation == 'S') start();
    if (operation == 'W') window();
    if (operation == 'V') verdict();
    if (operation == 'T') setting();
    if (operation == 'R') restore();
    if (operation == 'P') {
      bw_gate_move(&gate, &state, (uint16_t)get(2));
      put_state();
    }
    if (operation == 'C') {
      bw_gate_carry(&gate, &state);
      put_state();
    }
  }
  free(section);
  free(points);
  return host_close();
}
