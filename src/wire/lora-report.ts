/**
 * The report of a node on LoRaWAN: windows run-length coded by behaviour.
 *
 *     0 0x11   1 epoch u32   5 model 8B   13 seq v   .. drift Q8 v   .. battery u8 (bit 7: alarm)
 *     .. dropped v   .. windows u8; where there are any:
 *     .. first window v   .. its time ms u48   .. hop ms v   .. runs:
 *         0 class (bits 0-5), offloaded (bit 6), bit 7: one window, and no length follows
 *         1 confidence in 32 steps (bits 0-4), exit (bits 5-7)
 *         2 windows less 1, u8
 *
 * With 0x13 for 0x11 it is of a node at an operating point, whose number, u8, follows the battery.
 *
 * `v` is a number of 7 bits a byte, lowest first, bit 7 where more follow. A run is of one class and
 * of windows that were offloaded or were not; those are exact, and so are windows and their number.
 * What a run forgets: its confidence is the mean of its windows', its exit the one that most of them
 * have, times are even. A report that this form would falsify further is not put in it.
 *
 * It carries epoch and model whole, 12 of its bytes: so it means the same to a gateway that never
 * heard this node before, and a replayed one is the frame that it was.
 */

import { assert } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { within } from "./frame-fields.ts";
import { LIMITS } from "./limits.ts";
import type { ReportEntry, UpMessage } from "./messages.ts";
import { modelIdBytes, modelIdOf } from "./topics.ts";

export const LORA_REPORT = 0x11;
export const LORA_POINT_REPORT = 0x13;

/** Times may be moved by so much when they are made even: a window's hop is 2.5 s and more. */
const TIME_ERROR_MS_MAX = 500;
export const CONFIDENCE_STEPS = 31;
const OFFLOADED = 0x40;
const SINGLE = 0x80;
const ALARM = 0x80;

type Report = Extract<UpMessage, { kind: "report" }>;
type Run = {
  readonly classIndex: number;
  readonly offloaded: boolean;
  readonly entries: ReportEntry[];
};

/** Undefined for a report that this form cannot carry: windows that are missing in between, or times
 * that are not even. */
export function encodeLoraReport(report: Report): Uint8Array | undefined {
  const { entries } = report;
  const hopMs = evenHopMs(entries);
  if (hopMs === undefined) return undefined;
  const { operatingPoint } = report;
  const to = new ByteWriter().u8(operatingPoint === 0 ? LORA_REPORT : LORA_POINT_REPORT);
  to.u32(report.epoch).bytes(modelIdBytes(report.modelId));
  writeVariable(to, report.seq);
  writeVariable(to, report.driftQ8);
  to.u8(report.batteryPercent | (report.alarm ? ALARM : 0));
  if (operatingPoint > 0) to.u8(operatingPoint);
  writeVariable(to, report.dropped);
  to.u8(entries.length);
  const [first] = entries;
  if (first === undefined) return to.finish();
  writeVariable(to, first.windowIndex);
  to.u48(first.timeMs);
  writeVariable(to, hopMs);
  for (const run of runsOf(entries)) writeRun(to, run);
  return to.finish();
}

/** Throws `EdgeError` as frames do. */
export function decodeLoraReport(bytes: Uint8Array): Report {
  const from = new ByteReader(bytes, "LoRa report");
  const form = from.u8();
  if (form !== LORA_REPORT && form !== LORA_POINT_REPORT) from.fail("frame-type", "no report");
  const epoch = from.u32();
  if (epoch === 0) from.fail("out-of-range", "epoch 0");
  const modelId = modelIdOf(from.bytes(8));
  const seq = readVariable(from);
  const driftQ8 = readVariable(from);
  const packed = from.u8();
  const batteryPercent = packed & ~ALARM;
  if (batteryPercent > LIMITS.batteryPercent)
    from.fail("out-of-range", `battery ${batteryPercent}`);
  const operatingPoint =
    form === LORA_REPORT
      ? 0
      : within(from, "operating point", from.u8(), 1, LIMITS.operatingPoints);
  const dropped = readVariable(from);
  const count = from.u8();
  if (count > LIMITS.reportEntries) from.fail("out-of-range", `${count} windows`);
  const entries = count === 0 ? [] : readEntries(from, count);
  from.done();
  const alarm = packed >= ALARM;
  const head = { epoch, seq, modelId, driftQ8, alarm, operatingPoint, batteryPercent, dropped };
  return { kind: "report", ...head, entries };
}

/** Undefined where windows are no unbroken row or their times no even one. */
function evenHopMs(entries: readonly ReportEntry[]): number | undefined {
  const first = entries[0];
  const last = entries.at(-1);
  if (first === undefined || last === undefined || entries.length === 1) return 0;
  const hopMs = Math.round((last.timeMs - first.timeMs) / (entries.length - 1));
  const even = entries.every((entry, i) => {
    const late = entry.timeMs - (first.timeMs + i * hopMs);
    return entry.windowIndex === first.windowIndex + i && Math.abs(late) <= TIME_ERROR_MS_MAX;
  });
  return even && hopMs >= 0 ? hopMs : undefined;
}

function runsOf(entries: readonly ReportEntry[]): readonly Run[] {
  const runs: Run[] = [];
  for (const entry of entries) {
    const run = runs.at(-1);
    const { classIndex, offloaded } = entry;
    if (run?.classIndex === classIndex && run.offloaded === offloaded) run.entries.push(entry);
    else runs.push({ classIndex, offloaded, entries: [entry] });
  }
  return runs;
}

function writeRun(to: ByteWriter, { classIndex, offloaded, entries }: Run): void {
  assert(classIndex < LIMITS.classes, "a class within its limit");
  const count = entries.length;
  const mean = entries.reduce((sum, { confidenceQ8 }) => sum + confidenceQ8, 0) / count;
  const steps = Math.round((mean * CONFIDENCE_STEPS) / 255);
  to.u8(classIndex | (offloaded ? OFFLOADED : 0) | (count === 1 ? SINGLE : 0));
  to.u8(steps | (commonExit(entries) << 5));
  if (count > 1) to.u8(count - 1);
}

/** The exit of most windows; of several, the earliest. */
function commonExit(entries: readonly ReportEntry[]): number {
  const counts = Array.from({ length: LIMITS.exits }, () => 0);
  for (const { exit } of entries) counts[exit] = (counts[exit] ?? 0) + 1;
  return counts.indexOf(Math.max(...counts));
}

function readEntries(from: ByteReader, count: number): ReportEntry[] {
  const windowIndex = readVariable(from);
  const timeMs = from.u48();
  const hopMs = readVariable(from);
  const entries: ReportEntry[] = [];
  while (entries.length < count) {
    const what = from.u8();
    const how = from.u8();
    const length = what >= SINGLE ? 1 : from.u8() + 1;
    if (entries.length + length > count) from.fail("out-of-range", `a run of ${length} windows`);
    const answer = {
      classIndex: what & (OFFLOADED - 1),
      confidenceQ8: Math.round(((how & 0x1f) * 255) / CONFIDENCE_STEPS),
      exit: how >> 5,
      offloaded: (what & OFFLOADED) !== 0,
    };
    for (let i = 0; i < length; i++) {
      const at = entries.length;
      entries.push({ windowIndex: windowIndex + at, timeMs: timeMs + at * hopMs, ...answer });
    }
  }
  const last = entries.at(-1);
  const outside =
    last !== undefined && (last.windowIndex > 0xffff_ffff || last.timeMs > 0xffff_ffff_ffff);
  if (outside) from.fail("out-of-range", "windows beyond the end of their numbers");
  return entries;
}

export function writeVariable(to: ByteWriter, value: number): void {
  assert(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, "a number of 32 bits");
  let rest = value;
  while (rest >= 0x80) {
    to.u8((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  to.u8(rest);
}

/** At most 32 bits, in the shortest form: one number has one encoding. */
export function readVariable(from: ByteReader): number {
  let value = 0;
  for (let scale = 1; ; scale *= 0x80) {
    const byte = from.u8();
    value += (byte & 0x7f) * scale;
    if (value > 0xffff_ffff) from.fail("out-of-range", "a number of more than 32 bits");
    if (byte === 0 && scale > 1) from.fail("not-shortest", "a number with zeros in front");
    if (byte < 0x80) return value;
  }
}
