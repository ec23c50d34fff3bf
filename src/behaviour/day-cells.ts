/**
 * What of a node's time is settled, in quarters of an hour: enough for any hour and day of any time
 * zone, bounded however many bouts there were, and added to once for each bout that stands.
 */

import { type Budget, budgetOf, DAY_MS, type Span } from "./budget.ts";
import type { Bout } from "./track.ts";

export const CELL_MS = 900_000;
/** Today, yesterday, and an hour to spare. */
const KEPT_MS = 2 * DAY_MS + 4 * CELL_MS;

/** Milliseconds by class index, by the start of the quarter. */
export type DayCells = Map<number, number[]>;

export function addBout(cells: DayCells, bout: Bout, classes: number): void {
  const newest = Math.max(bout.endMs, ...cells.keys());
  let startMs = Math.max(bout.startMs, newest - KEPT_MS);
  while (startMs < bout.endMs) {
    const cell = Math.floor(startMs / CELL_MS) * CELL_MS;
    const endMs = Math.min(bout.endMs, cell + CELL_MS);
    const sums = cells.get(cell) ?? Array.from({ length: classes }, () => 0);
    sums[bout.classIndex] = (sums[bout.classIndex] ?? 0) + endMs - startMs;
    cells.set(cell, sums);
    startMs = endMs;
  }
  for (const cell of cells.keys()) if (cell < newest - KEPT_MS) cells.delete(cell);
}

/** @param span begins at a quarter; its end is the present, or a quarter
 * @param open bouts that are not in the cells */
export function spanBudget(
  cells: DayCells,
  open: readonly Bout[],
  classes: number,
  span: Span,
): Budget {
  const budget = budgetOf(open, classes, span);
  const classMs = [...budget.classMs];
  let known = 0;
  for (const [cell, sums] of cells) {
    if (cell < span.startMs || cell >= span.endMs) continue;
    sums.forEach((sum, c) => {
      classMs[c] = (classMs[c] ?? 0) + sum;
      known += sum;
    });
  }
  return { ...budget, classMs, unknownMs: budget.unknownMs - known };
}
