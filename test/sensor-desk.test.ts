/** A gateway that hears of broken sensors: what it says, what it trusts, what it learns. */

import { describe, expect, it } from "vitest";
import { stepGateway } from "../gateway/gateway.ts";
import type {
  GatewayEffect,
  GatewayEvent,
  GatewayNews,
  GatewayState,
} from "../gateway/gateway-state.ts";
import {
  BehaviourSchema,
  BridgeEventSchema,
  DevicesSchema,
  EventSchema,
  NodeStateSchema,
  type SensorFaultEvent,
} from "../src/wire/public.ts";
import { helloOf, offloadOf, reportOf } from "./gateway-kit.ts";
import { made, node, run, told, up } from "./gateway-steps.ts";

/** An offload of an animal that moves, with its middle axis stuck where `stuck` says so. */
function offloaded(seq: number, stuck: boolean) {
  const sound = offloadOf(seq);
  const window = sound.window.map((value, i) =>
    i % 3 === 1 && stuck ? 9 : (value * (i + 7)) % 50,
  );
  return { ...sound, window };
}

const faults = (effects: readonly GatewayEffect[]): SensorFaultEvent[] =>
  told(effects, "collar-1/event").flatMap((json) => {
    const event = EventSchema.parse(json);
    return event.type === "sensor-fault" ? [event] : [];
  });

function answered(seq: number, stuck: boolean): GatewayEvent {
  const item = { offloadId: seq, node, offload: offloaded(seq, stuck) };
  return { kind: "answered", item, probabilities: Float32Array.of(0.9, 0.1, 0), trusted: true };
}

function verdictOf(state: GatewayState, seq: number, stuck: boolean) {
  const effects = stepGateway(state, answered(seq, stuck), 1, 1);
  const labels = effects.flatMap((effect) =>
    effect.kind === "store" && effect.row.kind === "label" ? [effect.row.trusted] : [],
  );
  const sent = effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === "verdict" ? [effect.message.trusted] : [],
  );
  const news = effects.flatMap((effect) => (effect.kind === "news" ? [effect.news] : []));
  return { labels, sent, sound: news.map((one) => one.kind === "label" && one.sound) };
}

describe("an axis that sticks", () => {
  it("is told once, with its cause, where people look, and once more when it is over", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    const broken = run(
      state,
      [0, 1, 2, 3, 4].map((seq) => up(offloaded(seq, true))),
    );
    expect(faults(broken)).toMatchObject([{ node, cause: "axis-stuck", over: false }]);
    const diary = told(broken, "bridge/event").map((json) => BridgeEventSchema.parse(json));
    expect(diary).toContainEqual(expect.objectContaining({ type: "sensor-fault", node }));
    const ticked = run(state, [{ kind: "tick" }], 9_000);
    expect(told(ticked, "collar-1/state").map((json) => NodeStateSchema.parse(json))).toMatchObject(
      [{ fault: "axis-stuck" }],
    );
    const [devices] = told(ticked, "bridge/devices").map((json) => DevicesSchema.parse(json));
    expect(devices?.devices).toMatchObject([{ fault: "axis-stuck" }]);

    const healed = run(
      state,
      [5, 6, 7, 8].map((seq) => up(offloaded(seq, false))),
    );
    expect(faults(healed)).toMatchObject([{ cause: "axis-stuck", over: true }]);
    expect(faults(healed)[0]?.id).toBe(faults(broken)[0]?.id);
  });

  it("is not trusted in its own window, and in no window while it lasts", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    expect(verdictOf(state, 0, false)).toEqual({ labels: [true], sent: [true], sound: [true] });
    expect(verdictOf(state, 1, true)).toEqual({ labels: [false], sent: [false], sound: [true] });
    run(
      state,
      [2, 3, 4].map((seq) => up(offloaded(seq, true))),
    );
    expect(verdictOf(state, 5, false)).toEqual({ labels: [false], sent: [false], sound: [false] });
    const [behaviour] = told(run(state, [up(reportOf(9, [9]))]), "collar-1/behaviour");
    expect(BehaviourSchema.parse(behaviour).trusted).toBe(false);
  });
});

describe("a wrong rate", () => {
  /** Reports of eight windows, by a clock against which the sensor runs twice as fast. */
  const hurried = (seq: number): GatewayEvent => {
    const report = reportOf(
      seq,
      Array.from({ length: 8 }, (_, i) => 8 * seq + i),
    );
    const entries = report.entries.map((entry) => ({
      ...entry,
      timeMs: 1_700_000_000_000 + 1_250 * entry.windowIndex,
    }));
    return up({ ...report, entries, alarm: true });
  };

  it("is told by how many times, and its drift alarm is no occasion to learn", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    const effects = run(
      state,
      Array.from({ length: 8 }, (_, seq) => hurried(seq)),
    );
    expect(faults(effects)).toMatchObject([
      { cause: "rate", message: expect.stringContaining("2.00 times") },
    ]);
    const drifts = effects.flatMap((effect) =>
      effect.kind === "news" && effect.news.kind === "drift" ? [effect.news] : [],
    );
    const soundness = (one: Extract<GatewayNews, { kind: "drift" }>): boolean => one.sound;
    expect(drifts.map(soundness)).toEqual([true, true, true, true, true, false, false, false]);
  });

  it("keeps the id of its fault while other causes come and go", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    const effects = run(state, [
      ...Array.from({ length: 8 }, (_, seq) => hurried(seq)),
      ...[8, 9, 10].map((seq) => up(offloaded(seq, true))),
      ...[11, 12, 13, 14].map((seq) => up(offloaded(seq, false))),
    ]);
    expect(faults(effects).map(({ cause }) => cause)).toEqual(["rate", "axis-stuck", "rate"]);
    expect(new Set(faults(effects).map(({ id }) => id)).size).toBe(1);
  });
});
