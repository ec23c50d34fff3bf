/**
 * A gate at work whose doubts travel in one form: what people are told, with verdicts that teach the
 * node, at equal share for every form.
 *
 * Windows cannot be ranked in advance, since each verdict moves what the node believes of the next:
 * the real gate runs over the tested windows with the one threshold that offloads a share of them, as
 * `ours` in `bench -- gate`. Each form is told as a gateway does: a teacher's answer together with the
 * node's own, a tail's with the weight that its file has.
 */
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { jointAnswer, toldAnswer } from "../src/gate/joint-answer.ts";
import { prng } from "../src/prng.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { table } from "./benchmark.ts";
import { atShare, bareGate } from "./gate-curves.ts";
import type { Uncalibrated } from "./gate-job.ts";
import { type DoubtAnswers, replayGate } from "./gate-replay.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";

/** Percent of the windows that are offloaded. */
export const WORK_SHARES = [0, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100] as const;
/** The one at which forms are set beside each other. */
const COMPARED = WORK_SHARES.indexOf(10);

/** Of one tested subject: windows, and what was told rightly of them. */
export type SubjectWork = {
  readonly subject: string;
  readonly windows: number;
  readonly forms: readonly {
    /** By entry of `WORK_SHARES`. */
    readonly told: readonly number[];
    /** At the compared share, where the node makes nothing of verdicts. */
    readonly untaught: number;
  }[];
};

export type AnsweringForm = {
  /** Class probabilities `[window][class]`. */
  readonly rows: Float32Array;
  /** What the node's answer weighs beside a tail's; undefined for a teacher's. */
  readonly tailWeight: number | undefined;
};

/** @param tested which of the windows count; the others, of subjects that calibrate, do not run */
export function workOf(
  { trained, test }: Uncalibrated,
  parameters: GateParameters,
  forms: readonly AnsweringForm[],
  tested: readonly string[],
): readonly SubjectWork[] {
  const own = test.subjects.flatMap((subject, i) => (tested.includes(subject) ? [i] : []));
  const windows = pickWindows(test, own);
  const records = recordExits(trained.loaded, windows);
  const { classes } = records;
  const rights = forms.map(({ rows, tailWeight }) => {
    const among = new Float32Array(own.length * classes);
    own.forEach((i, at) => {
      among.set(rows.subarray(i * classes, (i + 1) * classes), at * classes);
    });
    const answers = { rows: among, tell: tellOf(tailWeight) };
    const at = (share: number, teaches: boolean): Uint8Array =>
      rightAtShare(parameters, records, windows, { ...answers, teaches }, share / 100);
    return {
      told: WORK_SHARES.map((share) => at(share, true)),
      untaught: at(WORK_SHARES[COMPARED] as number, false),
    };
  });
  return tested.map((subject) => {
    const each = windows.subjects.flatMap((name, i) => (name === subject ? [i] : []));
    const sum = (right: Uint8Array): number =>
      each.reduce((total, i) => total + (right[i] as number), 0);
    return {
      ...{ subject, windows: each.length },
      forms: rights.map(({ told, untaught }) => ({
        told: told.map(sum),
        untaught: sum(untaught),
      })),
    };
  });
}

function tellOf(tailWeight: number | undefined): DoubtAnswers["tell"] {
  if (tailWeight === undefined) return toldAnswer;
  if (tailWeight === 0) return (_offload, row) => row;
  return ({ classIndex, confidenceQ8 }, row) =>
    jointAnswer(row, classIndex, confidenceQ8 / 255, tailWeight);
}

/** 1 per window of which the right class was told. */
function rightAtShare(
  parameters: GateParameters,
  records: ExitRecords,
  windows: WindowSet,
  doubts: DoubtAnswers,
  share: number,
): Uint8Array {
  const { told } = atShare(share, windows.count, (marginQ8) => {
    const gate = bareGate(parameters, marginQ8);
    const replay = replayGate(gate, records, windows, doubts.rows, 1, { doubts });
    return { told: replay.told, offloads: replay.offloaded.reduce((a, b) => a + b, 0) };
  });
  return told.map((answer, i) => Number(answer === windows.labels[i]));
}

export type WorkFigures = readonly {
  /** Accuracy by entry of `WORK_SHARES`, 0..1. */
  readonly told: readonly number[];
  readonly compared: Interval;
  readonly lessWhole: Interval;
  /** By what the node makes of verdicts. */
  readonly taught: Interval;
}[];

/** @param whole which form is the teacher on whole int8 windows */
export function workFigures(subjects: readonly SubjectWork[], whole: number): WorkFigures {
  const bySubject = [...Map.groupBy(subjects, ({ subject }) => subject).values()];
  const random = prng(1, "bench-split-work");
  const over = (take: (of: SubjectWork) => number): Interval =>
    bootstrapInterval(bySubject, shareOf(take), random);
  return (subjects[0]?.forms ?? []).map((_form, f) => {
    const right = (of: SubjectWork, form: number): number =>
      of.forms[form]?.told[COMPARED] ?? Number.NaN;
    return {
      told: WORK_SHARES.map((_share, s) => shareOf((of) => of.forms[f]?.told[s] ?? 0)(subjects)),
      compared: over((of) => right(of, f)),
      lessWhole: over((of) => right(of, f) - right(of, whole)),
      taught: over((of) => right(of, f) - (of.forms[f]?.untaught ?? 0)),
    };
  });
}

function shareOf(take: (of: SubjectWork) => number) {
  return (sums: readonly SubjectWork[]): number =>
    sums.reduce((total, of) => total + take(of), 0) /
    sums.reduce((total, { windows }) => total + windows, 0);
}

export function workLines(
  forms: readonly { readonly bytes: number; readonly encoding: string }[],
  figures: WorkFigures,
): string[] {
  const percent = ({ mean, low, high }: Interval): string =>
    `${(100 * mean).toFixed(2)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
  const shares = WORK_SHARES.filter((share) => [5, 20, 30].includes(share));
  const rows = figures
    .map(({ told, compared, lessWhole, taught }, f) => ({
      bytes: forms[f]?.bytes ?? 0,
      cells: [
        ...[forms[f]?.encoding ?? "", percent(compared), percent(lessWhole), percent(taught)],
        ...shares.map((share) => (100 * (told[WORK_SHARES.indexOf(share)] ?? 0)).toFixed(2)),
      ],
    }))
    .sort((a, b) => b.bytes - a.bytes);
  const head = ["told at 10 %", "less int8 windows", "by teaching the node"];
  return [
    "",
    "What is told of all windows where a share of them is offloaded, with verdicts:",
    ...table([
      ["bytes", "encoding", ...head, ...shares.map((share) => `at ${share} %`)],
      ...rows.map(({ bytes, cells }) => [bytes, ...cells]),
    ]),
  ];
}
