/*
 * How deep the stack goes: fills what is free with a pattern and looks later how much of it is
 * left.
 *
 * Both are inlined, so that what they say counts from the stack pointer of the function that calls.
 * Interrupts would count as well; the programs that use this have none.
 */
#ifndef STACK_MARK_H
#define STACK_MARK_H

#include <stdint.h>

extern uint32_t __stack_limit[];

#define STACK_PATTERN 0xa5c3f00du

static inline __attribute__((always_inline)) uint32_t *stack_pointer(void) {
  uint32_t *pointer;
#if defined(__riscv)
  __asm__ volatile("mv %0, sp" : "=r"(pointer));
#else
  __asm__ volatile("mov %0, sp" : "=r"(pointer));
#endif
  return pointer;
}

static inline __attribute__((always_inline)) void stack_paint(void) {
  uint32_t *const end = stack_pointer();
  for (volatile uint32_t *at = __stack_limit; at < end; at++) *at = STACK_PATTERN;
}

/* Bytes below the stack pointer that were written since stack_paint. */
static inline __attribute__((always_inline)) uint32_t stack_used(void) {
  uint32_t *const end = stack_pointer();
  const volatile uint32_t *at = __stack_limit;
  while (at < end && *at == STACK_PATTERN) at++;
  return (uint32_t)((uintptr_t)end - (uintptr_t)at);
}

#endif
