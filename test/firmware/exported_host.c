/*
 * Runs generated C on the machine of the tests: windows on standard input, one line per exit out:
 * logits, a bar, features; and one of the codes of a student that makes any. The last line is the
 * self-test's answer.
 */
#include <stdio.h>
#include <string.h>

#include "student.h"

static student_ram ram;
STUDENT_CHECK_RAM(ram);

static void print_codes(const uint8_t *codes) {
#ifdef STUDENT_CODES
  printf("codes");
  for (int i = 0; i < STUDENT_CODES; i++) printf(" %d", codes[i]);
  printf("\n");
#else
  (void)codes;
#endif
}

int main(void) {
  static int8_t window[STUDENT_WINDOW_SAMPLES * STUDENT_CHANNELS];
  while (fread(window, 1, sizeof window, stdin) == sizeof window) {
#ifdef STUDENT_CODES
    static int8_t kept[sizeof window];
    memcpy(kept, window, sizeof window);
#endif
    student_begin(&ram, window);
    /* It was copied: what becomes of the caller's window must not matter. */
    for (unsigned i = 0; i < sizeof window; i++) window[i] = 99;
    bw_exit exits[STUDENT_EXITS];
    int count = 0;
    while (student_exits_left(&ram) > 0) exits[count++] = student_next_exit(&ram);
    const uint8_t *codes = 0;
#ifdef STUDENT_CODES
    codes = student_encode(&ram, kept);
    for (unsigned i = 0; i < sizeof kept; i++) kept[i] = 99;
    if (student_exits_left(&ram) != 0) return 1;
#endif
    /* All of them only now: each must still be valid. */
    for (int e = 0; e < count; e++) {
      for (int c = 0; c < STUDENT_CLASSES; c++) printf("%d ", exits[e].logits[c]);
      printf("|");
      for (int f = 0; f < exits[e].feature_count; f++) printf(" %d", exits[e].features[f]);
      printf("\n");
    }
    print_codes(codes);
  }
  printf("self-test %d\n", student_self_test(&ram));
  return 0;
}
