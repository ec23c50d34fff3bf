/**
 * Filters of other systems, for comparison at equal offload.
 *
 * Each gives a score per window from the student's plain probabilities; the windows with the lowest
 * scores are offloaded first. A fixed threshold on such a score offloads some share of the windows;
 * comparing at equal shares asks which score finds the right windows.
 */

/** Softmax of Q8 logits, in floating point: what these filters are given. */
export function softmaxOf(logits: Int16Array): Float64Array {
  const best = Math.max(...logits);
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - best) / 256));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

/** The largest probability: the fixed threshold that most products use. */
export function maxSoftmaxScore(probabilities: Float64Array): number {
  return Math.max(...probabilities);
}

/** KubeEdge Sedna's `CrossEntropyFilter` (lib/sedna/algorithms/hard_example_mining): a window is
 * hard when `1 + sum(p ln p) / ln C` is below the threshold. */
export function sednaCrossEntropyScore(probabilities: Float64Array): number {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum += p * Math.log(p);
  return 1 + sum / Math.log(probabilities.length);
}

/** What would be best if the truth were known: offload where the teacher mends an error, last where
 * it would make one. No filter can do better. */
export function oracleScore(studentRight: boolean, teacherRight: boolean): number {
  return Number(studentRight) - Number(teacherRight);
}

/**
 * Accuracy when the share of windows with the lowest scores is answered by the teacher, the others
 * by the student. Windows that tie at the border are taken as if drawn at random among them, so
 * that coarse scores gain nothing from the order of the windows.
 */
export function accuracyAtShare(
  windows: {
    readonly scores: ArrayLike<number>;
    readonly studentRight: ArrayLike<number>;
    readonly teacherRight: ArrayLike<number>;
  },
  share: number,
): number {
  const count = windows.scores.length;
  const order = Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (windows.scores[a] as number) - (windows.scores[b] as number),
  );
  let left = Math.min(1, share) * count;
  let right = 0;
  for (let start = 0; start < count; ) {
    const score = windows.scores[order[start] as number] as number;
    let end = start;
    let student = 0;
    let teacher = 0;
    while (end < count && windows.scores[order[end] as number] === score) {
      student += windows.studentRight[order[end] as number] as number;
      teacher += windows.teacherRight[order[end] as number] as number;
      end++;
    }
    const taken = Math.min(left, end - start);
    right += (taken / (end - start)) * (teacher - student) + student;
    left -= taken;
    start = end;
  }
  return count === 0 ? 0 : right / count;
}
