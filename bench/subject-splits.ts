/**
 * Who learns and who is tested: subjects as `--train` and `--test` name them, else dealt into folds.
 *
 * Every subject is tested by models that never saw it. All benchmarks deal with the same seed, so
 * that their figures are about the same folds.
 */
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { foldsBySubject, type SubjectFold, subjectsOf } from "../src/signal/splits.ts";
import { askedOverrides } from "./asked-profile.ts";
import type { BenchmarkOptions } from "./benchmark.ts";

export type Split = { readonly train: readonly string[]; readonly test: readonly string[] };

const DEFAULT_FOLDS = 3;
/** With this many subjects or fewer each is a fold of its own. */
const FEW_SUBJECTS = 6;
const SPLIT_SEED = 1;

/** The folds; one alone where `--test` names subjects, or in a quick run. */
export async function subjectSplits(
  folder: string,
  options: BenchmarkOptions,
): Promise<readonly Split[]> {
  const known = await knownSubjects(folder, options);
  const both = options.test.filter((subject) => options.train.includes(subject));
  if (both.length > 0) {
    throw new EdgeError({
      code: "subject-twice",
      message: `${both.join(", ")} in both --train and --test: that measures memory`,
      where: folder,
      hint: "Name each subject once.",
    });
  }
  if (options.test.length > 0) {
    const train =
      options.train.length > 0
        ? options.train
        : known.filter((subject) => !options.test.includes(subject));
    return [{ train, test: options.test }];
  }
  if (options.quick) {
    const half = Math.ceil(known.length / 2);
    return [{ train: known.slice(0, half), test: known.slice(half) }];
  }
  return dealtFolds(known, options);
}

/**
 * Subjects with usable windows, in order.
 *
 * @throws EdgeError `unknown-subject` where `--train` or `--test` names another
 */
export async function knownSubjects(
  folder: string,
  options: BenchmarkOptions,
  given?: Profile,
): Promise<readonly string[]> {
  const recordings = await readRecordings(folder);
  const profile = given ?? profileFor(recordings, askedOverrides(recordings, options));
  const known = subjectsOf(makeWindows(recordings, profile));
  for (const subject of [...options.train, ...options.test]) {
    if (known.includes(subject)) continue;
    throw new EdgeError({
      code: "unknown-subject",
      message: `there is no subject ${subject} with usable windows`,
      where: folder,
      hint: `Subjects: ${known.join(", ")}.`,
    });
  }
  return known;
}

/** Folds over `--train`, else over all; `validationPart` sets one training subject in so many
 * aside. */
export function dealtFolds(
  known: readonly string[],
  options: BenchmarkOptions,
  validationPart?: number,
): readonly SubjectFold[] {
  const subjects = options.train.length > 0 ? options.train : known;
  const few = subjects.length <= FEW_SUBJECTS;
  const folds = wholeOption(options, "folds") ?? (few ? subjects.length : DEFAULT_FOLDS);
  const learners = subjects.length - Math.ceil(subjects.length / folds);
  const validationSubjects =
    validationPart === undefined ? 0 : Math.max(1, Math.floor(learners / validationPart));
  return foldsBySubject(subjects, { folds, seed: SPLIT_SEED, validationSubjects });
}

/** `--name N`. */
export function wholeOption(options: BenchmarkOptions, name: string): number | undefined {
  const text = options.extra[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1) return value;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench",
    hint: "Give a whole number from 1 up.",
  });
}
