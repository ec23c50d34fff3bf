/**
 * What pages ask of one node in the store: its hours, the windows it offloaded, and one of them whole.
 *
 * Nothing here needs an index over time: within one life of a node times rise with its numbers, so
 * that where a stretch of time begins is found by halving. Of a node whose clock was put back some
 * windows of that life may be missed.
 */

import type { DatabaseSync } from "node:sqlite";
import { HOUR_MS, type Span } from "../../src/behaviour/budget.ts";
import { OFFLOAD_REASONS } from "../../src/wire/messages.ts";
import type { HourCount } from "../http/animal-payloads.ts";
import type { Offload, SoftLabel } from "./label-rows.ts";

/** Lives of a node that are looked through: one every ten minutes for a month. */
const LIVES_MAX = 4_096;

/** Windows that are put in order at once: one every 4 s of a day. */
const GATHERED_MAX = 21_600;

/** A window that was offloaded, without its samples. */
export type OffloadedWindow = Pick<
  Offload,
  "timeMs" | "reason" | "classIndex" | "confidenceQ8" | "exit"
> & {
  readonly offloadId: number;
  /** What the teacher said; null while it has said nothing. */
  readonly answer: { readonly probabilities: Float32Array; readonly trusted: boolean } | null;
};

/** One that was offloaded, and its soft label where there is one. */
export type WholeWindow = {
  readonly offloadId: number;
  readonly offload: Offload;
  readonly answer: Pick<SoftLabel, "probabilities" | "trusted" | "teacherId" | "answeredMs"> | null;
};

type Row = Record<string, number | string | Uint8Array | null>;

/** Table, and what counts its rows up within a life. */
const NUMBERS = {
  offloads: "seq",
  behaviours: "window_index",
} as const;

/** Windows reported, and how many of them offloaded, hour by hour from the start of a span. */
export function countHours(database: DatabaseSync, node: string, span: Span): HourCount[] {
  const hours = Array.from({ length: Math.ceil((span.endMs - span.startMs) / HOUR_MS) }, () => {
    return { windows: 0, offloads: 0 };
  });
  for (const row of rowsOf(database, "behaviours", "time_ms, offloaded", node, span)) {
    const hour = hours[Math.floor((Number(row.time_ms) - span.startMs) / HOUR_MS)];
    if (hour === undefined) continue;
    hour.windows++;
    hour.offloads += Number(row.offloaded);
  }
  return hours;
}

/** By the end of the window, oldest first: the first `limit` of a span, and whether there are more. */
export function offloadsOf(
  database: DatabaseSync,
  node: string,
  span: Span,
  limit: number,
): { readonly windows: OffloadedWindow[]; readonly more: boolean } {
  const columns = "id, time_ms, reason, class, confidence_q8, exit";
  const label = database.prepare("SELECT trusted, probabilities FROM labels WHERE offload = ?");
  const found: OffloadedWindow[] = [];
  for (const row of rowsOf(database, "offloads", columns, node, span)) {
    const answer = label.get(Number(row.id)) as Row | undefined;
    found.push({
      offloadId: Number(row.id),
      timeMs: Number(row.time_ms),
      reason: OFFLOAD_REASONS[Number(row.reason)] ?? "unsure",
      classIndex: Number(row.class),
      confidenceQ8: Number(row.confidence_q8),
      exit: Number(row.exit),
      answer:
        answer === undefined
          ? null
          : {
              probabilities: probabilitiesOf(answer.probabilities as Uint8Array),
              trusted: answer.trusted === 1,
            },
    });
    if (found.length >= GATHERED_MAX) break;
  }
  // Lives are numbered by chance, so that all are gathered before some are left out.
  found.sort((a, b) => a.timeMs - b.timeMs || a.offloadId - b.offloadId);
  return { windows: found.slice(0, limit), more: found.length > limit };
}

/** As they are stored: floats of four bytes. */
export function probabilitiesOf(stored: Uint8Array): Float32Array {
  // A copy, since a float view needs an offset that is a multiple of four.
  return new Float32Array(stored.slice().buffer);
}

/** Life by life. */
function* rowsOf(
  database: DatabaseSync,
  table: keyof typeof NUMBERS,
  columns: string,
  node: string,
  span: Span,
): Generator<Row> {
  const known = database.prepare("SELECT id FROM nodes WHERE name = ?").get(node) as
    | Row
    | undefined;
  if (known === undefined) return;
  const id = Number(known.id);
  const number = NUMBERS[table];
  const nextLife = database.prepare(
    `SELECT epoch FROM ${table} WHERE node = ? AND epoch > ? ORDER BY epoch LIMIT 1`,
  );
  const rows = database.prepare(
    `SELECT ${columns} FROM ${table} WHERE node = ? AND epoch = ? AND ${number} >= ?
     ORDER BY ${number}`,
  );
  let epoch = -1;
  for (let lives = 0; lives < LIVES_MAX; lives++) {
    const life = nextLife.get(id, epoch) as { epoch: number } | undefined;
    if (life === undefined) return;
    epoch = life.epoch;
    const first = firstSince(database, table, id, epoch, span.startMs);
    for (const row of rows.iterate(id, epoch, first) as Iterable<Row>) {
      if (Number(row.time_ms) >= span.endMs) break;
      yield row;
    }
  }
}

/** The first number of a life at or after a moment, or one more than the last. */
function firstSince(
  database: DatabaseSync,
  table: keyof typeof NUMBERS,
  id: number,
  epoch: number,
  fromMs: number,
): number {
  const number = NUMBERS[table];
  const last = database
    .prepare(`SELECT max(${number}) AS last FROM ${table} WHERE node = ? AND epoch = ?`)
    .get(id, epoch) as { last: number };
  const from = database.prepare(
    `SELECT ${number} AS at, time_ms FROM ${table} WHERE node = ? AND epoch = ? AND ${number} >= ?
     ORDER BY ${number} LIMIT 1`,
  );
  let low = 0;
  let high = last.last + 1;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const row = from.get(id, epoch, middle) as { at: number; time_ms: number } | undefined;
    if (row === undefined || row.time_ms >= fromMs) high = middle;
    else low = row.at + 1;
  }
  return low;
}
