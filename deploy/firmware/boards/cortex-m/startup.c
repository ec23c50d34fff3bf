/*
 * Start of a Cortex-M: the vector table, and what C expects before main (Armv7-M Architecture
 * Reference Manual, B1.5.2 and B1.5.3; the same on Armv6-M).
 *
 * Every handler is weak: a program that has an `irq_2` gets interrupt 2. One that nobody wrote ends
 * the program with exit code 70 rather than hang.
 */

#include "board.h"

enum { UNEXPECTED_INTERRUPT = 70 };

extern uint32_t __data_start[], __data_end[], __data_load[], __bss_start[], __bss_end[];

void reset_handler(void);
void unexpected_interrupt(void);

#define WEAK __attribute__((weak, alias("unexpected_interrupt")))
void nmi_handler(void) WEAK;
void fault_handler(void) WEAK;
void svc_handler(void) WEAK;
void pendsv_handler(void) WEAK;
void systick_handler(void) WEAK;

#define FOR_EACH_INTERRUPT(X)                                                                   \
  X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)         \
  X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)
#define DECLARE(n) void irq_##n(void) WEAK;
#define NAME(n) irq_##n,
FOR_EACH_INTERRUPT(DECLARE)

typedef void (*vector)(void);

/* The first word, the stack's end, is put before it by the linker script. */
__attribute__((section(".vectors"), used)) static const vector vectors[] = {
    reset_handler,
    nmi_handler,
    fault_handler, /* HardFault */
    fault_handler, /* MemManage; the next two likewise are reserved on Armv6-M */
    fault_handler, /* BusFault */
    fault_handler, /* UsageFault */
    0, 0, 0, 0,
    svc_handler,
    fault_handler, /* DebugMonitor */
    0,
    pendsv_handler,
    systick_handler,
    FOR_EACH_INTERRUPT(NAME)
};

/* Written out: neither memcpy nor anything else may rely on .data and .bss before this is done. */
void reset_handler(void) {
  const uint32_t *from = __data_load;
  for (uint32_t *to = __data_start; to < __data_end;) *to++ = *from++;
  for (uint32_t *to = __bss_start; to < __bss_end;) *to++ = 0;
  board_exit((uint32_t)main());
}

void unexpected_interrupt(void) { board_exit(UNEXPECTED_INTERRUPT); }
