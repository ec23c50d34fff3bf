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

/** The largest probability: the fixed threshold that most products use, Sedna's `ThresholdFilter`
 * among them. */
export function maxSoftmaxScore(probabilities: Float64Array): number {
  return Math.max(...probabilities);
}

/** KubeEdge Sedna's `CrossEntropyFilter` (lib/sedna/algorithms/hard_example_mining): a window is
 * hard when `1 + sum(p ln p) / ln C` is below the threshold. It ranks windows by their entropy, the
 * highest first: the filter of maximum entropy is the same one. */
export function sednaCrossEntropyScore(probabilities: Float64Array): number {
  let sum = 0;
  for (const p of probabilities) if (p > 0) sum += p * Math.log(p);
  return 1 + sum / Math.log(probabilities.length);
}

/** The difference of the two largest probabilities. */
export function marginScore(probabilities: Float64Array): number {
  const [first = 0, second = 0] = [...probabilities].sort((a, b) => b - a);
  return first - second;
}

/** What would be best if the truth were known: offload where the teacher mends an error, last where
 * it would make one. No filter can do better. */
export function oracleScore(studentRight: boolean, teacherRight: boolean): number {
  return Number(studentRight) - Number(teacherRight);
}

/**
 * The chance with which each window goes to the teacher when the share with the lowest scores does.
 * Windows that tie at the border are taken as if drawn at random among them, so that coarse scores
 * gain nothing from the order of the windows.
 */
export function takenAtShare(scores: ArrayLike<number>, share: number): Float64Array {
  const count = scores.length;
  const taken = new Float64Array(count);
  const order = Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => (scores[a] as number) - (scores[b] as number),
  );
  let left = Math.min(1, share) * count;
  for (let start = 0; start < count && left > 0; ) {
    const score = scores[order[start] as number] as number;
    let end = start;
    while (end < count && scores[order[end] as number] === score) end++;
    const part = Math.min(left, end - start) / (end - start);
    for (let at = start; at < end; at++) taken[order[at] as number] = part;
    left -= end - start;
    start = end;
  }
  return taken;
}

/** Groundlight's edge endpoint: below a threshold of confidence for certain, of the rest a fixed
 * share by audit (`confident_audit_rate`), both out of the same budget. */
export function groundlightTaken(
  scores: ArrayLike<number>,
  share: number,
  auditShare: number,
): Float64Array {
  const audit = Math.min(auditShare, share);
  const certain = audit >= 1 ? 1 : (share - audit) / (1 - audit);
  return takenAtShare(scores, certain).map((taken) => taken + (1 - taken) * audit);
}

/** Per window the chance that its answer is right, when each goes to the teacher with its chance. */
export function rightWhenTaken(
  taken: Float64Array,
  studentRight: ArrayLike<number>,
  teacherRight: ArrayLike<number>,
): Float64Array {
  return taken.map(
    (chance, i) =>
      (1 - chance) * (studentRight[i] as number) + chance * (teacherRight[i] as number),
  );
}

/** Accuracy when the share of windows with the lowest scores is answered by the teacher, the others
 * by the student. */
export function accuracyAtShare(
  windows: {
    readonly scores: ArrayLike<number>;
    readonly studentRight: ArrayLike<number>;
    readonly teacherRight: ArrayLike<number>;
  },
  share: number,
): number {
  const taken = takenAtShare(windows.scores, share);
  const right = rightWhenTaken(taken, windows.studentRight, windows.teacherRight);
  return right.reduce((sum, value) => sum + value, 0) / Math.max(1, right.length);
}
