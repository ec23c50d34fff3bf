/* Flash for tests: it insists on its rules, and its power can be cut at any word. */
#ifndef UPDATE_FLASH_H
#define UPDATE_FLASH_H

#include <setjmp.h>
#include <stdint.h>

#define FLASH_BYTES_MAX (1u << 20)

/* Where a cut lands: the caller sets it before anything that may write. */
extern jmp_buf power_cut;

/* A new chip of so many bytes, erased. */
void flash_format(uint32_t page_bytes, uint32_t length);

/* The power is cut at the so-manyth operation from now, 1 or more: a word of four bytes, or a page.
 * `torn`: 1 and 2 for two ways of having done a part of it, 0 for none. Operation 0: never. */
void flash_cut_at(uint32_t operation, uint8_t torn);

/* Refuses the so-manyth call from now, once, having done half of it. 0: never. */
void flash_refuse_at(uint32_t call);

/* Since flash_cut_at and flash_refuse_at were last called. */
uint32_t flash_operations(void);
uint32_t flash_calls(void);

/* What decay may do to a byte. */
void flash_flip(uint32_t address, uint8_t bits);

/* Flash as it once was. */
void flash_restore(const uint8_t *from, uint32_t length);

#endif
