/**
 * What of a node's time is settled, in quarters of an hour: enough for any hour and day of any time
 * zone, bounded however many bouts there were, and added to once for each bout that stands. A ring of
 * numbers, since a gateway holds one for each of its nodes.
 */

import { type Budget, budgetOf, DAY_MS, type Span } from "./budget.ts";
import type { Bout } from "./track.ts";

export const CELL_MS = 900_000;
/** Today, yesterday, and an hour to spare. */
const KEPT_MS = 2 * DAY_MS + 4 * CELL_MS;
/** Quarters that such a time touches, at both ends. */
const CELLS = KEPT_MS / CELL_MS + 2;
const NONE = -(2 ** 31);

export type DayCells = {
  /** Quarters since 1970 by their place in the ring, `NONE` where there is none. */
  readonly quarters: Int32Array;
  /** `[place][class]`, milliseconds */
  readonly sums: Float64Array;
};

export function newDayCells(classes: number): DayCells {
  const quarters = new Int32Array(CELLS).fill(NONE);
  return { quarters, sums: new Float64Array(CELLS * classes) };
}

export function addBout(cells: DayCells, bout: Bout): void {
  const { quarters, sums } = cells;
  const classes = sums.length / CELLS;
  const newestMs = Math.max(bout.endMs, CELL_MS * quarters.reduce((a, b) => Math.max(a, b), NONE));
  let startMs = Math.max(bout.startMs, newestMs - KEPT_MS);
  while (startMs < bout.endMs) {
    const quarter = Math.floor(startMs / CELL_MS);
    const endMs = Math.min(bout.endMs, (quarter + 1) * CELL_MS);
    const at = placeOf(cells, quarter) * classes + bout.classIndex;
    sums[at] = (sums[at] as number) + endMs - startMs;
    startMs = endMs;
  }
  quarters.forEach((quarter, place) => {
    if (quarter * CELL_MS < newestMs - KEPT_MS) quarters[place] = NONE;
  });
}

/** Where a quarter is; what was there before is older than what is kept. */
function placeOf({ quarters, sums }: DayCells, quarter: number): number {
  const place = ((quarter % CELLS) + CELLS) % CELLS;
  if (quarters[place] === quarter) return place;
  const classes = sums.length / CELLS;
  quarters[place] = quarter;
  sums.fill(0, place * classes, (place + 1) * classes);
  return place;
}

/** @param span begins at a quarter; its end is the present, or a quarter
 * @param open bouts that are not in the cells */
export function spanBudget(cells: DayCells, open: readonly Bout[], span: Span): Budget {
  const { quarters, sums } = cells;
  const classes = sums.length / CELLS;
  const budget = budgetOf(open, classes, span);
  const classMs = [...budget.classMs];
  let known = 0;
  quarters.forEach((quarter, place) => {
    if (quarter * CELL_MS < span.startMs || quarter * CELL_MS >= span.endMs) return;
    for (let c = 0; c < classes; c++) {
      const sum = sums[place * classes + c] as number;
      classMs[c] = (classMs[c] ?? 0) + sum;
      known += sum;
    }
  });
  return { ...budget, classMs, unknownMs: budget.unknownMs - known };
}
