/** What a report says of how a node is now, when reports overtake one another and lives begin anew. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LoopAlarms } from "../gateway/distil/loop-alarms.ts";
import type { GatewayEffect, GatewayState } from "../gateway/gateway-state.ts";
import type { ModelId } from "../src/wire/messages.ts";
import { helloOf, MODEL, reportOf } from "./gateway-kit.ts";
import { made, node, run, told, up } from "./gateway-steps.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";

const NEXT = "fedcba9876543210" as ModelId;
const rowOf = (state: GatewayState) => state.nodes.get(node)?.row;
const activated = {
  kind: "outcome",
  releaseSequence: 1,
  modelId: NEXT,
  outcome: "activated",
} as const;

/** What the loop hears of alarms. */
function alarmsIn(effects: readonly GatewayEffect[]): number {
  const alarms = new LoopAlarms();
  const entries = effects.flatMap((effect) =>
    effect.kind === "news" ? [alarms.hear(effect.news, 1)] : [],
  );
  return entries.filter((entry) => entry?.type === "drift-alarm").length;
}

describe("the newest report", () => {
  it("says how the node is, in whatever order reports come", () => {
    const order = fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 });
    fc.assert(
      fc.property(order, (seqs) => {
        const state = made();
        run(state, [up(helloOf({}))]);
        for (const seq of seqs) {
          const more = { alarm: seq % 2 === 0, driftQ8: seq, batteryPercent: 90 - seq };
          run(state, [up(reportOf(seq, [seq], more))]);
        }
        expect(rowOf(state)).toMatchObject({ alarm: false, driftQ8: 5, batteryPercent: 85 });
        // Every window counts, whenever it comes.
        expect(rowOf(state)?.windows).toBe(6);
      }),
      { numRuns: 30 },
    );
  });

  it("is of the life that said hello last, not of what an outbox kept of the life before", () => {
    const state = made();
    run(state, [up(helloOf({ epoch: 2 })), up(reportOf(0, [0], { epoch: 2 }))]);
    const kept = reportOf(900, [900], { epoch: 1, alarm: true, batteryPercent: 3 });
    expect(alarmsIn(run(state, [up(kept)]))).toBe(0);
    expect(rowOf(state)).toMatchObject({ alarm: false, batteryPercent: 87, epoch: 2, windows: 2 });
  });

  it("of a former model raises no alarm for the one that has just mended it", () => {
    const state = made();
    const before = run(state, [up(helloOf({})), up(reportOf(0, [0], { alarm: true }))]);
    expect(alarmsIn(before)).toBe(1);
    const last = reportOf(1, [1], { alarm: true, batteryPercent: 50 });
    expect(alarmsIn(run(state, [up(activated), up(last)]))).toBe(0);
    expect(rowOf(state)?.batteryPercent).toBe(50);
    const next = reportOf(2, [2], { alarm: true, modelId: NEXT });
    expect(alarmsIn(run(state, [up(next)]))).toBe(1);
  });

  it("names an operating point of its own model, and of no other", () => {
    const state = made();
    const shares = { share: 0.05, mostShare: 0.11, points: OPERATING_POINTS };
    state.points.models.set(MODEL, shares);
    state.points.models.set(NEXT, { ...shares, points: OPERATING_POINTS.slice(1) });
    run(state, [up(helloOf({ formatVersion: 3 })), up(reportOf(0, [0], { operatingPoint: 1 }))]);
    const points = (nowMs: number) => told(run(state, [{ kind: "tick" }], nowMs), "state").at(-1);
    expect(points(9_000)).toMatchObject({ operating_point: 1, operating_share: 0.02 });
    run(state, [up(activated)]);
    expect(points(19_000)).toMatchObject({ operating_point: null, operating_share: null });
  });
});

describe("a new life of a node", () => {
  it("is told though the clock of the life before ran ahead", () => {
    const state = made();
    const ahead = reportOf(0, [7]);
    const entries = ahead.entries.map((entry) => ({ ...entry, timeMs: 4_000_000_000_000 }));
    const first = run(state, [up(helloOf({})), up({ ...ahead, entries })]);
    expect(told(first, "behaviour")).toHaveLength(1);
    const second = run(state, [up(helloOf({ epoch: 2 })), up(reportOf(0, [0], { epoch: 2 }))]);
    expect(told(second, "behaviour")).toMatchObject([{ epoch: 2, sequence: 0 }]);
    // What is left of the life before is no news, whatever its clock says.
    expect(told(run(state, [up({ ...ahead, seq: 1, entries })]), "behaviour")).toEqual([]);
  });
});
