/*
 * A block of RAM behind whose last byte nothing may be read: the memory protection unit of a
 * Cortex-M3 or M4 (Armv7-M, B3.5) makes a fault of it, which ends the program.
 *
 * For kernels that read by the word, which no sanitizer of the host can watch.
 */
#ifndef GUARDED_RAM_H
#define GUARDED_RAM_H

#include <stdint.h>

/* A page of QEMU's has 1 KB: a word that reaches from one into the next is looked up in both, one
 * that reaches from a smaller region into the next is not. */
enum { GUARD_BYTES = 4096, GUARD_SIZE = 11 << 1, MPU_ON = 1, MPU_ELSEWHERE_AS_USUAL = 4 };

#define MPU(offset) (*(volatile uint32_t *)(0xe000ed90u + (offset)))
#define MPU_CTRL MPU(0x04u)
#define MPU_RBAR MPU(0x0cu)
#define MPU_RASR MPU(0x10u)

/* So many bytes, at most RAM_BYTES, of which `short_bytes` lie behind the end. */
static inline void *guarded_ram(uint32_t bytes, uint32_t short_bytes) {
  enum { ROOM = (RAM_BYTES + GUARD_BYTES - 1) / GUARD_BYTES * GUARD_BYTES };
  static uint8_t __attribute__((aligned(GUARD_BYTES))) block[ROOM + GUARD_BYTES];
  if (bytes > ROOM) return 0;
  MPU_RBAR = (uint32_t)(uintptr_t)(block + ROOM);
  MPU_RASR = GUARD_SIZE | MPU_ON; /* neither read nor written */
  MPU_CTRL = MPU_ELSEWHERE_AS_USUAL | MPU_ON;
  __asm__ volatile("dsb\nisb" ::: "memory");
  return block + ROOM - bytes + short_bytes;
}

#endif
