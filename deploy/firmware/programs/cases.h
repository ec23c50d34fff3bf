/*
 * Students with their windows as constants of a program, made by tools/embed.ts.
 */
#ifndef CASES_H
#define CASES_H

#include <stdint.h>

typedef struct student_case {
  const char *name;
  const uint8_t *container;
  uint32_t container_bytes;
  const int8_t *windows; /* one after another */
  uint32_t window_count;
} student_case;

extern const student_case student_cases[];
extern const uint32_t student_case_count;

#endif
