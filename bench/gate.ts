/**
 * What offloading buys: accuracy against the share of windows that the teacher answers.
 *
 * Our gate beside other filters at equal offload, on subjects that neither teacher nor student nor
 * calibration has seen. Folds by subject, or `--train` and `--test`. Each filter ranks the windows
 * of a fold; the share with the lowest scores is answered by the teacher. Below that, the real gate
 * run over each subject as a node: what it offloaded for a target of `--target` (10) percent. How far
 * any choice of windows could go is bounded by tables of what asking was worth.
 *
 * Each figure is over all windows and seeds, with its 95 % interval by a bootstrap over subjects and
 * seeds; differences between filters are paired, and have intervals of their own, which are far
 * narrower. `--rotate x90` turns the tested subjects' collars. `--folds N`, `--threads N`;
 * `--keep DIR` keeps what was trained, and takes it from there.
 */
import { prng } from "../src/prng.ts";
import { type BenchmarkOptions, type BenchmarkResult, quantile, table } from "./benchmark.ts";
import { FILTERS, type Filter, PARTS, SHARES, type SubjectCurves } from "./gate-curves.ts";
import { type GateMeasurement, measureGate } from "./gate-measure.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";
import { gainAt, sumOf } from "./value-table.ts";

/** What ours is compared with: all that could be built without it. */
const OTHERS = ["random", "threshold", "margin", "groundlight", "sedna"] as const;

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const figures = gateFigures(await measureGate(options));
  return { ok: true, lines: linesOf(figures), figures };
}

export type GateFigures = ReturnType<typeof gateFigures>;

/** Every figure with its interval. */
export function gateFigures(measured: GateMeasurement) {
  const { bySubject, bySeed, day: _day, ...about } = measured;
  const random = prng(1, "bench-gate-intervals");
  const over = (take: (curves: SubjectCurves) => number): Interval =>
    bootstrapInterval(bySubject, shareOf(take), random);
  const ratio = (
    above: (curves: SubjectCurves) => number,
    below: (curves: SubjectCurves) => number,
  ): Interval =>
    bootstrapInterval(bySubject, (sums) => shareOf(above)(sums) / shareOf(below)(sums), random);
  const right =
    (filter: Filter, share: (typeof SHARES)[number]) =>
    (curves: SubjectCurves): number =>
      curves.at[filter][SHARES.indexOf(share)] as number;
  const difference =
    (a: (curves: SubjectCurves) => number, b: (curves: SubjectCurves) => number) =>
    (curves: SubjectCurves): number =>
      a(curves) - b(curves);
  const byShare = <Value>(value: (share: (typeof SHARES)[number]) => Value) =>
    Object.fromEntries(SHARES.map((share) => [String(share), value(share)]));
  return {
    ...about,
    subjects: bySubject.length,
    teacher: over((curves) => curves.teacher),
    /** Whether seeds really differ: the teacher's accuracy with each. */
    teacherBySeed: bySeed.map((folds) =>
      shareOf((curves) => curves.teacher)(folds.flatMap(({ subjects }) => subjects)),
    ),
    at: byShare((share) =>
      Object.fromEntries(FILTERS.map((filter) => [filter, over(right(filter, share))])),
    ) as Record<string, Record<Filter, Interval>>,
    /** Ours less each other, paired by subject and seed. */
    lead: byShare((share) =>
      Object.fromEntries(
        OTHERS.map((other) => [other, over(difference(right("ours", share), right(other, share)))]),
      ),
    ) as Record<string, Record<(typeof OTHERS)[number], Interval>>,
    leadOnOurs: byShare((share) =>
      over(difference(right("ours", share), right("sednaOnOurs", share))),
    ) as Record<string, Interval>,
    /** Ours less the teacher alone. */
    overTeacher: byShare((share) =>
      over(difference(right("ours", share), (curves) => curves.teacher)),
    ) as Record<string, Interval>,
    /** Of the way from the student to the oracle at 10 %: from the student with its filter over
     * windows, and from its last exit alone. */
    recovered: ratio(
      difference(right("ours", 10), right("ours", 0)),
      difference(right("oracle", 10), right("ours", 0)),
    ),
    recoveredFromPlain: ratio(
      difference(right("ours", 10), right("random", 0)),
      difference(right("oracle", 10), right("random", 0)),
    ),
    recoveredByChoice: choiceFigures(measured),
    worth: Object.fromEntries(
      PARTS.map((part) => [part, over((curves) => curves.worth[part])]),
    ) as Record<(typeof PARTS)[number], Interval>,
    deployed: deployedFigures(measured, over),
  };
}

/** Of the way from the last exit to the oracle at 10 %, what choosing alone goes: the teacher for every
 * window, and tables that know what asking is worth. */
function choiceFigures({ bySubject }: GateMeasurement) {
  const all = bySubject.flat();
  const sumOver = (take: (curves: SubjectCurves) => number): number =>
    all.reduce((total, curves) => total + take(curves), 0);
  const at = (filter: Filter, share: (typeof SHARES)[number]) => (curves: SubjectCurves) =>
    curves.at[filter][SHARES.indexOf(share)] as number;
  const from = sumOver(at("random", 0));
  const way = sumOver(at("oracle", 10)) - from;
  const tables = bySubject.map((seeds) => sumOf(seeds.map((curves) => curves.worthByKind)));
  const chosen = (knows: "all" | "others"): number =>
    (sumOver(at("ours", 0)) + gainAt(tables, 0.1, knows) - from) / way;
  return {
    teacherAlone: (sumOver((curves) => curves.teacher) - from) / way,
    tableOfTested: chosen("all"),
    tableOfOthers: chosen("others"),
  };
}

/** The real gate with its budget, rate control, audits and early exits. */
function deployedFigures(
  { bySubject, bySeed, targetShare }: GateMeasurement,
  over: (take: (curves: SubjectCurves) => number) => Interval,
) {
  const shares = bySubject
    .flat()
    .map(({ deployed, windows }) => deployed.offloads / Math.max(1, windows));
  const within = shares.filter((share) => share <= 1.25 * targetShare).length;
  return {
    share: over(({ deployed }) => deployed.offloads),
    accuracy: over(({ deployed }) => deployed.right),
    firstExitShare: over(({ deployed }) => deployed.firstExit),
    calibrationError: meanOf(bySeed.flat().map((fold) => fold.calibrationError)),
    shareBySubject: { p5: quantile(shares, 0.05), p95: quantile(shares, 0.95) },
    withinQuarterMore: within / shares.length,
  };
}

/** A sum over windows as a share of them. */
function shareOf(take: (curves: SubjectCurves) => number) {
  return (sums: readonly SubjectCurves[]): number => {
    const windows = sums.reduce((total, curves) => total + curves.windows, 0);
    return sums.reduce((total, curves) => total + take(curves), 0) / windows;
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function linesOf(figures: GateFigures): string[] {
  const { deployed, recoveredByChoice: choice } = figures;
  const rows = Object.entries(figures.at).map(([share, filters]) => [
    `${share} %`,
    ...FILTERS.map((filter) => (100 * filters[filter].mean).toFixed(2)),
    range(filters.ours),
  ]);
  const leads = Object.entries(figures.lead)
    .filter(([share]) => share !== "100")
    .map(([share, others]) => [
      `${share} %`,
      ...OTHERS.map((other) => signed(others[other])),
      signed(figures.leadOnOurs[share] as Interval),
      signed(figures.overTeacher[share] as Interval),
    ]);
  const turned = figures.rotate === null ? "" : `, collars turned ${figures.rotate}`;
  return [
    `${figures.dataset}: ${figures.subjects} subjects in ${figures.folds} folds, ` +
      `${figures.seeds} seeds, ${figures.student} student${turned}; accuracy in percent by share ` +
      "offloaded",
    "",
    ...table([["offload", ...FILTERS, "ours, 95 %"], ...rows]),
    "",
    "Ours less the others, points, with 95 % intervals over subjects and seeds:",
    "",
    ...table([["offload", ...OTHERS, "sednaOnOurs", "teacher"], ...leads]),
    "",
    `Teacher alone ${percent(figures.teacher)}, by seed ` +
      `${figures.teacherBySeed.map((value) => (100 * value).toFixed(3)).join(", ")}. Of the way ` +
      `from student to oracle at 10 %: ${percent(figures.recovered)} %, from its last exit alone ` +
      `${percent(figures.recoveredFromPlain)} %`,
    `Of that by choice alone: the teacher for every window ${whole(choice.teacherAlone)} %, a table ` +
      `of what asking is worth, filled from the tested windows ${whole(choice.tableOfTested)} %, ` +
      `from the other tested subjects ${whole(choice.tableOfOthers)} %`,
    `What makes ours, at 10 %: ${PARTS.map(
      (part) => `${part} ${(100 * figures.worth[part].mean).toFixed(2)}`,
    ).join(", ")}`,
    `The gate at work, target ${(100 * figures.targetShare).toFixed(0)} %: offloaded ` +
      `${percent(deployed.share)} % (subjects ${(100 * deployed.shareBySubject.p5).toFixed(1)} to ` +
      `${(100 * deployed.shareBySubject.p95).toFixed(1)}; ` +
      `${(100 * deployed.withinQuarterMore).toFixed(0)} % of runs within 1.25 times), accuracy ` +
      `${percent(deployed.accuracy)}, ${percent(deployed.firstExitShare)} % answered by the first ` +
      `exit, confidence off by ${(100 * deployed.calibrationError).toFixed(2)} points`,
  ];
}

function whole(share: number): string {
  return (100 * share).toFixed(0);
}

function percent(interval: Interval): string {
  return `${(100 * interval.mean).toFixed(2)} (${range(interval)})`;
}

function range({ low, high }: Interval): string {
  return `${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`;
}

function signed({ mean, low, high }: Interval): string {
  const points = (value: number): string => `${value < 0 ? "" : "+"}${(100 * value).toFixed(1)}`;
  return `${points(mean)} (${points(low)} to ${points(high)})`;
}
