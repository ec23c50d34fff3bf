/**
 * What a window must weigh: the teacher's accuracy against the bytes in which the window travels.
 *
 * Raw windows whole and with fewer samples, in int8 and in 4 companded bits, on subjects that neither
 * teacher nor student has seen. Beside each figure stands what it is above the student, which costs no
 * byte at all and is what logits alone can tell, and below the teacher on whole int8 windows; all are
 * paired. Two more tables are of the windows that a gate calibrated for `--target 10` percent sends as
 * doubts, and of what the node's own answer adds there (`split-doubts.ts`); with `--rehearse no` that
 * gate is fitted on the subjects set aside alone, and trained in less time. Intervals of 95 % by a
 * bootstrap over subjects and seeds. `--folds N`, `--threads N`, `--keep DIR` as for `bench -- gate`,
 * whose kept pairs serve here too; `--fold N` takes one of the folds alone, counted from 1.
 *
 * `--forms features,companded2` sets forms that have a tail of their own, trained for them
 * (`split-learned.ts`), in the place of windows with fewer samples for the teacher: `features` a
 * trained bottleneck, `companded4` and `companded2` means in so many bits a value; for the bytes of
 * `--budgets 12,24,…`. `coarse` is whole windows in 2 bits for the teacher that `train --coarse` makes
 * of them. Their bytes, too, are those of the payload alone. For codes it also says what they would
 * take by a static table of ideal lengths a channel, made on the training subjects. `--passes N`
 * trains for another number of passes than the recipe's, which is to be chosen by the subjects that
 * calibrate: they have a line of their own.
 */
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { WindowEncoding } from "../src/wire/messages.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { foldsAsked } from "./gate-measure.ts";
import { doubtFigures, doubtLines } from "./split-doubts.ts";
import {
  type SplitAnswers,
  type SplitJob,
  type SubjectAnswers,
  wholeOrReduced,
} from "./split-job.ts";
import { LEARNED_KINDS, learnedForms } from "./split-learned.ts";
import { BUDGETS_BYTES } from "./split-payloads.ts";
import { type Reached, reachedBy, reachLines } from "./split-reach.ts";
import { type WorkFigures, workFigures, workLines } from "./split-work.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";
import { wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 3;
/** Profiles that a student ships for. */
const SHIPPED = ["cattle", "people"];

/** A row of the table. */
type Form = {
  readonly bytes: number;
  readonly encoding: string;
  readonly reduction: string;
  /** Samples a channel, or values of a code a channel. */
  readonly samples: number;
  readonly channels: number;
  /** Of an encoder, for each of the student's; 0 where there is none. */
  readonly macsRatio: number;
  /** Bytes of a code by a static table, on average; the payload's own where there is none. */
  readonly tableBytes: number;
};

type FormFigures = Form & {
  readonly accuracy: Interval;
  readonly lessStudent: Interval;
  readonly lessTeacher: Interval;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const { jobs, folds, seeds, student } = await jobsAsked(folder, options);
  const { learned, budgets } = learnedAsked(options);
  const answers = await runJobs<SplitJob, SplitAnswers>(
    new URL("./split-worker.ts", import.meta.url),
    jobs,
    {
      threads: wholeOption(options, "threads") ?? 1,
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} pairs`, share),
    },
  );
  const bySubject = [
    ...Map.groupBy(
      answers.flatMap(({ tested }) => tested),
      ({ subject }) => subject,
    ).values(),
  ];
  const profile = profileFor(await readRecordings(folder));
  const forms = figuresOf(formsOf(profile, answers, learned, budgets), bySubject);
  const named = forms.map((form) => ({ bytes: form.bytes, encoding: nameOf(form) }));
  const doubts = doubtFigures(forms.length, answers);
  const atWork = workFigures(
    answers.flatMap((answer) => answer.atWork),
    wholeOf(forms),
  );
  const reached = await reachOf(profile, forms, atWork, options);
  const random = prng(1, "bench-split-student");
  const studentAccuracy = bootstrapInterval(
    bySubject,
    shareOf(({ student: right }) => right),
    random,
  );
  return {
    ok: forms.length > 0,
    lines: [
      `${dataset}: ${bySubject.length} subjects in ${folds} folds, ${seeds} seeds, ` +
        `${student} student; accuracy in percent, differences in points`,
      "",
      ...table(rowsOf(forms, studentAccuracy, profile.classes.length)),
      ...tableLines(forms),
      ...(learned.length > 0 ? calibratingLines(named, answers) : []),
      ...(learned.length > 0 ? doubtLines(named, doubts) : []),
      ...(learned.length > 0 ? workLines(named, atWork) : []),
      ...(learned.length > 0 ? reachLines(reached.forms, reached.teacher) : []),
    ],
    figures: {
      ...{ dataset, subjects: bySubject.length, folds, seeds, studentKind: student },
      student: studentAccuracy,
      doubts,
      atWork,
      reached,
      forms,
    },
  };
}

/** Windows in 2 bits may be read by a tail and by the coarse teacher. */
function nameOf({ encoding, reduction }: Form): string {
  return reduction === "coarse teacher" ? `${encoding}, coarse` : encoding;
}

/** Of the forms that frames carry, where a student ships for the profile. */
async function reachOf(
  profile: Profile,
  forms: readonly FormFigures[],
  atWork: WorkFigures,
  { data, quick }: BenchmarkOptions,
): Promise<{ readonly teacher: number; readonly forms: readonly Reached[] }> {
  const asked = forms.map((form, f) => {
    const whole = form.samples === profile.windowSamples && form.encoding !== "logits";
    return {
      ...form,
      encoding: nameOf(form),
      sends: form.encoding.startsWith("code ")
        ? { codeBytes: form.bytes }
        : whole
          ? (form.encoding as WindowEncoding)
          : undefined,
      accuracies: atWork[f]?.told ?? [],
    };
  });
  const teacher = forms.find(({ encoding }) => encoding === "int8")?.accuracy.mean ?? 0;
  const most = { data, windowsMax: quick ? 256 : 100_000 };
  const ships = SHIPPED.includes(profile.name);
  return { teacher, forms: ships ? await reachedBy(profile.name, asked, teacher, most) : [] };
}

async function jobsAsked(
  folder: string,
  options: BenchmarkOptions,
): Promise<{
  readonly jobs: readonly SplitJob[];
  readonly folds: number;
  readonly seeds: number;
  readonly student: SplitJob["student"];
}> {
  const splits = await foldsAsked(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const student = options.student ?? "default";
  const { learned, budgets } = learnedAsked(options);
  const targetShare = (wholeOption(options, "target") ?? 10) / 100;
  const { quick } = options;
  const passes = quick ? undefined : wholeOption(options, "passes");
  const { keep } = options.extra;
  const rehearse = options.extra.rehearse !== "no";
  const every = Array.from({ length: seeds }, (_, s) => s + 1);
  const jobs = every.flatMap((seed) =>
    splits.map(
      (split): SplitJob => ({
        ...{ folder, ...split, seed, quick, student, keep },
        ...{ targetShare, rehearse, learned, budgets, passes },
      }),
    ),
  );
  return { jobs, folds: splits.length, seeds, student };
}

/** What `--forms` and `--budgets` ask for. */
function learnedAsked(options: BenchmarkOptions): {
  readonly learned: readonly string[];
  readonly budgets: readonly number[];
} {
  const { forms, budgets } = options.extra;
  const learned = forms?.split(",") ?? [];
  const bytes = budgets?.split(",").map(Number) ?? BUDGETS_BYTES;
  const unknown = learned.filter((kind) => !LEARNED_KINDS.includes(kind));
  if (unknown.length === 0 && bytes.every((one) => Number.isInteger(one) && one >= 1)) {
    return { learned, budgets: bytes };
  }
  throw new EdgeError({
    code: "usage",
    message: `--forms ${forms ?? ""} --budgets ${budgets ?? ""}`,
    where: "bench",
    hint: `Forms: ${LEARNED_KINDS.join(",")}; budgets are whole bytes, as 12,24,40.`,
  });
}

/** In the order of a job's answers. */
function formsOf(
  profile: Profile,
  answers: readonly SplitAnswers[],
  learned: readonly string[],
  budgets: readonly number[],
): readonly Form[] {
  const { channels } = profile;
  return [
    ...wholeOrReduced(profile, learned).map((form) => ({
      ...form,
      channels,
      macsRatio: 0,
      tableBytes: form.bytes,
    })),
    ...learnedForms(profile, learned, budgets).map((form, i) => ({
      bytes: form.bytes,
      encoding: form.kind === "features" ? `code ${form.bits} bits` : `companded${form.bits}`,
      reduction: form.kind === "coarse" ? "coarse teacher" : "own tail",
      samples: form.time,
      channels: form.channels,
      macsRatio: (answers[0]?.encoderMacs[i] ?? 0) / (answers[0]?.studentMacs ?? 1),
      tableBytes: average(answers.map(({ tableBytes }) => tableBytes[i] ?? form.bytes)),
    })),
  ];
}

function figuresOf(
  forms: readonly Form[],
  bySubject: readonly (readonly SubjectAnswers[])[],
): readonly FormFigures[] {
  const random = prng(1, "bench-split-intervals");
  const whole = wholeOf(forms);
  const over = (take: (rights: SubjectAnswers) => number): Interval =>
    bootstrapInterval(bySubject, shareOf(take), random);
  return forms.map((form, f) => {
    const right = (rights: SubjectAnswers): number => rights.forms[f] as number;
    return {
      ...form,
      accuracy: over(right),
      lessStudent: over((rights) => right(rights) - rights.student),
      lessTeacher: over((rights) => right(rights) - (rights.forms[whole] as number)),
    };
  });
}

/** The teacher's on windows as they are. */
function wholeOf(forms: readonly Form[]): number {
  return forms.findIndex(({ encoding, reduction }) => encoding === "int8" && reduction === "none");
}

/** What may be chosen by: subjects that no model learned from and that are not tested in that fold. */
function calibratingLines(
  forms: readonly { readonly bytes: number; readonly encoding: string }[],
  answers: readonly SplitAnswers[],
): string[] {
  const subjects = answers.flatMap(({ calibrating }) => calibrating);
  const percent = (take: (rights: SubjectAnswers) => number): string =>
    (100 * shareOf(take)(subjects)).toFixed(1);
  const each = forms.map(
    ({ bytes, encoding }, f) => `${bytes} ${encoding} ${percent((rights) => rights.forms[f] ?? 0)}`,
  );
  const student = percent((rights) => rights.student);
  return ["", `Accuracy on subjects that calibrate: ${each.join(", ")}; student ${student}`];
}

/** What a static table would save. */
function tableLines(forms: readonly FormFigures[]): string[] {
  const coded = forms.filter(({ tableBytes, bytes }) => tableBytes !== bytes);
  if (coded.length === 0) return [];
  const each = coded.map(({ bytes, tableBytes }) => `${bytes} to ${tableBytes.toFixed(1)}`);
  return ["", `Codes by a static table, bytes on average: ${each.join(", ")}`];
}

/** A sum over windows as a share of them. */
function shareOf(take: (rights: SubjectAnswers) => number) {
  return (sums: readonly SubjectAnswers[]): number =>
    sums.reduce((total, rights) => total + take(rights), 0) /
    sums.reduce((total, { windows }) => total + windows, 0);
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
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
      "shape",
      "MACs of student",
      "accuracy",
      "less student",
      "less teacher on int8",
    ],
    ...forms
      .toSorted((a, b) => b.bytes - a.bytes)
      .map((form) => [
        form.bytes,
        form.encoding,
        form.reduction,
        `${form.samples}x${form.channels}`,
        form.macsRatio === 0 ? "-" : form.macsRatio.toFixed(2),
        percent(form.accuracy),
        percent(form.lessStudent),
        percent(form.lessTeacher),
      ]),
    [2 * classes, "logits", "-", "-", "-", percent(student), "0", "-"],
  ];
}
