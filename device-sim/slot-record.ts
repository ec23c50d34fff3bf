/**
 * The state word of a model slot: twelve bytes that say what the slot is good for.
 *
 *      0 magic 0x5B   1 state u8   2 boots u8   3 outcome u8   4 sequence u32   8 CRC-32 u32
 *
 * It is written last, after everything that it vouches for, and atomically. A record that does not
 * check is no record: the slot counts as empty. The floor (highest sequence number ever run) and a
 * slot's header (manifest and signature, which vouch for themselves) are here as well.
 */

import { ByteReader, ByteWriter } from "../src/bytes.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { OUTCOMES, type ReleaseOutcome } from "../src/wire/messages.ts";
import { crc32 } from "./crc32.ts";

export const SLOT_STATES = [
  "empty",
  "receiving",
  /** Complete, right hash, self-test passed; not run yet. */
  "verified",
  /** Runs, and goes back to the other slot unless confirmed. */
  "trial",
  "confirmed",
  /** Must not be run; `outcome` says why. */
  "bad",
] as const;
export type SlotState = (typeof SLOT_STATES)[number];

export type SlotRecord = {
  readonly state: SlotState;
  readonly sequence: number;
  /** Starts of the node during the trial. */
  readonly boots: number;
  /** Why a bad slot is bad; of no meaning otherwise. */
  readonly outcome: ReleaseOutcome;
};

const MAGIC = 0x5b;
const RECORD_BYTES = 12;

export function encodeSlotRecord(record: SlotRecord): Uint8Array {
  const to = new ByteWriter().u8(MAGIC).u8(SLOT_STATES.indexOf(record.state));
  to.u8(Math.min(255, record.boots)).u8(OUTCOMES.indexOf(record.outcome)).u32(record.sequence);
  return to.u32(crc32(to.finish())).finish();
}

/** Undefined for nothing, and for anything that does not check. */
export function decodeSlotRecord(bytes: Uint8Array | null): SlotRecord | undefined {
  if (bytes === null || bytes.length !== RECORD_BYTES) return undefined;
  const from = new ByteReader(bytes, "slot record");
  const magic = from.u8();
  const state = SLOT_STATES[from.u8()];
  const boots = from.u8();
  const outcome = OUTCOMES[from.u8()];
  const sequence = from.u32();
  const right = from.u32() === crc32(bytes.subarray(0, RECORD_BYTES - 4));
  if (magic !== MAGIC || state === undefined || outcome === undefined || !right) return undefined;
  return { state, boots, outcome, sequence };
}

export function encodeFloor(sequence: number): Uint8Array {
  const to = new ByteWriter().u32(sequence);
  return to.u32(crc32(to.finish())).finish();
}

/** 0 where nothing was written, or what was written does not check. */
export function decodeFloor(bytes: Uint8Array | null): number {
  if (bytes === null || bytes.length !== 8) return 0;
  const from = new ByteReader(bytes, "floor");
  const sequence = from.u32();
  return from.u32() === crc32(bytes.subarray(0, 4)) ? sequence : 0;
}

export type SignedManifest = { readonly manifest: Uint8Array; readonly signature: Uint8Array };

export function encodeSlotHeader(offer: SignedManifest): Uint8Array {
  const to = new ByteWriter().u32(offer.manifest.length).bytes(offer.manifest);
  return to.bytes(offer.signature).finish();
}

/** Undefined for nothing and for a header that was torn in its length; a tear elsewhere breaks the
 * signature. */
export function decodeSlotHeader(bytes: Uint8Array | null): SignedManifest | undefined {
  if (bytes === null || bytes.length < 4 + LIMITS.signatureBytes) return undefined;
  const from = new ByteReader(bytes, "slot header");
  const length = from.u32();
  if (length + LIMITS.signatureBytes !== from.left) return undefined;
  return { manifest: from.bytes(length), signature: from.bytes(LIMITS.signatureBytes) };
}
