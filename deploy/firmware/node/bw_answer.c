/*
 * A window that is complete: through the student stage by stage until the gate lets an exit
 * answer, then reported, and offloaded when the gate says so. device-sim/answering.ts, deciding.ts
 * and reporting.ts.
 */
#include "bw_codes.h"
#include "bw_node_parts.h"
#include "bw_offload_form.h"

#define TIME_MS_MAX 0xffffffffffffull

/* Later stages are not run when the gate is satisfied. */
static void decide(bw_node *node, bw_decision *decision) {
  bw_exit exits[BW_GATE_EXITS];
  bw_answer answer;
  int8_t statistics[BW_GATE_STATISTICS];
  const bw_model *model = bw_model_of(node);
  uint8_t count = 0;
  bw_begin(&node->run, node->windowing.window);
  do {
    exits[count++] = bw_next_exit(&node->run);
  } while (bw_gate_exit(&node->gate, &node->gate_state, exits, count, &answer) == BW_GATE_NEXT);
  uint8_t channels = model->channels;
  bw_window_statistics(node->windowing.window, model->window_samples, channels, statistics);
  bw_gate_input input = {exits, &answer, count, (uint8_t)(2 * channels), statistics,
                         node->next_window};
  bw_gate_window(&node->gate, &node->gate_state, &input, &node->random, decision);
  bw_update_watch(&node->update, statistics, input.statistics_count, exits[0].logits);
}

/* As the node is set, but nothing is learned from windows in 2 bits: what is offloaded to be learned
 * from, or is unknown, goes in 4 where the link carries that. */
static uint8_t encoding_of(const bw_node *node, bw_offload reason) {
  const bw_model *model = bw_model_of(node);
  const uint8_t encoding = node->provision->offload_encoding;
  if (encoding != BW_ENCODING_COMPANDED2 || reason == BW_UNSURE) return encoding;
  uint32_t finer =
      bw_offload_bytes(BW_ENCODING_COMPANDED4, model->window_samples, model->channels);
  return finer <= node->provision->offload_bytes_max ? BW_ENCODING_COMPANDED4 : encoding;
}

static uint32_t codes_frame_bytes(const bw_model *model) {
  return bw_codes_frame_bytes(bw_packed_code_bytes(model->codes, model->code_bits));
}

static bw_form_question question_of(const bw_node *node, const bw_decision *decision) {
  const bw_model *model = bw_model_of(node);
  const bw_provision *settings = node->provision;
  uint8_t encoding = encoding_of(node, decision->offload);
  uint32_t window = bw_offload_bytes(encoding, model->window_samples, model->channels);
  bw_form_question question = {
      .reason = decision->offload,
      .alarm = decision->alarm,
      .battery_percent = node->battery_percent,
      .battery_low_percent = settings->battery_low_percent,
      .doubts_per_window = settings->doubts_per_window,
      .owed = bw_owed_offloads(node),
      .owed_max = settings->owed_max,
      .owed_spares = settings->owed_spares,
      .doubts = node->doubts,
      .codes_bytes = 0,
      .window_bytes = window <= settings->offload_bytes_max ? window : 0,
  };
  if (model->encoder != 0) {
    question.codes_bytes =
        codes_frame_bytes(model) + model->encoder_macs / settings->macs_per_byte;
  }
  return question;
}

static void put_offload(bw_node *node, uint64_t time_ms, const bw_decision *decision, bw_form form,
                        bw_time now) {
  const bw_model *model = bw_model_of(node);
  uint8_t encoding =
      form == BW_FORM_CODES ? BW_ENCODING_CODES : encoding_of(node, decision->offload);
  uint32_t length =
      form == BW_FORM_CODES
          ? codes_frame_bytes(model)
          : bw_offload_bytes(encoding, model->window_samples, model->channels);
  /* The report of the windows before goes first, so that a gateway meets windows in order. */
  if (node->reporter.count > 0) bw_flush_report(node, now);
  uint8_t *room = bw_owe_room(node, length);
  if (room == 0) return;
  bw_offload_frame frame = {
      .epoch = node->outbox.epoch,
      .seq = node->outbox.next_seq,
      .model_id = node->update.running.model_id,
      .window_index = node->next_window - 1,
      .time_ms = time_ms,
      .reason = (uint8_t)decision->offload,
      .class_index = decision->class_index,
      .confidence_q8 = decision->confidence_q8,
      .exit = decision->exit,
      .chance_q16 = decision->chance_q16,
      .encoding = encoding,
      .window_samples = model->window_samples,
      .channels = model->channels,
      .microg_per_step = model->microg_per_step,
      .rate_centihertz = model->rate_centihertz,
      .window = node->windowing.window,
  };
  if (form == BW_FORM_CODES) {
    frame.codes.encoder = node->encoder_id;
    frame.codes.codes = bw_encode(&node->run, node->windowing.window);
    frame.codes.count = model->codes;
    frame.codes.bits = model->code_bits;
  }
  (void)bw_encode_offload(&frame, room, length);
  bw_owe(node, BW_ENTRY_OFFLOAD, length);
}

/* In which form the window goes, if it does. One window of eight doubts has an eighth of a doubt's
 * chance: learning weighs it so. */
static void offload(bw_node *node, uint64_t time_ms, bw_decision *decision, bw_time now) {
  bw_form_question question = question_of(node, decision);
  bw_form form = bw_offload_form(&question);
  if (form == BW_FORM_NONE) {
    decision->offload = BW_KEPT;
    return;
  }
  decision->chance_q16 = (uint16_t)(decision->chance_q16 / bw_doubts_stood_for(&question));
  put_offload(node, time_ms, decision, form, now);
  if (decision->offload == BW_UNSURE) node->doubts += 1;
}

static void add_entry(bw_node *node, uint64_t time_ms, const bw_decision *decision, bw_time now) {
  bw_reporter *reporter = &node->reporter;
  bw_report_entry *entry = &reporter->entries[reporter->count];
  if (reporter->count == 0) reporter->since_ms = now.uptime_ms;
  reporter->count += 1;
  reporter->drift_q8 = decision->drift_q8;
  reporter->alarm = decision->alarm;
  entry->window_index = node->next_window - 1;
  entry->time_ms = time_ms;
  entry->class_index = decision->class_index;
  entry->confidence_q8 = decision->confidence_q8;
  entry->exit = decision->exit;
  entry->offloaded = decision->offload != BW_KEPT;
}

void bw_answer_window(bw_node *node, uint64_t time_ms, bw_time now) {
  bw_decision decision;
  if (time_ms > TIME_MS_MAX) time_ms = TIME_MS_MAX;
  decide(node, &decision);
  node->next_window += 1;
  if (decision.offload != BW_KEPT) offload(node, time_ms, &decision, now);
  add_entry(node, time_ms, &decision, now);
  if (bw_report_is_due(node, now)) bw_flush_report(node, now);
  if (node->next_window % node->provision->gate_save_windows == 0) bw_save_gate(node);
}

/* A quiet node on a connection says so with an empty report. */
uint8_t bw_report_is_due(const bw_node *node, bw_time now) {
  const bw_provision *settings = node->provision;
  const bw_reporter *reporter = &node->reporter;
  uint32_t enough =
      bw_is_connected(node) ? settings->report_windows : settings->report_windows_offline;
  if (enough > BW_NODE_REPORT_ENTRIES) enough = BW_NODE_REPORT_ENTRIES;
  if (reporter->count >= enough) return 1;
  if (reporter->count > 0 && now.uptime_ms - reporter->since_ms >= settings->report_ms_max) {
    return 1;
  }
  return bw_is_connected(node) && now.uptime_ms - reporter->last_ms >= settings->wake_ms / 2;
}

/* Of one model and one operating point: whoever changes either has this done first. */
void bw_flush_report(bw_node *node, bw_time now) {
  bw_reporter *reporter = &node->reporter;
  uint32_t length = BW_REPORT_HEAD_BYTES + (uint32_t)BW_REPORT_ENTRY_BYTES * reporter->count;
  if (reporter->count == 0 && !bw_is_connected(node)) return;
  bw_report report = {
      .epoch = node->outbox.epoch,
      .seq = node->outbox.next_seq,
      .model_id = reporter->model_id,
      .drift_q8 = reporter->drift_q8,
      .alarm = reporter->alarm,
      .operating_point = node->gate_state.operating_point,
      .battery_percent = node->battery_percent,
      .dropped = node->outbox.dropped,
      .entry_count = reporter->count,
      .entries = reporter->entries,
  };
  uint8_t *room = bw_owe_room(node, length);
  reporter->count = 0;
  reporter->last_ms = now.uptime_ms;
  if (room == 0) return;
  (void)bw_encode_report(&report, room, length);
  bw_owe(node, BW_ENTRY_REPORT, length);
}
