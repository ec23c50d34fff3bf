/*
 * The limits of a student, as src/model/limits.ts has them with all their reasons; a test compares
 * the two. What a container claims is checked against these before any of it is believed, and with
 * them no offset, product or sum that bw_load computes can leave 32 bits.
 */
#ifndef BW_LIMITS_H
#define BW_LIMITS_H

/* A window: 20 s at 50 Hz, 8 KiB are what a small node can spare. */
#define BW_MAX_WINDOW_SAMPLES 1024u
#define BW_MAX_WINDOW_BYTES 8192u
#define BW_MAX_CHANNELS 8u
/* Class indices and exits travel as one byte, names as short texts. */
#define BW_MAX_CLASSES 64u
#define BW_MAX_CLASS_NAME_BYTES 32u
#define BW_MAX_COHORT_BYTES 64u
#define BW_MAX_STAGES 8u
/* Two slots and the firmware share the 1 MB of flash of an nRF52840. */
#define BW_MAX_CONTAINER_BYTES 262144u
#define BW_MAX_GATE_BYTES 65536u
/* Operating points: 16 of them beside 8 exits are 418. */
#define BW_MAX_POINTS_BYTES 512u
/* Half of an nRF52840's RAM. */
#define BW_MAX_RAM_BYTES 131072u
/* A node must finish before its next window: 0.6 s at 64 MHz. */
#define BW_MAX_MULTIPLY_ACCUMULATES 16000000u
#define BW_MAX_LAYERS_PER_STAGE 16u
#define BW_MAX_HEAD_LAYERS 4u
/* A code is at most what a ReLU leaves of int8, and one window's codes what raw ones once took. */
#define BW_MAX_CODE_BITS 7u
#define BW_MAX_CODE_BYTES 768u
#define BW_MAX_KERNEL 64u
#define BW_MAX_STRIDE 32u
#define BW_MAX_WIDTH 256u
/* With 256 columns of weights down to -128 and a state of 2^15, a sum is at most 2^30. */
#define BW_MAX_HIDDEN 256u
#define BW_MAX_PATCH_SAMPLES 64u
#define BW_MAX_RATE_CENTIHERTZ 1000000u

/* Of a multiplier and a shift, as in src/model/requantize.ts; a multiplier has 15 bits. */
#define BW_MIN_MULTIPLIER 16384u
#define BW_MIN_SHIFT 1u
#define BW_MAX_SHIFT 46u

#endif
