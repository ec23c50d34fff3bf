/* Runs generated C on a board: its self-test, then the instructions of one window up to each exit. */
#include "bench_counter.h"
#include "board.h"
#include "student.h"

static student_ram ram;
static int8_t window[STUDENT_WINDOW_SAMPLES * STUDENT_CHANNELS];

int main(void) {
  if (!student_self_test(&ram)) board_exit(1);
  for (uint32_t i = 0; i < sizeof window; i++) window[i] = (int8_t)(i * i * 7u);
  counter_start();
  const uint32_t start = counter_read();
  const uint32_t calls = counter_read() - start;
  uint32_t from = counter_read();
  student_begin(&ram, window);
  uint32_t ticks = counter_read() - from - calls;
  while (student_exits_left(&ram) > 0) {
    from = counter_read();
    (void)student_next_exit(&ram);
    ticks += counter_read() - from - calls;
    board_write_number(counter_instructions(0, ticks));
    board_write("\n");
  }
  board_exit(0);
  return 0;
}
