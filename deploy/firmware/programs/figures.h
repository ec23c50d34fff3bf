/*
 * What the measuring programs print: one line for each figure, "student what number".
 */
#ifndef FIGURES_H
#define FIGURES_H

#include "board.h"

static void write_figure(const char *student, const char *what, uint32_t value) {
  board_write(student);
  board_write(" ");
  board_write(what);
  board_write(" ");
  board_write_number(value);
  board_write("\n");
}

#endif
