/*
 * What travels of a window that the gate wants to ask about: nothing, its codes, or the window
 * itself. The rule of src/gate/offload-form.ts, which has its reasons.
 */
#ifndef BW_OFFLOAD_FORM_H
#define BW_OFFLOAD_FORM_H

#include "bw_gate.h"
#include <stdint.h>

typedef enum bw_form { BW_FORM_NONE = 0, BW_FORM_CODES = 1, BW_FORM_WINDOW = 2 } bw_form;

/* What a form costs is counted in bytes that are sent. */
typedef struct bw_form_question {
  bw_offload reason; /* BW_KEPT where the gate wants nothing */
  uint8_t alarm;
  uint8_t battery_percent;
  uint8_t battery_low_percent; /* below it no doubt goes as a window; 0: it is never low */
  uint8_t doubts_per_window; /* of so many doubts one goes as a window; 0: codes are never sent */
  uint32_t owed;             /* offloads that are not acknowledged */
  uint32_t owed_max;
  uint32_t owed_spares; /* from so many on no doubt goes as a window */
  uint32_t doubts;      /* that were offloaded before this window */
  uint32_t codes_bytes; /* with what making them takes; 0: nothing makes any */
  uint32_t window_bytes; /* 0: the link does not carry it */
} bw_form_question;

bw_form bw_offload_form(const bw_form_question *asked);

/* Of how many doubts a window that is sent stands for, which go as codes but for it; else 1. */
uint8_t bw_doubts_stood_for(const bw_form_question *asked);

#endif
