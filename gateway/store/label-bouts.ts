/**
 * Bouts and days in the store: their tables, what is written, and what a start reads back.
 *
 * Of a bout there is one row for as long as it is told, replaced as it grows or is corrected. Nothing
 * here is lost with a crash: what is not stored yet is worked out again from the windows and labels,
 * which are.
 */

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { DAY_MS, type Span } from "../../src/behaviour/budget.ts";
import type { Answer, SeenWindow } from "../../src/behaviour/open-windows.ts";
import type { Bout } from "../../src/behaviour/track.ts";
import { probabilitiesOf } from "./label-animal.ts";
import type { StoredBehaviours, StoreRow } from "./label-rows.ts";

export const BOUT_TABLES = `
CREATE TABLE IF NOT EXISTS bouts (
  node INTEGER NOT NULL,
  number INTEGER NOT NULL,
  class INTEGER NOT NULL,
  start_ms REAL NOT NULL,
  end_ms REAL NOT NULL,
  confidence REAL NOT NULL,
  windows INTEGER NOT NULL,
  taught INTEGER NOT NULL,
  over INTEGER NOT NULL,
  stands INTEGER NOT NULL,
  PRIMARY KEY (node, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bouts_end ON bouts (node, end_ms);
CREATE TABLE IF NOT EXISTS behaviour_days (
  node INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  class INTEGER NOT NULL,
  ms REAL NOT NULL,
  PRIMARY KEY (node, start_ms, class)
) WITHOUT ROWID;
`;

/** The class of time that nobody knows. */
const UNKNOWN = -1;

export const BOUT_INSERT = {
  putBout: `INSERT OR REPLACE INTO bouts (node, number, class, start_ms, end_ms, confidence, windows,
    taught, over, stands) VALUES (?,?,?,?,?,?,?,?,?,?)`,
  dropBout: "DELETE FROM bouts WHERE node = ? AND number = ?",
  day: "INSERT OR REPLACE INTO behaviour_days (node, start_ms, class, ms) VALUES (?,?,?,?)",
} as const;

type Statements = { readonly [Name in keyof typeof BOUT_INSERT]: StatementSync };

export function storeBouts(
  statements: Statements,
  node: number,
  { put, drop }: Extract<StoreRow, { kind: "bouts" }>,
): void {
  for (const number of drop) statements.dropBout.run(node, number);
  for (const bout of put) {
    statements.putBout.run(
      node,
      bout.number,
      bout.classIndex,
      bout.startMs,
      bout.endMs,
      bout.confidence,
      bout.windows,
      bout.taught,
      bout.over ? 1 : 0,
      bout.stands ? 1 : 0,
    );
  }
}

export function storeDay(
  statements: Statements,
  node: number,
  { startMs, budget }: Extract<StoreRow, { kind: "day" }>,
): void {
  budget.classMs.forEach((ms, c) => {
    statements.day.run(node, startMs, c, ms);
  });
  statements.day.run(node, startMs, UNKNOWN, budget.unknownMs);
}

type Row = Record<string, number>;

/** Bouts of a node that touch a stretch of time, oldest first; none from a log without the table. */
export function readBouts(
  database: DatabaseSync,
  node: string,
  fromMs: number,
  toMs: number,
): (Bout & { readonly stands: boolean })[] {
  if (!hasTable(database)) return [];
  const rows = database
    .prepare(
      `SELECT b.* FROM bouts b JOIN nodes n ON n.id = b.node
       WHERE n.name = ? AND b.end_ms > ? AND b.start_ms < ? ORDER BY b.start_ms`,
    )
    .all(node, fromMs, toMs) as Row[];
  return rows.map(boutOf);
}

/** From the start of a node's first bout to the end of its last; undefined where it has none. */
export function readBoutSpan(database: DatabaseSync, node: string): Span | undefined {
  if (!hasTable(database)) return undefined;
  const row = one(
    database,
    `SELECT count(*) AS bouts, coalesce(min(b.start_ms), 0) AS start_ms,
       coalesce(max(b.end_ms), 0) AS end_ms
     FROM bouts b JOIN nodes n ON n.id = b.node WHERE n.name = ?`,
    node,
  );
  if (row === undefined || row.bouts === 0) return undefined;
  return { startMs: Number(row.start_ms), endMs: Number(row.end_ms) };
}

/** What a start goes on from. Windows are read from the last bout that stands, whatever its age. */
export function readBehaviours(
  database: DatabaseSync,
  node: string,
  sinceMs: number,
  classes: number,
): StoredBehaviours {
  const id = Number(one(database, "SELECT id FROM nodes WHERE name = ?", node)?.id ?? -1);
  const newest = one(
    database,
    "SELECT * FROM bouts WHERE node = ? AND stands = 1 ORDER BY end_ms DESC LIMIT 1",
    id,
  );
  const last = newest === undefined ? null : boutOf(newest);
  const next = one(
    database,
    "SELECT coalesce(max(number), 0) + 1 AS next FROM bouts WHERE node = ?",
    id,
  );
  const all = readBouts(database, node, sinceMs, Number.MAX_SAFE_INTEGER);
  const open = openBouts(database, id);
  // A log of before these tables may hold years: what is not in bouts yet begins where budgets do.
  const fromMs = last?.endMs ?? open[0]?.startMs ?? sinceMs;
  return {
    last,
    open,
    next: Number(next?.next ?? 1),
    recent: all.filter(({ stands, classIndex }) => stands && classIndex < classes),
    windows: windowsSince(database, id, fromMs).filter(
      ({ student }) => student.classIndex < classes,
    ),
    days: readDays(database, node, classes),
  };
}

/** Days that were judged, oldest first. */
export function readDays(
  database: DatabaseSync,
  node: string,
  classes: number,
): StoredBehaviours["days"] {
  const rows = database
    .prepare(
      `SELECT d.start_ms, d.class, d.ms FROM behaviour_days d JOIN nodes n ON n.id = d.node
       WHERE n.name = ? ORDER BY d.start_ms DESC LIMIT ?`,
    )
    .all(node, 64 * (classes + 1)) as Row[];
  const days = new Map<number, { classMs: number[]; unknownMs: number }>();
  for (const { start_ms: startMs = 0, class: index = UNKNOWN, ms = 0 } of rows) {
    const day = days.get(startMs) ?? {
      classMs: Array.from({ length: classes }, () => 0),
      unknownMs: 0,
    };
    days.set(startMs, day);
    if (index === UNKNOWN) day.unknownMs = ms;
    else if (index < classes) day.classMs[index] = ms;
  }
  return [...days]
    .map(([startMs, day]) => ({ startMs, budget: { elapsedMs: DAY_MS, ...day } }))
    .reverse();
}

function openBouts(database: DatabaseSync, id: number): Bout[] {
  const rows = database
    .prepare("SELECT * FROM bouts WHERE node = ? AND stands = 0 ORDER BY start_ms")
    .all(id) as Row[];
  return rows.map(boutOf).map(({ stands: _stands, ...bout }) => bout);
}

/** Life by life, backwards until what is older: no index over all windows by time is needed. */
function windowsSince(database: DatabaseSync, id: number, fromMs: number): SeenWindow[] {
  const nextLife = database.prepare(
    "SELECT epoch FROM behaviours WHERE node = ? AND epoch > ? ORDER BY epoch LIMIT 1",
  );
  const windows: SeenWindow[] = [];
  let epoch = -1;
  for (;;) {
    const life = nextLife.get(id, epoch) as { epoch: number } | undefined;
    if (life === undefined) break;
    epoch = life.epoch;
    windows.push(...lifeSince(database, id, epoch, fromMs));
  }
  return windows.sort((a, b) => a.timeMs - b.timeMs);
}

function lifeSince(
  database: DatabaseSync,
  id: number,
  epoch: number,
  fromMs: number,
): SeenWindow[] {
  const rows = database
    .prepare(
      `SELECT window_index, time_ms, class, confidence_q8 FROM behaviours
       WHERE node = ? AND epoch = ? ORDER BY window_index DESC`,
    )
    .iterate(id, epoch) as Iterable<Row>;
  const windows: SeenWindow[] = [];
  for (const row of rows) {
    if (Number(row.time_ms) <= fromMs) break;
    windows.push({
      timeMs: Number(row.time_ms),
      epoch,
      windowIndex: Number(row.window_index),
      student: { classIndex: Number(row.class), confidence: Number(row.confidence_q8) / 255 },
      teacher: null,
    });
  }
  if (windows.length === 0) return windows;
  const answers = answersSince(database, id, epoch, fromMs);
  for (const window of windows) window.teacher = answers.get(window.windowIndex) ?? null;
  return windows;
}

/** The teacher's trusted answers on a life's windows, by their number. */
function answersSince(
  database: DatabaseSync,
  id: number,
  epoch: number,
  fromMs: number,
): Map<number, Answer> {
  const rows = database
    .prepare(
      `SELECT o.window_index, o.time_ms, l.trusted, l.probabilities FROM offloads o
       LEFT JOIN labels l ON l.offload = o.id
       WHERE o.node = ? AND o.epoch = ? ORDER BY o.seq DESC`,
    )
    .iterate(id, epoch) as Iterable<Record<string, number | Uint8Array | null>>;
  const answers = new Map<number, Answer>();
  for (const { window_index: index, time_ms: timeMs, trusted, probabilities } of rows) {
    if (Number(timeMs) <= fromMs) break;
    if (trusted !== 1 || !(probabilities instanceof Uint8Array)) continue;
    const chances = probabilitiesOf(probabilities);
    const confidence = Math.max(...chances);
    answers.set(Number(index), { classIndex: chances.indexOf(confidence), confidence });
  }
  return answers;
}

function hasTable(database: DatabaseSync): boolean {
  return (
    one(database, "SELECT 1 AS is_there FROM sqlite_schema WHERE name = 'bouts'") !== undefined
  );
}

function one(database: DatabaseSync, sql: string, ...values: (string | number)[]): Row | undefined {
  return database.prepare(sql).get(...values) as Row | undefined;
}

function boutOf(row: Row): Bout & { readonly stands: boolean } {
  return {
    number: Number(row.number),
    classIndex: Number(row.class),
    startMs: Number(row.start_ms),
    endMs: Number(row.end_ms),
    confidence: Number(row.confidence),
    windows: Number(row.windows),
    taught: Number(row.taught),
    over: row.over === 1,
    stands: row.stands === 1,
  };
}
