/**
 * The label log: everything that nodes were told is stored for good, in one SQLite file.
 *
 * A batch of rows is one transaction with `synchronous=FULL` on a write-ahead log, so when `commit`
 * returns the rows survive a kill and a power cut of an honest disk; only then may a node be sent an
 * acknowledgement. (node, epoch, seq) is unique, so a row that comes twice is stored once. A commit
 * that fails stores nothing of its batch, and says whether there is hope.
 *
 * A file that SQLite finds damaged is set aside under another name, never repaired in place and never
 * deleted: it holds labels that cannot be had again.
 */

import { existsSync, mkdirSync, renameSync } from "node:fs";
import path from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { EdgeError, unreachable } from "../../src/assert.ts";
import {
  type AuditCounts,
  COUNT_NAMES,
  NO_COUNTS,
  offloadCount,
  verdictCount,
} from "../../src/gate/audit-counts.ts";
import type { ModelId } from "../../src/wire/messages.ts";
import { OFFLOAD_ENCODINGS, OFFLOAD_REASONS } from "../../src/wire/messages.ts";
import { storeBouts, storeDay } from "./label-bouts.ts";
import { storePerson } from "./label-person.ts";
import { LabelReader } from "./label-reader.ts";
import {
  type CommitResult,
  chosenOf,
  isLearnable,
  type Offload,
  type StoredRow,
  type StoreRow,
} from "./label-rows.ts";
import {
  ADD_ENCODER,
  ADD_ENCODING,
  INSERT,
  PUT_TEACHER,
  SCHEMA,
  SCHEMA_VERSION,
  SCHEMA_VERSION_WITHOUT_CODES,
  SELECT,
} from "./label-schema.ts";

export const LABEL_LOG_FILE = "labels.db";

/** SQLite's primary result codes. */
const SQLITE_CORRUPT = 11;
const SQLITE_FULL = 13;
const SQLITE_NOTADB = 26;

export type LabelLogOptions = {
  readonly directory: string;
  readonly nowMs: number;
  /** Whose answers it will hold, for who reads it without a gateway. */
  readonly teacher?: { readonly id: string; readonly classes: readonly string[] };
  /** Pages that the file may grow to; for tests of a full disk. */
  readonly pagesMax?: number;
};

type Statements = { readonly [Name in keyof typeof INSERT]: StatementSync };

export class LabelLog {
  readonly file: string;
  /** Where a damaged file was moved to at this start, if it was. */
  readonly setAside: string | undefined;
  readonly #options: LabelLogOptions;
  #database: DatabaseSync;
  #statements: Statements;
  #reader: LabelReader;
  readonly #nodeIds = new Map<string, number>();

  /** Throws `EdgeError` `label-log-newer` and `label-log-unusable`. */
  constructor(options: LabelLogOptions) {
    mkdirSync(options.directory, { recursive: true });
    this.#options = options;
    this.file = path.join(options.directory, LABEL_LOG_FILE);
    this.setAside = damaged(this.file) ? moveAside(this.file, options.nowMs) : undefined;
    this.#database = open(this.file, options);
    this.#statements = prepareAll(this.#database);
    this.#reader = new LabelReader(this.#database);
  }

  get reader(): LabelReader {
    return this.#reader;
  }

  /** Stores a batch for good, or nothing of it. */
  commit(rows: readonly StoreRow[]): CommitResult {
    try {
      this.#database.exec("BEGIN IMMEDIATE");
      const stored = rows.map((row) => this.#store(row));
      this.#database.exec("COMMIT");
      return { ok: true, stored };
    } catch (error) {
      return this.#giveUp(error);
    }
  }

  /** How far the file may grow, in pages of SQLite. */
  limitPages(pagesMax: number): void {
    this.#database.exec(`PRAGMA max_page_count = ${pagesMax}`);
  }

  close(): void {
    this.#database.close();
  }

  #giveUp(error: unknown): CommitResult {
    const { errcode, message } = error as { errcode?: number; message: string };
    if (errcode === undefined) throw error;
    // Node numbers that were given out in this transaction are gone with it.
    this.#nodeIds.clear();
    if ((errcode & 0xff) === SQLITE_FULL) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      return { ok: false, reason: "full", message };
    }
    // After a failed flush the state of the file's cache is unknown; what a fresh connection reads
    // is what is there (Rebello et al., "Can Applications Recover from fsync Failures?", 2020).
    try {
      this.#reopen();
    } catch (again) {
      return { ok: false, reason: "broken", message: `${message}; ${messageOf(again)}` };
    }
    return { ok: false, reason: "broken", message };
  }

  #reopen(): void {
    if (this.#database.isOpen) this.#database.close();
    this.#database = open(this.file, this.#options);
    this.#statements = prepareAll(this.#database);
    this.#reader = new LabelReader(this.#database);
  }

  #store(row: StoreRow): StoredRow {
    const node = this.#nodeId(row.node);
    switch (row.kind) {
      case "hello":
        return this.#storeHello(node, row);
      case "report":
        return this.#storeReport(node, row);
      case "offload":
        return this.#storeOffload(node, row);
      case "label":
        return this.#storeLabel(node, row);
      case "outcome": {
        const { nowMs, releaseSequence, modelId, outcome } = row;
        this.#statements.outcome.run(node, nowMs, releaseSequence, modelId, outcome);
        return { fresh: true, offloadId: 0, freshEntries: 0 };
      }
      case "person": {
        const fresh = storePerson(this.#statements, row);
        return { fresh, offloadId: row.offloadId, freshEntries: 0 };
      }
      case "bouts":
        storeBouts(this.#statements, node, row);
        return { fresh: true, offloadId: 0, freshEntries: 0 };
      case "day":
        storeDay(this.#statements, node, row);
        return { fresh: true, offloadId: 0, freshEntries: 0 };
      default:
        return unreachable(row);
    }
  }

  #nodeId(name: string): number {
    const known = this.#nodeIds.get(name);
    if (known !== undefined) return known;
    this.#statements.node.run(name);
    const { id } = this.#statements.nodeId.get(name) as { id: number };
    this.#nodeIds.set(name, id);
    return id;
  }

  #storeHello(node: number, { hello, nowMs }: Extract<StoreRow, { kind: "hello" }>): StoredRow {
    this.#statements.hello.run(
      hello.epoch,
      hello.firmware,
      hello.cohort,
      hello.modelId,
      hello.releaseSequence,
      hello.formatVersion,
      hello.slotBytes,
      hello.ramBytes,
      hello.wakeMs,
      nowMs,
      node,
    );
    return { fresh: true, offloadId: 0, freshEntries: 0 };
  }

  #storeReport(node: number, { report, nowMs }: Extract<StoreRow, { kind: "report" }>): StoredRow {
    const { epoch, seq, driftQ8, batteryPercent, dropped, modelId } = report;
    const alarm = report.alarm ? 1 : 0;
    const { changes } = this.#statements.report.run(
      node,
      epoch,
      seq,
      nowMs,
      driftQ8,
      alarm,
      batteryPercent,
      dropped,
    );
    if (changes === 0) return { fresh: false, offloadId: 0, freshEntries: 0 };
    let freshEntries = 0;
    for (const entry of report.entries) {
      const result = this.#statements.behaviour.run(
        node,
        epoch,
        entry.windowIndex,
        entry.timeMs,
        entry.classIndex,
        entry.confidenceQ8,
        entry.exit,
        entry.offloaded ? 1 : 0,
        modelId,
      );
      freshEntries += Number(result.changes);
    }
    this.#count(node, modelId, { ...NO_COUNTS, windows: freshEntries });
    const update = this.#statements.countReport;
    update.run(freshEntries, epoch, driftQ8, alarm, batteryPercent, dropped, nowMs, node);
    return { fresh: true, offloadId: 0, freshEntries };
  }

  #storeOffload(node: number, row: Extract<StoreRow, { kind: "offload" }>): StoredRow {
    const { offload, nowMs } = row;
    const { changes, lastInsertRowid } = this.#statements.offload.run(
      node,
      offload.epoch,
      offload.seq,
      nowMs,
      offload.modelId,
      offload.windowIndex,
      offload.timeMs,
      OFFLOAD_REASONS.indexOf(offload.reason),
      offload.chanceQ16,
      offload.classIndex,
      offload.confidenceQ8,
      offload.exit,
      ...payloadColumns(offload),
    );
    if (changes === 0) {
      const old = this.#statements.offloadId.get(node, offload.epoch, offload.seq) as {
        id: number;
      };
      return { fresh: false, offloadId: old.id, freshEntries: 0 };
    }
    if (!isLearnable(offload.encoding)) {
      this.#database.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
    }
    const offloadId = Number(lastInsertRowid);
    if (row.teachable) this.#statements.waiting.run(node, offloadId);
    this.#statements.countOffload.run(nowMs, node);
    this.#count(node, offload.modelId, offloadCount(chosenOf(offload)));
    return { fresh: true, offloadId, freshEntries: 0 };
  }

  #storeLabel(node: number, row: Extract<StoreRow, { kind: "label" }>): StoredRow {
    const { offloadId, probabilities } = row;
    const { changes } = this.#statements.label.run(
      offloadId,
      row.teacherId,
      row.nowMs,
      row.trusted ? 1 : 0,
      new Uint8Array(probabilities.buffer, probabilities.byteOffset, probabilities.byteLength),
    );
    this.#statements.answered.run(node, offloadId);
    if (changes === 0) return { fresh: false, offloadId, freshEntries: 0 };
    if (row.trusted) {
      this.#statements.countLabel.run(1, row.agrees ? 1 : 0, node);
      const { modelId, chosen, agrees } = row;
      this.#count(node, modelId, verdictCount(chosen, agrees));
    }
    return { fresh: true, offloadId, freshEntries: 0 };
  }

  #count(node: number, model: ModelId, more: AuditCounts): void {
    this.#statements.audit.run(node, model, ...COUNT_NAMES.map((name) => more[name]));
  }
}

/** Samples, channels, step, rate, encoding, encoder, window; of codes only their number of bytes. */
function payloadColumns(offload: Offload): (number | string | Uint8Array)[] {
  const encoding = OFFLOAD_ENCODINGS.indexOf(offload.encoding);
  if (offload.encoding === "features") {
    return [offload.codes.length, 0, 0, 0, encoding, offload.encoder, offload.codes];
  }
  const { windowSamples, channels, inputMilligPerStep, rateCentihertz, window } = offload;
  const bytes = new Uint8Array(window.buffer, window.byteOffset, window.byteLength);
  return [windowSamples, channels, inputMilligPerStep, rateCentihertz, encoding, "", bytes];
}

function open(file: string, options: LabelLogOptions): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: 5_000 });
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;");
  const { user_version: version } = database.prepare("PRAGMA user_version").get() as {
    user_version: number;
  };
  if (version > SCHEMA_VERSION) {
    database.close();
    throw new EdgeError({
      code: "label-log-newer",
      message: `written by a newer version (schema ${version}, this one reads ${SCHEMA_VERSION})`,
      where: file,
      hint: "Run the newer gateway, or give this one another data directory.",
    });
  }
  const written = Math.max(version, SCHEMA_VERSION_WITHOUT_CODES);
  database.exec(`${SCHEMA} PRAGMA user_version = ${written};`);
  // A log of before the columns, all of whose windows are int8.
  if (database.prepare(SELECT.hasEncoding).get() === undefined) database.exec(ADD_ENCODING);
  if (database.prepare(SELECT.hasEncoder).get() === undefined) database.exec(ADD_ENCODER);
  const { teacher, nowMs } = options;
  if (teacher !== undefined) {
    database.prepare(PUT_TEACHER).run(teacher.id, JSON.stringify(teacher.classes), nowMs);
  }
  if (options.pagesMax !== undefined) database.exec(`PRAGMA max_page_count = ${options.pagesMax}`);
  return database;
}

function prepareAll(database: DatabaseSync): Statements {
  const prepared = Object.entries(INSERT).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(prepared) as Statements;
}

/** Whether SQLite finds the file damaged. Reads all of it: some hundred MB a second. */
function damaged(file: string): boolean {
  if (!existsSync(file)) return false;
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(file);
    const rows = database.prepare("PRAGMA quick_check(1)").all() as { quick_check: string }[];
    return rows[0]?.quick_check !== "ok";
  } catch (error) {
    const code = ((error as { errcode?: number }).errcode ?? 0) & 0xff;
    if (code === SQLITE_CORRUPT || code === SQLITE_NOTADB) return true;
    throw new EdgeError({
      code: "label-log-unusable",
      message: messageOf(error),
      where: file,
      hint: "The gateway must be able to read and write this file.",
    });
  } finally {
    database?.close();
  }
}

/** The file and SQLite's two beside it, under a name that says when. */
function moveAside(file: string, nowMs: number): string {
  const aside = `${file}.damaged-${nowMs}`;
  for (const suffix of ["", "-wal", "-shm"]) {
    if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix);
  }
  return aside;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
