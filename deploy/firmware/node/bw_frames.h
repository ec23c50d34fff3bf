/*
 * The bytes of what a node and its gateway say to each other, as docs/FORMATS.md draws them:
 * hello, report and offload up; ack, verdict, setting and operating point down. What an update says
 * (want, outcome, offer, chunk) is beside the update.
 *
 * A decoder never reads past `length`, copies nothing, and refuses in the words of
 * src/wire/frames.ts. What it returns points into the frame.
 */
#ifndef BW_FRAMES_H
#define BW_FRAMES_H

#include "bw_bytes.h"
#include <stdint.h>

#define BW_FRAME_VERSION 1
#define BW_FRAME_HELLO 0x01
#define BW_FRAME_REPORT 0x02
#define BW_FRAME_OFFLOAD 0x03
#define BW_FRAME_ACK 0x81
#define BW_FRAME_VERDICT 0x82
#define BW_FRAME_SETTING 0x85
#define BW_FRAME_OPERATING_POINT 0x86

/* src/wire/limits.ts has the reasons. */
#define BW_FRAME_BYTES_MAX (24 * 1024)
#define BW_ACK_SEQS_MAX 256
#define BW_CLASSES_MAX 64
#define BW_BURST_WINDOWS_MAX 1000
#define BW_REPORT_ENTRIES_MAX 64
#define BW_REPORT_HEAD_BYTES 29
#define BW_REPORT_ENTRY_BYTES 13
#define BW_OFFLOAD_HEAD_BYTES 46
#define BW_CODES_HEAD_BYTES 42
#define BW_ENCODER_ID_BYTES 4
#define BW_MODEL_ID_BYTES 8

typedef enum bw_frame_code {
  BW_FRAME_OK = 0,
  BW_FRAME_TRUNCATED = 1,
  BW_FRAME_TRAILING_BYTES = 2,
  BW_FRAME_OVERSIZED = 3,
  BW_FRAME_BAD_VERSION = 4,
  BW_FRAME_BAD_TYPE = 5,
  BW_FRAME_OUT_OF_RANGE = 6
} bw_frame_code;

/* ASCII, not ended by a zero. */
typedef struct bw_text {
  const char *text;
  uint8_t length;
} bw_text;

typedef struct bw_hello {
  uint32_t epoch;
  const uint8_t *model_id;
  uint32_t release_sequence;
  uint16_t format_version;
  uint32_t slot_bytes;
  uint32_t ram_bytes;
  uint32_t wake_ms;
  bw_text cohort;
  bw_text firmware;
} bw_hello;

typedef struct bw_report_entry {
  uint32_t window_index;
  uint64_t time_ms; /* 48 bits are sent */
  uint8_t class_index;
  uint8_t confidence_q8;
  uint8_t exit;
  uint8_t offloaded;
} bw_report_entry;

typedef struct bw_report {
  uint32_t epoch;
  uint32_t seq;
  const uint8_t *model_id;
  uint32_t drift_q8;
  uint8_t alarm;
  uint8_t operating_point; /* 0 to 16 */
  uint8_t battery_percent;
  uint32_t dropped;
  uint8_t entry_count;
  const bw_report_entry *entries;
} bw_report;

/* How a window travels, or that its codes do. */
typedef enum bw_encoding {
  BW_ENCODING_INT8 = 0,
  BW_ENCODING_COMPANDED4 = 1,
  BW_ENCODING_CODES = 2,
  BW_ENCODING_COMPANDED2 = 3
} bw_encoding;

/* What an encoder made of a window. */
typedef struct bw_codes {
  const uint8_t *encoder; /* its name: the first bytes of its SHA-256 */
  const uint8_t *codes;   /* one a byte */
  uint16_t count;
  uint8_t bits;
} bw_codes;

typedef struct bw_offload_frame {
  uint32_t epoch;
  uint32_t seq;
  const uint8_t *model_id;
  uint32_t window_index;
  uint64_t time_ms;
  uint8_t reason;
  uint8_t class_index;
  uint8_t confidence_q8;
  uint8_t exit;
  uint16_t chance_q16;
  uint8_t encoding; /* bw_encoding; of codes nothing follows but these, of a window all others */
  bw_codes codes;
  uint16_t window_samples;
  uint8_t channels;
  uint32_t microg_per_step;
  uint32_t rate_centihertz;
  const int8_t *window; /* [time][channel] */
} bw_offload_frame;

typedef struct bw_ack {
  uint32_t epoch;
  uint16_t count;
  const uint8_t *seqs; /* u32 each, at any address */
} bw_ack;

typedef struct bw_verdict {
  uint32_t epoch;
  uint32_t seq;
  uint32_t window_index;
  uint8_t class_index;
  uint8_t trusted;
  uint8_t classes;
  const uint8_t *probabilities_q8;
} bw_verdict;

typedef struct bw_setting {
  uint16_t audit_chance_q16;
  uint16_t burst_windows;
} bw_setting;

/* Bytes written, or 0 where they do not fit `room`. */
uint32_t bw_encode_hello(const bw_hello *hello, uint8_t *bytes, uint32_t room);
uint32_t bw_encode_report(const bw_report *report, uint8_t *bytes, uint32_t room);
uint32_t bw_encode_offload(const bw_offload_frame *offload, uint8_t *bytes, uint32_t room);

/* What the frame of an offloaded window takes, and that of packed codes. */
uint32_t bw_offload_bytes(uint8_t encoding, uint16_t samples, uint8_t channels);
uint32_t bw_codes_frame_bytes(uint32_t code_bytes);

/* Reads version and type; the reader then stands at the first field. */
bw_frame_code bw_open_frame(bw_reader *from, const uint8_t *bytes, uint32_t length, uint8_t type);
/* What a reader that has read every field says. */
bw_frame_code bw_close_frame(const bw_reader *from);

bw_frame_code bw_decode_ack(bw_ack *ack, const uint8_t *bytes, uint32_t length);
bw_frame_code bw_decode_verdict(bw_verdict *verdict, const uint8_t *bytes, uint32_t length);
/* Of windows, Q16; 0 for the gate as it was released. */
bw_frame_code bw_decode_operating_point(uint16_t *share_q16, const uint8_t *bytes,
                                        uint32_t length);
bw_frame_code bw_decode_setting(bw_setting *setting, const uint8_t *bytes, uint32_t length);

#endif
