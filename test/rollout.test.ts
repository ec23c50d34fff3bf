import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  DEFAULT_ROLLOUT_POLICY,
  mayHave,
  type Rollout,
  type RolloutEffect,
  type RolloutEvent,
  startRollout,
  stepRollout,
} from "../gateway/release/rollout.ts";
import { below, chance, prng } from "../src/prng.ts";
import type { NodeId } from "../src/wire/messages.ts";

const policy = DEFAULT_ROLLOUT_POLICY;
const MINUTE = 60_000;
const tickOf = (all: readonly NodeId[]) =>
  ({ kind: "tick", nodes: all, away: [], unfit: [] }) as const;
const nodes = Array.from({ length: 40 }, (_, i) => `collar-${i}` as NodeId);
const release = {
  sequence: 7,
  purpose: "release" as const,
  cohort: "cattle",
  formerSequence: 6,
  expected: { agreement: 0.9, offloadShare: 0.1 },
};

type Behaviour = {
  /** What a node does when it is offered the release. */
  readonly install: "confirmed" | "self-test-failed" | "reverted" | "silent";
  readonly agreement: number;
  readonly offloadShare: number;
};
const GOOD: Behaviour = { install: "confirmed", agreement: 0.92, offloadShare: 0.08 };

/** Minutes of a herd: nodes install, report twelve windows a minute and are audited on a tenth. */
function live(behaviour: Behaviour, minutes: number, seed = 1): { rollout: Rollout; most: number } {
  const random = prng(seed);
  let rollout = startRollout(release, 0);
  let most = 0;
  const running = new Set<NodeId>();
  const step = (event: RolloutEvent, nowMs: number): readonly RolloutEffect[] => {
    const result = stepRollout(rollout, event, nowMs, policy);
    rollout = result.rollout;
    return result.effects;
  };
  for (let minute = 0; minute < minutes && rollout.state === "spreading"; minute++) {
    const nowMs = minute * MINUTE;
    for (const effect of step(tickOf(nodes), nowMs)) {
      if (effect.kind !== "offer" || behaviour.install === "silent") continue;
      if (behaviour.install === "confirmed") {
        step({ kind: "outcome", node: effect.node, outcome: "activated" }, nowMs);
        running.add(effect.node);
      }
      step({ kind: "outcome", node: effect.node, outcome: behaviour.install }, nowMs + 1000);
    }
    most = Math.max(most, Object.keys(rollout.nodes).length);
    for (const node of running) {
      const offloads = Array.from({ length: 12 }).filter(() =>
        chance(random, behaviour.offloadShare),
      ).length;
      step({ kind: "windows", node, windows: 12, offloads }, nowMs);
      if (below(random, 10) === 0) {
        step({ kind: "audit", node, agrees: chance(random, behaviour.agreement) }, nowMs);
      }
    }
  }
  return { rollout, most };
}

describe("a rollout", () => {
  test("of a good release goes canary, wave, everyone", () => {
    const stages: number[] = [];
    for (let seed = 1; seed <= 50; seed++) {
      const { rollout } = live(GOOD, 2000, seed);
      expect(rollout.reason).toBeUndefined();
      expect(rollout.state).toBe("done");
      expect(Object.keys(rollout.nodes)).toHaveLength(nodes.length);
      stages.push(rollout.stage);
    }
    expect(new Set(stages)).toEqual(new Set([policy.shares.length - 1]));
  });

  test.each([
    ["is refused", { ...GOOD, install: "self-test-failed" }],
    ["is reverted", { ...GOOD, install: "reverted" }],
    ["falls silent", { ...GOOD, install: "silent" }],
    ["disagrees with the teacher", { ...GOOD, agreement: 0.3 }],
    ["offloads everything", { ...GOOD, offloadShare: 0.9 }],
  ] satisfies [string, Behaviour][])("that %s never leaves the canary", (_name, behaviour) => {
    for (let seed = 1; seed <= 40; seed++) {
      const { rollout, most } = live(behaviour, 5000, seed);
      expect(rollout.state).toBe("rolled-back");
      expect(rollout.reason).toBeTruthy();
      expect(most).toBeLessThanOrEqual(2);
    }
  });

  test("offers to nobody once it went back, and to latecomers once it is done", () => {
    const back = live({ ...GOOD, install: "reverted" }, 10).rollout;
    const late = "collar-late" as NodeId;
    const tick = tickOf([...nodes, late]);
    expect(stepRollout(back, tick, 0, policy).effects).toEqual([]);
    expect(mayHave(back, nodes[0] as NodeId)).toBe(false);
    const { rollout: done } = live(GOOD, 2000);
    const { effects, rollout } = stepRollout(done, tick, 1e9, policy);
    expect(effects).toEqual([{ kind: "offer", node: late }]);
    expect(mayHave(rollout, late)).toBe(true);
  });

  test("without any evidence fails after its time", () => {
    let { rollout } = stepRollout(startRollout(release, 0), tickOf(nodes), 0, policy);
    for (const node of Object.keys(rollout.nodes) as NodeId[]) {
      const confirmed = { kind: "outcome", node, outcome: "confirmed" } as const;
      rollout = stepRollout(rollout, confirmed, 1, policy).rollout;
    }
    const before = stepRollout(rollout, tickOf(nodes), policy.evidenceMs, policy);
    expect(before.rollout.state).toBe("spreading");
    const after = stepRollout(rollout, tickOf(nodes), policy.evidenceMs + 1, policy);
    expect(after.effects).toEqual([{ kind: "rollback", reason: expect.stringMatching(/heard/) }]);
  });

  test("back goes to everyone at once", () => {
    const back = startRollout({ ...release, purpose: "rollback" }, 0);
    const { rollout, effects } = stepRollout(back, tickOf(nodes), 0, policy);
    expect(effects.filter((effect) => effect.kind === "offer")).toHaveLength(nodes.length);
    expect(rollout.state).toBe("done");
  });

  test("leaves out what cannot hold it, and what answers so, without holding it against it", () => {
    const [small, other, third] = nodes as [NodeId, NodeId, NodeId];
    const unfit = [{ node: small, reason: "wrong-format" }] as const;
    const herd = { kind: "tick", nodes: [other, third], away: [], unfit } as const;
    const first = stepRollout(startRollout(release, 0), herd, 0, policy);
    expect(first.effects).toEqual([
      { kind: "withhold", node: small, reason: "wrong-format" },
      { kind: "offer", node: other },
    ]);
    const answer = { kind: "outcome", node: other, outcome: "too-large" } as const;
    const second = stepRollout(first.rollout, answer, 1, policy);
    expect(second.effects).toEqual([{ kind: "withhold", node: other, reason: "too-large" }]);
    const next = stepRollout(second.rollout, herd, 2, policy);
    expect(next.effects).toEqual([{ kind: "offer", node: third }]);
    // None of them is silent, however long it takes.
    const late = stepRollout(next.rollout, herd, policy.silenceMs, policy);
    expect(late).toEqual({ rollout: next.rollout, effects: [] });
    const last = { kind: "outcome", node: third, outcome: "wrong-format" } as const;
    const none = stepRollout(stepRollout(next.rollout, last, 3, policy).rollout, herd, 4, policy);
    expect(none.effects).toEqual([
      { kind: "rollback", reason: "none of 3 nodes can hold it: 1 too-large, 2 wrong-format" },
    ]);
    expect(none.rollout.state).toBe("rolled-back");
  });

  test("that a node was offered and no longer can hold gives its place to another", () => {
    const [canary, other] = nodes as [NodeId, NodeId];
    const start = stepRollout(startRollout(release, 0), tickOf([canary, other]), 0, policy);
    expect(start.effects).toEqual([{ kind: "offer", node: canary }]);
    const unfit = [{ node: canary, reason: "too-large" }] as const;
    const changed = { kind: "tick", nodes: [other], away: [], unfit } as const;
    const next = stepRollout(start.rollout, changed, 1, policy);
    expect(next.effects).toEqual([
      { kind: "withhold", node: canary, reason: "too-large" },
      { kind: "offer", node: other },
    ]);
    // One that runs it can hold it, whatever it says.
    const runs = { kind: "outcome", node: other, outcome: "activated" } as const;
    const running = stepRollout(next.rollout, runs, 2, policy).rollout;
    const claims = [...unfit, { node: other, reason: "too-large" }] as const;
    const tick = { kind: "tick", nodes: [], away: [], unfit: claims } as const;
    expect(stepRollout(running, tick, 3, policy)).toEqual({ rollout: running, effects: [] });
  });

  test("never offers twice, and never more than its share, whatever is said to it", () => {
    const node = fc.constantFrom(...nodes, "stranger" as NodeId);
    const event: fc.Arbitrary<RolloutEvent> = fc.oneof(
      fc.record({
        kind: fc.constant("outcome" as const),
        node,
        outcome: fc.constantFrom("activated" as const, "confirmed" as const, "stale" as const),
      }),
      fc.record({ kind: fc.constant("audit" as const), node, agrees: fc.boolean() }),
      fc.record({
        kind: fc.constant("windows" as const),
        node,
        windows: fc.nat(50),
        offloads: fc.constant(0),
      }),
      fc.constant(tickOf(nodes)),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), fc.nat(90 * MINUTE), (events, stepMs) => {
        let rollout = startRollout(release, 0);
        const offered: NodeId[] = [];
        events.forEach((happened, i) => {
          const result = stepRollout(rollout, happened, i * stepMs, policy);
          const share = policy.shares[result.rollout.stage] ?? 1;
          rollout = result.rollout;
          for (const effect of result.effects) {
            if (effect.kind === "offer") offered.push(effect.node);
          }
          expect(offered.length).toBeLessThanOrEqual(Math.ceil(share * nodes.length));
        });
        expect(new Set(offered).size).toBe(offered.length);
      }),
      { numRuns: 100 },
    );
  });
});
