/** The gateway's decisions, event by event, without a broker, a disk or a teacher. */

import { describe, expect, it } from "vitest";
import { stepGateway } from "../gateway/gateway.ts";
import type { GatewayEffect, GatewayEvent } from "../gateway/gateway-state.ts";
import { encodeUp } from "../src/wire/frames.ts";
import {
  BehaviourSchema,
  BridgeInfoSchema,
  DevicesSchema,
  EventSchema,
} from "../src/wire/public.ts";
import { nodeId, upTopic } from "../src/wire/topics.ts";
import { base, cattle, helloOf, offloadOf, reportOf } from "./gateway-kit.ts";
import { made, node, run, told, up } from "./gateway-steps.ts";

/** A report whose windows were taken for these classes, from window `first` on. */
function seen(seq: number, first: number, classes: readonly number[]): GatewayEvent {
  const indices = classes.map((_, i) => first + i);
  const report = reportOf(seq, indices);
  const entries = report.entries.map((entry, i) => ({
    ...entry,
    classIndex: classes[i] as number,
  }));
  return up({ ...report, entries });
}

function answered(
  windowIndex: number,
  student: number,
  teacher: number,
  trusted = true,
): GatewayEvent {
  const probabilities = Float32Array.from({ length: 3 }, (_, i) => (i === teacher ? 0.9 : 0.05));
  const offload = offloadOf(500 + windowIndex, {
    windowIndex,
    classIndex: student,
    timeMs: 1_700_000_000_000 + 2_500 * windowIndex,
  });
  return { kind: "answered", item: { offloadId: 9, node, offload }, probabilities, trusted };
}

const behaviours = (effects: readonly GatewayEffect[]) =>
  told(effects, "collar-1/behaviour").map((json) => BehaviourSchema.parse(json));
const events = (effects: readonly GatewayEffect[]) =>
  told(effects, "collar-1/event").map((json) => EventSchema.parse(json));

describe("storing comes before acknowledging", () => {
  it("for offloads and reports alike", () => {
    const state = made();
    const effects = stepGateway(state, up(offloadOf(3)), 1, 1);
    expect(effects.some(({ kind }) => kind === "send")).toBe(false);
    const rows = effects.flatMap((effect) => (effect.kind === "store" ? [effect.row] : []));
    expect(rows).toHaveLength(1);
    const stored = [{ fresh: true, offloadId: 1, freshEntries: 0 }];
    const after = stepGateway(state, { kind: "stored", rows, stored }, 2, 2);
    expect(after.map(({ kind }) => kind)).toEqual(["send", "teach"]);
    expect(after[0]).toMatchObject({ message: { kind: "ack", epoch: 1, seqs: [3] } });
  });

  it("a repetition is acknowledged and neither counted nor taught again", () => {
    const state = made();
    run(state, [up(offloadOf(3))]);
    const row = {
      kind: "offload",
      node,
      nowMs: 1,
      offload: offloadOf(3),
      teachable: true,
    } as const;
    const stored = [{ fresh: false, offloadId: 77, freshEntries: 0 }];
    const effects = stepGateway(state, { kind: "stored", rows: [row], stored }, 2, 2);
    expect(effects.map(({ kind }) => kind)).toEqual(["send"]);
    expect(state.nodes.get(node)?.row.offloads).toBe(1);
  });

  it("nothing is acknowledged while storing fails, and people are told once", () => {
    const state = made();
    const first = stepGateway(state, { kind: "store-failed", message: "disk is full" }, 1, 1);
    expect(told(first, "bridge/state")).toEqual([{ state: "online", detail: "disk is full" }]);
    // Who waits for the store hears of each failure; nothing goes out.
    const second = stepGateway(state, { kind: "store-failed", message: "disk is full" }, 2, 2);
    expect(second.map(({ kind }) => kind)).toEqual(["news"]);
    const again = run(state, [up(offloadOf(1))]);
    expect(told(again, "bridge/state")).toEqual([{ state: "online" }]);
  });

  it("acknowledgements name many at once, of one node and one epoch each", () => {
    const state = made();
    const other = nodeId("collar-2");
    const rows = Array.from({ length: 600 }, (_, i) => ({
      kind: "offload" as const,
      node: i % 2 === 0 ? node : other,
      nowMs: 1,
      offload: offloadOf(i),
      teachable: false,
    }));
    const stored = rows.map((_, i) => ({ fresh: true, offloadId: i + 1, freshEntries: 0 }));
    const acks = stepGateway(state, { kind: "stored", rows, stored }, 1, 1).flatMap((effect) =>
      effect.kind === "send" && effect.message.kind === "ack" ? [effect.message.seqs.length] : [],
    );
    expect(acks).toEqual([256, 44, 256, 44]);
  });
});

describe("behaviours", () => {
  it("are told for the newest window, events where a behaviour begins", () => {
    const effects = run(made(), [seen(1, 0, [0, 0, 1, 1, 0])]);
    expect(behaviours(effects).map(({ sequence }) => sequence)).toEqual([4]);
    expect(events(effects).map(({ id, type }) => `${type} ${id}`)).toEqual([
      "new collar-1:1:0",
      "new collar-1:1:2",
      "new collar-1:1:4",
    ]);
  });

  it("last since their first window without a break", () => {
    const state = made();
    run(state, [seen(1, 0, [0, 1, 1])]);
    const [behaviour] = behaviours(run(state, [seen(2, 3, [1])]));
    expect(behaviour?.since).toBe(1_700_000_000_000 + 2_500);
    expect(behaviour?.time).toBe(1_700_000_000_000 + 3 * 2_500);
  });

  it("that come late say nothing new: an old report after a newer one", () => {
    const state = made();
    run(state, [seen(2, 10, [1])]);
    const effects = run(state, [seen(1, 0, [0, 0])]);
    expect(behaviours(effects)).toEqual([]);
    expect(events(effects)).toEqual([]);
  });

  it("of a new life of the node count from zero again, by the node's clock", () => {
    const state = made();
    run(state, [seen(1, 100, [0])]);
    const reborn = reportOf(1, [0], { epoch: 2 });
    const entries = reborn.entries.map((e) => ({ ...e, timeMs: 1_700_000_999_999, classIndex: 2 }));
    const [behaviour] = behaviours(run(state, [up({ ...reborn, entries })]));
    expect(behaviour).toMatchObject({ epoch: 2, sequence: 0, behaviour: "walking" });
  });

  it("of a class without a name are kept and not told", () => {
    const state = made();
    expect(behaviours(run(state, [seen(1, 0, [9])]))).toEqual([]);
    expect(state.nodes.get(node)?.row.windows).toBe(1);
  });
});

describe("verdicts", () => {
  it("before the window's report are told with it, and only then", () => {
    const state = made();
    expect(behaviours(run(state, [answered(0, 0, 2)]))).toEqual([]);
    const effects = run(state, [seen(1, 0, [0])]);
    expect(behaviours(effects)).toMatchObject([
      { behaviour: "walking", source: "teacher", confidence: 0.857, sequence: 0 },
    ]);
    expect(events(effects)).toMatchObject([{ type: "new", after: { behaviour: "walking" } }]);
  });

  it("after it correct what was told, under the same id", () => {
    const state = made();
    run(state, [seen(1, 0, [0])]);
    const effects = run(state, [answered(0, 0, 2)]);
    expect(events(effects)).toMatchObject([
      {
        type: "update",
        id: "collar-1:1:0",
        before: { behaviour: "grazing", source: "exit 1" },
        after: { behaviour: "walking", source: "teacher" },
      },
    ]);
    expect(behaviours(effects)).toMatchObject([{ behaviour: "walking" }]);
  });

  it("on a window that is not the newest correct the record, not the present", () => {
    const state = made();
    run(state, [seen(1, 0, [0, 0, 0])]);
    const effects = run(state, [answered(1, 0, 2)]);
    expect(events(effects)).toMatchObject([{ type: "update", id: "collar-1:1:1" }]);
    expect(behaviours(effects)).toEqual([]);
  });

  it("on a doubt are told together with what the node said, on any other window alone", () => {
    const doubt = { ...offloadOf(500), classIndex: 1, confidenceQ8: 180 };
    const probabilities = Float32Array.of(0.5, 0.4, 0.1);
    const toldOf = (offload: typeof doubt) => {
      const state = made();
      run(state, [seen(1, 500, [1])]);
      const item = { offloadId: 9, node, offload };
      return behaviours(run(state, [{ kind: "answered", item, probabilities, trusted: true }]))[0]
        ?.behaviour;
    };
    const [first, second] = cattle.classes;
    expect(toldOf(doubt)).toBe(second);
    expect(toldOf({ ...doubt, confidenceQ8: 60 })).toBe(first);
    for (const reason of ["audit", "burst", "novel"] as const) {
      expect(toldOf({ ...doubt, reason })).toBe(first);
    }
  });

  it("that agree make no event", () => {
    const state = made();
    run(state, [seen(1, 0, [0])]);
    const effects = run(state, [answered(0, 0, 0)]);
    expect(events(effects)).toEqual([]);
    expect(behaviours(effects)).toMatchObject([{ behaviour: "grazing", source: "teacher" }]);
  });

  it("that are not trusted change no class, are told as doubt, and count for nothing", () => {
    const state = made();
    run(state, [seen(1, 0, [0])]);
    const effects = run(state, [answered(0, 0, 2, false)]);
    expect(events(effects)).toEqual([]);
    expect(behaviours(effects)).toMatchObject([{ behaviour: "grazing", trusted: false }]);
    expect(effects).toContainEqual(
      expect.objectContaining({
        kind: "send",
        message: expect.objectContaining({ kind: "verdict", trusted: false, classIndex: 2 }),
      }),
    );
    expect(state.nodes.get(node)?.row.trusted).toBe(0);
  });

  it("wait in bounded number", () => {
    const state = made();
    for (let i = 0; i < 1_000; i++) run(state, [answered(i, 0, 1)]);
    expect(state.nodes.get(node)?.verdicts.size).toBe(256);
  });
});

describe("the loop", () => {
  it("is told at once when its state changes, and its progress once a second", () => {
    const state = made();
    const loop = (name: "idle" | "distilling", progress: number): GatewayEvent => {
      return { kind: "loop", loop: { state: name, progress, note: "" }, trusted: true };
    };
    const infos = (event: GatewayEvent, nowMs: number) =>
      told(run(state, [event], nowMs), "bridge/info").length;
    expect(infos({ kind: "tick" }, 1_000)).toBe(1);
    expect(infos(loop("distilling", 0), 1_100)).toBe(1);
    expect(infos(loop("distilling", 0.5), 1_200)).toBe(0);
    expect(infos({ kind: "tick" }, 1_300)).toBe(0);
    expect(infos({ kind: "tick" }, 2_100)).toBe(1);
    expect(infos(loop("idle", 1), 2_200)).toBe(1);
  });
});

describe("nodes", () => {
  it("are online by any word of theirs, and offline after their own silence", () => {
    const state = made();
    const hello = run(state, [up(helloOf({ wakeMs: 60_000 }))], 1_000);
    expect(told(hello, "collar-1/availability")).toEqual([{ state: "online" }]);
    const tick = (nowMs: number) => run(state, [{ kind: "tick" }], nowMs);
    expect(told(tick(1_000 + 150_000), "collar-1/availability")).toEqual([]);
    expect(told(tick(1_001 + 150_000), "collar-1/availability")).toEqual([{ state: "offline" }]);
    const back = run(state, [up(offloadOf(1))], 200_000);
    expect(told(back, "collar-1/availability")).toEqual([{ state: "online" }]);
  });

  it("are listed by what they said last, with ratios that are shares", () => {
    const state = made();
    run(state, [up(helloOf({})), seen(1, 0, [0, 0, 0, 0]), up(offloadOf(7)), answered(9, 0, 0)]);
    const [devices] = told(run(state, [{ kind: "tick" }], 5_000), "bridge/devices");
    const [device] = DevicesSchema.parse(devices).devices;
    expect(device).toMatchObject({ windows: 4, offloads: 1, offload_ratio: 0.25, agreement: 1 });
  });

  it("are told what audits say of their present model, alone and with their cohort", () => {
    const state = made();
    const offload = offloadOf(7, { reason: "audit", chanceQ16: 32768, classIndex: 0 });
    const probabilities = Float32Array.of(0.9, 0.05, 0.05);
    const item = { offloadId: 9, node, offload };
    const verdict = { kind: "answered", item, probabilities, trusted: true } as const;
    run(state, [up(helloOf({})), seen(1, 0, [0, 0, 0, 0]), up(offload), verdict]);
    const tell = (nowMs: number, topic: string) =>
      told(run(state, [{ kind: "tick" }], nowMs), topic)[0];
    const [device] = DevicesSchema.parse(tell(5_000, "bridge/devices")).devices;
    expect(device?.audit).toMatchObject({ windows: 4, audits: 1, kept_agreement: 1, lift: null });
    expect(device?.audit?.agreement_low).toBeLessThan(0.5);
    const info = BridgeInfoSchema.parse(
      told(run(state, [{ kind: "link", open: true }]), "bridge/info")[0],
    );
    expect(info.cohorts).toMatchObject([{ nodes: 1, audit: { windows: 4, audits: 1 } }]);
    run(state, [up(helloOf({ modelId: "fedcba9876543210" as never }))]);
    const [after] = DevicesSchema.parse(tell(9_000, "bridge/devices")).devices;
    expect(after?.audit).toBe(null);
  });

  it("are told to people once a second at most, and not when nothing changed", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    const count = (nowMs: number) =>
      told(run(state, [{ kind: "tick" }], nowMs), "bridge/devices").length;
    expect([count(5_000), count(5_500), count(7_000)]).toEqual([1, 0, 0]);
    run(state, [seen(1, 0, [0])], 7_100);
    expect(count(7_200)).toBe(1);
  });

  it("that send what cannot be read are told of at the 1st, 2nd, 4th, 8th … time", () => {
    const state = made();
    const bad: GatewayEvent = {
      kind: "message",
      topic: upTopic(base, node, "offload"),
      payload: Uint8Array.of(9, 9),
    };
    const effects = run(
      state,
      Array.from({ length: 1_000 }, () => bad),
    );
    expect(state.refused).toBe(1_000);
    expect(effects.filter(({ kind }) => kind === "log")).toHaveLength(10);
    expect(told(effects, "bridge/event")).toHaveLength(10);
  });

  it("are refused beyond the configured number, the known ones not", () => {
    const state = made();
    const hello = (name: string): GatewayEvent => {
      const payload = encodeUp(helloOf({}));
      return { kind: "message", topic: upTopic(base, nodeId(name), "hello"), payload };
    };
    run(state, ["a", "b", "c", "d", "e"].map(hello));
    const effects = run(state, [hello("f")]);
    expect(effects.map(({ kind }) => kind)).toEqual(["log"]);
    expect(state.nodes.size).toBe(5);
    expect(run(state, [hello("a")]).some(({ kind }) => kind === "store")).toBe(true);
  });

  it("do not mind a clock that jumps, forward or back", () => {
    const state = made();
    const at = (nowMs: number, uptimeMs: number, event: GatewayEvent) =>
      stepGateway(state, event, nowMs, uptimeMs);
    at(1_700_000_000_000, 1_000, up(helloOf({ wakeMs: 60_000 })));
    at(1_700_000_000_500, 1_500, { kind: "tick" });
    const days = 86_400_000;
    const forward = at(1_700_000_000_000 + 400 * days, 2_000, { kind: "tick" });
    expect(told(forward, "collar-1/availability")).toEqual([]);
    at(1_700_000_000_000 - 10 * days, 2_500, up(reportOf(1, [0])));
    const back = at(1_700_000_000_000 - 10 * days, 3_500, { kind: "tick" });
    state.devicesChanged = true;
    const later = at(1_700_000_000_000 - 10 * days, 5_500, { kind: "tick" });
    expect(told(back, "collar-1/availability")).toEqual([]);
    expect(told(later, "bridge/devices")).toHaveLength(1);
  });

  it("cannot speak through topics that are not theirs", () => {
    const state = made();
    for (const topic of [
      "bellwether/node/collar-1/down/ack",
      "x",
      "bellwether/node/a/b/up/hello",
    ]) {
      expect(run(state, [{ kind: "message", topic, payload: encodeUp(helloOf({})) }])).toEqual([]);
    }
  });
});
