/** What becomes of each class, which the means over all of them hide. */
import { confusionOf } from "../src/learn/metrics.ts";
import { table } from "./benchmark.ts";

export type ClassFigures = {
  readonly name: string;
  readonly windows: number;
  /** Share of its windows that are told as it, 0..1; and of what is told as it, the share that is. */
  readonly recall: number;
  readonly precision: number;
  /** What its windows are most often taken for instead, and how large a share of them. */
  readonly takenFor: { readonly name: string; readonly share: number } | undefined;
};

export function classFigures(
  classes: readonly string[],
  labels: ArrayLike<number>,
  predicted: ArrayLike<number>,
): readonly ClassFigures[] {
  const count = classes.length;
  const confusion = confusionOf(count, labels, predicted);
  const at = (truth: number, told: number): number => confusion[truth * count + told] as number;
  return classes.map((name, c) => {
    const all = classes.map((_, other) => other);
    const windows = all.reduce((sum, other) => sum + at(c, other), 0);
    const told = all.reduce((sum, other) => sum + at(other, c), 0);
    const others = all.filter((other) => other !== c && at(c, other) > 0);
    const most = others.sort((a, b) => at(c, b) - at(c, a))[0];
    return {
      name,
      windows,
      recall: windows === 0 ? 0 : at(c, c) / windows,
      precision: told === 0 ? 0 : at(c, c) / told,
      takenFor:
        most === undefined
          ? undefined
          : { name: classes[most] as string, share: at(c, most) / windows },
    };
  });
}

/** One line a class: the student's figures, and the teacher's recall beside them. */
export function classTable(
  student: readonly ClassFigures[],
  teacher: readonly ClassFigures[],
): string[] {
  const head = ["", "windows", "told (recall)", "right (precision)", "teacher's recall"];
  const rows = student.map((one, c) => [
    one.name,
    one.windows,
    one.recall.toFixed(3),
    one.precision.toFixed(3),
    (teacher[c]?.recall ?? 0).toFixed(3),
    one.takenFor === undefined
      ? ""
      : `${one.takenFor.name} ${(100 * one.takenFor.share).toFixed(0)} %`,
  ]);
  return table([[...head, "else most often taken for"], ...rows]);
}
