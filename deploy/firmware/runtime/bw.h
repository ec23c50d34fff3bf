/*
 * Bellwether's student runtime for microcontrollers: runs a model container in place from flash.
 *
 * Portable C99. No heap, no floating point, no library beyond memcpy. The container is read where
 * it lies; activations live in one block of RAM that the caller owns. Every offset, length, shape
 * and sum is checked once, by bw_load; nothing is checked while a window runs. The bits are those
 * of src/engine/reference.ts, which defines them; the layout is drawn in docs/FORMATS.md.
 *
 *   bw_model model;
 *   if (bw_load(&model, container, length) != BW_OK) ...
 *   bw_run run;
 *   if (bw_open(&run, &model, ram, sizeof ram) != BW_OK) ...
 *   bw_begin(&run, window);
 *   do { exit = bw_next_exit(&run); } while (!sure(exit) && bw_exits_left(&run) > 0);
 */
#ifndef BW_H
#define BW_H

#include <stdint.h>

/* Room that the calls below want on the stack, whatever the model: GCC 12 takes at most 400 bytes
 * on Cortex-M and RV32, and nothing on the stack grows with a layer. RAM is bw_ram_bytes. */
#define BW_STACK_BYTES 512u

/* Why a container or a block of RAM was refused. */
typedef enum bw_code {
  BW_OK = 0,
  BW_BAD_ALIGNMENT = 1, /* container or RAM not on a multiple of four */
  BW_BAD_HEADER = 2,    /* magic, version, length or section count */
  BW_BAD_SECTIONS = 3,  /* section table, or a record count that does not follow from it */
  BW_BAD_SHAPE = 4,     /* a layer does not follow from the one before, or is beyond a limit */
  BW_BAD_TABLE = 5,     /* a table reaches out of its section */
  BW_BAD_RANGE = 6,     /* a multiplier or a shift out of range */
  BW_BAD_SUM = 7,       /* weights with which some window leaves an int32 */
  BW_BAD_SETTING = 8,   /* names, rate, hop or step */
  BW_NO_RAM = 9         /* bw_open: the block is too small; ask bw_ram_bytes */
} bw_code;

/* A checked container. Points into it: the container must stay where it is, unchanged. */
typedef struct bw_model {
  const uint8_t *bytes;
  uint32_t length;
  uint16_t window_samples; /* a window is window_samples * channels int8, [time][channel] */
  uint8_t channels;
  uint8_t classes;
  uint16_t hop_samples;
  uint8_t exits;
  uint8_t layers;
  uint32_t rate_centihertz;
  uint32_t microg_per_step;
  const uint8_t *names; /* cohort, then classes: length byte and ASCII, one after another */
  uint32_t names_length;
  const uint8_t *gate; /* gate parameters, unread here */
  uint32_t gate_length;
  const uint8_t *stage_records;
  const uint8_t *layer_records;
  uint32_t ram_bytes;     /* what bw_open wants */
  uint32_t input_bytes;   /* of that: the window, and every second activation after it */
  uint32_t scratch_bytes; /* inputs of one layer as int16 */
  uint32_t dense_bytes;   /* hidden layers of a head */
  uint32_t exits_at;      /* where what exits say begins, behind all that is worked with */
  uint16_t hidden;        /* of the GRU; 0 where there is none */
  const uint8_t *points; /* operating points of the gate, unread here; null where there are none */
  uint32_t points_length;
  const uint8_t *encoder; /* its section, by whose SHA-256 it is known; null where there is none */
  uint32_t encoder_length;
  uint32_t encoder_input_bytes; /* as input_bytes and scratch_bytes, of a run of the encoder */
  uint32_t encoder_scratch_bytes;
  uint32_t encoder_macs; /* multiply-accumulates */
  uint16_t codes;        /* of a window, one a byte before they are packed */
  uint8_t code_bits;
} bw_model;

/* What one exit says. Valid until the next bw_begin, also while later exits run. */
typedef struct bw_exit {
  const int16_t *logits;  /* Q8, one per class */
  const int8_t *features; /* what the head read, and what novelty looks at */
  uint16_t feature_count;
} bw_exit;

/* One student at work. A plain struct, so that the caller can place it; fields are private. */
typedef struct bw_run {
  const bw_model *model;
  int32_t *scratch; /* the start of its RAM */
  int16_t *state;   /* of the GRU */
  const uint8_t *next_layer;
  int8_t *input;  /* activation that the next layer reads, from its zeros in front on */
  int8_t *output; /* buffer that it may write */
  int8_t *exit;   /* where the next exit puts its features and logits */
  uint8_t next_stage;
} bw_run;

/* Checks everything. After any code but BW_OK the model means nothing. `container` on a multiple of
 * four. Reads each byte of the tables once: 138,000 instructions for a CNN of 16 KB. */
bw_code bw_load(bw_model *model, const void *container, uint32_t length);
/* For bw_open; of a model that was loaded. */
uint32_t bw_ram_bytes(const bw_model *model);
/* Takes `ram`, on a multiple of four, for as long as the run is used. */
bw_code bw_open(bw_run *run, const bw_model *model, void *ram, uint32_t ram_bytes);
/* Starts a window: [time][channel] int8, which is copied. */
void bw_begin(bw_run *run, const int8_t *window);
/* Runs the next stage and its exit. Null pointers where no exit is left, or no window began. */
bw_exit bw_next_exit(bw_run *run);
uint8_t bw_exits_left(const bw_run *run);

/* Only where the model has an encoder: the codes of a window, `model->codes` of them, one a byte,
 * valid until the next bw_begin. It works where the exits did, so that the window is over: no
 * further exit runs. What exits have said stays readable. */
const uint8_t *bw_encode(bw_run *run, const int8_t *window);

#endif
