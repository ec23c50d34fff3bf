/** An operator's orders to a rollout: what each does, and that none makes a wave larger. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DEFAULT_ROLLOUT_POLICY,
  placesOf,
  type Rollout,
  type RolloutEffect,
  type RolloutEvent,
  type RolloutStep,
  startRollout,
  stepRollout,
} from "../gateway/release/rollout.ts";
import {
  installTurn,
  type RolloutOrder,
  steerRollout,
} from "../gateway/release/rollout-steering.ts";
import type { NodeId } from "../src/wire/messages.ts";
import { codeOf } from "./edge-code.ts";

const policy = { ...DEFAULT_ROLLOUT_POLICY, auditsLeast: 0, windowsLeast: 0 };
const HOUR = 3_600_000;
const nodes = Array.from({ length: 20 }, (_, i) => `collar-${i}` as NodeId);
const last = nodes[19] as NodeId;
const release = {
  sequence: 7,
  purpose: "release" as const,
  cohort: "cattle",
  formerSequence: 6,
  expected: { agreement: 0.9, offloadShare: 1 },
};
const tick: RolloutEvent = { kind: "tick", nodes, away: [], unfit: [] };

/** A rollout and what happens to it, with the effects of all steps. */
function play(rollout: Rollout) {
  const effects: RolloutEffect[] = [];
  const take = (step: RolloutStep): void => {
    rollout = step.rollout;
    effects.push(...step.effects);
  };
  return {
    effects,
    now: () => rollout,
    event: (event: RolloutEvent, nowMs: number) => take(stepRollout(rollout, event, nowMs, policy)),
    order: (order: RolloutOrder, nowMs: number) => take(steerRollout(rollout, order, nowMs)),
  };
}

describe("a rollout that is held", () => {
  it("is offered to nobody further, and goes on with the time that it was held left out", () => {
    const game = play(startRollout(release, 0));
    game.order({ kind: "pause" }, 0);
    game.event(tick, HOUR);
    expect(game.effects).toEqual([{ kind: "paused" }]);
    expect(codeOf(() => game.order({ kind: "pause" }, HOUR))).toBe("rollout-paused");
    expect(installTurn(game.now(), last)).toBe("paused");
    // Far longer than evidence may take.
    game.event(tick, 100 * HOUR);
    game.order({ kind: "resume" }, 100 * HOUR);
    expect(game.now().stageSinceMs).toBe(100 * HOUR);
    game.event(tick, 100 * HOUR);
    expect(game.effects.at(-1)).toEqual({ kind: "offer", node: nodes[0] });
    expect(codeOf(() => game.order({ kind: "resume" }, HOUR))).toBe("rollout-not-paused");
  });

  it("still goes back where its canary fails", () => {
    const game = play(startRollout(release, 0));
    game.event(tick, 0);
    game.order({ kind: "pause" }, 0);
    game.event({ kind: "outcome", node: nodes[0] as NodeId, outcome: "reverted" }, 1);
    game.event(tick, 2);
    expect(game.now().state).toBe("rolled-back");
  });
});

describe("a node that is to have it", () => {
  it("goes first where there is a place, and waits where there is none", () => {
    const free = play(startRollout(release, 0));
    free.order({ kind: "install", node: last }, 0);
    free.event(tick, 0);
    expect(free.effects).toEqual([{ kind: "offer", node: last }]);
    expect(installTurn(free.now(), last)).toBe("offered");
    const full = play(startRollout(release, 0));
    full.event(tick, 0);
    full.order({ kind: "install", node: last }, 0);
    full.event(tick, 0);
    expect(Object.keys(full.now().nodes)).toEqual([nodes[0]]);
    expect(installTurn(full.now(), last)).toBe("next-wave");
    full.event({ kind: "outcome", node: nodes[0] as NodeId, outcome: "confirmed" }, 1);
    full.event(tick, HOUR);
    full.event(tick, HOUR);
    expect(full.now().stage).toBe(1);
    expect(Object.keys(full.now().nodes)[1]).toBe(last);
  });

  it("gets no release that failed on it, but once that is everywhere else", () => {
    const game = play({
      ...startRollout(release, 0),
      stage: 2,
      nodes: { [last]: { status: "failed", sinceMs: 0 } },
    });
    const again = (): string => codeOf(() => game.order({ kind: "install", node: last }, 1));
    expect(again()).toBe("release-failed-there");
    const done = play({ ...game.now(), state: "done" });
    done.order({ kind: "install", node: last }, 1);
    expect(done.effects).toEqual([{ kind: "offer", node: last }]);
    expect(installTurn(done.now(), nodes[0] as NodeId)).toBe("now");
    const unfit = { [last]: { reason: "too-large", by: "hello" } } as const;
    const small = play({ ...game.now(), nodes: {}, unfit });
    expect(codeOf(() => small.order({ kind: "install", node: last }, 1))).toBe("release-withheld");
  });
});

describe("a rollout that is ended", () => {
  it("goes back with the reason, once", () => {
    const game = play(startRollout(release, 0));
    game.order({ kind: "abort", reason: "ended by anna" }, 0);
    expect(game.effects).toEqual([{ kind: "rollback", reason: "ended by anna" }]);
    for (const kind of ["abort", "rollback"] as const) {
      expect(codeOf(() => game.order({ kind, reason: "" }, 1))).toBe("rollout-over");
    }
  });

  it("can be undone when it is done, but a way back cannot", () => {
    const done = play({ ...startRollout(release, 0), state: "done" });
    expect(codeOf(() => done.order({ kind: "abort", reason: "" }, 1))).toBe("rollout-over");
    done.order({ kind: "rollback", reason: "taken back" }, 1);
    expect(done.now().state).toBe("rolled-back");
    const back = play({ ...startRollout(release, 0), purpose: "rollback", state: "done" });
    const code = codeOf(() => back.order({ kind: "rollback", reason: "" }, 1));
    expect(code).toBe("rollback-of-rollback");
  });
});

it("whatever is ordered, no wave holds more nodes than its share, and none after it went back", () => {
  const node = fc.constantFrom(...nodes);
  const step = fc.oneof(
    fc.constant({ kind: "tick" } as const),
    fc.record({ kind: fc.constant("install" as const), node }),
    fc.constantFrom({ kind: "pause" } as const, { kind: "resume" } as const),
    fc.record({ kind: fc.constant("confirmed" as const), node }),
    fc.constant({ kind: "abort", reason: "x" } as const),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const game = play(startRollout(release, 0));
      let ended = 0;
      steps.forEach((one, index) => {
        const nowMs = index * HOUR;
        const { stage } = game.now();
        const before = Object.keys(game.now().nodes).length;
        if (one.kind === "tick") game.event(tick, nowMs);
        else if (one.kind === "confirmed") {
          game.event({ kind: "outcome", node: one.node, outcome: "confirmed" }, nowMs);
        } else codeOf(() => game.order(one, nowMs));
        const offered = Object.keys(game.now().nodes).length;
        const places = placesOf(policy.shares[stage] ?? 1, nodes.length);
        expect(offered).toBeLessThanOrEqual(Math.max(before, places));
        if (ended > 0) expect(offered).toBe(ended);
        if (game.now().state === "rolled-back") ended = Math.max(ended, offered);
      });
    }),
    { numRuns: 500 },
  );
});
