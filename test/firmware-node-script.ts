/**
 * The life of a firmware node on this machine, as a script: what happens to it, and what it says.
 *
 * The program is run from the beginning each time something was added: it is quick, and always does
 * the same, so that what it says may decide what happens to it next.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { encodeProvision, type Provision } from "../deploy/firmware/tools/provision.ts";
import { encodeBus } from "../deploy/firmware/tools/sensor-bus.ts";
import { type ByteReader, ByteWriter } from "../src/bytes.ts";
import { below, type Prng } from "../src/prng.ts";
import { encodeDown } from "../src/wire/frames.ts";
import type { DownMessage } from "../src/wire/messages.ts";
import { DEFAULT_BASE, downTopic, nodeId } from "../src/wire/topics.ts";
import { letter, runHost } from "./firmware-host.ts";
import { packet, text } from "./mqtt-bytes.ts";
import { PUBLIC_KEY } from "./node-world.ts";

export const SCRIPT_NODE = nodeId("collar-01");
export const SCRIPT_PAGE_BYTES = 1024;
export const SCRIPT_FACTORY = readFileSync(
  path.join(import.meta.dirname, "../profiles/cattle/student.bwm"),
);
export const SCRIPT_PROVISION: Provision = {
  id: SCRIPT_NODE,
  base: DEFAULT_BASE,
  publicKeys: [PUBLIC_KEY],
  seed: 5,
};

/** What one step came to. */
export type After = {
  /** Of a start: whether the block was believed, and bw_boot_code. */
  readonly provisioned: boolean;
  readonly bootCode: number;
  readonly cut: boolean;
  readonly sent: Uint8Array;
  readonly windows: number;
  readonly badFrames: number;
};

export class NodeScript {
  readonly #program: string;
  readonly to = new ByteWriter();
  readonly #steps: ("start" | "step")[] = [];

  constructor(program: string) {
    this.#program = program;
    this.to
      .u8(letter("N"))
      .u32(SCRIPT_PAGE_BYTES)
      .u32(64 * SCRIPT_PAGE_BYTES);
  }
  get steps(): number {
    return this.#steps.length;
  }
  boot(
    nowMs = 0,
    block: Uint8Array = encodeProvision(SCRIPT_PROVISION),
    factory: Uint8Array = SCRIPT_FACTORY,
  ): this {
    this.#steps.push("start");
    this.to.u8(letter("B")).u16(block.length).bytes(block);
    this.to.u32(factory.length).bytes(factory).u48(nowMs);
    return this;
  }
  cutAt(operation: number, torn: number): this {
    this.to.u8(letter("X")).u32(operation).u8(torn);
    return this;
  }
  broker(nowMs: number, bytes: Uint8Array): this {
    this.#steps.push("step");
    this.to.u8(letter("F")).u48(nowMs).u16(bytes.length).bytes(bytes);
    return this;
  }
  tell(nowMs: number, message: DownMessage): this {
    const topic = text(downTopic(DEFAULT_BASE, SCRIPT_NODE, message.kind));
    return this.broker(nowMs, packet(0x32, [...topic, 0, 7, ...encodeDown(message)]));
  }
  sensor(nowMs: number, bytes: Uint8Array): this {
    this.#steps.push("step");
    this.to.u8(letter("S")).u48(nowMs).u48(0).u16(bytes.length).bytes(bytes);
    return this;
  }
  battery(percent: number): this {
    this.to.u8(letter("C")).u8(percent);
    return this;
  }
  /** Of the program's 8192, from the next start on. */
  outbox(bytes: number): this {
    this.to.u8(letter("O")).u32(bytes);
    return this;
  }
  tick(nowMs: number): this {
    this.#steps.push("step");
    this.to.u8(letter("K")).u48(nowMs);
    return this;
  }
  join(nowMs = 0): this {
    return this.tick(nowMs)
      .broker(nowMs, packet(0x20, [0, 0]))
      .broker(nowMs, packet(0x90, [0, 1, 1]));
  }
  /** What every step came to. */
  run(): After[] {
    const answers = runHost(this.#program, this.to.finish());
    const all = this.#steps.map((kind) => readAfter(kind, answers));
    answers.done();
    return all;
  }
}

function readAfter(kind: "start" | "step", from: ByteReader): After {
  const provisioned = kind === "step" || from.u8() === 1;
  const bootCode = kind === "step" ? 0 : from.u8();
  const cut = from.u8() === 1;
  const sent = from.bytes(from.u32()).slice();
  return { provisioned, bootCode, cut, sent, windows: from.u32(), badFrames: from.u32() };
}

/** Rows of noise, as the sensor bus brings them. */
export function noisyRows(startSample: number, count: number, random: Prng): Uint8Array {
  const millig = Int16Array.from({ length: 3 * count }, () => below(random, 2000) - 1000);
  return encodeBus({ startSample, millig, channels: 3, timeMs: 0, rateHz: 10 });
}
