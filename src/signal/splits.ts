/**
 * Splits that do not lie: by subject, and by bout within subjects.
 *
 * Windows of one bout overlap and are nearly copies of each other, and windows of one subject share
 * how the collar sits. A split by window measures memory; these measure what a new animal, or a new
 * bout of a known one, will see.
 */

import { assert, EdgeError } from "../assert.ts";
import { below, prng, shuffle } from "../prng.ts";
import type { WindowSet } from "./window-set.ts";

export type SubjectFold = {
  readonly train: readonly string[];
  /** For early stopping and for choosing settings; never in `train` or `test`. */
  readonly validation: readonly string[];
  readonly test: readonly string[];
};

/** The subjects of a set, sorted by number where they are numbers. */
export function subjectsOf(set: WindowSet): readonly string[] {
  return [...new Set(set.subjects)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
}

/** Indices of the windows of these subjects, in order. */
export function windowsOfSubjects(set: WindowSet, subjects: readonly string[]): readonly number[] {
  const wanted = new Set(subjects);
  const indices: number[] = [];
  set.subjects.forEach((subject, i) => {
    if (wanted.has(subject)) indices.push(i);
  });
  return indices;
}

/**
 * Subjects dealt into `folds` groups; each group is the test once. Groups differ by one subject at
 * most. Of the rest, `validationSubjects` are set aside.
 *
 * @throws EdgeError `too-few-subjects`
 */
export function foldsBySubject(
  subjects: readonly string[],
  options: { readonly folds: number; readonly seed: number; readonly validationSubjects?: number },
): readonly SubjectFold[] {
  const { folds, seed, validationSubjects = 0 } = options;
  if (subjects.length < folds || folds < 2) {
    throw new EdgeError({
      code: "too-few-subjects",
      message: `${subjects.length} subjects cannot be dealt into ${folds} folds`,
      where: "split",
      hint: "Use 2 folds or more and at most as many as there are subjects.",
    });
  }
  const dealt = [...subjects];
  shuffle(prng(seed, "folds"), dealt);
  return Array.from({ length: folds }, (_, fold) => {
    const test = dealt.filter((_, i) => i % folds === fold);
    const rest = dealt.filter((_, i) => i % folds !== fold);
    return { ...holdOut(rest, validationSubjects, seed + fold), test };
  });
}

/**
 * Sets `count` subjects aside for validation.
 *
 * @throws EdgeError `too-few-subjects` when nobody would be left to train on
 */
export function holdOut(
  subjects: readonly string[],
  count: number,
  seed: number,
): { readonly train: readonly string[]; readonly validation: readonly string[] } {
  if (count >= subjects.length) {
    throw new EdgeError({
      code: "too-few-subjects",
      message: `${count} of ${subjects.length} subjects for validation leaves none to train on`,
      where: "split",
      hint: "Ask for fewer folds or fewer validation subjects.",
    });
  }
  const dealt = [...subjects];
  shuffle(prng(seed, "validation"), dealt);
  return { train: dealt.slice(count), validation: dealt.slice(0, count) };
}

export type BoutSplit = {
  /** Window indices; no bout has windows in both, except those counted in `cutBouts`. */
  readonly first: readonly number[];
  readonly second: readonly number[];
  /** Bouts that had to be cut in time because they were the only one of their class. The windows
   * that overlap the cut are in neither part. */
  readonly cutBouts: number;
};

/**
 * Splits windows by bout, each class by itself, so that `first` has about `share` of each class.
 * Large bouts are dealt first, each to the part that is furthest below its share, so that one long
 * rest does not decide the balance; equal bouts fall by chance.
 *
 * @param indices windows to split, for instance those of some subjects
 * @param options `overlapWindows`: how many windows after one share samples with it; 1 when the hop
 * is half a window, the default
 */
export function splitBouts(
  set: WindowSet,
  indices: readonly number[],
  seed: number,
  options: { readonly share?: number; readonly overlapWindows?: number } = {},
): BoutSplit {
  const { share = 0.5, overlapWindows = 1 } = options;
  assert(share > 0 && share < 1, "a share between 0 and 1");
  const random = prng(seed, "bouts");
  const first: number[] = [];
  const second: number[] = [];
  let cutBouts = 0;
  for (const bouts of boutsByClass(set, indices)) {
    if (bouts.length === 1) {
      const cut = cutBout(bouts[0] ?? [], share, overlapWindows);
      first.push(...cut.before);
      second.push(...cut.after);
      cutBouts++;
      continue;
    }
    shuffle(random, bouts);
    bouts.sort((a, b) => b.length - a.length);
    let inFirst = 0;
    let inSecond = 0;
    bouts.forEach((bout, i) => {
      const firstLack = inFirst / share;
      const secondLack = inSecond / (1 - share);
      // The last bout goes where there is none yet, so that every class is in both parts.
      const mustFirst = i === bouts.length - 1 && inFirst === 0;
      const mustSecond = i === bouts.length - 1 && inSecond === 0;
      const level = firstLack === secondLack ? below(random, 2) === 0 : firstLack < secondLack;
      if (mustFirst || (!mustSecond && level)) {
        first.push(...bout);
        inFirst += bout.length;
      } else {
        second.push(...bout);
        inSecond += bout.length;
      }
    });
  }
  return { first: first.sort(ascending), second: second.sort(ascending), cutBouts };
}

function ascending(a: number, b: number): number {
  return a - b;
}

/** Per class, the bouts as lists of window indices in order of time. */
function boutsByClass(set: WindowSet, indices: readonly number[]): number[][][] {
  const classes = new Map<number, Map<number, number[]>>();
  for (const index of [...indices].sort(ascending)) {
    const label = set.labels[index] ?? 0;
    const bout = set.bouts[index] ?? 0;
    const bouts = classes.get(label) ?? new Map<number, number[]>();
    const windows = bouts.get(bout) ?? [];
    windows.push(index);
    bouts.set(bout, windows);
    classes.set(label, bouts);
  }
  return [...classes.entries()].sort(([a], [b]) => a - b).map(([, bouts]) => [...bouts.values()]);
}

/** Cuts one bout in time and leaves out the windows which share samples with the other side. */
function cutBout(
  windows: readonly number[],
  share: number,
  overlapWindows: number,
): { readonly before: readonly number[]; readonly after: readonly number[] } {
  const cut = Math.max(1, Math.round(windows.length * share));
  return { before: windows.slice(0, cut), after: windows.slice(cut + overlapWindows) };
}
