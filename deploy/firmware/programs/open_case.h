/*
 * One way to run a case, whichever kind it is. One case at a time: all share a block of RAM.
 */
#ifndef OPEN_CASE_H
#define OPEN_CASE_H

#include "cases.h"

/* Enough for every student of the tests, and little enough for 16 KB of RAM. */
#ifndef RAM_BYTES
#define RAM_BYTES 10240
#endif

enum { MOST_EXITS = 8 };

#ifdef RAM_SHORT_BYTES
#include "guarded_ram.h"
#endif

static bw_model case_model;
static bw_run case_run;

static inline bw_code open_case_run(void) {
#ifdef RAM_SHORT_BYTES
  const uint32_t bytes = bw_ram_bytes(&case_model);
  return bw_open(&case_run, &case_model, guarded_ram(bytes, RAM_SHORT_BYTES), bytes);
#else
  static uint32_t ram[RAM_BYTES / 4];
  return bw_open(&case_run, &case_model, ram, sizeof ram);
#endif
}

static inline bw_code open_case(const student_case *it) {
  if (it->container == 0) return BW_OK;
  const bw_code code = bw_load(&case_model, it->container, it->container_bytes);
  return code == BW_OK ? open_case_run() : code;
}

static inline void begin_window(const student_case *it, uint32_t window) {
  const int8_t *samples = it->windows + window * it->window_bytes;
  if (it->container == 0) {
    it->begin(samples);
  } else {
    bw_begin(&case_run, samples);
  }
}

static inline bw_exit next_exit(const student_case *it) {
  return it->container == 0 ? it->next_exit() : bw_next_exit(&case_run);
}

static inline int has_encoder(const student_case *it) {
  return it->container == 0 ? it->encode != 0 : case_model.encoder != 0;
}

static inline uint32_t codes_of(const student_case *it) {
  return it->container == 0 ? it->codes : case_model.codes;
}

/* After the exits that were wanted. */
static inline const uint8_t *encode_window(const student_case *it, uint32_t window) {
  const int8_t *samples = it->windows + window * it->window_bytes;
  return it->container == 0 ? it->encode(samples) : bw_encode(&case_run, samples);
}

#endif
