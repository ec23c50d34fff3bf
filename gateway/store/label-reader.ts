/**
 * Reads the store: what waits for the teacher, what the teacher has answered, what nodes exist.
 *
 * Works on the gateway's own connection, and on one of its own that cannot write: a distiller in
 * another thread reads while the gateway writes, since SQLite's write-ahead log lets both.
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { assert, EdgeError } from "../../src/assert.ts";
import type { Span } from "../../src/behaviour/budget.ts";
import type { Bout } from "../../src/behaviour/track.ts";
import { type AuditCounts, COUNT_NAMES, NO_COUNTS } from "../../src/gate/audit-counts.ts";
import type { CurveAnswer } from "../../src/gate/audit-curve.ts";
import {
  type EncoderId,
  type ModelId,
  NO_MODEL,
  OFFLOAD_ENCODINGS,
  OFFLOAD_REASONS,
  type OffloadHead,
  type WindowEncoding,
  type WindowOffload,
} from "../../src/wire/messages.ts";
import { modelId, nodeId } from "../../src/wire/topics.ts";
import type { HourCount } from "../http/animal-payloads.ts";
import { countHours, offloadsOf, probabilitiesOf, type WholeWindow } from "./label-animal.ts";
import { readBehaviours, readBoutSpan, readBouts, readDays } from "./label-bouts.ts";
import { curveAnswers } from "./label-curve.ts";
import { type NearWindows, nearOf } from "./label-near.ts";
import {
  DEEDS,
  type Deed,
  isLearnable,
  type LastBehaviour,
  type NodeRow,
  type Offload,
  type PersonAnswers,
  type PersonLabel,
  type PersonWord,
  type SoftLabel,
  type SoftLabelQuery,
  type StoredBehaviours,
  type WaitingOffload,
} from "./label-rows.ts";
import { AUDIT_COLUMNS, SELECT } from "./label-schema.ts";

const ANY_ENCODING = OFFLOAD_ENCODINGS.map((_, number) => number);
const LEARNABLE = ANY_ENCODING.filter((number) => {
  const encoding = OFFLOAD_ENCODINGS[number];
  return encoding !== undefined && isLearnable(encoding);
});

type Row = Record<string, number | string | Uint8Array | null>;

/** A connection that only reads. Close it when done. */
export function openLabelReader(file: string): LabelReader & { close(): void } {
  const database = new DatabaseSync(file, { readOnly: true, timeout: 5_000 });
  const reader = new LabelReader(database);
  return Object.assign(reader, { close: () => database.close() });
}

export class LabelReader {
  readonly #database: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Nodes with offloads that no teacher has answered. */
  waitingNodes(): WaitingOffload["node"][] {
    return this.#all(SELECT.waitingNodes).map((row) => nodeId(String(row.name), "label log"));
  }

  /** A node's unanswered offloads above an id, oldest first. */
  waiting(node: string, afterId: number, limit: number): WaitingOffload[] {
    return this.#all(SELECT.waiting(this.#encodingColumns()), node, afterId, limit).map((row) => ({
      offloadId: Number(row.id),
      node: nodeId(String(row.name), "label log"),
      offload: offloadOf(row),
    }));
  }

  /** What a teacher has answered, with its windows. */
  softLabels(query: SoftLabelQuery = {}): SoftLabel[] {
    return this.#all(
      SELECT.softLabels(
        this.#encodingColumns(),
        query.learnableOnly ? LEARNABLE : ANY_ENCODING,
        query.newestFirst ?? false,
      ),
      query.afterId ?? 0,
      query.sinceMs ?? 0,
      query.trustedOnly ? 1 : 0,
      query.fromMs ?? 0,
      query.toMs ?? Number.MAX_SAFE_INTEGER,
      query.limit ?? -1,
    ).map(softLabelOf);
  }

  /** One window that the teacher has answered; undefined for any other id. */
  softLabel(offloadId: number): SoftLabel | undefined {
    const [row] = this.#all(SELECT.softLabel(this.#encodingColumns()), offloadId);
    return row === undefined ? undefined : softLabelOf(row);
  }

  /** Windows that a person has labelled or passed over. */
  personAnswers(): PersonAnswers {
    const hasTable = this.#all(SELECT.hasPeople).length > 0;
    const rows = hasTable ? this.#all(SELECT.personAnswers) : [];
    const of = (deed: Deed): Set<number> =>
      new Set(
        rows.filter((row) => row.deed === DEEDS.indexOf(deed)).map((row) => Number(row.offload)),
      );
    return { labelled: of("label"), skipped: of("skip") };
  }

  /** What people say of all windows. */
  personWords(): PersonWord[] {
    const hasTable = this.#all(SELECT.hasPeople).length > 0;
    const rows = hasTable ? this.#all(SELECT.personWords) : [];
    return rows.map((row) => {
      return {
        offloadId: Number(row.offload),
        classIndex: Number(row.class),
        who: String(row.who),
      };
    });
  }

  /** How many labels of people above an id count, and when the newest was given. */
  personFresh(afterId: number): { readonly fresh: number; readonly newestMs: number } {
    if (this.#all(SELECT.hasPeople).length === 0) return { fresh: 0, newestMs: 0 };
    const [row] = this.#all(SELECT.personFresh, afterId);
    return { fresh: Number(row?.fresh ?? 0), newestMs: Number(row?.newest_ms ?? 0) };
  }

  /** What people say that windows are, the newest answers first. */
  personLabels(limit: number): PersonLabel[] {
    if (this.#all(SELECT.hasPeople).length === 0) return [];
    const sql = SELECT.personLabels(this.#encodingColumns());
    return this.#all(sql, limit).map((row) => ({
      ...softLabelOf(row),
      personId: Number(row.person_id),
      personClass: Number(row.person_class),
      who: String(row.who),
      labelledMs: Number(row.labelled_ms),
    }));
  }

  softLabelCount(): { readonly total: number; readonly trusted: number } {
    const [row] = this.#all(SELECT.softLabelCount);
    return { total: Number(row?.total ?? 0), trusted: Number(row?.trusted ?? 0) };
  }

  knows(node: string): boolean {
    return this.#all(SELECT.nodeNamed, node).length > 0;
  }

  nodes(): NodeRow[] {
    return this.#all(SELECT.nodes).map((row) => this.#nodeOf(row));
  }

  /** What audits have said of each model, on all nodes that ever ran it. */
  modelAudits(): ReadonlyMap<ModelId, AuditCounts> {
    if (this.#all(SELECT.hasAuditCounts).length === 0) return new Map();
    const rows = this.#all(SELECT.modelAudits);
    return new Map(rows.map((row) => [modelNamed(row.model), countsOf(row)] as const));
  }

  /** What a start goes on from; `sinceMs` is where budgets begin. */
  behaviours(node: string, sinceMs: number, classes: number): StoredBehaviours {
    return readBehaviours(this.#database, node, sinceMs, classes);
  }

  /** A node's bouts that touch a stretch of time, oldest first. */
  bouts(node: string, fromMs: number, toMs: number): Bout[] {
    return readBouts(this.#database, node, fromMs, toMs);
  }

  /** From the start of a node's first bout to the end of its last; undefined where it has none. */
  boutSpan(node: string): Span | undefined {
    return readBoutSpan(this.#database, node);
  }

  /** What the present teacher's classes are called; undefined where no gateway has said so yet. */
  classes(): readonly string[] | undefined {
    if (this.#all(SELECT.hasTeachers).length === 0) return undefined;
    const [row] = this.#all(SELECT.classes);
    return row === undefined ? undefined : (JSON.parse(String(row.classes)) as string[]);
  }

  /** Days of a node that were judged, oldest first. */
  days(node: string, classes: number): StoredBehaviours["days"] {
    return readDays(this.#database, node, classes);
  }

  hours(node: string, span: Span): HourCount[] {
    return countHours(this.#database, node, span);
  }

  offloads(node: string, span: Span, limit: number): ReturnType<typeof offloadsOf> {
    return offloadsOf(this.#database, node, span, limit);
  }

  /** An offloaded window of a node, whole. */
  window(node: string, offloadId: number): WholeWindow | undefined {
    const [row] = this.#all(SELECT.window(this.#encodingColumns()), offloadId, node);
    if (row === undefined) return undefined;
    const answer = row.probabilities === null ? null : answerOf(row);
    return { offloadId, offload: offloadOf(row), answer };
  }

  /** Offloaded windows of the same bout; undefined where the node has no such window. */
  near(node: string, offloadId: number, most: number): NearWindows | undefined {
    return nearOf(this.#database, node, offloadId, most);
  }

  /** A model's newest windows with a trusted answer. */
  curveAnswers(model: string): CurveAnswer[] {
    return curveAnswers(this.#database, model);
  }

  #nodeOf(row: Row): NodeRow {
    const [last] = this.#all(SELECT.lastBehaviour, Number(row.id), Number(row.epoch));
    return {
      node: nodeId(String(row.name), "label log"),
      epoch: Number(row.epoch),
      firmware: String(row.firmware),
      cohort: String(row.cohort),
      modelId: modelNamed(row.model),
      releaseSequence: Number(row.release),
      formatVersion: Number(row.format),
      slotBytes: Number(row.slot_bytes),
      ramBytes: Number(row.ram_bytes),
      wakeMs: Number(row.wake_ms),
      lastSeenMs: Number(row.last_seen_ms),
      batteryPercent: row.battery === null ? null : Number(row.battery),
      driftQ8: Number(row.drift_q8),
      alarm: row.alarm === 1,
      dropped: Number(row.dropped),
      windows: Number(row.windows),
      offloads: Number(row.offloads),
      trusted: Number(row.trusted),
      agreed: Number(row.agreed),
      counts: this.#countsOf(Number(row.id), String(row.model)),
      last: last === undefined ? null : lastBehaviourOf(last),
    };
  }

  #countsOf(node: number, model: string): AuditCounts {
    // A log of before the table, read without a gateway that would make it.
    if (this.#all(SELECT.hasAuditCounts).length === 0) return NO_COUNTS;
    const [row] = this.#all(SELECT.auditCounts, node, model);
    return countsOf(row ?? {});
  }

  /** A log of before the columns, read without a gateway that would add them, holds int8 alone. */
  #encodingColumns(): string {
    const encoding = this.#all(SELECT.hasEncoding).length > 0 ? "o.encoding" : "0 AS encoding";
    const encoder = this.#all(SELECT.hasEncoder).length > 0 ? "o.encoder" : "'' AS encoder";
    return `${encoding}, ${encoder}`;
  }

  #all(sql: string, ...values: (number | string)[]): Row[] {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#database.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement.all(...values) as Row[];
  }
}

function countsOf(row: Row): AuditCounts {
  const pairs = COUNT_NAMES.map((name, i) => [name, Number(row[AUDIT_COLUMNS[i] ?? ""] ?? 0)]);
  return Object.fromEntries(pairs) as AuditCounts;
}

/** SQLite's check does not see a letter that a disk has changed: such a row is nobody's model, and
 * must not keep a gateway from the others. */
function modelNamed(text: Row[string] | undefined): ModelId {
  try {
    return modelId(String(text), "label log");
  } catch (error) {
    if (error instanceof EdgeError) return NO_MODEL;
    throw error;
  }
}

function offloadOf(row: Row): Offload {
  const encoding = OFFLOAD_ENCODINGS[Number(row.encoding)] ?? "int8";
  if (encoding !== "features") return windowOf(row, encoding);
  const codes = row.window as Uint8Array;
  return { ...headOf(row), encoding, encoder: String(row.encoder) as EncoderId, codes };
}

function headOf(row: Row): OffloadHead {
  return {
    kind: "offload",
    epoch: Number(row.epoch),
    seq: Number(row.seq),
    modelId: modelNamed(row.model),
    windowIndex: Number(row.window_index),
    timeMs: Number(row.time_ms),
    reason: OFFLOAD_REASONS[Number(row.reason)] ?? "unsure",
    chanceQ16: Number(row.chance_q16),
    classIndex: Number(row.class),
    confidenceQ8: Number(row.confidence_q8),
    exit: Number(row.exit),
  };
}

function windowOf(row: Row, encoding: WindowEncoding): WindowOffload {
  const window = row.window as Uint8Array;
  return {
    ...headOf(row),
    windowSamples: Number(row.samples),
    channels: Number(row.channels),
    inputMilligPerStep: Number(row.millig_per_step),
    rateCentihertz: Number(row.rate_chz),
    encoding,
    window: new Int8Array(window.buffer, window.byteOffset, window.byteLength),
  };
}

function softLabelOf(row: Row): SoftLabel {
  const { kind: _kind, ...offload } = offloadOf(row);
  assert(offload.encoding !== "features", "soft labels are read of windows only");
  const node = nodeId(String(row.name), "label log");
  return { ...offload, offloadId: Number(row.id), node, ...answerOf(row) };
}

function answerOf(row: Row): NonNullable<WholeWindow["answer"]> {
  return {
    teacherId: String(row.teacher),
    trusted: row.trusted === 1,
    answeredMs: Number(row.answered_ms),
    probabilities: probabilitiesOf(row.probabilities as Uint8Array),
  };
}

function lastBehaviourOf(row: Row): LastBehaviour {
  return {
    epoch: Number(row.epoch),
    windowIndex: Number(row.window_index),
    timeMs: Number(row.time_ms),
    classIndex: Number(row.class),
    confidenceQ8: Number(row.confidence_q8),
    exit: Number(row.exit),
    modelId: modelNamed(row.model),
  };
}
