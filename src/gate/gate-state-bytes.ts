/**
 * A gate's state as bytes, for a node's flash or file: at most some hundreds of them.
 *
 * ```
 *  version u8 = 1, or 2 with an operating share | windows u32 | levelQ8 u32 | rateOffsetQ16 i32
 *                | auditChanceQ16 u16 | operatingShareQ16 u16, 1 or more, in version 2 only
 *  cusumQ8 u16 | alarm u8 | doublings u8 | calmWindows u32 | agreementQ16 u16 | verdicts u32
 *  belief        count u8 | count x u16 | lastWindowIndex u32
 *  bias          count u8 | count x i16
 *  bout means    count u8 | count x i16 | boutAwayWindows u8
 *  burst         left u16 | age u16 | sinceLast u16 | takenInBout u8
 *                | taken u8 | taken x count x i8
 *  pending       count u8 | count x (windowIndex u32 | classIndex u8 | probabilityQ8 u8)
 * ```
 *
 * A program from before there were operating points reads version 1 only and starts afresh on the
 * other, so that a node which nobody moved can still go back to it.
 */

import { ByteReader, ByteWriter } from "../bytes.ts";
import { ALARM_DOUBLINGS, GATE_LIMITS } from "./gate-parameters.ts";
import { within } from "./gate-range.ts";
import type { BurstState, DriftState, GateState } from "./gate-state.ts";
import { PENDING_LIMIT, REMEMBERED_WINDOWS } from "./gate-state.ts";

const RELEASED_VERSION = 1;
const SHARE_VERSION = 2;

export function encodeGateState(state: GateState): Uint8Array {
  const { operatingShareQ16 } = state;
  const out = new ByteWriter().u8(operatingShareQ16 === 0 ? RELEASED_VERSION : SHARE_VERSION);
  out.u32(state.windows).u32(state.levelQ8).i32(state.rateOffsetQ16).u16(state.auditChanceQ16);
  if (operatingShareQ16 > 0) out.u16(operatingShareQ16);
  const { drift } = state;
  out
    .u16(drift.cusumQ8)
    .u8(drift.alarm ? 1 : 0)
    .u8(drift.doublings)
    .u32(drift.calmWindows);
  out.u16(state.agreementQ16).u32(state.verdicts);
  out.u8(state.beliefQ15.length);
  for (const belief of state.beliefQ15) out.u16(belief);
  out.u32(state.lastWindowIndex);
  out.u8(state.biasQ8.length);
  for (const bias of state.biasQ8) out.i16(bias);
  out.u8(state.boutMeansQ4.length);
  for (const mean of state.boutMeansQ4) out.i16(mean);
  out.u8(state.boutAwayWindows);
  const { burst } = state;
  out.u16(burst.left).u16(burst.ageWindows).u16(burst.sinceLastWindows).u8(burst.takenInBout);
  out.u8(burst.taken.length);
  for (const statistics of burst.taken) for (const value of statistics) out.i8(value);
  out.u8(state.pending.length);
  for (const { windowIndex, classIndex, probabilityQ8 } of state.pending) {
    out.u32(windowIndex).u8(classIndex).u8(probabilityQ8);
  }
  return out.finish();
}

/** Throws `EdgeError` on bytes that `encodeGateState` did not write. */
export function decodeGateState(bytes: Uint8Array): GateState {
  const input = new ByteReader(bytes, "gate state");
  const version = input.u8();
  if (version !== RELEASED_VERSION && version !== SHARE_VERSION) {
    input.fail("gate-version", `version ${version}, knows 1 and 2`);
  }
  const windows = input.u32();
  const levelQ8 = input.u32();
  const rateOffsetQ16 = input.i32();
  const auditChanceQ16 = input.u16();
  const operatingShareQ16 =
    version === SHARE_VERSION ? within(input, input.u16(), 1, 65535, "operating share") : 0;
  const drift = decodeDrift(input);
  const agreementQ16 = input.u16();
  const verdicts = input.u32();
  const beliefQ15 = Array.from({ length: atMost(input, GATE_LIMITS.classes) }, () => input.u16());
  const lastWindowIndex = input.u32();
  const biasQ8 = signed16(input, atMost(input, GATE_LIMITS.classes));
  const boutMeansQ4 = signed16(input, atMost(input, 2 * GATE_LIMITS.axes));
  const boutAwayWindows = input.u8();
  const burst = decodeBurst(input, boutMeansQ4.length);
  const pending = Array.from({ length: atMost(input, PENDING_LIMIT) }, () => ({
    windowIndex: input.u32(),
    classIndex: input.u8(),
    probabilityQ8: input.u8(),
  }));
  input.done();
  return {
    windows,
    levelQ8,
    rateOffsetQ16,
    auditChanceQ16,
    operatingShareQ16,
    drift,
    beliefQ15,
    lastWindowIndex,
    biasQ8,
    boutMeansQ4,
    boutAwayWindows,
    burst,
    agreementQ16,
    verdicts,
    pending,
  };
}

function decodeDrift(input: ByteReader): DriftState {
  const cusumQ8 = input.u16();
  const alarm = input.u8() !== 0;
  const doublings = input.u8();
  if (doublings > ALARM_DOUBLINGS) input.fail("gate-range", `${doublings} doublings`);
  return { cusumQ8, alarm, doublings, calmWindows: input.u32() };
}

function decodeBurst(input: ByteReader, statistics: number): BurstState {
  return {
    left: input.u16(),
    ageWindows: input.u16(),
    sinceLastWindows: input.u16(),
    takenInBout: input.u8(),
    taken: Array.from({ length: atMost(input, REMEMBERED_WINDOWS) }, () =>
      Array.from({ length: statistics }, () => input.i8()),
    ),
  };
}

function signed16(input: ByteReader, count: number): readonly number[] {
  return Array.from({ length: count }, () => input.i16());
}

function atMost(input: ByteReader, limit: number): number {
  const count = input.u8();
  if (count > limit) input.fail("gate-range", `${count} entries, at most ${limit}`);
  return count;
}
