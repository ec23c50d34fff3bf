/*
 * What every board here offers a program: a console and a way out, both through the debugger.
 *
 * Semihosting stops the processor for whoever watches it: QEMU, or a debug probe. It is for tests
 * and benchmarks. Without a debugger attached the first call is a fault, so a node in the field
 * must not be linked with it.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Writes a text that ends in zero to the emulator's standard error. */
void board_write(const char *text);

/* A number in decimal, for programs without printf. */
void board_write_number(uint32_t value);

/* Ends the emulator with this exit code, 0 to 255. Does not return. */
void board_exit(uint32_t code);

/* Seconds since 1970 by the debugger's clock. */
uint32_t board_seconds(void);

int main(void);

#endif
