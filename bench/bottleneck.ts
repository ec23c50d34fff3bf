/**
 * Where a code should come from: an encoder of its own that reads the window, or the student's own
 * layers behind a stage, trained together with the exits (BottleFit, Matsubara et al., arXiv
 * 2201.02693; Entropic Student, arXiv 2108.11898) or after them, on a trunk that stays.
 *
 * Every network learns from the same augmented views and the same answers of the teacher, in the same
 * order, as long; tails are of one size. Beside each tail's accuracy stands what it is above the control's
 * last exit, a student trained alone as long, and beside the exits what training with the code costs
 * them; all are paired, on subjects that nobody learned from, with intervals of 95 % by a bootstrap over
 * subjects and seeds. In floating point, codes rounded as on a node. `--bytes 48` is the most that a
 * code takes, `--passes N` the length of all trainings (the encoders' own where it is not given);
 * `--folds N`, `--fold N`, `--threads N` and `--keep DIR` as for `bench -- split`.
 */
import { requireDataset } from "../recordings/open.ts";
import { prng } from "../src/prng.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import type { BottleneckAnswers, BottleneckJob, SubjectRights, Way } from "./bottleneck-job.ts";
import { foldsAsked } from "./gate-measure.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";
import { wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 2;
const DEFAULT_BYTES = 48;

type WayFigures = Way & {
  readonly tail: Interval;
  /** Less the control's last exit. */
  readonly lessStudent: Interval;
  /** `[exit]` less the control's; empty where they are the control's. */
  readonly exits: readonly Interval[];
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const splits = await foldsAsked(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const { quick, student = "default" } = options;
  const { keep } = options.extra;
  const bytes = wholeOption(options, "bytes") ?? DEFAULT_BYTES;
  const passes = quick ? 1 : wholeOption(options, "passes");
  const every = Array.from({ length: seeds }, (_, s) => s + 1);
  const jobs = every.flatMap((seed) =>
    splits.map(
      ({ train, test }): BottleneckJob => ({
        ...{ folder, train, test, seed, quick, student, keep, bytes, passes },
      }),
    ),
  );
  const answers = await runJobs<BottleneckJob, BottleneckAnswers>(
    new URL("./bottleneck-worker.ts", import.meta.url),
    jobs,
    {
      threads: wholeOption(options, "threads") ?? 1,
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} trainings`, share),
    },
  );
  const subjects = answers.flatMap((answer) => answer.subjects);
  const bySubject = [...Map.groupBy(subjects, ({ subject }) => subject).values()];
  const random = prng(1, "bench-bottleneck");
  const over = (take: (rights: SubjectRights) => number): Interval =>
    bootstrapInterval(bySubject, shareOf(take), random);
  const count = subjects[0]?.control.length ?? 0;
  const exits = Array.from({ length: count }, (_, exit) => exit);
  const control = exits.map((exit) => over((rights) => rights.control[exit] as number));
  const ways = (answers[0]?.ways ?? []).map((way, w): WayFigures => {
    const tail = (rights: SubjectRights): number => rights.tails[w] as number;
    const own = subjects.every((rights) => rights.exits[w] !== null);
    return {
      ...way,
      tail: over(tail),
      lessStudent: over((rights) => tail(rights) - (rights.control.at(-1) as number)),
      exits: (own ? exits : []).map((exit) =>
        over((rights) => (rights.exits[w]?.[exit] ?? 0) - (rights.control[exit] as number)),
      ),
    };
  });
  return {
    ok: ways.length > 0,
    lines: [
      `${dataset}: ${bySubject.length} subjects in ${splits.length} folds, ${seeds} seeds, ` +
        `${passes ?? "all"} passes; accuracy in percent, differences in points`,
      "",
      ...table(rowsOf(control, ways)),
    ],
    figures: { dataset, folds: splits.length, seeds, passes: passes ?? null, control, ways },
  };
}

function shareOf(take: (rights: SubjectRights) => number) {
  return (sums: readonly SubjectRights[]): number =>
    sums.reduce((total, rights) => total + take(rights), 0) /
    sums.reduce((total, { windows }) => total + windows, 0);
}

function rowsOf(control: readonly Interval[], ways: readonly WayFigures[]): (string | number)[][] {
  const percent = ({ mean, low, high }: Interval): string =>
    `${(100 * mean).toFixed(2)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  const exits = control.map((_, exit) => `exit ${exit + 1}`);
  return [
    [
      ...["the code comes from", "bytes", "MACs of student", "tail", "tail less last exit"],
      ...exits.map((exit) => `${exit} less control`),
    ],
    ...ways.map((way) => [
      ...[way.name, way.bytes, way.macsRatio.toFixed(2), percent(way.tail)],
      percent(way.lessStudent),
      ...control.map((_, exit) => {
        const less = way.exits[exit];
        return less === undefined ? "0" : percent(less);
      }),
    ]),
    ["(control: the student alone)", "-", "-", "-", "-", ...control.map(percent)],
  ];
}
