/*
 * Start of a 32-bit RISC-V in machine mode without firmware below it: the stack, and what C expects
 * before main. Interrupts stay off; a trap ends the program with exit code 70.
 *
 * The global pointer is left alone: the linker script defines no __global_pointer$, so that nothing
 * is addressed by it.
 */

#include "board.h"

enum { UNEXPECTED_TRAP = 70 };

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];

void prepare(void);
void unexpected_trap(void);

__asm__(
    ".section .start, \"ax\"\n"
    ".global _start\n"
    "_start:\n"
    "  la sp, __stack_top\n"
    "  la t0, unexpected_trap\n"
    "  csrw mtvec, t0\n"
    "  j prepare\n"
    ".text\n");

__attribute__((used)) void prepare(void) {
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end;) *to++ = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end;) *to++ = 0;
  board_exit((uint32_t)main());
}

/* mtvec wants a multiple of four; the two low bits choose the mode. */
__attribute__((used, aligned(4))) void unexpected_trap(void) { board_exit(UNEXPECTED_TRAP); }
