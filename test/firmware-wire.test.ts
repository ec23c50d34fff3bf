/** Frames and windows of the firmware, against the code that defines them. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createWindowing, takeSamples } from "../device-sim/windowing.ts";
import { type ByteReader, ByteWriter } from "../src/bytes.ts";
import { doubtsStoodFor, OFFLOAD_FORMS, offloadForm } from "../src/gate/offload-form.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";
import { quantizeMillig } from "../src/signal/make-windows.ts";
import { CODE_BITS_MAX, packCodes } from "../src/wire/codes.ts";
import { decodeDown, encodeDown, encodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import {
  type DownMessage,
  type FeaturesOffload,
  OFFLOAD_ENCODINGS,
  OFFLOAD_REASONS,
  type UpMessage,
  type WindowOffload,
} from "../src/wire/messages.ts";
import { encoderIdBytes } from "../src/wire/offload-frame.ts";
import { modelIdBytes } from "../src/wire/topics.ts";
import { codeOf } from "./firmware-gate-kit.ts";
import { buildWireHost, letter, runHost, withoutCompiler } from "./firmware-host.ts";
import { anyDown, anyFeatures, anyUp, asWindow, GOLDEN_UP } from "./wire-samples.ts";

const absent = withoutCompiler("the wire in C");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-wire-"));
  program = buildWireHost(folder);
}, 60_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

const FRAME_CODES = [
  "ok",
  "truncated",
  "trailing-bytes",
  "frame-oversized",
  "frame-version",
  "frame-type",
  "out-of-range",
];
const DOWN_LETTERS = { ack: "A", verdict: "V", setting: "T", point: "I" } as const;
type NodeDown = keyof typeof DOWN_LETTERS;
const NODE_DOWNS = Object.keys(DOWN_LETTERS) as NodeDown[];

function writeUp(to: ByteWriter, message: UpMessage): boolean {
  if (message.kind === "hello") {
    to.u8(letter("H")).u32(message.epoch).bytes(modelIdBytes(message.modelId));
    to.u32(message.releaseSequence).u16(message.formatVersion).u32(message.slotBytes);
    to.u32(message.ramBytes).u32(message.wakeMs).ascii(message.cohort).ascii(message.firmware);
    return true;
  }
  if (message.kind === "report") {
    to.u8(letter("P")).u32(message.epoch).u32(message.seq).bytes(modelIdBytes(message.modelId));
    to.u32(message.driftQ8)
      .u8(message.alarm ? 1 : 0)
      .u8(message.operatingPoint)
      .u8(message.batteryPercent);
    to.u32(message.dropped).u8(message.entries.length);
    for (const entry of message.entries) {
      to.u32(entry.windowIndex).u48(entry.timeMs).u8(entry.classIndex).u8(entry.confidenceQ8);
      to.u8(entry.exit).u8(entry.offloaded ? 1 : 0);
    }
    return true;
  }
  if (message.kind !== "offload" || message.encoding === "features") return false;
  writeOffloadHead(to, message);
  to.u16(message.windowSamples).u8(message.channels);
  to.u32(Math.round(message.inputMilligPerStep * 1000)).u32(message.rateCentihertz);
  to.bytes(message.window);
  return true;
}

function writeOffloadHead(to: ByteWriter, message: WindowOffload | FeaturesOffload): void {
  to.u8(letter("O")).u32(message.epoch).u32(message.seq).bytes(modelIdBytes(message.modelId));
  to.u32(message.windowIndex).u48(message.timeMs).u8(OFFLOAD_REASONS.indexOf(message.reason));
  to.u8(message.classIndex).u8(message.confidenceQ8).u8(message.exit).u16(message.chanceQ16);
  to.u8(OFFLOAD_ENCODINGS.indexOf(message.encoding));
}

function readDown(kind: NodeDown, answers: ByteReader): unknown {
  if (kind === "ack") {
    const epoch = answers.u32();
    return { kind, epoch, seqs: Array.from({ length: answers.u16() }, () => answers.u32()) };
  }
  if (kind === "point") return { kind, shareQ16: answers.u16() };
  if (kind === "setting") {
    return { kind, auditChanceQ16: answers.u16(), burstWindows: answers.u16() };
  }
  const head = { kind, epoch: answers.u32(), seq: answers.u32(), windowIndex: answers.u32() };
  const classIndex = answers.u8();
  const trusted = answers.u8() === 1;
  return { ...head, classIndex, trusted, probabilitiesQ8: answers.bytes(answers.u8()).slice() };
}

function isForNode(message: DownMessage): message is DownMessage & { kind: NodeDown } {
  return NODE_DOWNS.includes(message.kind as NodeDown);
}

function damaged(bytes: Uint8Array, random: Prng): Uint8Array {
  const kind = below(random, 4);
  if (kind === 0) return bytes.slice(0, below(random, bytes.length));
  if (kind === 1) return Uint8Array.from([...bytes, below(random, 256)]);
  const changed = bytes.slice();
  changed[below(random, Math.min(24, bytes.length))] = below(random, 256);
  return changed;
}

/** So little moves that several codes stand for the same. */
function quietly(offload: WindowOffload): WindowOffload {
  return { ...offload, window: offload.window.map((value) => 90 + (value >> 5)) };
}

describe.skipIf(absent)("frames in C", () => {
  it("are the golden ones and those of the gateway", () => {
    const whole = [...GOLDEN_UP, ...fc.sample(anyUp, { numRuns: 600, seed: 1 })];
    const companded = whole.flatMap((message): UpMessage[] =>
      message.kind === "offload"
        ? [asWindow(message), quietly(asWindow(message))].flatMap((loud) => [
            { ...loud, encoding: "companded4" as const },
            { ...loud, encoding: "companded2" as const },
          ])
        : [],
    );
    expect(companded.length).toBeGreaterThan(50);
    const messages = [...whole, ...companded];
    const to = new ByteWriter();
    const written = messages.filter((message) => writeUp(to, message));
    const answers = runHost(program, to.finish());
    for (const message of written) {
      const frame = answers.bytes(answers.u16());
      expect(Buffer.from(frame)).toEqual(Buffer.from(encodeUp(message)));
    }
    answers.done();
    expect(new Set(written.map(({ kind }) => kind)).size).toBe(3);
  });

  it("of codes are those of the gateway, however many of however many bits", () => {
    const random = prng(3, "codes in C");
    const to = new ByteWriter();
    const messages = fc.sample(anyFeatures, { numRuns: 200, seed: 3 }).map((message, i) => {
      const bits = 1 + (i % CODE_BITS_MAX);
      const count = 1 + below(random, Math.floor((8 * LIMITS.codeBytes) / bits));
      const codes = Uint8Array.from({ length: count }, () => below(random, 1 << bits));
      writeOffloadHead(to, message);
      to.u8(bits).u16(count).bytes(encoderIdBytes(message.encoder)).bytes(codes);
      return { ...message, codes: packCodes(codes, bits) };
    });
    const answers = runHost(program, to.finish());
    for (const message of messages) {
      const frame = answers.bytes(answers.u16());
      expect(Buffer.from(frame)).toEqual(Buffer.from(encodeUp(message)));
    }
    answers.done();
  });

  it("are read, or refused with the same code, also when damaged", () => {
    const random = prng(1, "damaged frames");
    const good = fc.sample(anyDown, { numRuns: 1500, seed: 2 }).filter(isForNode);
    const cases = good.flatMap(({ kind, ...rest }) => {
      const bytes = encodeDown({ kind, ...rest } as DownMessage);
      const other = NODE_DOWNS[below(random, 4)] as NodeDown;
      return [
        { kind, bytes },
        { kind, bytes: damaged(bytes, random) },
        { kind: other, bytes: damaged(bytes, random) },
      ];
    });
    const to = new ByteWriter();
    for (const { kind, bytes } of cases) {
      to.u8(letter(DOWN_LETTERS[kind])).u16(bytes.length).bytes(bytes);
    }
    const answers = runHost(program, to.finish());
    const codes = new Set<string>();
    for (const { kind, bytes } of cases) {
      const code = FRAME_CODES[answers.u8()] as string;
      codes.add(code);
      expect(code).toBe(codeOf(() => decodeDown(kind, bytes)));
      if (code === "ok") expect(readDown(kind, answers)).toEqual(plain(decodeDown(kind, bytes)));
    }
    expect(codes.size).toBe(6);
  });

  it("has the frames of the golden file", () => {
    const golden = JSON.parse(
      readFileSync(path.join(import.meta.dirname, "golden/frames.json"), "utf8"),
    ) as { frames: Record<NodeDown, string> };
    for (const kind of NODE_DOWNS) {
      const bytes = Buffer.from(golden.frames[kind], "hex");
      const to = new ByteWriter().u8(letter(DOWN_LETTERS[kind])).u16(bytes.length).bytes(bytes);
      const answers = runHost(program, to.finish());
      expect(FRAME_CODES[answers.u8()]).toBe("ok");
      expect(readDown(kind, answers)).toEqual(plain(decodeDown(kind, bytes)));
    }
  });
});

/** Views of a frame as arrays of their own. */
function plain(message: DownMessage): unknown {
  return message.kind === "verdict"
    ? { ...message, probabilitiesQ8: message.probabilitiesQ8.slice() }
    : message;
}

describe.skipIf(absent)("the form of an offload in C", () => {
  it("is that of the simulated node, whatever it is asked", () => {
    const random = prng(4, "forms");
    const forms = new Map<string, number>();
    const bytes = (): number => (chance(random, 0.2) ? 0 : 40 + below(random, 12));
    const asked = Array.from({ length: 20_000 }, () => ({
      reason: below(random, 5),
      alarm: chance(random, 0.2),
      batteryPercent: below(random, 101),
      batteryLowPercent: chance(random, 0.3) ? 0 : below(random, 101),
      doubtsPerWindow: chance(random, 0.1) ? 0 : 1 + below(random, 9),
      owed: below(random, 10),
      owedMax: 1 + below(random, 12),
      queueShare: below(random, 5) / 4,
      doubts: below(random, 40),
      codes: bytes(),
      window: bytes(),
    }));
    const to = new ByteWriter();
    for (const { reason, alarm, doubtsPerWindow, owed, owedMax, ...rest } of asked) {
      to.u8(letter("G"))
        .u8(reason === 4 ? 255 : reason)
        .u8(alarm ? 1 : 0)
        .u8(rest.batteryPercent)
        .u8(rest.batteryLowPercent)
        .u8(doubtsPerWindow);
      to.u32(owed)
        .u32(owedMax)
        .u32(Math.ceil(rest.queueShare * owedMax))
        .u32(rest.doubts);
      to.u32(rest.codes).u32(rest.window);
    }
    const answers = runHost(program, to.finish());
    const costOf = (sent: number) => (sent === 0 ? undefined : { microjoules: sent });
    for (const { reason, codes, window, ...rest } of asked) {
      const { doubtsPerWindow, queueShare, batteryLowPercent } = rest;
      const question = {
        ...{ ...rest, reason: OFFLOAD_REASONS[reason] ?? null },
        features: doubtsPerWindow === 0 ? undefined : costOf(codes),
        raw: costOf(window),
      };
      const rule = { doubtsPerWindow, queueShare, batteryLowPercent };
      const expected = offloadForm(question, rule);
      forms.set(expected, (forms.get(expected) ?? 0) + 1);
      expect(OFFLOAD_FORMS[answers.u8()]).toBe(expected);
      expect(answers.u8()).toBe(doubtsStoodFor(question, rule));
    }
    expect(Math.min(...forms.values())).toBeGreaterThan(1_000);
    expect(forms.size).toBe(3);
  });
});

describe.skipIf(absent)("windows in C", () => {
  it("round every int16 as training did, for the steps of every profile", () => {
    const to = new ByteWriter();
    const steps = [16, 31, 12, 8, 1, 3.5, 400];
    const values = Array.from({ length: 4096 }, (_, i) => i * 16 - 32768).concat(
      Array.from({ length: 8192 }, (_, i) => i - 4096),
    );
    for (const step of steps) {
      for (const value of values)
        to.u8(letter("Q"))
          .i16(value)
          .u32(step * 1000);
    }
    const answers = runHost(program, to.finish());
    for (const step of steps) {
      for (const value of values) {
        if (answers.i8() !== quantizeMillig(value, step) + 0) throw new Error(`${value} / ${step}`);
      }
    }
  });

  it("are cut where the simulated node cuts them, gaps and all", () => {
    const random = prng(1, "windows in C");
    for (let life = 0; life < 12; life++) {
      const shape = {
        windowSamples: 2 + below(random, 40),
        hopSamples: 1 + below(random, 50),
        channels: 1 + below(random, 4),
        inputMilligPerStep: 16,
        rateHz: 10,
      };
      const { windowSamples, hopSamples, channels, inputMilligPerStep } = shape;
      const windowing = createWindowing(shape);
      const to = new ByteWriter().u8(letter("S")).u16(windowSamples).u16(hopSamples).u8(channels);
      to.u32(inputMilligPerStep * 1000);
      const expected: number[] = [];
      let startSample = below(random, 3);
      for (let run = 0; run < 30; run++) {
        const rows = below(random, 30);
        const millig = Int16Array.from(
          { length: rows * channels },
          () => below(random, 6000) - 3000,
        );
        const ends = new Map<number, number[]>();
        takeSamples(windowing, { startSample, millig }, (cut) => {
          ends.set(cut.endSample, [...cut.window]);
        });
        for (let i = 0; i < rows; i++) {
          to.u8(letter("R")).u32(startSample + i);
          for (let c = 0; c < channels; c++) to.i16(millig[i * channels + c] as number);
          const window = ends.get(startSample + i + 1);
          expected.push(...(window === undefined ? [0] : [1, ...window.map((v) => v & 255)]));
        }
        startSample += rows + (chance(random, 0.2) ? 1 + below(random, 9) : 0);
      }
      const answers = runHost(program, to.finish());
      expect([...answers.bytes(answers.left)]).toEqual(expected);
    }
  });
});
