/** What the gateway counts of a node within one beat, and keeps of cohorts: see `cohort-desk.ts`. */

import type { CohortWatch } from "../../src/gate/cohort-watch.ts";

/** Sums of one node since the last beat. */
export type BeatCounts = {
  /** Of the student that it runs. */
  windows: number;
  /** Of any student's, answered by the gate as it was released; and how many of them were offloaded. */
  released: number;
  offloaded: number;
  /** Of each report's drift statistic, as an octave above one deviation, times its windows. */
  novelty: number;
  audits: number;
  disagreed: number;
  /** Whether it has taken another student since. */
  renewed: boolean;
};

export type CohortDesk = {
  readonly watches: Map<string, CohortWatch>;
  beatUptimeMs: number;
};

export function newBeatCounts(): BeatCounts {
  const sums = { windows: 0, released: 0, offloaded: 0, novelty: 0, audits: 0, disagreed: 0 };
  return { ...sums, renewed: false };
}

export function newCohortDesk(): CohortDesk {
  return { watches: new Map(), beatUptimeMs: 0 };
}
