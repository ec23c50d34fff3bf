/**
 * The limits of a student, each with its reason, in one place.
 *
 * A container comes over the air: whatever it claims is checked against these before anything is
 * allocated or run. What also crosses the wire in frames (windows, classes, exits, names) is bounded
 * there, in `src/wire/limits.ts`, and only taken over here.
 */

import { CODE_BITS_MAX } from "../wire/codes.ts";
import { LIMITS } from "../wire/limits.ts";

export const MODEL_LIMITS = {
  windowSamples: LIMITS.windowSamples,
  windowBytes: LIMITS.windowBytes,
  channels: LIMITS.channels,
  classes: LIMITS.classes,
  classNameBytes: LIMITS.classNameBytes,
  cohortBytes: LIMITS.cohortBytes,
  stages: LIMITS.exits,
  /** Two slots and the firmware share the 1 MB of flash of an nRF52840. */
  containerBytes: 256 * 1024,
  /** The gate's parameters: per-class statistics of the features are the bulk of it. */
  gateBytes: 64 * 1024,
  /** Operating points: 16 of them beside 8 exits are 418. */
  pointsBytes: 512,
  /** Buffers of one window, as `studentCost` counts them: half of an nRF52840's RAM. */
  ramBytes: 128 * 1024,
  /** At 64 MHz and 2.5 cycles each this is 0.6 s: a node must finish before the next window. */
  multiplyAccumulates: 16_000_000,
  layersPerStage: 16,
  headLayers: 4,
  codeBits: CODE_BITS_MAX,
  codeBytes: LIMITS.codeBytes,
  kernel: 64,
  stride: 32,
  /** Channels of an activation and features of a head; the gate's statistics stop there too. */
  width: 256,
  /** With 256 columns of weights down to -128 and a state of 2^15, a sum is at most 2^30. */
  hidden: 256,
  patchSamples: 64,
  /** Micro-g in one step of the window: a u32 in the header. */
  inputMicrogPerStep: 0xffff_ffff,
  rateCentihertz: 1_000_000,
  hopSamples: 0xffff,
} as const;
