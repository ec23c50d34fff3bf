/**
 * Two opinions on one window as one: a tail's, which saw codes, and the student's, of which an offload
 * says the class and how sure it is.
 *
 * A teacher sees all that the student saw, and more of it in every sense: its answer stands alone. A
 * tail saw a few bytes, made by other layers than the student's, so that each may know something which
 * the other does not. What the product of both is worth turns with the task, and is measured with the
 * calibrated confidence that an offload carries (`bench -- split`): so each tail says what weight the
 * student has. As in a product of experts (Hinton, Neural Computation 14, 2002) a class that one of
 * them rules out is ruled out; neither is let rule out quite.
 */

/** The student's confidence comes in 255ths, which is never certain. */
const CHANCE_LEAST = 0.002;

/**
 * @param probabilities the tail's, one per class
 * @param classIndex what the student said
 * @param confidence its chance of being right, 0..1; the rest is shared evenly by the other classes
 * @param weight the power to which the student's chances are raised: 1 for a product of equals, 0 for
 *   the tail alone
 * @returns one per class, sums to 1
 */
export function jointAnswer(
  probabilities: Float32Array,
  classIndex: number,
  confidence: number,
  weight: number,
): Float32Array {
  const classes = probabilities.length;
  const sure = Math.min(1 - CHANCE_LEAST, Math.max(CHANCE_LEAST, confidence));
  const other = (1 - sure) / Math.max(1, classes - 1);
  const [said, unsaid] = [sure ** weight, other ** weight];
  const joint = probabilities.map((chance, c) => {
    return Math.max(CHANCE_LEAST, chance) * (c === classIndex ? said : unsaid);
  });
  const sum = joint.reduce((total, one) => total + one, 0);
  return joint.map((one) => one / sum);
}
