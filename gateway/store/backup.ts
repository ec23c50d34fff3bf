/**
 * A data directory as one file, taken while a gateway runs on it, and back again.
 *
 * The file is a gzipped tar, mode 0600: `manifest.json` with the size and SHA-256 of every other, then
 * the others. Databases are copied as SQLite sees them at one moment; what refers is copied before
 * what it refers to (rollout, release, container), so that a copy never names what it lacks. All else
 * is replaced by renaming, and therefore read whole. Locks, journals and unfinished files stay behind.
 *
 * The hashes are against damage, not against people: who can write the file can write its manifest.
 */

import { createHash } from "node:crypto";
import {
  closeSync,
  copyFileSync,
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import { z } from "zod";
import { EdgeError } from "../../src/assert.ts";
import { copyDatabase, databaseDamage } from "./database-files.ts";
import { nodeDisk } from "./durable-file.ts";
import { damaged, isArchiveName, readTar, TAR_END, tarHeader, tarPadding } from "./tar-stream.ts";

const MANIFEST = "manifest.json";
/** 10,000 files of 250 bytes each. */
const MANIFEST_BYTES_MOST = 4 * 1024 * 1024;
const SQLITE_MAGIC = "SQLite format 3\0";
/** What SQLite, a lock, an interrupted write and a damaged log leave in the folder. */
const LEFT_BEHIND = /(^|\/)gateway\.lock|(-wal|-shm|-journal|\.tmp)$|\.damaged-\d+/;
/** From what refers to what is referred to; everything else before them, databases after. */
const LATE = ["registry/cohorts/", "registry/releases/", "registry/models/"];

const ManifestSchema = z.strictObject({
  v: z.literal(1),
  /** RFC 3339. */
  made: z.iso.datetime(),
  version: z.string(),
  files: z.array(
    z.strictObject({
      name: z.string().refine((name) => isArchiveName(name) && name !== MANIFEST),
      bytes: z.int().min(0),
      mode: z.int().min(0).max(0o777),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
    }),
  ),
});

export type BackupManifest = z.infer<typeof ManifestSchema>;
type BackupFile = BackupManifest["files"][number];

/**
 * Writes a backup. What was acknowledged before the call is in it.
 *
 * @throws EdgeError `backup-exists`, `backup-inside`, `archive-name`
 */
export async function makeBackup(
  dataDirectory: string,
  file: string,
  about: { readonly nowMs: number; readonly version: string },
): Promise<BackupManifest> {
  refuseTarget(dataDirectory, file);
  const staging = `${file}.making-${process.pid}`;
  mkdirSync(staging, { mode: 0o700 });
  try {
    const files: BackupFile[] = [];
    for (const name of namesToCopy(dataDirectory)) {
      const copy = path.join(staging, name);
      if (!copyFile(path.join(dataDirectory, name), copy)) continue;
      const { size, mode } = statSync(copy);
      files.push({ name, bytes: size, mode: mode & 0o777, sha256: await hashOf(copy) });
    }
    const made = new Date(about.nowMs).toISOString();
    const manifest: BackupManifest = { v: 1, made, version: about.version, files };
    const unfinished = path.join(staging, "archive");
    await pipeline(
      Readable.from(archiveOf(manifest, staging, about.nowMs / 1000)),
      createGzip(),
      createWriteStream(unfinished, { mode: 0o600, flags: "wx", flush: true }),
    );
    renameSync(unfinished, file);
    nodeDisk.flushFolder(path.dirname(path.resolve(file)));
    return manifest;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/**
 * Makes a data directory from a backup, or nothing: it appears, whole, under its name at the end.
 *
 * @param dataDirectory must not be there, or be empty
 * @throws EdgeError `restore-over`, `archive-damaged`, `backup-unreadable`
 */
export async function restoreBackup(file: string, dataDirectory: string): Promise<BackupManifest> {
  refuseOver(dataDirectory);
  const staging = `${path.resolve(dataDirectory)}.restoring-${process.pid}`;
  mkdirSync(staging, { recursive: true, mode: 0o700 });
  try {
    const manifest = await extract(file, staging);
    for (const { name } of manifest.files) {
      const at = path.join(staging, name);
      if (!isDatabase(at)) continue;
      const damage = databaseDamage(at);
      if (damage !== undefined) throw damaged(file, `${name} is damaged: ${damage}`);
    }
    // An empty folder may have been prepared there, with its owner: it is filled by its replacement.
    renameSync(staging, dataDirectory);
    nodeDisk.flushFolder(path.dirname(path.resolve(dataDirectory)));
    return manifest;
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function refuseTarget(dataDirectory: string, file: string): void {
  const inside = !path.relative(dataDirectory, path.resolve(file)).startsWith("..");
  if (!inside && !existsSync(file)) return;
  throw new EdgeError({
    code: inside ? "backup-inside" : "backup-exists",
    message: inside ? "is inside of the data directory" : "is there already",
    where: file,
    hint: "Name a new file elsewhere, best on another disk: farm-$(date +%F).tar.gz.",
  });
}

function refuseOver(dataDirectory: string): void {
  if (!existsSync(dataDirectory) || readdirSync(dataDirectory).length === 0) return;
  throw new EdgeError({
    code: "restore-over",
    message: "there is something already, and nothing is ever overwritten",
    where: dataDirectory,
    hint: "Stop the gateway, move that directory aside, and restore again; or name another one.",
  });
}

function namesToCopy(dataDirectory: string): string[] {
  const found = readdirSync(dataDirectory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dataDirectory, path.join(entry.parentPath, entry.name)))
    .map((name) => name.split(path.sep).join("/"))
    .filter((name) => !LEFT_BEHIND.test(name));
  const rank = (name: string): number => {
    if (isDatabase(path.join(dataDirectory, name))) return LATE.length + 1;
    return LATE.findIndex((folder) => name.startsWith(folder)) + 1;
  };
  return found.sort().sort((a, b) => rank(a) - rank(b));
}

/** False where the file has gone since it was listed. */
function copyFile(from: string, to: string): boolean {
  mkdirSync(path.dirname(to), { recursive: true, mode: 0o700 });
  try {
    if (!isDatabase(from)) {
      copyFileSync(from, to);
      return true;
    }
    // Made with its mode before anything is in it.
    closeSync(openSync(to, "wx", statSync(from).mode & 0o777));
    copyDatabase(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function isDatabase(file: string): boolean {
  if (!existsSync(file)) return false;
  const handle = openSync(file, "r");
  try {
    const start = Buffer.alloc(SQLITE_MAGIC.length);
    readSync(handle, start, 0, start.length, 0);
    return start.toString("latin1") === SQLITE_MAGIC;
  } finally {
    closeSync(handle);
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

async function* archiveOf(
  manifest: BackupManifest,
  folder: string,
  timeSeconds: number,
): AsyncGenerator<Uint8Array> {
  const text = Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`);
  yield tarHeader({ name: MANIFEST, bytes: text.length }, 0o600, timeSeconds);
  yield text;
  yield tarPadding(text.length);
  for (const { name, bytes, mode } of manifest.files) {
    yield tarHeader({ name, bytes }, mode, timeSeconds);
    yield* createReadStream(path.join(folder, name)) as AsyncIterable<Uint8Array>;
    yield tarPadding(bytes);
  }
  yield TAR_END;
}

/** Takes out what the manifest lists, all of it and nothing else. */
async function extract(file: string, folder: string): Promise<BackupManifest> {
  let manifest: BackupManifest | undefined;
  const wanted = new Map<string, BackupFile>();
  await readTar(gunzipped(file), file, async (entry, pieces) => {
    if (manifest === undefined) {
      if (entry.name !== MANIFEST || entry.bytes > MANIFEST_BYTES_MOST) {
        throw damaged(file, "does not begin with a manifest: it is no backup of ours");
      }
      manifest = await readManifest(file, pieces);
      for (const one of manifest.files) wanted.set(one.name, one);
      return;
    }
    const said = wanted.get(entry.name);
    if (said === undefined || said.bytes !== entry.bytes) {
      throw damaged(file, `has ${entry.name}, which the manifest does not list so`);
    }
    wanted.delete(entry.name);
    await takeOut(file, path.join(folder, entry.name), said, pieces);
  });
  const [missing] = wanted.keys();
  if (manifest === undefined || missing !== undefined) throw damaged(file, `lacks ${missing}`);
  return manifest;
}

async function readManifest(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
): Promise<BackupManifest> {
  const chunks: Uint8Array[] = [];
  for await (const piece of pieces) chunks.push(piece);
  try {
    return ManifestSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  } catch {
    throw damaged(file, "has a manifest that cannot be read; perhaps a newer version made it");
  }
}

async function takeOut(
  archive: string,
  to: string,
  said: BackupFile,
  pieces: AsyncIterable<Uint8Array>,
): Promise<void> {
  mkdirSync(path.dirname(to), { recursive: true, mode: 0o755 });
  const hash = createHash("sha256");
  const hashing = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of pieces) {
      hash.update(piece);
      yield piece;
    }
  };
  const target = createWriteStream(to, { mode: said.mode, flags: "wx", flush: true });
  await pipeline(Readable.from(hashing()), target);
  if (hash.digest("hex") !== said.sha256) throw damaged(archive, `${said.name} is not what it was`);
}

function gunzipped(file: string): AsyncIterable<Uint8Array> {
  if (!existsSync(file)) {
    throw new EdgeError({
      code: "backup-unreadable",
      message: "there is no such file",
      where: file,
      hint: "Name a file that `bellwether backup` has made.",
    });
  }
  return createReadStream(file).pipe(createGunzip());
}
