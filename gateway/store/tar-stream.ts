/**
 * Files in a row, as POSIX ustar writes them (IEEE 1003.1-1988): enough for archives of ours, which
 * `tar tzf` lists as well. Plain files only, names of a narrow alphabet; no folders, links, owners or
 * extensions, and a reader that refuses every one of them.
 */

import { EdgeError } from "../../src/assert.ts";

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
/** Eleven octal digits. */
const SIZE_MOST = 8 ** 11 - 1;
/** What a data directory has: no spaces, no backslashes, nothing absolute. */
const NAME = /^[A-Za-z0-9_%.@=-]+(\/[A-Za-z0-9_%.@=-]+)*$/;

export type TarEntry = { readonly name: string; readonly bytes: number };

/** Whether a file of this name can be in an archive, and can be taken out of one safely. */
export function isArchiveName(name: string): boolean {
  return NAME.test(name) && !/(^|\/)\.\.?(\/|$)/.test(name) && splitName(name) !== undefined;
}

/** The block before a file's bytes. `mode` as in `chmod`, time in seconds. */
export function tarHeader(
  { name, bytes }: TarEntry,
  mode: number,
  timeSeconds: number,
): Uint8Array {
  const split = splitName(name);
  if (split === undefined || !isArchiveName(name) || bytes > SIZE_MOST) {
    throw new EdgeError({
      code: "archive-name",
      message: "cannot be put into an archive",
      where: name,
      hint: "Names in a data directory have letters, digits and _%.@=-; move this file elsewhere.",
    });
  }
  const block = Buffer.alloc(BLOCK);
  const octal = (value: number, at: number, digits: number): void => {
    block.write(`${value.toString(8).padStart(digits, "0")}\0`, at, "latin1");
  };
  block.write(split.name, 0, "latin1");
  octal(mode & 0o777, 100, 7);
  octal(0, 108, 7);
  octal(0, 116, 7);
  octal(bytes, 124, 11);
  octal(Math.floor(timeSeconds), 136, 11);
  block.write("0", 156, "latin1");
  block.write("ustar\0" + "00", 257, "latin1");
  block.write(split.prefix, 345, "latin1");
  block.write(`${checksum(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** What follows a file's bytes, up to the next block. */
export function tarPadding(bytes: number): Uint8Array {
  return new Uint8Array((BLOCK - (bytes % BLOCK)) % BLOCK);
}

/** What follows the last file. */
export const TAR_END = new Uint8Array(2 * BLOCK);

/**
 * Reads an archive piece by piece.
 *
 * @param file for messages
 * @param take what becomes of an entry, called before its bytes are read; it must read all of them
 * @throws EdgeError `archive-damaged`
 */
export async function readTar(
  chunks: AsyncIterable<Uint8Array>,
  file: string,
  take: (entry: TarEntry, pieces: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const source = new PieceReader(chunks, file);
  for (;;) {
    const block = Buffer.from(await source.exactly(BLOCK));
    if (block.every((byte) => byte === 0)) {
      await source.toTheEnd();
      return;
    }
    const entry = entryOf(block, file);
    await take(entry, source.pieces(entry.bytes));
    await source.exactly((BLOCK - (entry.bytes % BLOCK)) % BLOCK);
  }
}

function entryOf(block: Buffer, file: string): TarEntry {
  const text = (at: number, bytes: number): string =>
    block.toString("latin1", at, at + bytes).replace(/\0[\s\S]*$/, "");
  const said = Number.parseInt(text(148, 8), 8);
  const bytes = Number.parseInt(text(124, 12), 8);
  const prefix = text(345, PREFIX_BYTES);
  const name = prefix === "" ? text(0, NAME_BYTES) : `${prefix}/${text(0, NAME_BYTES)}`;
  const isPlain = block[156] === 0x30 && text(257, 6) === "ustar";
  if (
    said !== checksum(block) ||
    !isPlain ||
    !isArchiveName(name) ||
    !Number.isSafeInteger(bytes)
  ) {
    throw damaged(file, "has an entry that is no plain file of ours");
  }
  return { name, bytes };
}

/** The sum of all bytes, with the checksum's own place as spaces. */
function checksum(block: Uint8Array): number {
  return block.reduce((sum, byte, at) => sum + (at >= 148 && at < 156 ? 0x20 : byte), 0);
}

/** A long name is cut at a slash: up to 155 bytes before, up to 100 after. */
function splitName(name: string): { readonly prefix: string; readonly name: string } | undefined {
  if (name.length <= NAME_BYTES) return { prefix: "", name };
  for (let at = name.indexOf("/"); at >= 0 && at <= PREFIX_BYTES; at = name.indexOf("/", at + 1)) {
    const rest = name.slice(at + 1);
    if (rest.length <= NAME_BYTES) return { prefix: name.slice(0, at), name: rest };
  }
  return undefined;
}

/** Gives chunks of any size out again in the sizes that are asked for. */
class PieceReader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #file: string;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(chunks: AsyncIterable<Uint8Array>, file: string) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#file = file;
  }

  async exactly(bytes: number): Promise<Uint8Array> {
    const pieces: Uint8Array[] = [];
    for await (const piece of this.pieces(bytes)) pieces.push(piece);
    return Buffer.concat(pieces);
  }

  async *pieces(bytes: number): AsyncGenerator<Uint8Array> {
    for (let left = bytes; left > 0; ) {
      if (this.#rest.length === 0) {
        const next = await this.#next();
        if (next === undefined) throw damaged(this.#file, "ends too early");
        this.#rest = next;
      }
      const piece = this.#rest.subarray(0, left);
      this.#rest = this.#rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  /** Zeros and nothing else; and the decompressor's own checksum is looked at only there. */
  async toTheEnd(): Promise<void> {
    for (let piece: Uint8Array | undefined = this.#rest; piece !== undefined; ) {
      if (piece.some((byte) => byte !== 0)) throw damaged(this.#file, "goes on after its end");
      piece = await this.#next();
    }
  }

  /** Undefined at the end. */
  async #next(): Promise<Uint8Array | undefined> {
    try {
      const { value, done } = await this.#chunks.next();
      return done ? undefined : value;
    } catch (error) {
      throw damaged(this.#file, (error as Error).message);
    }
  }
}

export function damaged(file: string, message: string): EdgeError {
  return new EdgeError({
    code: "archive-damaged",
    message,
    where: file,
    hint: "Take another backup; this one was cut off or changed after it was made.",
  });
}
