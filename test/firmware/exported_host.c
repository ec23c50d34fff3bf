/*
 * Runs generated C on the machine of the tests: windows on standard input, one line per exit out:
 * logits, a bar, features. The last line is the self-test's answer.
 */
#include <stdio.h>

#include "student.h"

static student_ram ram;
STUDENT_CHECK_RAM(ram);

int main(void) {
  static int8_t window[STUDENT_WINDOW_SAMPLES * STUDENT_CHANNELS];
  while (fread(window, 1, sizeof window, stdin) == sizeof window) {
    student_begin(&ram, window);
    /* It was copied: what becomes of the caller's window must not matter. */
    for (unsigned i = 0; i < sizeof window; i++) window[i] = 99;
    bw_exit exits[STUDENT_EXITS];
    int count = 0;
    while (student_exits_left(&ram) > 0) exits[count++] = student_next_exit(&ram);
    /* All of them only now: each must still be valid. */
    for (int e = 0; e < count; e++) {
      for (int c = 0; c < STUDENT_CLASSES; c++) printf("%d ", exits[e].logits[c]);
      printf("|");
      for (int f = 0; f < exits[e].feature_count; f++) printf(" %d", exits[e].features[f]);
      printf("\n");
    }
  }
  printf("self-test %d\n", student_self_test(&ram));
  return 0;
}
