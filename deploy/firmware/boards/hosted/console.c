/*
 * A board that is a program of an operating system: its console is standard output. For the same
 * programs on x86-64 and, by qemu-aarch64, on 64-bit Arm.
 */

#include "board.h"

#include <stdio.h>
#include <stdlib.h>

void board_write(const char *text) { (void)fputs(text, stdout); }

void board_write_number(uint32_t value) { (void)printf("%lu", (unsigned long)value); }

void board_exit(uint32_t code) { exit((int)code); }
