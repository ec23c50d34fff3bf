/**
 * The offloaded windows beside one in the store: of the same life and the same bout, the nearest before
 * and after it. Samples of windows that a node kept to itself are nowhere, so these may be seconds or
 * minutes away; whoever shows them says how far.
 */

import type { DatabaseSync } from "node:sqlite";
import type { Span } from "../../src/behaviour/budget.ts";
import { OFFLOAD_ENCODINGS } from "../../src/wire/messages.ts";
import { BOUT_GAP_WINDOWS } from "../distil/distil-labels.ts";

/** Of codes no samples come back, so that there is nothing to show. */
const FEATURES = OFFLOAD_ENCODINGS.indexOf("features");

export type NearWindows = {
  /** The bout as it is stored; null where none covers the window, and what is close in time counts. */
  readonly bout: Span | null;
  /** Ids, oldest first. */
  readonly before: readonly number[];
  readonly after: readonly number[];
};

type Place = {
  readonly node: number;
  readonly epoch: number;
  readonly seq: number;
  readonly time_ms: number;
  readonly window_index: number;
};

/** Undefined where the node has no such window. @param most on each side */
export function nearOf(
  database: DatabaseSync,
  node: string,
  offloadId: number,
  most: number,
): NearWindows | undefined {
  const place = database
    .prepare(
      `SELECT o.node, o.epoch, o.seq, o.time_ms, o.window_index FROM offloads o
       JOIN nodes n ON n.id = o.node WHERE o.id = ? AND n.name = ?`,
    )
    .get(offloadId, node) as Place | undefined;
  if (place === undefined) return undefined;
  const bout = boutAround(database, place);
  const isNear = ({ time_ms: timeMs, window_index: index }: Place): boolean =>
    bout === null
      ? Math.abs(index - place.window_index) < BOUT_GAP_WINDOWS
      : timeMs > bout.startMs && timeMs <= bout.endMs;
  const beside = (step: "<" | ">"): number[] => {
    const rows = database
      .prepare(
        `SELECT id, time_ms, window_index, encoding FROM offloads
         WHERE node = ? AND epoch = ? AND seq ${step} ? ORDER BY seq ${step === "<" ? "DESC" : "ASC"}`,
      )
      .iterate(place.node, place.epoch, place.seq) as Iterable<
      Place & { readonly id: number; readonly encoding: number }
    >;
    const found: number[] = [];
    for (const row of rows) {
      // Within a life times rise with numbers: beyond the bout there is no more of it.
      if (found.length >= most || !isNear(row)) break;
      if (row.encoding !== FEATURES) found.push(row.id);
    }
    return found;
  };
  return { bout, before: beside("<").reverse(), after: beside(">") };
}

function boutAround(database: DatabaseSync, { node, time_ms: timeMs }: Place): Span | null {
  const row = database
    .prepare(
      `SELECT start_ms, end_ms FROM bouts
       WHERE node = ? AND start_ms < ? AND end_ms >= ? ORDER BY end_ms LIMIT 1`,
    )
    .get(node, timeMs, timeMs) as { start_ms: number; end_ms: number } | undefined;
  return row === undefined ? null : { startMs: row.start_ms, endMs: row.end_ms };
}
