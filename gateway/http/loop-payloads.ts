/**
 * What the gateway answers about the loop over HTTP, as types: `label-curve.ts` makes it of the store,
 * and the page shows it. Shares are 0 to 1, with 95 % intervals. `docs/TOPICS.md` is the reference.
 */

/** Were windows offloaded below another confidence. */
export type CurvePoint = {
  /** Of all windows that would be offloaded, audits not counted. */
  readonly share: number;
  readonly share_low: number;
  readonly share_high: number;
  /** Of all windows whose answer would be the teacher's in the end. */
  readonly told: number;
  readonly told_low: number;
  readonly told_high: number;
};

export type LoopCurve = {
  readonly cohort: string;
  readonly model: string;
  /** That run it now. */
  readonly nodes: number;
  /** Answered windows that it is estimated from, and among them audits of equal weight. */
  readonly answers: number;
  readonly audits: number;
  /** With fewer nothing is said: `points` is empty. */
  readonly audits_least: number;
  /** Share of its windows that was offloaded for cause so far; null before the first window. */
  readonly now: number | null;
  /** Least share first. */
  readonly points: readonly CurvePoint[];
};

export type LoopCurves = { readonly v: 1; readonly curves: readonly LoopCurve[] };
