/** What the page of models says of a rollout and of two models, and what it lets a person do. */

import { describe, expect, it } from "vitest";
import { compared, mayDo, rolloutFacts, wavesOf } from "../gateway/dashboard/models-view.ts";
import { type Audit, type RolloutInfo, RolloutInfoSchema } from "../src/wire/public.ts";

const rollout = (more: Partial<RolloutInfo> = {}): RolloutInfo =>
  RolloutInfoSchema.parse({
    release: 3,
    model: "9f2c61d0a4b87e35",
    purpose: "release",
    cohort: "cattle",
    state: "spreading",
    reason: null,
    wave: 2,
    waves: [
      { share: 0.05, nodes: 1 },
      { share: 0.25, nodes: 3 },
      { share: 1, nodes: 12 },
    ],
    nodes: { known: 12, offered: 1, activated: 1, confirmed: 1, failed: 0, withheld: 0, first: 2 },
    audits: 8,
    agreement: 0.875,
    expected_agreement: 0.9,
    windows: 400,
    offload_ratio: 0.104,
    ...more,
  });

const audit = (low: number, high: number): Audit => ({
  windows: 100,
  audits: 20,
  agreement: (low + high) / 2,
  agreement_low: low,
  agreement_high: high,
  kept_agreement: 0.9,
  mended: 0.02,
  mended_low: 0.01,
  mended_high: 0.03,
  left: 0.05,
  left_low: 0.02,
  left_high: 0.1,
  lift: 2,
  answered: 1,
});

describe("a rollout", () => {
  it("has waves that are over, now and to come, and none to come when it is done", () => {
    expect(wavesOf(rollout()).map(({ name, state }) => [name, state])).toEqual([
      ["Canary", "over"],
      ["Wave 2", "now"],
      ["Everyone", "to come"],
    ]);
    const done = wavesOf(rollout({ state: "done" }));
    expect(done.map(({ state }) => state)).toEqual(["over", "over", "over"]);
  });

  it("is told in words, with why it went back and who waits to go first", () => {
    const facts = new Map(rolloutFacts(rollout()));
    expect(facts.get("Nodes that run it")).toBe("2 of 12, 2 to go first");
    expect(facts.get("Agrees with the teacher")).toBe("87.5 % of 8 audits, 90 % expected");
    const back = new Map(rolloutFacts(rollout({ state: "rolled-back", reason: "it drifts" })));
    expect(back.get("State")).toBe("rolled back: it drifts");
    const taken = wavesOf(rollout({ state: "rolled-back" }));
    expect(taken.map(({ state }) => state)).toEqual(["taken back", "taken back", "not reached"]);
  });

  it.each<[string, RolloutInfo | undefined, string]>([
    ["none", undefined, ""],
    ["that spreads", rollout(), "pause,abort"],
    ["that is held", rollout({ state: "paused" }), "resume,abort"],
    ["that is done", rollout({ state: "done" }), "rollback"],
    ["that was a way back", rollout({ state: "done", purpose: "rollback" }), ""],
    ["that went back", rollout({ state: "rolled-back" }), ""],
  ])("%s offers what makes sense", (_what, one, offered) => {
    const names = Object.entries(mayDo(one)).flatMap(([name, may]) => (may ? [name] : []));
    expect(names.join()).toBe(offered);
  });
});

describe("two models", () => {
  it.each<[Audit | null, Audit | null, RegExp]>([
    [audit(0.9, 0.99), audit(0.7, 0.89), /first agrees/],
    [audit(0.7, 0.89), audit(0.9, 0.99), /second agrees/],
    [audit(0.8, 0.95), audit(0.9, 0.99), /overlap/],
    // Ahead by their middles, and not beyond chance.
    [audit(0.8, 0.99), audit(0.7, 0.85), /overlap/],
    [audit(0.7, 0.85), audit(0.8, 0.99), /overlap/],
    [null, audit(0.9, 0.99), /not been audited/],
  ])("are judged by their intervals", (a, b, verdict) => {
    expect(compared(a, b).verdict).toMatch(verdict);
  });

  it("are set side by side, figure by figure", () => {
    expect(compared(audit(0.8, 0.9), null).rows).toEqual([
      ["Agreement", "85 % (80 % to 90 %)", "no audit"],
      ["Left wrong", "5 % (2 % to 10 %)", "no audit"],
      ["Mended by offloads", "2 % (1 % to 3 %)", "no audit"],
      ["Audits", "20", "no audit"],
      ["Windows", "100", "no audit"],
    ]);
  });
});
