/**
 * Two opinions on one window as one: the teacher's or a tail's, and the student's, of which an offload
 * says the class and how sure it is.
 *
 * A teacher sees more of the window than the student, but of this window alone: the node's answer has
 * the windows before in it, and the verdicts on them (`bench -- gate`). A tail saw a few bytes, made by
 * other layers than the student's, so that each may know something which the other does not; what the
 * product of both is worth turns with the task, and is measured with the calibrated confidence that an
 * offload carries (`bench -- split`): so each tail says what weight the student has. As in a product of
 * experts (Hinton, Neural Computation 14, 2002) a class that one of them rules out is ruled out; neither
 * is let rule out quite.
 */

import type { OffloadReason } from "../wire/messages.ts";

/** The student's confidence comes in 255ths, which is never certain. */
const CHANCE_LEAST = 0.002;
/** A student in doubt doubts between few classes: beside a teacher each other one is given half of
 * the rest. Chosen on subjects that calibrate, where one, two or all others made little difference. */
const OTHERS_IN_DOUBT = 2;

/**
 * @param probabilities the tail's, one per class
 * @param classIndex what the student said
 * @param confidence its chance of being right, 0..1
 * @param weight the power to which the student's chances are raised: 1 for a product of equals, 0 for
 *   the tail alone
 * @param others the rest is divided by so many, and each other class given that much
 * @returns one per class, sums to 1
 */
export function jointAnswer(
  probabilities: Float32Array,
  classIndex: number,
  confidence: number,
  weight: number,
  others = probabilities.length - 1,
): Float32Array {
  const sure = Math.min(1 - CHANCE_LEAST, Math.max(CHANCE_LEAST, confidence));
  const other = (1 - sure) / Math.max(1, others);
  const [said, unsaid] = [sure ** weight, other ** weight];
  const joint = probabilities.map((chance, c) => {
    return Math.max(CHANCE_LEAST, chance) * (c === classIndex ? said : unsaid);
  });
  const sum = joint.reduce((total, one) => total + one, 0);
  return joint.map((one) => one / sum);
}

/**
 * What people are told of a window that a teacher has answered: both together where the student was in
 * doubt. Audits, bursts and novel windows ask whether the student knows what it says, and its own word
 * would drown the answer.
 */
export function toldAnswer(
  offload: {
    readonly reason: OffloadReason;
    readonly classIndex: number;
    readonly confidenceQ8: number;
  },
  probabilities: Float32Array,
): Float32Array {
  if (offload.reason !== "unsure") return probabilities;
  const others = Math.min(OTHERS_IN_DOUBT, probabilities.length - 1);
  return jointAnswer(probabilities, offload.classIndex, offload.confidenceQ8 / 255, 1, others);
}
