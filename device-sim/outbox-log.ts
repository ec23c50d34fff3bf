/**
 * The bytes of an outbox on disk: a log of records, each of which proves itself.
 *
 *      record   0 magic 0xB7   1 type u8   2 body bytes u32   6 CRC-32 u32   10 body
 *               (the CRC is over type, length and body)
 *      open 1   epoch u32, next seq u32, next window u32, dropped u32
 *      put 2    epoch u32, seq u32, next window u32, kind u8 (0 report, 1 offload), frame
 *      remove 3 seq u32 each
 *      drop 4   dropped u32, seq u32 each
 *
 * Reading never fails. A record that does not check is stepped over to the next that does, and the
 * sequence numbers that it may have held are skipped: a number that was sent once must never be
 * given to another window, or the gateway would take that for a repetition.
 */

import { ByteReader, ByteWriter } from "../src/bytes.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { crc32 } from "./crc32.ts";
import type { OutboxEntry, OutboxImage, OutboxRecord } from "./storage.ts";

const MAGIC = 0xb7;
const TYPE = { open: 1, put: 2, remove: 3, drop: 4 } as const;
const KINDS = ["report", "offload"] as const;
const HEADER_BYTES = 10;
const PUT_HEADER_BYTES = 13;
/** No put is shorter: how many sequence numbers a stretch of lost bytes may have held at most. */
const PUT_BYTES_MIN = HEADER_BYTES + PUT_HEADER_BYTES;
const BODY_BYTES_MAX = PUT_HEADER_BYTES + LIMITS.frameBytes;

/** The first record of a file: what holds before any other record. */
export function encodeOpen(state: Omit<OutboxImage, "entries" | "damagedBytes">): Uint8Array {
  const body = new ByteWriter().u32(state.epoch).u32(state.nextSeq);
  return encodeRecord(TYPE.open, body.u32(state.nextWindow).u32(state.dropped).finish());
}

export function encodeOutboxRecord(epoch: number, record: OutboxRecord): Uint8Array {
  const body = new ByteWriter();
  if (record.kind === "put") {
    const { seq, kind, frame } = record.entry;
    body.u32(epoch).u32(seq).u32(record.nextWindow).u8(KINDS.indexOf(kind)).bytes(frame);
    return encodeRecord(TYPE.put, body.finish());
  }
  if (record.kind === "drop") body.u32(record.dropped);
  for (const seq of record.seqs) body.u32(seq);
  return encodeRecord(TYPE[record.kind], body.finish());
}

/** What the bytes of a file say; undefined where not even an epoch can be read. */
export function readOutboxLog(bytes: Uint8Array): OutboxImage | undefined {
  const found: Found = { epoch: 0, nextSeq: 0, nextWindow: 0, dropped: 0, entries: new Map() };
  let damagedBytes = 0;
  let at = 0;
  while (at < bytes.length) {
    const record = recordAt(bytes, at);
    if (record !== undefined && applyRecord(found, record)) {
      at += HEADER_BYTES + record.body.length;
    } else {
      damagedBytes += 1;
      at += 1;
    }
  }
  if (found.epoch === 0) return undefined;
  if (damagedBytes > 0) {
    const lostPuts = Math.ceil(damagedBytes / PUT_BYTES_MIN);
    found.nextSeq += lostPuts;
    found.nextWindow += lostPuts * LIMITS.reportEntries;
  }
  return { ...found, entries: [...found.entries.values()], damagedBytes };
}

type Found = {
  epoch: number;
  nextSeq: number;
  nextWindow: number;
  dropped: number;
  readonly entries: Map<number, OutboxEntry>;
};

type RawRecord = { readonly type: number; readonly body: Uint8Array };

function encodeRecord(type: number, body: Uint8Array): Uint8Array {
  const checked = new ByteWriter().u8(type).u32(body.length).bytes(body).finish();
  const head = new ByteWriter().u8(MAGIC).bytes(checked.subarray(0, 5)).u32(crc32(checked));
  return head.bytes(body).finish();
}

function recordAt(bytes: Uint8Array, at: number): RawRecord | undefined {
  if (bytes[at] !== MAGIC || bytes.length - at < HEADER_BYTES) return undefined;
  const from = new ByteReader(bytes.subarray(at + 1), "outbox record");
  const type = from.u8();
  const length = from.u32();
  const crc = from.u32();
  if (length > BODY_BYTES_MAX || length > from.left) return undefined;
  const body = from.bytes(length);
  const checked = new ByteWriter().u8(type).u32(length).bytes(body).finish();
  return crc32(checked) === crc ? { type, body } : undefined;
}

/** False for a record that checks but makes no sense, which only another version would write. */
function applyRecord(found: Found, { type, body }: RawRecord): boolean {
  const from = new ByteReader(body, "outbox record");
  switch (type) {
    case TYPE.open:
      if (body.length !== 16) return false;
      found.epoch = from.u32();
      found.nextSeq = from.u32();
      found.nextWindow = from.u32();
      found.dropped = from.u32();
      return true;
    case TYPE.put:
      return body.length >= PUT_HEADER_BYTES && applyPut(found, from);
    case TYPE.drop:
      if (body.length < 4 || body.length % 4 !== 0) return false;
      found.dropped = from.u32();
      removeSeqs(found, from);
      return true;
    case TYPE.remove:
      if (body.length % 4 !== 0) return false;
      removeSeqs(found, from);
      return true;
    default:
      return false;
  }
}

function applyPut(found: Found, from: ByteReader): boolean {
  const epoch = from.u32();
  const seq = from.u32();
  const nextWindow = from.u32();
  const kind = KINDS[from.u8()];
  if (kind === undefined) return false;
  found.epoch = epoch;
  found.entries.set(seq, { seq, kind, frame: from.bytes(from.left).slice() });
  found.nextSeq = Math.max(found.nextSeq, seq + 1);
  found.nextWindow = Math.max(found.nextWindow, nextWindow);
  return true;
}

function removeSeqs(found: Found, from: ByteReader): void {
  while (from.left > 0) found.entries.delete(from.u32());
}
