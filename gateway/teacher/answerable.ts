/**
 * Whether an offload can be answered here, and by whom: windows by the teacher, those in 2 bits by one
 * that was trained on such, codes by a tail.
 *
 * What cannot be is stored and acknowledged all the same: a node would send it again for ever, and a
 * teacher of its shape may come. Pure.
 */

import { EdgeError } from "../../src/assert.ts";
import { jointAnswer, toldAnswer } from "../../src/gate/joint-answer.ts";
import { unpackCodes } from "../../src/wire/codes.ts";
import type { EncoderId, FeaturesOffload, WindowOffload } from "../../src/wire/messages.ts";
import type { Offload } from "../store/label-rows.ts";

export type Answerers = {
  readonly teacher: {
    readonly id: string;
    readonly windowSamples: number;
    readonly channels: number;
    readonly rateHz: number;
  };
  /** Undefined where nobody here reads windows in 2 bits. It takes windows of the teacher's shape. */
  readonly coarse?: { readonly id: string } | undefined;
  /** Undefined where no tail is served: nobody here reads codes. */
  readonly tail?: TailShape | undefined;
};

/** A tail reads the codes of one encoder, `[time][channel]` of `codeBits` bits. */
export type TailShape = {
  readonly id: string;
  readonly encoder: EncoderId;
  readonly codeTime: number;
  readonly codeChannels: number;
  readonly codeBits: number;
  /** What the node's own answer to a doubt weighs beside the tail's, 0..1, see `joint-answer.ts`. */
  readonly studentWeight: number;
};

/** Undefined for what will be answered, else why not. */
export function whyUnanswerable(answerers: Answerers, offload: Offload): string | undefined {
  if (offload.encoding === "features") return whyNoTail(answerers.tail, offload);
  if (offload.encoding === "companded2" && answerers.coarse === undefined) {
    return "it came in 2 bits a value, and there is no teacher of such windows";
  }
  return whyNoTeacher(answerers.teacher, offload);
}

/** Names in a label's row whose answer it is. */
export function answererOf({ teacher, coarse, tail }: Answerers, offload: Offload): string {
  if (offload.encoding === "features") return tail?.id ?? "";
  return offload.encoding === "companded2" ? (coarse?.id ?? "") : teacher.id;
}

/** What is stored, and what bouts go by, which weigh it with the windows before and after: a teacher's
 * answer as it is, a tail's with what the node said of its doubt. */
export function saidOf({ tail }: Answerers, offload: Offload, answer: Float32Array): Float32Array {
  // An audit asks about a window of which the student was sure: its own word would drown the answer.
  if (offload.encoding !== "features" || offload.reason !== "unsure") return answer;
  if (tail === undefined || tail.studentWeight === 0) return answer;
  return jointAnswer(answer, offload.classIndex, offload.confidenceQ8 / 255, tail.studentWeight);
}

/** What people are told of the one window. */
export function toldOf(answerers: Answerers, offload: Offload, answer: Float32Array): Float32Array {
  if (offload.encoding === "features") return saidOf(answerers, offload, answer);
  return toldAnswer(offload, answer);
}

/** The codes of a window, one a byte. Throws the `EdgeError` of `unpackCodes`. */
export function codesOf(tail: TailShape, { codes }: FeaturesOffload): Uint8Array {
  return unpackCodes(codes, tail.codeTime * tail.codeChannels, tail.codeBits);
}

function whyNoTail(tail: TailShape | undefined, offload: FeaturesOffload): string | undefined {
  if (tail === undefined) return "it came as codes, and there is no tail that reads them";
  if (tail.encoder !== offload.encoder) {
    return `its codes are of encoder ${offload.encoder}, the tail reads those of ${tail.encoder}`;
  }
  try {
    codesOf(tail, offload);
    return undefined;
  } catch (error) {
    if (error instanceof EdgeError) return error.message;
    throw error;
  }
}

function whyNoTeacher(teacher: Answerers["teacher"], offload: WindowOffload): string | undefined {
  const fits =
    offload.windowSamples === teacher.windowSamples &&
    offload.channels === teacher.channels &&
    offload.rateCentihertz === Math.round(100 * teacher.rateHz);
  if (fits) return undefined;
  const shape = `${offload.windowSamples}x${offload.channels} at ${offload.rateCentihertz / 100} Hz`;
  const taken = `${teacher.windowSamples}x${teacher.channels} at ${teacher.rateHz} Hz`;
  return `it is ${shape}, the teacher takes ${taken}`;
}
