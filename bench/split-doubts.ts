/**
 * What the node's own answer adds to a tail's, on the windows that a calibrated gate sends as doubts.
 *
 * An offload says the node's class and how sure it was, so that a gateway can multiply both
 * (`joint-answer.ts`). What that is worth is chosen on the subjects that gates are calibrated on, whom
 * no model of theirs learned from; those stand beside the tested ones.
 */
import { prng } from "../src/prng.ts";
import { table } from "./benchmark.ts";
import {
  type Doubts,
  type SplitAnswers,
  STUDENT_WEIGHTS,
  type SubjectAnswers,
} from "./split-job.ts";
import { bootstrapInterval, type Interval } from "./subject-bootstrap.ts";

type Group = {
  readonly windows: number;
  /** Accuracy of the node's own answers, 0..1. */
  readonly node: number;
  readonly forms: readonly {
    /** Accuracy of the form's answers, 0..1. */
    readonly alone: number;
    /** What the node's answer adds, in the order of `STUDENT_WEIGHTS`. */
    readonly gained: readonly Interval[];
  }[];
};

export type DoubtFigures = {
  readonly weights: readonly number[];
  readonly tested: Group;
  readonly calibrating: Group;
};

export function doubtFigures(forms: number, answers: readonly SplitAnswers[]): DoubtFigures {
  return {
    weights: STUDENT_WEIGHTS,
    tested: groupOf(
      forms,
      answers.flatMap(({ tested }) => tested),
    ),
    calibrating: groupOf(
      forms,
      answers.flatMap(({ calibrating }) => calibrating),
    ),
  };
}

function groupOf(forms: number, subjects: readonly SubjectAnswers[]): Group {
  const seedsOf = [...Map.groupBy(subjects, ({ subject }) => subject).values()];
  const bySubject = seedsOf.map((seeds) => seeds.map(({ doubts }) => doubts));
  const random = prng(1, "bench-split-doubts");
  const every = bySubject.flat();
  return {
    windows: every.reduce((sum, { windows }) => sum + windows, 0),
    node: shareOf(({ node }) => node)(every),
    forms: Array.from({ length: forms }, (_, f) => {
      const alone = ({ forms: rights }: Doubts): number => rights[f]?.alone ?? 0;
      const gained = STUDENT_WEIGHTS.map((_weight, w) =>
        bootstrapInterval(
          bySubject,
          shareOf((doubts) => (doubts.forms[f]?.together[w] ?? 0) - alone(doubts)),
          random,
        ),
      );
      return { alone: shareOf(alone)(every), gained };
    }),
  };
}

function shareOf(take: (doubts: Doubts) => number) {
  return (sums: readonly Doubts[]): number =>
    sums.reduce((total, doubts) => total + take(doubts), 0) /
    sums.reduce((total, { windows }) => total + windows, 0);
}

type Named = { readonly bytes: number; readonly encoding: string };

export function doubtLines(forms: readonly Named[], figures: DoubtFigures): string[] {
  return [
    ...groupLines("Of what the calibrated gate sends as doubts", forms, figures.tested),
    ...groupLines("The same of the subjects that calibrate", forms, figures.calibrating),
  ];
}

function groupLines(title: string, forms: readonly Named[], group: Group): string[] {
  const percent = (share: number): string => (100 * share).toFixed(1);
  const rows = forms
    .map(({ bytes, encoding }, f) => ({ bytes, encoding, ...group.forms[f] }))
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ bytes, encoding, alone = Number.NaN, gained = [] }) => [
      ...[bytes, encoding, percent(alone)],
      ...gained.map(
        ({ mean, low, high }) => `${percent(mean)} (${percent(low)} to ${percent(high)})`,
      ),
    ]);
  const head = STUDENT_WEIGHTS.map((weight) => `with the node's, weight ${weight}`);
  return [
    "",
    `${title} (${group.windows} windows, ${percent(group.node)} right by the node itself):`,
    ...table([["bytes", "encoding", "accuracy", ...head], ...rows]),
  ];
}
