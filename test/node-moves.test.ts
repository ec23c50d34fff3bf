/** The share of windows that is wanted of a node: who says it, when a node is told, what a rollout sees. */

import { describe, expect, it } from "vitest";
import { readPoint } from "../cli/nodes-point.ts";
import { stepGateway } from "../gateway/gateway.ts";
import type { GatewayEffect, GatewayState } from "../gateway/gateway-state.ts";
import { offloadsAsReleased, settledShares } from "../gateway/herd/operating-points.ts";
import { pointRequests } from "../gateway/requests/point-requests.ts";
import type { NodeId } from "../src/wire/messages.ts";
import { codeOf } from "./edge-code.ts";
import { helloOf, MODEL, reportOf } from "./gateway-kit.ts";
import { made, node, run, told, up } from "./gateway-steps.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";

const [LOW, HIGH] = OPERATING_POINTS.map((point) => point.targetShareQ16) as [number, number];
const hello = (formatVersion = 3) => up(helloOf({ formatVersion, cohort: "cattle" }));
const sent = (effects: readonly GatewayEffect[]): number[] =>
  effects.flatMap((effect) =>
    effect.kind === "send" && effect.message.kind === "point" ? [effect.message.shareQ16] : [],
  );

function gateway(): GatewayState {
  const state = made();
  const model = { share: 0.05, mostShare: 0.11, points: OPERATING_POINTS };
  state.points.models.set(MODEL, model);
  return state;
}

describe("a wanted share", () => {
  it("is a node's own before its group's, and that before all nodes'", () => {
    const groups = new Map([["heifers", ["a", "b"] as unknown as NodeId[]]]);
    const percentOf = { a: 2, heifers: 30 };
    const settled = settledShares({ percent: 10, percentOf }, groups);
    expect(["a", "b", "c"].map((name) => settled(name as NodeId))).toEqual([1311, 19661, 6554]);
  });

  it("is told at each hello, to nodes that understand it, and to none that nobody moves", () => {
    const state = gateway();
    expect(sent(run(state, [hello()]))).toEqual([]);
    expect(sent(run(state, [{ kind: "point", node, shareQ16: HIGH }]))).toEqual([HIGH]);
    expect(sent(run(state, [hello()]))).toEqual([HIGH]);
    expect(sent(run(state, [hello(2)]))).toEqual([]);
  });

  it("is told again while reports say another point, but not for each report of a backlog", () => {
    const state = gateway();
    run(state, [hello(), { kind: "point", node, shareQ16: HIGH }], 1_000);
    let seq = 0;
    const report = (operatingPoint: number, nowMs: number): number[] =>
      sent(run(state, [up(reportOf(seq, [seq++], { operatingPoint }))], nowMs));
    expect(report(0, 2_000)).toEqual([]);
    expect(report(0, 62_000)).toEqual([HIGH]);
    expect(report(0, 63_000)).toEqual([]);
    expect(report(2, 200_000)).toEqual([]);
    // What it is wanted for again is as released, which a node that was moved must be told.
    run(state, [{ kind: "point", node, shareQ16: 0 }], 201_000);
    expect(sent(run(state, [hello()], 202_000))).toEqual([0]);
  });

  it("is told to people beside what the node last said", () => {
    const state = gateway();
    const moved = [hello(), { kind: "point", node, shareQ16: LOW }] as const;
    run(state, [...moved, up(reportOf(0, [0], { operatingPoint: 1 }))], 1_000);
    expect(told(stepGateway(state, { kind: "tick" }, 9_000, 9_000), "state").at(-1)).toMatchObject({
      operating_point: 1,
      operating_share: 0.02,
      wanted_share: 0.02,
    });
  });

  it("does not make a rollout think worse, or better, of a release", () => {
    const { points } = gateway();
    const report = (operatingPoint: number, offloaded: number) => {
      const some = reportOf(0, [...Array(100).keys()], { operatingPoint });
      const entries = some.entries.map((entry, i) => ({ ...entry, offloaded: i < offloaded }));
      return offloadsAsReleased(points, { ...some, entries });
    };
    expect(report(0, 11)).toBe(11);
    // Each at the most that its own bucket lets through.
    expect(report(2, 45)).toBeCloseTo(11, 0);
    expect(report(1, 3)).toBeCloseTo(11, 0);
  });
});

describe("nodes/point", () => {
  function ask(state: GatewayState, asked: { point?: number; percent?: number; node?: string }) {
    const choose = (id: NodeId, shareQ16: number) => {
      stepGateway(state, { kind: "point", node: id, shareQ16 }, 1, 1);
    };
    return pointRequests({ state, choose })["nodes/point"]({ node, ...asked }).data;
  }

  it("takes a point of the node's model, or a share for the nearest below", () => {
    const state = gateway();
    run(state, [hello()]);
    expect(ask(state, { point: 2 })).toMatchObject({ point: 2, share: HIGH / 65535 });
    expect(ask(state, { percent: 29 })).toMatchObject({ point: 1, wanted_share: 19005 / 65535 });
    expect(ask(state, { percent: 1 })).toMatchObject({ point: 1, share: LOW / 65535 });
    expect(ask(state, { point: 0 })).toMatchObject({ point: 0, wanted_share: 0, share: 0.05 });
  });

  it("refuses a point that the model has not, with those that it has, and changes nothing", () => {
    const state = gateway();
    run(state, [hello()]);
    const refused = (asked: Parameters<typeof ask>[1]) => codeOf(() => ask(state, asked));
    expect(refused({ point: 3 })).toBe("point-unknown");
    expect(() => ask(state, { point: 3 })).toThrow(/1 for 2 %, 2 for 30 %/);
    expect(refused({ point: 1, node: "nobody" })).toBe("node-unknown");
    state.points.models.clear();
    expect(refused({ point: 1 })).toBe("point-unknown");
    expect(state.points.chosen.size).toBe(0);
    expect(ask(state, { percent: 2 })).toMatchObject({ point: null, share: null });
    run(state, [hello(1)]);
    expect(refused({ percent: 2 })).toBe("point-format");
  });

  it("is asked for on the command line by a number, a share or a word", () => {
    expect(readPoint("2%")).toEqual({ percent: 2 });
    expect(readPoint("12.5 %")).toEqual({ percent: 12.5 });
    expect(readPoint("5")).toEqual({ point: 5 });
    expect(readPoint("released")).toEqual({ point: 0 });
    for (const wrong of ["", "0%", "101%", "0.1", "-2", "most"]) {
      expect(codeOf(() => readPoint(wrong))).toBe("point-text");
    }
  });
});
