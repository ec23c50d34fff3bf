/** The firmware's MQTT client, byte by byte and against everything that a broker must not say. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ByteReader, ByteWriter } from "../src/bytes.ts";
import { below, chance, prng } from "../src/prng.ts";
import { buildWireHost, letter, runHost, withoutCompiler } from "./firmware-host.ts";
import { connectPacket, packet, publishPacket, subscribePacket, text } from "./mqtt-bytes.ts";

const absent = withoutCompiler("MQTT in C");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-mqtt-"));
  program = buildWireHost(folder);
}, 60_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

type Seen = { readonly sent: Uint8Array; readonly events: readonly Event[] };
type Event = "connected" | "lost" | { readonly kind: string; readonly payload: readonly number[] };

/** A client's life: what it is given, step by step. */
class ClientScript {
  readonly to = new ByteWriter();
  steps = 0;

  constructor(options: { user?: string; room?: number } = {}) {
    const { user = "", room = 400 } = options;
    this.to
      .u8(letter("M"))
      .ascii("collar-01")
      .ascii(user)
      .ascii(user === "" ? "" : "secret");
    this.to.ascii("farm/north").u16(60).u16(room);
  }
  tick(nowMs: number): this {
    this.steps += 1;
    this.to.u8(letter("K")).u32(nowMs);
    return this;
  }
  feed(nowMs: number, bytes: Uint8Array): this {
    this.steps += 1;
    this.to.u8(letter("F")).u32(nowMs).u16(bytes.length).bytes(bytes);
    return this;
  }
  publish(nowMs: number, kind: string, frame: Uint8Array): this {
    this.steps += 1;
    this.to.u8(letter("U")).u32(nowMs).ascii(kind).u16(frame.length).bytes(frame);
    return this;
  }
  join(nowMs = 0): this {
    return this.tick(nowMs)
      .feed(nowMs + 1, CONNACK)
      .feed(nowMs + 2, SUBACK);
  }
  run(): Seen[] {
    const answers = runHost(program, this.to.finish());
    const seen = Array.from({ length: this.steps }, () => ({
      sent: answers.bytes(answers.u16()).slice(),
      events: readEvents(answers),
    }));
    answers.done();
    return seen;
  }
}

function readEvents(answers: ByteReader): Event[] {
  const events: Event[] = [];
  for (let code = answers.u8(); code !== 255; code = answers.u8()) {
    if (code === 2)
      events.push({ kind: answers.ascii(16), payload: [...answers.bytes(answers.u16())] });
    else events.push(code === 1 ? "connected" : "lost");
  }
  return events;
}

const CONNACK = packet(0x20, [0, 0]);
const SUBACK = packet(0x90, [0, 1, 1]);
const PUBACK_7 = packet(0x40, [0, 7]);
const DOWN = "farm/north/node/collar-01/down/";

describe.skipIf(absent)("MQTT in C", () => {
  it("connects with a last will, subscribes, publishes and acknowledges", () => {
    const after = [...text("farm/north/collar-01/availability"), ...text('{"state":"offline"}')];
    const seen = new ClientScript()
      .join()
      .publish(5, "report", Uint8Array.of(1, 2, 3))
      .feed(6, publishPacket(`${DOWN}ack`, [9, 8], 1))
      .feed(7, publishPacket(`${DOWN}setting`, [5], 0))
      .feed(8, publishPacket("farm/north/node/collar-02/down/ack", [1], 1))
      .run();
    expect(seen[0]?.sent).toEqual(connectPacket(4, { id: "collar-01", flags: 0x2e, after }));
    expect([...(seen[1]?.sent ?? [])]).toEqual([
      ...subscribePacket([`${DOWN}+`], 1).map((byte, i) => (i === 3 ? 1 : byte)),
    ]);
    expect(seen[2]?.events).toEqual(["connected"]);
    const up = [...text("farm/north/node/collar-01/up/report"), 0, 2, 1, 2, 3];
    expect(seen[3]?.sent).toEqual(packet(0x32, up));
    expect(seen[4]).toEqual({ sent: PUBACK_7, events: [{ kind: "ack", payload: [9, 8] }] });
    expect(seen[5]).toEqual({
      sent: new Uint8Array(),
      events: [{ kind: "setting", payload: [5] }],
    });
    expect(seen[6]).toEqual({ sent: PUBACK_7, events: [] });
  });

  it("says who it is where a user is given", () => {
    const [first] = new ClientScript({ user: "cow" }).tick(0).run();
    const will = [...text("farm/north/collar-01/availability"), ...text('{"state":"offline"}')];
    const after = [...will, ...text("cow"), ...text("secret")];
    expect(first?.sent).toEqual(connectPacket(4, { id: "collar-01", flags: 0xee, after }));
  });

  it("takes the same from single bytes as from whole packets", () => {
    const stream = Uint8Array.from([
      ...packet(0x40, [0, 1]),
      ...publishPacket(
        `${DOWN}verdict`,
        Array.from({ length: 200 }, (_, i) => i),
        1,
      ),
      ...packet(0xd0, []),
      ...publishPacket(`${DOWN}chunk`, [], 0),
    ]);
    const whole = new ClientScript().join().feed(9, stream).run().slice(3);
    const bytewise = new ClientScript().join();
    for (const byte of stream) bytewise.feed(9, Uint8Array.of(byte));
    const pieces = bytewise.run().slice(3);
    expect(pieces.flatMap(({ events }) => events)).toEqual(whole[0]?.events);
    expect(pieces.flatMap(({ sent }) => [...sent])).toEqual([...(whole[0]?.sent ?? [])]);
    expect(whole[0]?.events).toHaveLength(2);
  });

  it("skips a message that is larger than its buffer, and takes the next", () => {
    const big = publishPacket(
      `${DOWN}chunk`,
      Array.from({ length: 3000 }, () => 1),
      1,
    );
    const seen = new ClientScript()
      .join()
      .feed(9, big)
      .feed(9, publishPacket(`${DOWN}ack`, [4]))
      .run();
    expect(seen[3]).toEqual({ sent: PUBACK_7, events: [] });
    expect(seen[4]?.events).toEqual([{ kind: "ack", payload: [4] }]);
  });

  it("pings, gives up silence, and comes back with growing waits", () => {
    const script = new ClientScript().join();
    for (let ms = 1000; ms <= 200_000; ms += 250) script.tick(ms);
    const seen = script.run().slice(3);
    const at = (i: number): number => 1000 + 250 * i;
    const pings = seen.flatMap(({ sent }, i) => (sent[0] === 0xc0 ? [at(i)] : []));
    const lost = seen.flatMap(({ events }, i) => (events.includes("lost") ? [at(i)] : []));
    const attempts = seen.flatMap(({ sent }, i) => (sent[0] === 0x10 ? [at(i)] : []));
    expect(pings[0]).toBeGreaterThanOrEqual(30_000);
    expect(pings[0]).toBeLessThan(31_000);
    expect(lost).toEqual([60_250]);
    const waits = attempts.slice(1).map((ms, i) => ms - (attempts[i] as number));
    expect(Math.min(...waits)).toBeLessThan(3_000);
    // At most eight seconds between two attempts, and twelve for an answer to the one before.
    expect(Math.max(...waits)).toBeLessThanOrEqual(8_000 + 12_000 + 250);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(4_000 + 12_000);
  });

  it("gives up what the standard does not allow, and joins again", () => {
    const bad: readonly Uint8Array[] = [
      packet(0x20, [0, 0]),
      packet(0x34, [...text(`${DOWN}ack`), 0, 7, 1]),
      packet(0x30, [0xff, 0xff, 1]),
      packet(0x32, [0, 2, 97]),
      packet(0x30, [0]),
      packet(0x40, [1]),
      packet(0xd0, [1]),
      packet(0xe0, []),
      Uint8Array.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01),
      Uint8Array.of(0x00, 0x00),
    ];
    for (const bytes of bad) {
      const seen = new ClientScript().join().feed(9, bytes).tick(9_000).run();
      expect(seen[3]?.events, [...bytes].join(" ")).toEqual(["lost"]);
      expect(seen[4]?.sent[0]).toBe(0x10);
    }
    const refused = new ClientScript()
      .tick(0)
      .feed(1, packet(0x20, [0, 5]))
      .feed(2, SUBACK)
      .run();
    expect(refused.flatMap(({ events }) => events)).toEqual([]);
    const noRight = new ClientScript()
      .tick(0)
      .feed(1, CONNACK)
      .feed(2, packet(0x90, [0, 1, 128]));
    expect(noRight.tick(8_000).run().at(-1)?.sent[0]).toBe(0x10);
  });

  it("finds its CONNACK behind what an old connection left in the line", () => {
    const rest = Uint8Array.from([
      ...publishPacket(`${DOWN}ack`, [1, 2, 3, 4]).subarray(5),
      ...CONNACK,
    ]);
    const seen = new ClientScript().tick(0).feed(1, rest).feed(2, SUBACK).run();
    expect(seen[2]?.events).toEqual(["connected"]);
  });

  it("reads nothing out of bounds, whatever comes", () => {
    const random = prng(3, "mqtt in C");
    const good = [
      CONNACK,
      SUBACK,
      PUBACK_7,
      packet(0xd0, []),
      publishPacket(`${DOWN}ack`, [1, 2, 3], 1),
      publishPacket(
        `${DOWN}verdict`,
        Array.from({ length: 500 }, (_, i) => i & 255),
        1,
      ),
      publishPacket("x", [], 0),
    ];
    let lost = 0;
    for (let life = 0; life < 20; life++) {
      const script = new ClientScript({ room: 64 + below(random, 300) }).join();
      for (let i = 0; i < 300; i++) {
        const bytes = (good[below(random, good.length)] as Uint8Array).slice();
        if (chance(random, 0.3)) bytes[below(random, bytes.length)] = below(random, 256);
        const cut = chance(random, 0.2) ? below(random, bytes.length) : bytes.length;
        script.feed(10 * i, bytes.subarray(0, cut));
        if (chance(random, 0.2)) script.tick(10 * i + 5);
        if (chance(random, 0.05)) script.publish(10 * i + 6, "report", Uint8Array.of(1));
      }
      lost += script.run().filter(({ events }) => events.includes("lost")).length;
    }
    expect(lost).toBeGreaterThan(10);
  }, 30_000);
});
