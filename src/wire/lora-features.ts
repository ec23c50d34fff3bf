/**
 * One window's codes on LoRaWAN, in a header of at most 22 bytes (24 for an audit): 29 bytes of codes
 * fit one payload of the slowest data rate.
 *
 *     0 0x12   1 epoch u32   5 encoder 4B   9 seq v   .. window index v   .. its time, s u32
 *     .. class (bits 0-5), reason (bits 6-7)   .. confidence in 32 steps (bits 0-4), exit (bits 5-7)
 *     .. of an audit its chance u16   .. codes, to the end
 *
 * `v` as in `lora-report.ts`. It forgets the model: a node on LoRaWAN gets no release over the air, so
 * the gateway takes the one that the node's hello named (`NO_MODEL`), which each of its reports says
 * again. Times are whole seconds, confidences within a sixtieth.
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { within } from "./frame-fields.ts";
import { LIMITS } from "./limits.ts";
import { CONFIDENCE_STEPS, readVariable, writeVariable } from "./lora-report.ts";
import { type FeaturesOffload, NO_MODEL, OFFLOAD_REASONS } from "./messages.ts";
import { encoderIdBytes, readEncoderId } from "./offload-frame.ts";

export const LORA_FEATURES = 0x12;
/** Chosen for certain. */
const CERTAIN_Q16 = 0xffff;
const CLASS_BITS = 0x3f;
const STEP_BITS = 0x1f;

/** Of the header with the largest numbers that 29 bytes of codes leave room for. */
const HEADER_BYTES_MOST = 22;

/** What so many bytes of codes take at most in this form, but for audits. */
export function loraFeaturesBytes(codeBytes: number): number {
  return HEADER_BYTES_MOST + codeBytes;
}

/** Undefined for what this form cannot carry: a chance that is no audit's, a time beyond 2106. */
export function encodeLoraFeatures(offload: FeaturesOffload): Uint8Array | undefined {
  const { reason, chanceQ16, codes } = offload;
  const seconds = Math.round(offload.timeMs / 1000);
  const isAudit = reason === "audit";
  if (seconds > 0xffff_ffff || (!isAudit && chanceQ16 !== CERTAIN_Q16)) return undefined;
  assert(offload.classIndex < LIMITS.classes, "a class within its limit");
  const to = new ByteWriter().u8(LORA_FEATURES).u32(offload.epoch);
  to.bytes(encoderIdBytes(offload.encoder));
  writeVariable(to, offload.seq);
  writeVariable(to, offload.windowIndex);
  to.u32(seconds).u8(offload.classIndex | (OFFLOAD_REASONS.indexOf(reason) << 6));
  to.u8(Math.round((offload.confidenceQ8 * CONFIDENCE_STEPS) / 255) | (offload.exit << 5));
  if (isAudit) to.u16(chanceQ16);
  return to.bytes(codes).finish();
}

/** Throws `EdgeError` as frames do. */
export function decodeLoraFeatures(bytes: Uint8Array): FeaturesOffload {
  const from = new ByteReader(bytes, "LoRa features");
  if (from.u8() !== LORA_FEATURES) from.fail("frame-type", "no features");
  const epoch = within(from, "epoch", from.u32(), 1, 0xffff_ffff);
  const encoder = readEncoderId(from);
  const [seq, windowIndex] = [readVariable(from), readVariable(from)];
  const timeMs = from.u32() * 1000;
  const [what, how] = [from.u8(), from.u8()];
  const reason = OFFLOAD_REASONS[what >> 6] ?? from.fail("out-of-range", "a reason");
  const chance = reason === "audit" ? from.u16() : CERTAIN_Q16;
  const chanceQ16 = within(from, "chance", chance, 1, CERTAIN_Q16);
  const length = within(from, "code bytes", from.left, 1, LIMITS.codeBytes);
  return {
    kind: "offload",
    epoch,
    seq,
    modelId: NO_MODEL,
    windowIndex,
    timeMs,
    reason,
    chanceQ16,
    classIndex: what & CLASS_BITS,
    confidenceQ8: Math.round(((how & STEP_BITS) * 255) / CONFIDENCE_STEPS),
    exit: how >> 5,
    encoding: "features",
    encoder,
    codes: from.bytes(length),
  };
}
