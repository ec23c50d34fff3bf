/**
 * What a window must weigh: the teacher's accuracy against the bytes in which the window travels.
 *
 * Raw windows whole and with fewer samples, in int8 and in 4 companded bits, on subjects that neither
 * teacher nor student has seen. Beside each figure stands what it is above the student, which costs no
 * byte at all and is what logits alone can tell, and below the teacher on whole int8 windows; both are
 * paired. Intervals of 95 % by a bootstrap over subjects and seeds. `--folds N`, `--threads N`,
 * `--keep DIR` as for `bench -- gate`, whose kept pairs serve here too.
 */
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { prng } from "../src/prng.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { gateSplits } from "./gate-measure.ts";
import type { SplitJob, SubjectRights } from "./split-job.ts";
import { type PayloadForm, payloadForms } from "./split-payloads.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";
import { wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 3;

type FormFigures = PayloadForm & {
  readonly accuracy: Interval;
  readonly lessStudent: Interval;
  readonly lessTeacher: Interval;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const splits = await gateSplits(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const { quick } = options;
  const student = options.student ?? "default";
  const { keep } = options.extra;
  const jobs = Array.from({ length: seeds }, (_, s) => s + 1).flatMap((seed) =>
    splits.map(
      ({ train, test }): SplitJob => ({ folder, train, test, seed, quick, student, keep }),
    ),
  );
  const answers = await runJobs<SplitJob, readonly SubjectRights[]>(
    new URL("./split-worker.ts", import.meta.url),
    jobs,
    {
      threads: wholeOption(options, "threads") ?? 1,
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} pairs`, share),
    },
  );
  const bySubject = [...Map.groupBy(answers.flat(), ({ subject }) => subject).values()];
  const { classes, ...profile } = profileFor(await readRecordings(folder));
  const forms = figuresOf(payloadForms({ ...profile, classes }), bySubject);
  const random = prng(1, "bench-split-student");
  const studentAccuracy = bootstrapInterval(
    bySubject,
    shareOf(({ student: right }) => right),
    random,
  );
  return {
    ok: forms.length > 0,
    lines: [
      `${dataset}: ${bySubject.length} subjects in ${splits.length} folds, ${seeds} seeds, ` +
        `${student} student; accuracy in percent, differences in points`,
      "",
      ...table(rowsOf(forms, studentAccuracy, classes.length)),
    ],
    figures: {
      ...{ dataset, subjects: bySubject.length, folds: splits.length, seeds, studentKind: student },
      student: studentAccuracy,
      forms,
    },
  };
}

function figuresOf(
  forms: readonly PayloadForm[],
  bySubject: readonly (readonly SubjectRights[])[],
): readonly FormFigures[] {
  const random = prng(1, "bench-split-intervals");
  const whole = forms.findIndex(
    ({ encoding, reduction }) => encoding === "int8" && reduction === "none",
  );
  const over = (take: (rights: SubjectRights) => number): Interval =>
    bootstrapInterval(bySubject, shareOf(take), random);
  return forms.map((form, f) => {
    const right = (rights: SubjectRights): number => rights.forms[f] as number;
    return {
      ...form,
      accuracy: over(right),
      lessStudent: over((rights) => right(rights) - rights.student),
      lessTeacher: over((rights) => right(rights) - (rights.forms[whole] as number)),
    };
  });
}

/** A sum over windows as a share of them. */
function shareOf(take: (rights: SubjectRights) => number) {
  return (sums: readonly SubjectRights[]): number =>
    sums.reduce((total, rights) => total + take(rights), 0) /
    sums.reduce((total, { windows }) => total + windows, 0);
}

function rowsOf(
  forms: readonly FormFigures[],
  student: Interval,
  classes: number,
): (string | number)[][] {
  const percent = ({ mean, low, high }: Interval): string =>
    `${(100 * mean).toFixed(2)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  return [
    [
      "bytes",
      "encoding",
      "reduced to",
      "samples",
      "accuracy",
      "less student",
      "less teacher on int8",
    ],
    ...forms.map((form) => [
      form.bytes,
      form.encoding,
      form.reduction,
      form.samples,
      percent(form.accuracy),
      percent(form.lessStudent),
      percent(form.lessTeacher),
    ]),
    [2 * classes, "logits", "-", "-", percent(student), "0", "-"],
  ];
}
