/** The herds of one seed: calm ones, and such of which half or all change. */
import { prng } from "../src/prng.ts";
import {
  type CohortDelay,
  cohortDelayOf,
  falseShifts,
  HERD_NODES,
  nodeDays,
} from "./drift-cohort.ts";
import type { Worn } from "./drift-lives.ts";
import type { Collar } from "./drift-sensors.ts";
import { rateFactorOf } from "./drift-shifts.ts";

/** Among them what single nodes see late or not at all. */
const CHANGES = ["natural", "x20", "y20", "z20", "noise-50", "noise-150", "rate-0.8"] as const;
const CHANGED_NODES = [HERD_NODES / 2, HERD_NODES] as const;
const DAY_BEATS = 96;
const CALM_NODE_DAYS = 24;
const CHANGED_NODE_DAYS = 12;
const HERDS = 40;
const CALM_DAYS = 30;

export type CohortAnswers = {
  /** Alarms of each calm herd, in so many days. */
  readonly calm: readonly number[];
  readonly calmDays: number;
  readonly changes: readonly {
    readonly name: string;
    readonly nodes: number;
    readonly delays: readonly CohortDelay[];
  }[];
};

export function cohortAnswers(
  collar: Collar,
  worn: ReadonlyMap<string, Worn>,
  job: { readonly seed: number; readonly quick: boolean },
  onProgress: (share: number) => void,
): CohortAnswers {
  const [count, herds] = job.quick ? [2, 2] : [CALM_NODE_DAYS, HERDS];
  const random = prng(job.seed, "herds");
  const calmDays = job.quick ? 3 : CALM_DAYS;
  const calm = nodeDays(
    collar,
    { worn: collar.calm, rateFactor: 1 },
    { count, beats: DAY_BEATS },
    random,
  );
  onProgress(0.4);
  const names = CHANGES.filter((name) => worn.has(name));
  const changes = names.flatMap((name, i) => {
    const changed = { worn: worn.get(name) as Worn, rateFactor: rateFactorOf(name) };
    const shape = { count: Math.min(count, CHANGED_NODE_DAYS), beats: DAY_BEATS };
    const days = nodeDays(collar, changed, shape, random);
    onProgress(0.4 + (0.6 * (i + 1)) / names.length);
    return CHANGED_NODES.map((nodes) => ({
      name,
      nodes,
      delays: Array.from({ length: herds }, () => cohortDelayOf(calm, days, nodes, random)),
    }));
  });
  const falls = Array.from({ length: herds }, () => falseShifts(calm, calmDays, random));
  return { calm: falls, calmDays, changes };
}
