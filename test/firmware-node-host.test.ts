/**
 * The whole firmware node on this machine, with every read and every sum watched: damaged
 * provisioning, a noisy sensor bus, a broker that says anything, and power cuts.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeProvision } from "../deploy/firmware/tools/provision.ts";
import { encodeBus } from "../deploy/firmware/tools/sensor-bus.ts";
import type { FeaturesSettings } from "../device-sim/node-types.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import { DEFAULT_BASE, downTopic, parseUpTopic } from "../src/wire/topics.ts";
import { packetReader } from "./firmware-broker.ts";
import { buildNodeHost, letter, runHost, withoutCompiler } from "./firmware-host.ts";
import {
  type After,
  NodeScript,
  noisyRows,
  SCRIPT_FACTORY,
  SCRIPT_NODE,
  SCRIPT_PROVISION,
} from "./firmware-node-script.ts";
import { packet, text } from "./mqtt-bytes.ts";
import { offerOf, signRelease } from "./node-world.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";
import { anyDown } from "./wire-samples.ts";

const absent = withoutCompiler("the whole node in C");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-node-host-"));
  program = buildNodeHost(folder);
}, 120_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

function flip(bytes: Uint8Array, random: Prng): void {
  const at = below(random, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
}

function epochOf(steps: readonly After[]): number {
  let epoch = 0;
  const reader = packetReader(({ topic, payload }) => {
    if (topic.endsWith("/up/hello")) epoch = Buffer.from(payload).readUInt32LE(2);
  });
  for (const { sent } of steps) reader(Buffer.from(sent));
  return epoch;
}

describe.skipIf(absent)("the node in C", () => {
  it("starts only with a provisioning block that is whole and possible", () => {
    const good = encodeProvision(SCRIPT_PROVISION);
    const random = prng(1, "provision");
    const script = new NodeScript(program).boot(0, good);
    for (let i = 0; i < 400; i++) {
      const bytes = good.slice(0, chance(random, 0.2) ? below(random, good.length) : good.length);
      if (bytes.length === good.length) flip(bytes, random);
      script.boot(0, bytes);
    }
    const [first, ...others] = script.run();
    expect(first).toMatchObject({ provisioned: true, bootCode: 0 });
    expect(others.filter(({ provisioned }) => provisioned)).toEqual([]);
  }, 60_000);

  it("joins under whatever name its main program gave the firmware, or none", () => {
    for (const [length, expected] of [
      [4, "host"],
      [0, "bellwether-fw"],
      [37, "host 0123456789 0123456789 01234"],
    ] as const) {
      const script = new NodeScript(program);
      script.to.u8(letter("W")).u8(length);
      const names: string[] = [];
      const reader = packetReader(({ topic, payload }) => {
        const said = topic.endsWith("/up/hello") ? decodeUp("hello", payload) : undefined;
        if (said?.kind === "hello") names.push(said.firmware);
      });
      for (const { sent } of script.boot().join().run()) reader(Buffer.from(sent));
      expect(names).toEqual([expected]);
    }
  });

  it("lives on over the 50th day, when milliseconds no longer fit 32 bits", () => {
    const wrapMs = 2 ** 32;
    const connects = (steps: readonly After[]) => (steps.at(-1)?.sent[0] ?? 0) === 0x10;
    let joins = 0;
    /** What a life of minutes says from `startMs` on: it joins, loses its link, and joins again. */
    const lifeFrom = (startMs: number): string[] => {
      const random = prng(9, "long life");
      const script = new NodeScript(program).boot(startMs).join(startMs);
      for (let second = 0; second <= 240; second++) {
        const nowMs = startMs + 1000 * second;
        if (second % 3 === 0) script.sensor(nowMs, noisyRows(25 * (second / 3), 25, random));
        script.tick(nowMs);
        if (joins === 0 && second > 120 && connects(script.run())) joins = second;
        if (joins > 0 && second === joins) script.join(nowMs);
      }
      const said: string[] = [];
      const reader = packetReader(({ topic, payload }) => {
        const kind = parseUpTopic(DEFAULT_BASE, topic)?.kind;
        if (kind === undefined) return;
        const message = decodeUp(kind, payload);
        const seq = "seq" in message ? message.seq : "";
        said.push(`${message.kind} ${seq} of ${payload.length} bytes`);
      });
      for (const { sent } of script.run()) reader(Buffer.from(sent));
      return said;
    };
    const early = lifeFrom(0);
    expect(early.filter((line) => line.startsWith("hello"))).toHaveLength(2);
    expect(early.length).toBeGreaterThan(12);
    // The wrap comes in each part of that life: while it is heard, while it is not, and after.
    for (const into of [5_500, 60_500, 150_500, 200_500]) {
      expect(lifeFrom(wrapMs - into), `${into} ms before`).toEqual(early);
    }
  }, 60_000);

  it("takes whole frames of the sensor bus out of any noise, and nothing else", () => {
    const random = prng(2, "bus");
    const script = new NodeScript(program).boot();
    let sample = 0;
    for (let i = 0; i < 300; i++) {
      const noise = Uint8Array.from({ length: below(random, 40) }, () =>
        chance(random, 0.2) ? 0xb5 : below(random, 256),
      );
      script.sensor(i, noise);
      const frame = noisyRows(sample, 1 + below(random, 16), random);
      if (chance(random, 0.1)) flip(frame, random);
      else sample += (frame.length - 18) / 6;
      // Noise that looks like the beginning of a frame may swallow the one behind it.
      script.sensor(i, Uint8Array.from([...new Uint8Array(280), ...frame]));
    }
    expect(script.run().at(-1)?.windows).toBe(Math.floor((sample - 50) / 25) + 1);
  }, 60_000);

  it("reads nothing out of bounds, whatever its broker says", () => {
    const random = prng(3, "broker");
    const messages = [
      ...fc.sample(anyDown, { numRuns: 300, seed: 4 }),
      offerOf(signRelease(SCRIPT_FACTORY, 3)),
      { kind: "setting", auditChanceQ16: 65_535, burstWindows: 3 } as const,
    ];
    const script = new NodeScript(program).boot().join();
    const steps = 2000;
    for (let i = 0; i < steps; i++) {
      const message = messages[below(random, messages.length)] as (typeof messages)[number];
      const frame = encodeDown(message).slice();
      if (chance(random, 0.5))
        frame[below(random, Math.min(frame.length, 80))] = below(random, 256);
      const topic = text(downTopic(DEFAULT_BASE, SCRIPT_NODE, message.kind));
      script.broker(10 * i, packet(0x32, [...topic, 0, 7, ...frame.subarray(0, 4000)]));
      script.sensor(10 * i, noisyRows(25 * i, 25, random));
    }
    const last = script.run().at(-1);
    expect(last?.windows).toBe(steps - 1);
    expect(last?.badFrames).toBeGreaterThan(100);
  }, 60_000);

  it("never says the same life twice, wherever a start is cut off", () => {
    const random = prng(4, "lives");
    const script = new NodeScript(program);
    const lives = 120;
    for (let i = 0; i < lives; i++) {
      script.cutAt(below(random, 3) === 0 ? 1 + below(random, 24) : 0, below(random, 3));
      script
        .boot(1000 * (i % 2))
        .cutAt(0, 0)
        .join(1000 * (i % 2));
    }
    const epochs: number[] = [];
    const reader = packetReader(({ topic, payload }) => {
      if (topic.endsWith("/up/hello")) epochs.push(Buffer.from(payload).readUInt32LE(2));
    });
    const all = script.run();
    for (const { sent } of all) reader(Buffer.from(sent));
    const cuts = all.filter(({ cut }) => cut).length;
    expect(cuts).toBeGreaterThan(10);
    expect(epochs.length).toBe(lives - cuts);
    expect(new Set(epochs).size).toBe(epochs.length);
  }, 60_000);

  it("stays at its operating point when its power is cut, and says so in each report", () => {
    const plain = decodeContainer(SCRIPT_FACTORY);
    const points = encodePoints({ ...gateOf(plain), operatingPoints: OPERATING_POINTS });
    const factory = encodeContainer({ ...plain, ...(points && { points }) });
    const random = prng(6, "points");
    const [low = 0, high = 0] = OPERATING_POINTS.map((point) => point.targetShareQ16);
    const script = new NodeScript(program);
    const live = (startMs: number, shares: readonly number[]): void => {
      script.boot(startMs, undefined, factory).join(startMs);
      [undefined, ...shares].forEach((shareQ16, i) => {
        const nowMs = startMs + 10 * i;
        if (shareQ16 !== undefined) script.tell(nowMs, { kind: "point", shareQ16 });
        script.sensor(nowMs, noisyRows(50 * i, 50, random));
      });
    };
    live(0, [high, low, high]);
    live(1_000_000, [0]);
    live(2_000_000, []);
    const lives: number[][] = [];
    const reader = packetReader(({ topic, payload }) => {
      if (topic.endsWith("/up/hello")) lives.push([]);
      if (!topic.endsWith("/up/report")) return;
      const report = decodeUp("report", payload);
      if (report.kind === "report") lives.at(-1)?.push(report.operatingPoint);
    });
    for (const { sent } of script.run()) reader(Buffer.from(sent));
    const each = (...moved: number[]) => moved.flatMap((point) => [point, point]);
    // A window has 50 samples, and begins 25 behind the one before: two a block, one in the first.
    expect(lives).toEqual([each(0, 2, 1, 2).slice(1), each(2, 0).slice(1), each(0).slice(1)]);
  }, 60_000);

  it("sends no window of a doubt while its battery is low, and reports what it holds", async () => {
    const gate = gateOf(decodeContainer(SCRIPT_FACTORY));
    const unsureMarginQ8 = gate.offload.unsureMarginQ8.map(() => 2000);
    const doubting = {
      ...gate,
      novelty: null,
      offload: { ...gate.offload, unsureMarginQ8, targetShareQ16: 20_000 },
      bucket: { ...gate.bucket, windowsPerTokenQ8: 2 * 256 },
      operatingPoints: [],
    };
    const { points: _, ...container } = decodeContainer(SCRIPT_FACTORY);
    const factory = encodeContainer({ ...container, gate: encodeGate(doubting) });
    const features: FeaturesSettings = {
      rule: { ...DEFAULT_FORM_RULE, doubtsPerWindow: 2, queueShare: 1 },
      costs: () => ({ raw: undefined, features: undefined }),
    };
    const block = encodeProvision({ ...SCRIPT_PROVISION, settings: { features } });
    const animal = createEmulator(await readShippedEmulator("cattle"), { seed: 5, name: "cow" });
    const { samples } = animal.next(25 * 400);
    /** Batteries that reports named, and how many doubts went as windows. */
    const liveWith = (percent: number): { batteries: Set<number>; doubts: number; raw: number } => {
      const script = new NodeScript(program).boot(0, block, factory).battery(percent).join();
      const epoch = epochOf(script.run());
      for (let i = 0; i < 400; i++) {
        const millig = samples.slice(75 * i, 75 * (i + 1));
        for (let row = 0; row < 25; row += 5) {
          const rows = millig.slice(3 * row, 3 * (row + 5));
          const at = { startSample: 25 * i + row, timeMs: 0, rateHz: 10, channels: 3 };
          script.sensor(10 * i, encodeBus({ ...at, millig: rows }));
        }
        const seqs = Array.from({ length: 200 }, (_, seq) => Math.max(0, i - 100) + seq);
        script.tell(10 * i, { kind: "ack", epoch, seqs });
      }
      const life = { batteries: new Set<number>(), doubts: 0, raw: 0 };
      const reader = packetReader(({ topic, payload }) => {
        const kind = parseUpTopic(DEFAULT_BASE, topic)?.kind;
        const said = kind === undefined ? undefined : decodeUp(kind, payload);
        if (said?.kind === "report") life.batteries.add(said.batteryPercent);
        if (said?.kind !== "offload" || said.reason !== "unsure") return;
        life.doubts += 1;
        if (said.encoding !== "features") life.raw += 1;
      });
      for (const { sent } of script.run()) reader(Buffer.from(sent));
      return life;
    };
    const full = liveWith(DEFAULT_FORM_RULE.batteryLowPercent);
    expect(full.raw).toBeGreaterThan(10);
    expect(full.raw).toBeLessThan(full.doubts);
    expect([...full.batteries]).toEqual([DEFAULT_FORM_RULE.batteryLowPercent]);
    const low = liveWith(DEFAULT_FORM_RULE.batteryLowPercent - 1);
    expect(low.doubts).toBeGreaterThan(full.raw);
    expect(low.raw).toBe(0);
    expect([...low.batteries]).toEqual([DEFAULT_FORM_RULE.batteryLowPercent - 1]);
    // What measures wrongly counts as full: a frame with more would be refused.
    expect([...liveWith(255).batteries]).toEqual([100]);
  }, 60_000);

  it("keeps the last version of a journal that was written whole", () => {
    const random = prng(5, "journal");
    const script = new NodeScript(program);
    const records = Array.from({ length: 400 }, (_, i) => {
      const bytes = Uint8Array.from({ length: 1 + below(random, 900) }, () => i & 255);
      const cut = chance(random, 0.3) ? 1 + below(random, 300) : 0;
      script.cutAt(cut, below(random, 3));
      script.to.u8(letter("j")).u8(1).u8(letter("J")).u8(1).u16(bytes.length).bytes(bytes);
      return bytes;
    });
    script.cutAt(0, 0).to.u8(letter("j")).u8(1);
    const answers = runHost(program, script.to.finish());
    let kept: Uint8Array = new Uint8Array();
    let attempted: Uint8Array | undefined;
    for (const record of [...records, undefined]) {
      answers.u32();
      const found = answers.bytes(answers.u16());
      if (attempted !== undefined && Buffer.from(found).equals(attempted)) kept = attempted;
      expect(Buffer.from(found).equals(kept)).toBe(true);
      attempted = undefined;
      if (record === undefined) break;
      const outcome = answers.u8();
      if (outcome === 1) kept = record;
      // Cut off: the version before, or this one where only its end was still to come.
      else attempted = record;
    }
    answers.done();
  }, 60_000);
});
