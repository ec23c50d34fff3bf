/*
 * Console and exit by semihosting ("Semihosting for AArch32 and AArch64", Arm IHI 0100, and the
 * RISC-V Semihosting Specification 0.4, which has the same operations behind another trap).
 */

#include "board.h"

enum { SYS_WRITE0 = 0x04, SYS_TIME = 0x11, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

static uint32_t call_debugger(uint32_t operation, const void *argument) {
#if defined(__riscv)
  /* The debugger knows the trap by its neighbours; all three must be uncompressed (section 2.1). */
  register uint32_t a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = argument;
  __asm__ volatile(
      ".balign 16\n .option push\n .option norvc\n"
      "slli zero, zero, 0x1f\n ebreak\n srai zero, zero, 7\n"
      ".option pop\n"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
#else
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
#endif
}

void board_write(const char *text) { (void)call_debugger(SYS_WRITE0, text); }

void board_write_number(uint32_t value) {
  char digits[11];
  uint32_t at = sizeof digits - 1;
  digits[at] = 0;
  do {
    digits[--at] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  board_write(&digits[at]);
}

void board_exit(uint32_t code) {
  const uint32_t reason[2] = {APPLICATION_EXIT, code};
  (void)call_debugger(SYS_EXIT_EXTENDED, reason);
  for (;;) {
  }
}

uint32_t board_seconds(void) { return call_debugger(SYS_TIME, 0); }
