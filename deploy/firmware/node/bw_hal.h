/*
 * The hardware layer: the five functions and one constant that a board must bring.
 *
 * Everything else of the firmware is the same on every board. A port is one C file; it decides
 * nothing and keeps no state that the node depends on beyond bytes not yet read. It is not the
 * place for a sensor, a clock of the day or a radio's settings: those belong to a board's main file.
 */
#ifndef BW_HAL_H
#define BW_HAL_H

#include <stdbool.h>
#include <stdint.h>

/* Flash that the firmware may write, mapped into memory. NOR rules: an erased byte is 0xFF, a write
 * only clears bits, and only whole pages are erased. */
typedef struct bw_flash {
  const uint8_t *bytes; /* where address 0 of bw_hal_flash_write is read; 16-byte aligned */
  uint32_t length;      /* a multiple of page_bytes */
  uint32_t page_bytes;  /* what one erase clears: a power of two, 512 or more */
} bw_flash;

extern const bw_flash bw_hal_flash;

/* The firmware writes whole multiples of this, at multiples of this, and each only once between two
 * erases: flash with error correction (STM32L4: 8 bytes) or encryption (ESP32: 16) asks for it. */
#define BW_FLASH_UNIT 16u

/* Sends all of it, however long it takes. False: the link is down, and what was sent is unknown. */
bool bw_hal_transmit(const uint8_t *bytes, uint32_t length);

/* Copies what has arrived, at most `capacity` bytes, and never waits. 0: nothing is there. */
uint32_t bw_hal_receive(uint8_t *bytes, uint32_t capacity);

/* Milliseconds since the board was switched on. Only rises, never wraps. */
uint64_t bw_hal_clock(void);

/* Sleeps for about so long, or until bytes arrive. May return early for no reason. */
void bw_hal_sleep(uint32_t milliseconds);

/* Writes flash, or erases whole pages where `data` is null. `address` counts from the start of
 * bw_hal_flash; `data` may lie anywhere. Returns when the bytes can be read back. False: refused,
 * or failed; what is there then is unknown. A power cut may leave any part of it done. */
bool bw_hal_flash_write(uint32_t address, const void *data, uint32_t length);

#endif
