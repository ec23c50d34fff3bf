/** Nodes on radios with limits: what is held, queued, refused and paid, in a simulated world. */

import { describe, expect, it } from "vitest";
import { collarOn } from "../device-sim/node-settings.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import {
  createLinkState,
  type LinkEffect,
  type LinkState,
  stepLink,
} from "../src/link/link-step.ts";
import { dutyCycleOffMs, uplinkAirtimeMs } from "../src/link/lorawan.ts";
import { decodeDown, encodeDown, encodeUp } from "../src/wire/frames.ts";
import type { ModelId, UpMessage, WindowEncoding } from "../src/wire/messages.ts";
import { CALM, NodeWorld, ROUGH } from "./node-world.ts";

const SLOWEST = linkProfile("lorawan", 0);
const MODEL = "9f2c61d0a4b87e35" as ModelId;

function report(seq: number, windows = 20): Uint8Array {
  const entries = Array.from({ length: windows }, (_, i) => ({
    windowIndex: i,
    timeMs: 1_760_000_000_000 + 2500 * i,
    classIndex: 0,
    confidenceQ8: 255,
    exit: 0,
    offloaded: false,
  }));
  const head = {
    kind: "report",
    epoch: 5,
    seq,
    modelId: MODEL,
    driftQ8: 0,
    alarm: false,
    operatingPoint: 0,
  } as const;
  return encodeUp({ ...head, batteryPercent: 50, dropped: 0, entries });
}

function offload(samples: number, encoding: WindowEncoding = "int8"): Uint8Array {
  const message: UpMessage = {
    kind: "offload",
    epoch: 5,
    seq: 9,
    modelId: MODEL,
    windowIndex: 3,
    timeMs: 1_760_000_000_000,
    reason: "unsure",
    chanceQ16: 65_535,
    classIndex: 0,
    confidenceQ8: 100,
    exit: 1,
    windowSamples: samples,
    channels: 3,
    inputMilligPerStep: 16,
    rateCentihertz: 1000,
    encoding,
    window: new Int8Array(samples * 3),
  };
  return encodeUp(message);
}

/** Steps of a tenth of a second; every effect with its time. */
function pass(state: LinkState, fromMs: number, toMs: number): [number, LinkEffect][] {
  const effects: [number, LinkEffect][] = [];
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 100) {
    for (const effect of stepLink(state, { kind: "tick" }, nowMs)) effects.push([nowMs, effect]);
  }
  return effects;
}

const timesOf = (effects: readonly [number, LinkEffect][], kind: LinkEffect["kind"]): number[] =>
  effects.filter(([, effect]) => effect.kind === kind).map(([atMs]) => atMs);

describe("LoRaWAN's band", () => {
  it("is free again after 99 times the airtime, and not before", () => {
    const state = createLinkState(SLOWEST);
    for (const seq of [1, 2, 3]) {
      stepLink(state, { kind: "send", topic: "report", frame: report(seq) }, 0);
    }
    const [one, two] = timesOf(pass(state, 0, 600_000), "up") as [number, number];
    const airtime = state.airtimeMs / state.packets;
    expect(airtime).toBeGreaterThan(1500);
    expect(two - one).toBeGreaterThanOrEqual(airtime + dutyCycleOffMs(airtime) - 100);
    expect(two - one).toBeLessThan(airtime + dutyCycleOffMs(airtime) + 200);
  });

  it("is never in use for more than a hundredth of a day", () => {
    const state = createLinkState(SLOWEST);
    let seq = 0;
    for (let nowMs = 0; nowMs < 86_400_000; nowMs += 10_000) {
      stepLink(state, { kind: "send", topic: "report", frame: report(seq++) }, nowMs);
    }
    expect(state.airtimeMs).toBeLessThanOrEqual(864_000 + 3000);
    expect(state.airtimeMs).toBeGreaterThan(800_000);
    expect(state.queue.length).toBe(256);
  });

  it("is given to a hello first and to a raw window last", () => {
    const state = createLinkState(linkProfile("lorawan", 5));
    const send = (topic: "hello" | "report" | "offload", frame: Uint8Array): void => {
      stepLink(state, { kind: "send", topic, frame }, 0);
    };
    send("report", report(0));
    send("offload", offload(50));
    send("report", report(1));
    send("hello", hello());
    const order = pass(state, 0, 300_000).flatMap(([, effect]) =>
      effect.kind === "up" ? [effect.topic] : [],
    );
    expect(order).toEqual(["report", "hello", "report", "offload"]);
  });

  it("goes on with what is sent in part, whatever comes meanwhile", () => {
    const state = createLinkState(SLOWEST);
    stepLink(state, { kind: "send", topic: "offload", frame: offload(47) }, 0);
    stepLink(state, { kind: "send", topic: "report", frame: report(1) }, 0);
    const order = pass(state, 0, 1_500_000).flatMap(([, effect]) =>
      effect.kind === "up" ? [effect.topic] : [],
    );
    expect(order).toEqual(["offload", "report"]);
  });

  it("takes what is sent again while it waits for one message", () => {
    const state = createLinkState(SLOWEST);
    for (let i = 0; i < 10; i++) {
      stepLink(state, { kind: "send", topic: "report", frame: report(1) }, 0);
      stepLink(state, { kind: "send", topic: "report", frame: report(2) }, 0);
    }
    // One is on the air; sent again, it would be a second message.
    expect(state.queue.length).toBe(2);
  });
});

describe("a payload's limit", () => {
  it("cuts what fits four payloads, and refuses what does not", () => {
    const state = createLinkState(SLOWEST);
    expect(stepLink(state, { kind: "send", topic: "offload", frame: offload(47) }, 0)).toEqual([
      { kind: "spent", microjoules: expect.any(Number) },
    ]);
    const whole = pass(state, 0, 1_500_000).find(([, effect]) => effect.kind === "up");
    expect(whole?.[1]).toMatchObject({ topic: "offload", frame: offload(47) });
    expect(state.packets).toBe(4);
    const refused = stepLink(state, { kind: "send", topic: "offload", frame: offload(50) }, 2e6);
    expect(refused).toEqual([{ kind: "refused", topic: "offload", reason: "too-large" }]);
  });

  it("lets a collar's whole window through in 4 bits a value", () => {
    const state = createLinkState(SLOWEST);
    const frame = offload(50, "companded4");
    stepLink(state, { kind: "send", topic: "offload", frame }, 0);
    const whole = pass(state, 0, 1_500_000).find(([, effect]) => effect.kind === "up");
    expect(whole?.[1]).toMatchObject({ topic: "offload", frame });
    expect(state.packets).toBe(3);
  });
});

describe("a node that sleeps", () => {
  it("is told one thing after each uplink, a second after its end", () => {
    const state = createLinkState(SLOWEST);
    for (const seq of [1, 2]) {
      const frame = encodeDown({ kind: "ack", epoch: 5, seqs: [seq] });
      expect(stepLink(state, { kind: "told", topic: "ack", frame }, 0)).toEqual([]);
    }
    expect(pass(state, 0, 3_600_000)).toEqual([]);
    stepLink(state, { kind: "send", topic: "report", frame: report(1) }, 3_600_000);
    const effects = pass(state, 3_600_000, 4_200_000);
    const [first, second] = timesOf(effects, "down") as [number, number];
    const [up] = timesOf(effects, "up") as [number];
    expect(first - up).toBeGreaterThanOrEqual(1000);
    expect(first - up).toBeLessThan(4000);
    // It asks for the rest with an empty uplink, when the band is free.
    expect(second - first).toBeGreaterThan(dutyCycleOffMs(uplinkAirtimeMs(0, 20)));
    const told = effects.flatMap(([, effect]) =>
      effect.kind === "down" ? [decodeDown("ack", effect.frame).seqs[0]] : [],
    );
    expect(told).toEqual([1, 2]);
    expect(state.packets).toBe(2);
  });

  it("is kept a bounded number of messages, and never an offer", () => {
    const state = createLinkState(SLOWEST);
    const refused = Array.from({ length: 70 }, (_, seq) => {
      const frame = encodeDown({ kind: "ack", epoch: 5, seqs: [seq] });
      return stepLink(state, { kind: "told", topic: "ack", frame }, 0);
    }).flat();
    expect(refused.length).toBe(6);
    const offer = new Uint8Array(300);
    expect(stepLink(state, { kind: "told", topic: "offer", frame: offer }, 0)).toEqual([
      { kind: "refused", topic: "offer", reason: "too-large" },
    ]);
  });
});

describe("a node's life on a radio", () => {
  it("reports everything over LoRaWAN, with what the battery holds, and is acknowledged", async () => {
    const profile = linkProfile("lorawan", 5);
    const radio = { profile, milliampereHours: 0.3 };
    const world = new NodeWorld({ seed: 3, settings: collarOn(profile), radio });
    world.stepMs = 500;
    await world.boot();
    world.connect();
    await world.run(1800);
    await world.run(600, false);
    const windows = world.decided.map(({ windowIndex }) => windowIndex);
    expect(windows.length).toBe(720);
    const reported = world.reportedWindows();
    expect(reported).toEqual(windows.slice(0, reported.length));
    expect(reported.length).toBeGreaterThan(720 - 128);
    expect(world.conflicts).toEqual([]);
    const percents = world.received.flatMap((message) =>
      message.kind === "report" ? [message.batteryPercent] : [],
    );
    expect(percents).toEqual([...percents].sort((a, b) => b - a));
    expect(percents.at(-1)).toBeLessThan(100);
    expect(world.node?.status().outbox).toBeLessThan(40);
    const energy = world.energy();
    const spent = energy.inferenceMillijoule + energy.radioMillijoule + energy.restMillijoule;
    expect(energy.batteryPercent).toBe(Math.round(100 * (1 - spent / 3240)));
    expect(energy.airtimeSeconds).toBeLessThan(24);
  });

  it("keeps its reports timely though the band has no room for all offloads", async () => {
    const profile = linkProfile("lorawan", 5);
    const radio = { profile, milliampereHours: 100 };
    const world = new NodeWorld({ seed: 3, settings: collarOn(profile), radio });
    world.stepMs = 500;
    await world.boot();
    world.connect();
    await world.run(3 * 3600);
    const reported = world.reportedWindows();
    const lag = world.decided.length - reported.length;
    // One report is gathered, one may wait behind what is on the air.
    expect(lag).toBeLessThanOrEqual(3 * 64);
    expect(world.countOf("offload")).toBeGreaterThan(100);
    expect(world.energy().airtimeSeconds).toBeLessThan(0.01 * 3 * 3600 + 1);
    expect(world.energy().airtimeSeconds).toBeGreaterThan(0.005 * 3 * 3600);
  });

  it("loses nothing behind a network that loses, repeats and delays", async () => {
    const profile = linkProfile("lorawan", 5);
    const radio = { profile, milliampereHours: 100 };
    const world = new NodeWorld({ seed: 4, settings: collarOn(profile), radio });
    world.stepMs = 500;
    world.trouble = ROUGH;
    await world.boot();
    for (let round = 0; round < 3; round++) {
      world.connect();
      await world.run(1200);
      world.disconnect();
      await world.run(120);
    }
    world.trouble = CALM;
    world.connect();
    await world.run(6 * 3600, false);
    const windows = world.decided.map(({ windowIndex }) => windowIndex);
    expect(world.reportedWindows()).toEqual(windows);
    expect(world.conflicts).toEqual([]);
    expect(world.node?.status().outbox).toBe(0);
  });

  it("at the slowest rate offloads no raw window, and says so in its answers", async () => {
    const settings = collarOn(SLOWEST);
    const world = new NodeWorld({
      seed: 3,
      settings,
      radio: { profile: SLOWEST, milliampereHours: 100 },
    });
    await world.boot();
    world.connect();
    await world.run(300);
    expect(world.decided.length).toBe(120);
    expect(world.decided.every(({ offload: reason }) => reason === null)).toBe(true);
    expect(world.energy().refused).toBe(0);
  });

  it("costs less over Bluetooth than over Wi-Fi, and both bring all there is", async () => {
    const costs: number[] = [];
    for (const name of ["ble", "wifi"] as const) {
      const profile = linkProfile(name, 0);
      const radio = { profile, milliampereHours: 100 };
      const world = new NodeWorld({ seed: 3, settings: collarOn(profile), radio });
      await world.boot();
      world.connect();
      await world.run(300);
      await world.run(90, false);
      expect(world.reportedWindows().length).toBe(120);
      expect(world.countOf("offload")).toBeGreaterThan(0);
      expect(world.node?.status().outbox).toBe(0);
      const { radioMillijoule, restMillijoule } = world.energy();
      costs.push(radioMillijoule + restMillijoule);
    }
    expect(costs[0]).toBeLessThan((costs[1] as number) / 5);
  });
});

function hello(): Uint8Array {
  return encodeUp({
    kind: "hello",
    epoch: 5,
    firmware: "f",
    cohort: "c",
    modelId: MODEL,
    releaseSequence: 0,
    formatVersion: 1,
    slotBytes: 1,
    ramBytes: 1,
    wakeMs: 1000,
  });
}
