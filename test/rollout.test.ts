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
} from "../gateway/rollout.ts";
import { below, chance, prng } from "../src/prng.ts";
import type { NodeId } from "../src/wire/messages.ts";

const policy = DEFAULT_ROLLOUT_POLICY;
const MINUTE = 60_000;
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
    for (const effect of step({ kind: "tick", nodes }, nowMs)) {
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
    const tick = { kind: "tick", nodes: [...nodes, late] } as const;
    expect(stepRollout(back, tick, 0, policy).effects).toEqual([]);
    expect(mayHave(back, nodes[0] as NodeId)).toBe(false);
    const { rollout: done } = live(GOOD, 2000);
    const { effects, rollout } = stepRollout(done, tick, 1e9, policy);
    expect(effects).toEqual([{ kind: "offer", node: late }]);
    expect(mayHave(rollout, late)).toBe(true);
  });

  test("without any evidence fails after its time", () => {
    let { rollout } = stepRollout(startRollout(release, 0), { kind: "tick", nodes }, 0, policy);
    for (const node of Object.keys(rollout.nodes) as NodeId[]) {
      const confirmed = { kind: "outcome", node, outcome: "confirmed" } as const;
      rollout = stepRollout(rollout, confirmed, 1, policy).rollout;
    }
    const before = stepRollout(rollout, { kind: "tick", nodes }, policy.evidenceMs, policy);
    expect(before.rollout.state).toBe("spreading");
    const after = stepRollout(rollout, { kind: "tick", nodes }, policy.evidenceMs + 1, policy);
    expect(after.effects).toEqual([{ kind: "rollback", reason: expect.stringMatching(/heard/) }]);
  });

  test("back goes to everyone at once", () => {
    const back = startRollout({ ...release, purpose: "rollback" }, 0);
    const { rollout, effects } = stepRollout(back, { kind: "tick", nodes }, 0, policy);
    expect(effects.filter((effect) => effect.kind === "offer")).toHaveLength(nodes.length);
    expect(rollout.state).toBe("done");
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
      fc.constant({ kind: "tick" as const, nodes }),
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
