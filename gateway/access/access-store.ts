/**
 * The list of who is known here: nodes, people, programs, and join codes that are still open.
 *
 * One SQLite file in the data directory, mode 0600, so that the command line can change it while a
 * gateway runs, or while none does, by the same code: a change is a transaction that survives a power
 * cut, and a running gateway sees it by SQLite's own counter of foreign changes. No secret is in it,
 * only what `secrets.ts` keeps of them. A name that is not in it is not known; nothing is "revoked"
 * other than by being removed.
 */

import { closeSync, openSync, statSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { EdgeError } from "../../src/assert.ts";
import { makeSalt } from "./secrets.ts";

export const ACCESS_FILE = "access.db";
const SCHEMA_VERSION = 1;
const BUSY_MS = 5_000;

const SCHEMA = `
CREATE TABLE about (code_salt BLOB NOT NULL, has_started INTEGER NOT NULL) STRICT;
CREATE TABLE identity (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL CHECK (role IN ('node', 'reader', 'operator')),
  secret TEXT,              -- what is kept of the password; NULL where a certificate alone counts
  mosquitto TEXT,           -- the same for a Mosquitto password file
  certificate TEXT,         -- SHA-256 of the client certificate, or 'any' of our authority
  created_ms INTEGER NOT NULL,
  changed_ms INTEGER NOT NULL,
  join_hash TEXT,           -- the code it joined by
  proven INTEGER NOT NULL   -- 1 once it has connected with its own credentials
) STRICT;
CREATE TABLE join_code (
  hash TEXT PRIMARY KEY,
  node TEXT,                -- the only name that it is good for; NULL for any free one
  replaces INTEGER NOT NULL,-- 1 where that name's credentials are to be replaced
  uses INTEGER NOT NULL,    -- how many are left
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL
) STRICT;
PRAGMA user_version = ${SCHEMA_VERSION};
`;

export type Role = "node" | "reader" | "operator";

/** Somebody known. */
export type Identity = {
  readonly name: string;
  readonly role: Role;
  readonly secret: string | null;
  readonly mosquitto: string | null;
  readonly certificate: string | null;
  readonly createdMs: number;
  readonly changedMs: number;
  readonly joinHash: string | null;
  readonly proven: boolean;
};

export type JoinCodeRow = {
  readonly hash: string;
  readonly node: string | null;
  readonly replaces: boolean;
  readonly uses: number;
  readonly createdMs: number;
  readonly expiresMs: number;
};

/** What came of a join code. */
export type Redemption =
  | { readonly ok: true; readonly node: string; readonly replaced: boolean }
  | { readonly ok: false; readonly error: "code-used" | "name-taken" };

export class AccessStore {
  readonly file: string;
  readonly codeSalt: Uint8Array;
  readonly #database: DatabaseSync;
  #version: number;
  #foreignSeen = false;
  #identities = new Map<string, Identity>();
  #codes = new Map<string, JoinCodeRow>();

  /** Throws `EdgeError` `access-readable-by-others`, `access-newer` and `access-unusable`. */
  constructor(directory: string) {
    this.file = path.join(directory, ACCESS_FILE);
    this.#database = open(this.file);
    const about = this.#database.prepare("SELECT code_salt FROM about").get();
    this.codeSalt = about?.code_salt as Uint8Array;
    this.#version = this.#foreignChanges();
    this.#readAll();
  }

  /** Reads again what others have changed; true where they have since the last call. */
  refresh(): boolean {
    this.#readForeign();
    const changed = this.#foreignSeen;
    this.#foreignSeen = false;
    return changed;
  }

  identity(name: string): Identity | undefined {
    return this.#identities.get(name);
  }

  identities(): readonly Identity[] {
    return [...this.#identities.values()];
  }

  code(hash: string): JoinCodeRow | undefined {
    return this.#codes.get(hash);
  }

  codes(): readonly JoinCodeRow[] {
    return [...this.#codes.values()];
  }

  /** Adds somebody, or replaces what was known under the name. */
  put(identity: Identity): void {
    this.putAll([identity]);
  }

  /** All or none of them. */
  putAll(identities: readonly Identity[]): void {
    this.#transaction(() => {
      for (const identity of identities) this.#write(identity);
    });
  }

  /** A gateway has been started on it before. */
  get hasStarted(): boolean {
    return this.#database.prepare("SELECT has_started FROM about").get()?.has_started === 1;
  }

  /** At a gateway's first start, and never again: adds who is to operate it. */
  begin(operator: Identity): boolean {
    return this.#transaction(() => {
      const begun = this.#database.prepare(
        "UPDATE about SET has_started = 1 WHERE has_started = 0",
      );
      if (begun.run().changes === 0) return false;
      this.#write(operator);
      return true;
    });
  }

  /** False where there is no such name, or it is of another role. */
  remove(name: string, roles: readonly Role[]): boolean {
    return this.#transaction(() => {
      const found = this.#identities.get(name);
      if (found === undefined || !roles.includes(found.role)) return false;
      this.#database.prepare("DELETE FROM identity WHERE name = ?").run(name);
      this.#identities.delete(name);
      // Or it would come back by the code that it once joined by.
      this.#removeCodes((code) => code.node === name);
      return true;
    });
  }

  putCode(code: JoinCodeRow): void {
    this.#transaction(() => this.#writeCode(code));
  }

  /** Codes by their label, as `codeLabel` makes it. Returns how many there were. */
  removeCodes(label: string): number {
    return this.#transaction(() => this.#removeCodes(({ hash }) => codeLabel(hash) === label));
  }

  /** Forgets codes whose time is over. */
  sweepCodes(nowMs: number): void {
    const isOver = ({ expiresMs }: JoinCodeRow): boolean => expiresMs <= nowMs;
    if (this.codes().some(isOver)) this.#transaction(() => this.#removeCodes(isOver));
  }

  /**
   * Uses a code up and gives the node its credentials, in one step.
   *
   * An answer can be lost on its way. A device that has not connected with its credentials yet may
   * therefore ask again by the same code, and gets new ones; nobody else may by then.
   */
  redeem(
    hash: string,
    clientId: string,
    kept: { readonly scrypt: string; readonly mosquitto: string },
    nowMs: number,
  ): Redemption {
    return this.#transaction((): Redemption => {
      const code = this.#codes.get(hash);
      if (code === undefined || code.expiresMs <= nowMs) return { ok: false, error: "code-used" };
      const node = code.node ?? clientId;
      const known = this.#identities.get(node);
      const asksAgain = known !== undefined && known.joinHash === hash && !known.proven;
      if (!asksAgain) {
        if (code.uses < 1) return { ok: false, error: "code-used" };
        if (known !== undefined && !code.replaces) return { ok: false, error: "name-taken" };
        this.#writeCode({ ...code, uses: code.uses - 1 });
      }
      this.#write({
        name: node,
        role: "node",
        secret: kept.scrypt,
        mosquitto: kept.mosquitto,
        certificate: null,
        createdMs: known?.createdMs ?? nowMs,
        changedMs: nowMs,
        joinHash: hash,
        proven: false,
      });
      return { ok: true, node, replaced: known !== undefined };
    });
  }

  /** They have connected with credentials of their own, so their codes are spent. */
  markProven(names: Iterable<string>): void {
    this.#transaction(() => {
      for (const name of names) {
        const known = this.#identities.get(name);
        if (known !== undefined) this.#write({ ...known, proven: true });
      }
    });
  }

  close(): void {
    this.#database.close();
  }

  #write(identity: Identity): void {
    const { name, role, secret, mosquitto, certificate, createdMs, changedMs, joinHash } = identity;
    const proven = identity.proven ? 1 : 0;
    this.#database
      .prepare("INSERT OR REPLACE INTO identity VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
      .run(name, role, secret, mosquitto, certificate, createdMs, changedMs, joinHash, proven);
    this.#identities.set(name, identity);
  }

  #writeCode(code: JoinCodeRow): void {
    const { hash, node, replaces, uses, createdMs, expiresMs } = code;
    this.#database
      .prepare("INSERT OR REPLACE INTO join_code VALUES (?, ?, ?, ?, ?, ?)")
      .run(hash, node, replaces ? 1 : 0, uses, createdMs, expiresMs);
    this.#codes.set(hash, code);
  }

  #removeCodes(isWanted: (code: JoinCodeRow) => boolean): number {
    const wanted = this.codes().filter(isWanted);
    for (const { hash } of wanted) {
      this.#database.prepare("DELETE FROM join_code WHERE hash = ?").run(hash);
      this.#codes.delete(hash);
    }
    return wanted.length;
  }

  /** Decides on what is in the file now, not on what was read before. */
  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      this.#readForeign();
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#readAll();
      throw error;
    }
  }

  #readForeign(): void {
    const version = this.#foreignChanges();
    if (version === this.#version) return;
    this.#version = version;
    // Remembered for whoever asks next: a change of our own must not hide one of theirs.
    this.#foreignSeen = true;
    this.#readAll();
  }

  #foreignChanges(): number {
    const row = this.#database.prepare("PRAGMA data_version").get();
    return Number(row?.data_version);
  }

  #readAll(): void {
    const identities = this.#database.prepare("SELECT * FROM identity ORDER BY name").all();
    const codes = this.#database.prepare("SELECT * FROM join_code ORDER BY created_ms").all();
    this.#identities = new Map(identities.map(identityOf).map((one) => [one.name, one]));
    this.#codes = new Map(codes.map(codeOf).map((one) => [one.hash, one]));
  }
}

/** A name for a code that opens nothing: the start of what is kept of it. */
export function codeLabel(hash: string): string {
  return Buffer.from(hash.split("$").at(-1) ?? "", "base64url").toString("hex", 0, 3);
}

function open(file: string): DatabaseSync {
  // Made with its mode before anything is in it; SQLite gives its journal the same.
  closeSync(openSync(file, "a", 0o600));
  // Windows has no such bits: there the folder's access list is what protects the file.
  if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
    throw new EdgeError({
      code: "access-readable-by-others",
      message: "others may read who is known here and what is kept of their passwords",
      where: file,
      hint: `If nobody else uses this machine run \`chmod 600 ${file}\`; otherwise rotate all credentials as well.`,
    });
  }
  const database = new DatabaseSync(file, { timeout: BUSY_MS });
  try {
    database.exec("PRAGMA synchronous = EXTRA; BEGIN IMMEDIATE");
    const row = database.prepare("PRAGMA user_version").get();
    const version = Number(row?.user_version);
    if (version === 0) {
      database.exec(SCHEMA);
      database.prepare("INSERT INTO about VALUES (?, 0)").run(makeSalt());
    }
    database.exec("COMMIT");
    if (version <= SCHEMA_VERSION) return database;
  } catch (error) {
    database.close();
    throw new EdgeError({
      code: "access-unusable",
      message: (error as Error).message,
      where: file,
      hint: "Restore it from a backup; without it every node and user must be added again.",
    });
  }
  database.close();
  throw new EdgeError({
    code: "access-newer",
    message: "was written by a newer version",
    where: file,
    hint: "Run the version that wrote it, or a later one.",
  });
}

type Row = Record<string, unknown>;

function identityOf(row: Row): Identity {
  return {
    name: String(row.name),
    role: row.role as Role,
    secret: textOrNull(row.secret),
    mosquitto: textOrNull(row.mosquitto),
    certificate: textOrNull(row.certificate),
    createdMs: Number(row.created_ms),
    changedMs: Number(row.changed_ms),
    joinHash: textOrNull(row.join_hash),
    proven: row.proven === 1,
  };
}

function codeOf(row: Row): JoinCodeRow {
  return {
    hash: String(row.hash),
    node: textOrNull(row.node),
    replaces: row.replaces === 1,
    uses: Number(row.uses),
    createdMs: Number(row.created_ms),
    expiresMs: Number(row.expires_ms),
  };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
