/*
 * Counts its starts in the part of flash that nobody else writes, says so, and waits for the next.
 * On these boards that flash is plain memory. With -DTRAP it does what no program should.
 */

#include "board.h"

extern volatile uint32_t __store_start[];

int main(void) {
#if defined(TRAP)
  __asm__ volatile(".word 0xffffffff");
#endif
  __store_start[0]++;
  board_write_number(__store_start[0]);
  board_write("\n");
  for (;;) __asm__ volatile("wfi");
}
