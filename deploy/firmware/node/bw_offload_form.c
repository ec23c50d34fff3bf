/* The form of an offload, decided after the gate. */
#include "bw_offload_form.h"

static uint8_t has_codes(const bw_form_question *asked) {
  return asked->codes_bytes != 0 && asked->doubts_per_window != 0;
}

static uint8_t is_turn_of_window(const bw_form_question *asked) {
  return asked->doubts % asked->doubts_per_window == asked->doubts_per_window - 1u;
}

static uint8_t spares(const bw_form_question *asked) {
  return asked->battery_percent < asked->battery_low_percent || asked->owed >= asked->owed_spares;
}

bw_form bw_offload_form(const bw_form_question *asked) {
  if (asked->reason == BW_KEPT || asked->owed >= asked->owed_max) return BW_FORM_NONE;
  const bw_form window = asked->window_bytes == 0 ? BW_FORM_NONE : BW_FORM_WINDOW;
  if (asked->alarm || asked->reason == BW_NOVEL || asked->reason == BW_BURST) return window;
  if (!has_codes(asked)) return window;
  if (asked->window_bytes == 0) return BW_FORM_CODES;
  if (asked->reason == BW_AUDIT) return BW_FORM_WINDOW;
  if (spares(asked)) return BW_FORM_CODES;
  if (is_turn_of_window(asked) || asked->window_bytes <= asked->codes_bytes) return BW_FORM_WINDOW;
  return BW_FORM_CODES;
}

uint8_t bw_doubts_stood_for(const bw_form_question *asked) {
  if (asked->reason != BW_UNSURE || asked->alarm || !has_codes(asked)) return 1;
  if (asked->window_bytes == 0 || asked->window_bytes <= asked->codes_bytes) return 1;
  return is_turn_of_window(asked) ? asked->doubts_per_window : 1;
}
