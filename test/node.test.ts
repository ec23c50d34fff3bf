import { describe, expect, it } from "vitest";
import { OUTBOX_LIMITS } from "../device-sim/outbox.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import type { UpMessage, WindowEncoding } from "../src/wire/messages.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { CALM, COLLAR_SPEC, NodeWorld, ROUGH, sampleContainer } from "./node-world.ts";
import { noiseWindows } from "./student-samples.ts";
import { asWindow } from "./wire-samples.ts";

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("a node", () => {
  it("says hello, reports every window and offloads some, with what was decided", async () => {
    const world = new NodeWorld({ seed: 1 });
    await world.boot();
    world.connect();
    await world.run(250);
    await world.run(20, false);
    expect(world.received[0]).toMatchObject({ kind: "hello", releaseSequence: 0 });
    expect(world.reportedWindows()).toEqual(range(100));
    const offloads = world.received.filter((message) => message.kind === "offload");
    expect(offloads.length).toBeGreaterThan(3);
    expect(offloads.length).toBeLessThan(40);
    for (const offload of offloads) {
      const decided = world.decided[offload.windowIndex];
      expect(decided?.offload).toBe(offload.reason);
      expect(offload.chanceQ16).toBe(decided?.chanceQ16);
      const sent = noiseWindows(COLLAR_SPEC, 1, 1000 + offload.windowIndex).samples;
      expect(asWindow(offload).window).toEqual(sent);
    }
    expect(world.node?.status()).toMatchObject({ outbox: 0, dropped: 0, windows: 100 });
  });

  it("delivers everything over a network that loses, repeats and reorders", async () => {
    for (let seed = 0; seed < 5; seed++) {
      const world = new NodeWorld({ seed, settings: { wakeMs: 10_000_000 } });
      world.trouble = ROUGH;
      await world.boot();
      world.connect();
      await world.run(100);
      world.disconnect();
      await world.run(5);
      world.connect();
      await world.run(100);
      await world.run(400, false);
      expect(world.reportedWindows()).toEqual(range(82));
      expect(world.conflicts).toEqual([]);
      expect(world.node?.status().outbox).toBe(0);
    }
  });

  it("keeps deciding without a gateway and delivers afterwards", async () => {
    const world = new NodeWorld({ seed: 2 });
    await world.boot();
    await world.run(100);
    world.connect();
    world.gatewayAlive = false;
    await world.run(100);
    expect(world.decided).toHaveLength(80);
    expect(world.stored.size).toBe(0);
    world.gatewayAlive = true;
    await world.run(400, false);
    expect(world.reportedWindows()).toEqual(range(80));
    expect(world.node?.status()).toMatchObject({ outbox: 0, dropped: 0 });
  });

  it("sends again at once on a new connection, however long its patience", async () => {
    const outbox = { ...OUTBOX_LIMITS, retryMs: 3_600_000, retryMsMax: 3_600_000 };
    const world = new NodeWorld({ seed: 2, settings: { outbox } });
    await world.boot();
    world.connect();
    world.gatewayAlive = false;
    await world.run(30);
    world.disconnect();
    world.gatewayAlive = true;
    world.connect();
    await world.run(2, false);
    expect(world.reportedWindows()).toEqual(range(12));
    expect(world.node?.status().outbox).toBe(0);
  });

  it("offloads in 4 bits a value where it is set so, and what then fits its link", async () => {
    const shape = { windowSamples: 50, channels: 3 };
    const offloadBytesMax = offloadBytes("companded4", shape);
    expect(offloadBytesMax).toBeLessThan(offloadBytes("int8", shape));
    const offloadsOf = async (offloadEncoding: WindowEncoding): Promise<readonly UpMessage[]> => {
      const world = new NodeWorld({ seed: 1, settings: { offloadEncoding, offloadBytesMax } });
      await world.boot();
      world.connect();
      await world.run(250);
      await world.run(20, false);
      return world.received.filter(({ kind }) => kind === "offload");
    };
    expect(await offloadsOf("int8")).toEqual([]);
    const companded = await offloadsOf("companded4");
    expect(companded.length).toBeGreaterThan(3);
    for (const offload of companded) expect(offload).toMatchObject({ encoding: "companded4" });
  });

  it("tells of windows in their order, offloads among them", async () => {
    const world = new NodeWorld({ seed: 2 });
    world.trouble = { ...CALM, delayMsMax: 0 };
    await world.boot();
    await world.run(250);
    world.connect();
    await world.run(30, false);
    let told = -1;
    let offloads = 0;
    for (const message of world.received) {
      if (message.kind === "offload") {
        offloads += 1;
        expect(message.windowIndex).toBe(told + 1);
      }
      if (message.kind === "report") told = message.entries.at(-1)?.windowIndex ?? told;
    }
    expect(told).toBe(99);
    expect(offloads).toBeGreaterThan(5);
  });

  it("goes on where it was after a restart, and never gives a number twice", async () => {
    const world = new NodeWorld({ seed: 3 });
    for (let life = 0; life < 6; life++) {
      await world.boot();
      if (life % 2 === 0) world.connect();
      await world.run(40);
      world.cut();
    }
    await world.boot();
    world.connect();
    await world.run(60, false);
    expect(world.conflicts).toEqual([]);
    expect(new Set([...world.stored.keys()].map((key) => key.split(":")[0]))).toEqual(
      new Set(["101"]),
    );
    const windows = world.reportedWindows();
    expect(new Set(windows).size).toBe(windows.length);
    // A cut costs at most the windows that were held back for one report.
    expect(windows.length).toBeGreaterThan(96 - 6 * 8);
  });

  it("loses nothing when it is stopped in good order", async () => {
    const world = new NodeWorld({ seed: 4 });
    await world.boot();
    await world.run(30);
    await world.node?.stop();
    await world.boot();
    world.connect();
    await world.run(30, false);
    expect(world.reportedWindows()).toEqual(range(12));
  });

  it("does not refill its budget by a restart, and reads no damaged state", async () => {
    const world = new NodeWorld({ seed: 4, settings: { gateSaveWindows: 10 } });
    await world.boot();
    // Every window is to be offloaded, so the bucket runs dry.
    world.connect();
    world.send({ kind: "setting", auditChanceQ16: 65535, burstWindows: 0 });
    const offloads = (): number => world.decided.filter(({ offload }) => offload !== null).length;
    await world.run(250);
    const spent = offloads();
    expect(spent).toBeGreaterThan(10);
    world.cut();
    await world.boot();
    await world.run(50, true);
    // A full bucket would pay for sixteen at once.
    expect(offloads() - spent).toBeLessThan(8);
    const { gate } = await world.storage.flash.load();
    const bytes = gate?.slice() ?? new Uint8Array(0);
    bytes[10] = (bytes[10] ?? 0) ^ 1;
    await world.storage.flash.write({ region: "gate", bytes });
    world.cut();
    await world.boot();
    await world.run(25);
    expect(world.decided.length).toBe(130);
  });

  it("pays for no offload twice, however often its power is cut before it has saved its state", async () => {
    const gate = { ...uncalibratedGate({ exits: 2, classes: 3 }), auditChanceQ16: 0 };
    const unsureMarginQ8 = [0, 0, 0];
    const sure = encodeGate({ ...gate, offload: { ...gate.offload, unsureMarginQ8 } });
    const world = new NodeWorld({ seed: 4, factory: sampleContainer(1, { gate: sure }) });
    await world.boot();
    // It is never unsure, so that its bucket is full when it is stopped in good order.
    await world.run(400);
    await world.node?.stop();
    const offloads = (): number => world.decided.filter(({ offload }) => offload !== null).length;
    const windows = world.decided.length;
    const before = offloads();
    for (let cut = 0; cut < 6; cut++) {
      await world.boot();
      world.connect();
      world.send({ kind: "setting", auditChanceQ16: 65535, burstWindows: 0 });
      await world.run(50, cut % 2 === 0);
      world.cut();
    }
    const { capacityTokens, windowsPerTokenQ8 } = gate.bucket;
    const earned = (256 * (world.decided.length - windows)) / windowsPerTokenQ8;
    expect(world.decided.length - windows).toBeGreaterThan(50);
    expect(offloads() - before).toBeLessThanOrEqual(capacityTokens + earned);
    expect(offloads() - before).toBeGreaterThan(capacityTokens / 2);
  });

  it("begins another epoch when its storage is lost", async () => {
    const first = new NodeWorld({ seed: 5 });
    await first.boot();
    const epoch = first.node?.status().epoch;
    const { storage } = new NodeWorld({ seed: 5 });
    await first.boot(storage);
    expect(first.node?.status().epoch).not.toBe(epoch);
  });

  it("follows its uptime when the wall clock is set back and forth", async () => {
    const world = new NodeWorld({ seed: 6 });
    world.trouble = { ...ROUGH, delayMsMax: 100 };
    await world.boot();
    world.connect();
    for (const days of [400, -390, 20, -30]) {
      world.wallMs += days * 86_400_000;
      await world.run(50);
    }
    await world.run(300, false);
    expect(world.reportedWindows()).toEqual(range(80));
    expect(world.conflicts).toEqual([]);
  });

  it("works with a clock that was never set", async () => {
    const world = new NodeWorld({ seed: 6 });
    world.wallMs = -5000;
    await world.boot();
    world.connect();
    for (let i = 0; i < 12; i++) {
      const millig = Int16Array.from({ length: 3 * 30 }, (_, at) => 40 * ((at * 7) % 23));
      world.node?.step({ kind: "samples", startSample: 30 * i, millig });
      await world.run(3, false);
    }
    expect(world.decided.length).toBeGreaterThan(10);
    expect(world.reportedWindows()).toEqual(range(world.decided.length));
    expect(world.decided[0]?.timeMs).toBe(0);
  });

  it("counts what a full outbox had to drop, and says so", async () => {
    const outbox = { entries: 6, bytes: 100_000, inflight: 4, retryMs: 1000, retryMsMax: 4000 };
    const world = new NodeWorld({ seed: 7, settings: { outbox, reportWindowsOffline: 1 } });
    await world.boot();
    await world.run(60);
    const dropped = world.node?.status().dropped ?? 0;
    expect(dropped).toBeGreaterThan(15);
    world.connect();
    await world.run(30);
    const last = world.received.findLast((message) => message.kind === "report");
    expect(last).toMatchObject({ dropped });
    // The offloads went before any report did.
    expect(world.reportedWindows().slice(0, 6)).toEqual([18, 19, 20, 21, 22, 23]);
  });

  it("outlives every frame that a stranger can send", async () => {
    const world = new NodeWorld({ seed: 8 });
    await world.boot();
    world.connect();
    const topics = ["ack", "verdict", "offer", "chunk", "setting"] as const;
    for (let i = 0; i < 2000; i++) {
      const frame = Uint8Array.from({ length: i % 97 }, (_, at) => (i * 31 + at * at * 7) & 0xff);
      if (frame.length > 1) frame.set([1, 0x81 + (i % 5)]);
      world.node?.step({ kind: "message", topic: topics[i % 5] ?? "ack", frame });
    }
    await world.run(25);
    await world.run(2, false);
    expect(world.node?.status()).toMatchObject({ releaseSequence: 0, onTrial: false });
    expect(world.logs.some((line) => line.startsWith("bad-frame"))).toBe(true);
    expect(world.reportedWindows()).toEqual(range(10));
  });

  it("takes verdicts late, twice or for another life without harm", async () => {
    const world = new NodeWorld({ seed: 9 });
    await world.boot();
    world.connect();
    await world.run(100);
    const offload = world.received.find((message) => message.kind === "offload");
    expect(offload).toBeDefined();
    if (offload?.kind !== "offload") return;
    const { epoch, seq, windowIndex } = offload;
    const verdict = {
      kind: "verdict",
      seq,
      windowIndex,
      classIndex: 2,
      trusted: true,
      probabilitiesQ8: Uint8Array.of(1, 2, 252),
    } as const;
    world.send({ ...verdict, epoch: epoch + 1 });
    world.send({ ...verdict, epoch, probabilitiesQ8: Uint8Array.of(1, 2, 3, 250) });
    for (let i = 0; i < 3; i++) world.send({ ...verdict, epoch });
    await world.run(25);
    expect(world.decided).toHaveLength(50);
  });
});
