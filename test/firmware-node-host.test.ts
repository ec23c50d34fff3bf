/**
 * The whole firmware node on this machine, with every read and every sum watched: damaged
 * provisioning, a noisy sensor bus, a broker that says anything, and power cuts.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeProvision } from "../deploy/firmware/tools/provision.ts";
import { encodeBus } from "../deploy/firmware/tools/sensor-bus.ts";
import { type ByteReader, ByteWriter } from "../src/bytes.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";
import { encodeDown } from "../src/wire/frames.ts";
import { DEFAULT_BASE, downTopic, nodeId } from "../src/wire/topics.ts";
import { packetReader } from "./firmware-broker.ts";
import { buildNodeHost, letter, runHost, withoutCompiler } from "./firmware-host.ts";
import { packet, text } from "./mqtt-bytes.ts";
import { offerOf, PUBLIC_KEY, signRelease } from "./node-world.ts";
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

const ID = nodeId("collar-01");
const PAGE_BYTES = 1024;
const factory = readFileSync(path.join(import.meta.dirname, "../profiles/cattle/student.bwm"));
const PROVISION = { id: ID, base: DEFAULT_BASE, publicKeys: [PUBLIC_KEY], seed: 5 };

class Script {
  readonly to = new ByteWriter();
  format(): this {
    this.to
      .u8(letter("N"))
      .u32(PAGE_BYTES)
      .u32(64 * PAGE_BYTES);
    return this;
  }
  boot(block: Uint8Array = encodeProvision(PROVISION), nowMs = 0): this {
    this.to.u8(letter("B")).u16(block.length).bytes(block);
    this.to.u32(factory.length).bytes(factory).u32(nowMs);
    return this;
  }
  cutAt(operation: number, torn: number): this {
    this.to.u8(letter("X")).u32(operation).u8(torn);
    return this;
  }
  broker(nowMs: number, bytes: Uint8Array): this {
    this.to.u8(letter("F")).u32(nowMs).u16(bytes.length).bytes(bytes);
    return this;
  }
  sensor(nowMs: number, bytes: Uint8Array): this {
    this.to.u8(letter("S")).u32(nowMs).u48(0).u16(bytes.length).bytes(bytes);
    return this;
  }
  tick(nowMs: number): this {
    this.to.u8(letter("K")).u32(nowMs);
    return this;
  }
  join(nowMs = 0): this {
    return this.tick(nowMs)
      .broker(nowMs, packet(0x20, [0, 0]))
      .broker(nowMs, packet(0x90, [0, 1, 1]));
  }
  run(): ByteReader {
    return runHost(program, this.to.finish());
  }
}

type After = { cut: boolean; sent: Uint8Array; windows: number; badFrames: number };

function readAfter(from: ByteReader): After {
  const cut = from.u8() === 1;
  const sent = from.bytes(from.u32()).slice();
  return { cut, sent, windows: from.u32(), badFrames: from.u32() };
}

function flip(bytes: Uint8Array, random: Prng): void {
  const at = below(random, bytes.length);
  bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
}

function rows(startSample: number, count: number, random: Prng): Uint8Array {
  const millig = Int16Array.from({ length: 3 * count }, () => below(random, 2000) - 1000);
  return encodeBus({ startSample, millig, channels: 3, timeMs: 0, rateHz: 10 });
}

describe.skipIf(absent)("the node in C", () => {
  it("starts only with a provisioning block that is whole and possible", () => {
    const good = encodeProvision(PROVISION);
    const random = prng(1, "provision");
    const blocks = Array.from({ length: 400 }, () => {
      const bytes = good.slice(0, chance(random, 0.2) ? below(random, good.length) : good.length);
      if (bytes.length === good.length) flip(bytes, random);
      return bytes;
    });
    const script = new Script().format().boot(good);
    for (const block of blocks) script.boot(block);
    const answers = script.run();
    expect([answers.u8(), answers.u8()]).toEqual([1, 0]);
    readAfter(answers);
    for (const block of blocks) {
      expect(answers.u8(), [...block].join(" ")).toBe(0);
      answers.u8();
      readAfter(answers);
    }
  }, 60_000);

  it("takes whole frames of the sensor bus out of any noise, and nothing else", () => {
    const random = prng(2, "bus");
    const script = new Script().format().boot();
    let sample = 0;
    for (let i = 0; i < 300; i++) {
      const noise = Uint8Array.from({ length: below(random, 40) }, () =>
        chance(random, 0.2) ? 0xb5 : below(random, 256),
      );
      script.sensor(i, noise);
      const frame = rows(sample, 1 + below(random, 16), random);
      if (chance(random, 0.1)) flip(frame, random);
      else sample += (frame.length - 18) / 6;
      // Noise that looks like the beginning of a frame may swallow the one behind it.
      script.sensor(i, Uint8Array.from([...new Uint8Array(280), ...frame]));
    }
    const answers = script.run();
    answers.bytes(2);
    readAfter(answers);
    let last: After | undefined;
    for (let i = 0; i < 600; i++) last = readAfter(answers);
    answers.done();
    expect(last?.windows).toBe(Math.floor((sample - 50) / 25) + 1);
  }, 60_000);

  it("reads nothing out of bounds, whatever its broker says", () => {
    const random = prng(3, "broker");
    const messages = [
      ...fc.sample(anyDown, { numRuns: 300, seed: 4 }),
      offerOf(signRelease(factory, 3)),
      { kind: "setting", auditChanceQ16: 65_535, burstWindows: 3 } as const,
    ];
    const script = new Script().format().boot().join();
    const steps = 2000;
    for (let i = 0; i < steps; i++) {
      const message = messages[below(random, messages.length)] as (typeof messages)[number];
      const frame = encodeDown(message).slice();
      if (chance(random, 0.5))
        frame[below(random, Math.min(frame.length, 80))] = below(random, 256);
      const topic = text(downTopic(DEFAULT_BASE, ID, message.kind));
      const bytes = packet(0x32, [...topic, 0, 7, ...frame.subarray(0, 4000)]);
      script.broker(10 * i, bytes);
      script.sensor(10 * i, rows(25 * i, 25, random));
    }
    const answers = script.run();
    answers.bytes(2);
    for (let i = 0; i < 4; i++) readAfter(answers);
    let last: After | undefined;
    for (let i = 0; i < 2 * steps; i++) last = readAfter(answers);
    answers.done();
    expect(last?.windows).toBe(steps - 1);
    expect(last?.badFrames).toBeGreaterThan(100);
  }, 60_000);

  it("never says the same life twice, wherever a start is cut off", () => {
    const random = prng(4, "lives");
    const script = new Script().format();
    const lives = 120;
    for (let i = 0; i < lives; i++) {
      script.cutAt(below(random, 3) === 0 ? 1 + below(random, 24) : 0, below(random, 3));
      script
        .boot(encodeProvision(PROVISION), 1000 * (i % 2))
        .cutAt(0, 0)
        .join(1000 * (i % 2));
    }
    const answers = script.run();
    const epochs: number[] = [];
    let cuts = 0;
    const reader = packetReader(({ topic, payload }) => {
      if (topic.endsWith("/up/hello")) epochs.push(Buffer.from(payload).readUInt32LE(2));
    });
    for (let i = 0; i < lives; i++) {
      answers.bytes(2);
      if (readAfter(answers).cut) cuts += 1;
      for (let step = 0; step < 3; step++) reader(Buffer.from(readAfter(answers).sent));
    }
    answers.done();
    expect(cuts).toBeGreaterThan(10);
    expect(epochs.length).toBe(lives - cuts);
    expect(new Set(epochs).size).toBe(epochs.length);
  }, 60_000);

  it("keeps the last version of a journal that was written whole", () => {
    const random = prng(5, "journal");
    const script = new Script().format();
    const records = Array.from({ length: 400 }, (_, i) => {
      const bytes = Uint8Array.from({ length: 1 + below(random, 900) }, () => i & 255);
      const cut = chance(random, 0.3) ? 1 + below(random, 300) : 0;
      script.cutAt(cut, below(random, 3));
      script.to.u8(letter("j")).u8(1).u8(letter("J")).u8(1).u16(bytes.length).bytes(bytes);
      return bytes;
    });
    script.cutAt(0, 0).to.u8(letter("j")).u8(1);
    const answers = script.run();
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
