/*
 * How many instructions a piece of code takes, exactly, when QEMU runs with
 * -icount shift=10,align=off,sleep=off: an instruction then is 1,024 ns of virtual time, and every
 * timer of the board counts that. For RISC-V it is shift=0: minstret is QEMU's virtual time in ns.
 *
 * It is no cycle counter, and on silicon it would count time. Differences are right up to
 * COUNTER_MOST_INSTRUCTIONS; the two calls themselves add a few instructions, always as many.
 */
#ifndef BENCH_COUNTER_H
#define BENCH_COUNTER_H

#include <stdint.h>

#if defined(BOARD_MPS2)

/* CMSDK APB timer 0 (Arm DDI 0479, section 4.2.3) counts down at 25 MHz: 25.6 an instruction. */
#define COUNTER_MOST_INSTRUCTIONS 167000000u
#define CMSDK_TIMER ((volatile uint32_t *)0x40000000u)

static inline void counter_start(void) {
  CMSDK_TIMER[2] = 0xffffffffu; /* RELOAD */
  CMSDK_TIMER[1] = 0xffffffffu; /* VALUE */
  CMSDK_TIMER[0] = 1;           /* CTRL: enable */
}
static inline uint32_t counter_read(void) { return ~CMSDK_TIMER[1]; }
static inline uint32_t counter_instructions(uint32_t from, uint32_t to) {
  return (uint32_t)((uint64_t)(to - from) * 5 >> 7);
}

#elif defined(BOARD_MICROBIT)

/* TIMER0 (nRF51 Series Reference Manual, section 18) at 16 MHz: 16.384 an instruction. */
#define COUNTER_MOST_INSTRUCTIONS 262000000u
#define NRF_TIMER(offset) (*(volatile uint32_t *)(0x40008000u + (offset)))

static inline void counter_start(void) {
  NRF_TIMER(0x508) = 3; /* BITMODE: 32 bits */
  NRF_TIMER(0x510) = 0; /* PRESCALER: none */
  NRF_TIMER(0x000) = 1; /* TASKS_START */
}
static inline uint32_t counter_read(void) {
  NRF_TIMER(0x040) = 1;    /* TASKS_CAPTURE[0] */
  return NRF_TIMER(0x540); /* CC[0] */
}
static inline uint32_t counter_instructions(uint32_t from, uint32_t to) {
  return (uint32_t)((uint64_t)(to - from) * 1000 >> 14);
}

#elif defined(BOARD_VIRT_RV32)

/* Instructions retired (RISC-V Privileged Architecture 1.12, section 3.1.10). */
#define COUNTER_MOST_INSTRUCTIONS 0xffffffffu

static inline void counter_start(void) {}
static inline uint32_t counter_read(void) {
  uint32_t value;
  __asm__ volatile("csrr %0, minstret" : "=r"(value)::"memory");
  return value;
}
static inline uint32_t counter_instructions(uint32_t from, uint32_t to) { return to - from; }

#else
#error "this board has no counter"
#endif

#endif
