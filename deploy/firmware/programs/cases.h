/*
 * Students with their windows as constants of a program, made by tools/embed.ts: each either a
 * container for the interpreter or functions that `bellwether export c` wrote.
 */
#ifndef CASES_H
#define CASES_H

#include "bw.h"

typedef struct student_case {
  const char *name;
  const int8_t *windows; /* one after another */
  uint32_t window_count;
  uint32_t window_bytes;
  uint32_t classes;
  uint32_t exits;
  /* For the interpreter; 0 for generated code. */
  const uint8_t *container;
  uint32_t container_bytes;
  /* Of generated code; 0 for a container. */
  void (*begin)(const int8_t *window);
  bw_exit (*next_exit)(void);
  uint32_t ram_bytes;
  const uint8_t *(*encode)(const int8_t *window); /* 0: it has no encoder */
  uint32_t codes;
} student_case;

extern const student_case student_cases[];
extern const uint32_t student_case_count;

#endif
