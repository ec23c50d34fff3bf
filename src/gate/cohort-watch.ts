/**
 * Whether the nodes of a cohort change together: a little on each, which no node's own alarm sees, and
 * on many at once, which chance does not do. A wrong firmware, another season, a teacher that was
 * replaced look like that.
 *
 * Time goes in beats. In each the agreement of audits, the drift statistics that nodes report and the
 * share of offloads are compared with what each node showed before; the mean of these differences over
 * the nodes, in its own standard deviations, goes into a one-sided CUSUM (Page, Biometrika 41, 1954)
 * for each of the three, which rises where things get worse. A herd that grazes together moves
 * together every day: mean and deviation are learned over days, that rhythm is within them, and an
 * alarm needs the first day's beats. After an alarm everything is learned anew, so that what lasts is
 * told once. Values, not a clock; pure.
 */

export const COHORT_MEASURES = ["agreement", "novelty", "offload-share"] as const;
export type CohortMeasure = (typeof COHORT_MEASURES)[number];

/** The length of a beat. A bout lasts minutes: what is shorter is one bout. */
export const BEAT_MS = 15 * 60_000;
/** Beats of a node before it counts, and of the cohort before it can alarm: a day's rhythm. */
const NODE_BEATS = 24;
const COHORT_BEATS = 96;
/** Nodes that a beat needs: fewer have alarms of their own. */
const NODES_LEAST = 3;
/** What is usual follows slowly: over four days. */
const MEMORY_BEATS = 384;
/** CUSUM, in standard deviations: taken off each beat, where the alarm is, and the most that a beat may
 * add. A rhythm of a day stays below 1.5 deviations and adds up to less than the threshold, which is
 * the least of 10, 15, 20 and 30 at which no herd put together from the bouts that ten students of
 * `bench -- drift` were calibrated on alarmed in 600 days. */
const SLACK = 1;
const THRESHOLD = 30;
const CLIP = 4;
/** A node counts for at most so many times what the middle one showed: one that comes back with the
 * backlog of days is one node. */
const WEIGHT_MOST = 2;
/** Least standard deviation of the cohort's mean, by measure: finer than this nobody minds. */
const LEAST_DEVIATION: Readonly<Record<CohortMeasure, number>> = {
  agreement: 0.01,
  novelty: 0.02,
  "offload-share": 0.002,
};

/** What one node showed in one beat; a measure that it did not show has no weight. */
export type NodeBeat = Readonly<Record<CohortMeasure, Shown>>;

/** Mean and how many windows or reports it is of. For all three more is worse: agreement counts as the
 * share that disagrees. */
export type Shown = { readonly mean: number; readonly weight: number };

type Usual = { readonly mean: number; readonly beats: number };

type MeasureWatch = {
  /** By node. */
  readonly usual: ReadonlyMap<string, Usual>;
  /** Of the cohort's mean difference: mean square and beats. */
  readonly meanSquare: number;
  readonly beats: number;
  readonly cusum: number;
  /** Since the sum last left zero: beats, and the sum of each node's differences. */
  readonly excursionBeats: number;
  readonly differences: ReadonlyMap<string, number>;
};

export type CohortWatch = Readonly<Record<CohortMeasure, MeasureWatch>>;

export type CohortShift = {
  readonly measure: CohortMeasure;
  /** Beats since it began. */
  readonly beats: number;
  /** Mean difference in that time, over all nodes alike. */
  readonly difference: number;
  /** Those that got worse by more than half of it, or where it is no more than 0 of the worst. */
  readonly nodes: readonly string[];
};

const NEW_MEASURE: MeasureWatch = {
  usual: new Map(),
  meanSquare: 0,
  beats: 0,
  cusum: 0,
  excursionBeats: 0,
  differences: new Map(),
};

export const NEW_COHORT_WATCH: CohortWatch = {
  agreement: NEW_MEASURE,
  novelty: NEW_MEASURE,
  "offload-share": NEW_MEASURE,
};

/**
 * One beat more. Where it alarms, the watch that comes with it begins anew.
 *
 * @param renewed nodes that have taken another student: what was novel to the former one says nothing
 *   of this one, while agreement and offloads may well be compared
 */
export function watchCohort(
  before: CohortWatch,
  beat: ReadonlyMap<string, NodeBeat>,
  renewed: ReadonlySet<string> = new Set(),
): { readonly watch: CohortWatch; readonly shift: CohortShift | null } {
  const watch = Object.fromEntries(
    COHORT_MEASURES.map((measure) => {
      const forgotten = measure === "novelty" ? renewed : new Set<string>();
      return [measure, afterBeat(withoutNodes(before[measure], forgotten), measure, beat)];
    }),
  ) as CohortWatch;
  const over = COHORT_MEASURES.filter((measure) => watch[measure].cusum >= THRESHOLD);
  const [first] = over.sort((a, b) => watch[b].cusum - watch[a].cusum);
  if (first === undefined) return { watch, shift: null };
  return { watch: NEW_COHORT_WATCH, shift: shiftOf(first, watch[first]) };
}

function withoutNodes(watch: MeasureWatch, nodes: ReadonlySet<string>): MeasureWatch {
  if (nodes.size === 0) return watch;
  const kept = [...watch.usual].filter(([node]) => !nodes.has(node));
  return { ...watch, usual: new Map(kept) };
}

function afterBeat(
  before: MeasureWatch,
  measure: CohortMeasure,
  beat: ReadonlyMap<string, NodeBeat>,
): MeasureWatch {
  const usual = new Map(before.usual);
  const differences = new Map<string, number>();
  let [sum, weights] = [0, 0];
  const most = WEIGHT_MOST * middleWeight(measure, beat);
  for (const [node, { [measure]: shown }] of beat) {
    if (shown.weight === 0) continue;
    const own = before.usual.get(node) ?? { mean: 0, beats: 0 };
    if (own.beats >= NODE_BEATS) {
      const weight = Math.min(shown.weight, most);
      differences.set(node, shown.mean - own.mean);
      sum += weight * (shown.mean - own.mean);
      weights += weight;
    }
    usual.set(node, { mean: towards(own.mean, shown.mean, own.beats), beats: own.beats + 1 });
  }
  if (differences.size < NODES_LEAST) return { ...before, usual };
  const difference = sum / weights;
  const deviation = Math.max(LEAST_DEVIATION[measure], Math.sqrt(before.meanSquare));
  const learned = {
    usual,
    meanSquare: towards(before.meanSquare, difference ** 2, before.beats),
    beats: before.beats + 1,
  };
  if (before.beats < COHORT_BEATS) return { ...before, ...learned };
  const deviations = Math.max(-CLIP, Math.min(CLIP, difference / deviation));
  const cusum = Math.max(0, before.cusum + deviations - SLACK);
  if (cusum === 0) return { ...learned, cusum, excursionBeats: 0, differences: new Map() };
  for (const [node, sofar] of before.differences) {
    differences.set(node, sofar + (differences.get(node) ?? 0));
  }
  return { ...learned, cusum, excursionBeats: before.excursionBeats + 1, differences };
}

/** Of the nodes that showed the measure. */
function middleWeight(measure: CohortMeasure, beat: ReadonlyMap<string, NodeBeat>): number {
  const weights = [...beat.values()].map((shown) => shown[measure].weight);
  const shown = weights.filter((weight) => weight > 0).sort((a, b) => a - b);
  return shown[Math.floor(shown.length / 2)] ?? 0;
}

/** The mean of all so far, and of the last `MEMORY_BEATS` or so when these are more. */
function towards(mean: number, value: number, beats: number): number {
  return mean + (value - mean) / Math.min(beats + 1, MEMORY_BEATS);
}

function shiftOf(measure: CohortMeasure, watch: MeasureWatch): CohortShift {
  const beats = watch.excursionBeats;
  const all = [...watch.differences.values()];
  const difference = all.reduce((sum, one) => sum + one, 0) / (all.length * beats);
  // Few nodes that weigh most may get worse while in the mean of all, each alike, they got better.
  const worse = difference > 0 ? difference : Math.max(...all) / beats;
  const nodes = [...watch.differences]
    .filter(([, sum]) => sum / beats > worse / 2)
    .map(([node]) => node);
  return { measure, beats, difference, nodes };
}
