/**
 * The teacher's seam: the big model that answers what nodes offload.
 *
 * Two adapters exist, an ONNX file and a TensorFlow.js model. Both check the model against the
 * profile when they are made, so that a wrong shape is refused at the start with a hint and never
 * at the first window.
 */

import type { TailShape } from "./answerable.ts";

export type TeacherAnswer = {
  /** `[window][class]`, each row sums to 1. */
  readonly probabilities: Float32Array;
  /** `[window][feature]`, what the last layer read; null where the model does not give it. */
  readonly features: Float32Array | null;
};

export type Teacher = {
  /** Names the model in label rows: the first 16 hex digits of its file's SHA-256. */
  readonly id: string;
  /** Behaviour names in the order of the class index. */
  readonly classes: readonly string[];
  readonly windowSamples: number;
  readonly channels: number;
  readonly rateHz: number;
  /** How long bouts of its behaviours typically last; undefined where its file does not say. */
  readonly typicalMs?: number | undefined;
  /** `windows` is `[count][time][channel]`, int8 in steps of `inputMilligPerStep`. */
  predict(windows: Int8Array, count: number, inputMilligPerStep: number): Promise<TeacherAnswer>;
};

/**
 * The teacher's other end: answers the codes that nodes' encoders make of a window, where a link does
 * not carry windows. Trained with that encoder, to say what the teacher says of the whole window.
 */
export type Tail = TailShape & {
  /** `codes` is `[count][time][channel]`, one a byte, each in 0..2^bits-1. */
  predict(codes: Uint8Array, count: number): Promise<TeacherAnswer>;
};

/**
 * Whether the teacher knows this kind of signal: the row of one window. A verdict that is not
 * trusted is told to people as such and is neither evidence of drift nor a label to learn from.
 */
export type TeacherTrust = (probabilities: Float32Array, features: Float32Array | null) => boolean;

/** The test of a teacher that may never be asked: it is fitted when its first answer comes. Undefined
 * where it has none. */
export type TrustWhenAsked = () => Promise<TeacherTrust | undefined>;

/** For teachers without a fitted novelty test: every answer counts. */
export const trustAlways: TeacherTrust = () => true;
