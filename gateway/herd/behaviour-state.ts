/** What the gateway knows of a herd's bouts between two events: see `behaviour-desk.ts`. */

import type { Budget } from "../../src/behaviour/budget.ts";
import type { DayCells } from "../../src/behaviour/day-cells.ts";
import type { Track, TrackRule } from "../../src/behaviour/track.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { Teacher } from "../teacher/teacher.ts";
import type { BehaviourConfig } from "./behaviour-config.ts";

/** Whatever times a node claims, so many windows of it are held in memory at most. */
const WINDOWS_MAX = 2_048;

type Day = { readonly startMs: number; readonly budget: Budget };

export type NodeBehaviours = {
  readonly track: Track;
  readonly cells: DayCells;
  /** Days that were judged, the newest last. */
  days: readonly Day[];
  /** Bouts went on since they were stored and their budget was told. */
  changed: boolean;
};

export type BehaviourDesk = {
  readonly config: BehaviourConfig;
  readonly rule: TrackRule;
  readonly nodes: Map<NodeId, NodeBehaviours>;
  toldUptimeMs: number;
  /** Start of the hour that was told last. */
  toldHourMs: number;
};

/** How long bouts are taken to last where nobody says: the shortest that is learned of our recordings
 * (`bench -- budget`), since a longer one can swallow bouts. */
export const TYPICAL_MS = 10_000;

/** @param hopMs from one window to the next, @param windowMs how long one is */
export function newBehaviourDesk(
  config: BehaviourConfig,
  { classes, typicalMs = TYPICAL_MS }: Pick<Teacher, "classes" | "typicalMs">,
  { hopMs, windowMs }: { readonly hopMs: number; readonly windowMs: number },
): BehaviourDesk {
  const rule: TrackRule = {
    classes: classes.length,
    hopMs,
    windowMs,
    typicalMs: classes.map((name) => config.typicalMsOf[name] ?? config.typicalMs ?? typicalMs),
    gapMs: config.gapMs,
    openMs: config.openMs,
    windowsMax: WINDOWS_MAX,
  };
  return { config, rule, nodes: new Map(), toldUptimeMs: Number.NEGATIVE_INFINITY, toldHourMs: 0 };
}

export type Spans = {
  readonly startMs: { readonly hour: number; readonly day: number; readonly yesterday: number };
  readonly endMs: number;
  readonly hour: Budget;
  readonly day: Budget;
  readonly yesterday: Budget;
};
