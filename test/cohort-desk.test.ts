/** A gateway whose cohort changes together: what it counts, and what it tells. */

import { describe, expect, it } from "vitest";
import { stepGateway } from "../gateway/gateway.ts";
import type { GatewayEffect, GatewayState } from "../gateway/gateway-state.ts";
import { nodeBeat } from "../gateway/herd/cohort-desk.ts";
import { BEAT_MS } from "../src/gate/cohort-watch.ts";
import { normal, prng } from "../src/prng.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { ModelId, UpMessage } from "../src/wire/messages.ts";
import { BridgeEventSchema } from "../src/wire/public.ts";
import { nodeId, upTopic } from "../src/wire/topics.ts";
import { base, helloOf, offloadOf, reportOf } from "./gateway-kit.ts";
import { made, node, run, told, up } from "./gateway-steps.ts";

const NODES = ["a", "b", "c", "d"].map((id) => nodeId(id));
const HOURS_36 = 144;

function from(id: string, message: UpMessage) {
  const payload = encodeUp(message);
  return { kind: "message", topic: upTopic(base, nodeId(id), message.kind), payload } as const;
}

/** Beats of reports, in which `drifting` nodes have so many deviations more from `beat` on. */
function livedThrough(
  state: GatewayState,
  beats: number,
  from_: number,
  drifting: readonly string[],
): GatewayEffect[] {
  const random = prng(1, "cohort-desk");
  const effects: GatewayEffect[] = [];
  for (let beat = 1; beat <= beats; beat++) {
    for (const id of NODES) {
      const more = beat >= from_ && drifting.includes(id) ? 6 : 0;
      const driftQ8 = Math.round(256 * Math.max(0, 2 + more + 0.5 * normal(random)));
      const indices = Array.from({ length: 8 }, (_, i) => 8 * beat + i);
      effects.push(...run(state, [from(id, reportOf(beat, indices, { driftQ8 }))], beat * BEAT_MS));
    }
    effects.push(...stepGateway(state, { kind: "tick" }, beat * BEAT_MS, beat * BEAT_MS));
  }
  return effects;
}

function shiftsOf(effects: readonly GatewayEffect[]) {
  const diary = told(effects, "bridge/event").map((json) => BridgeEventSchema.parse(json));
  const news = effects.flatMap((effect) =>
    effect.kind === "news" && effect.news.kind === "cohort-shift" ? [effect.news.nodes] : [],
  );
  return { lines: diary.filter(({ type }) => type === "cohort-shift"), news };
}

describe("a cohort that changes", () => {
  it("is told once, with the nodes that moved and what only they have", () => {
    const state = made();
    for (const id of NODES) {
      const firmware = id === "d" ? "old 1" : "new 2";
      run(state, [from(id, helloOf({ firmware }))]);
    }
    const effects = livedThrough(state, 2 * HOURS_36, HOURS_36 + 1, ["a", "b", "c"]);
    const { lines, news } = shiftsOf(effects);
    expect(news).toEqual([["a", "b", "c"]]);
    expect(lines).toHaveLength(1);
    expect(lines[0]?.message).toContain("on 3 of 4 nodes: those with firmware new 2");
  });

  it("is calm where nothing happens", () => {
    const state = made();
    for (const id of NODES) run(state, [from(id, helloOf({}))]);
    expect(shiftsOf(livedThrough(state, 2 * HOURS_36, Number.POSITIVE_INFINITY, []))).toEqual({
      lines: [],
      news: [],
    });
  });
});

describe("a beat", () => {
  it("counts windows, offloads and trusted audits, and begins anew", () => {
    const state = made();
    run(state, [up(helloOf({}))]);
    const report = reportOf(0, [0, 1, 2, 3], { driftQ8: 768 });
    const entries = report.entries.map((entry, i) => ({ ...entry, offloaded: i === 0 }));
    run(state, [up({ ...report, entries })]);
    const answer = (reason: "audit" | "unsure", classIndex: number, trusted: boolean) => {
      const offload = offloadOf(1, { reason, classIndex });
      const probabilities = Float32Array.of(0.9, 0.1, 0);
      return {
        kind: "answered",
        item: { offloadId: 1, node, offload },
        probabilities,
        trusted,
      } as const;
    };
    for (const event of [
      answer("audit", 0, true),
      answer("audit", 1, true),
      answer("audit", 1, false),
      answer("unsure", 1, true),
    ]) {
      stepGateway(state, event, 1, 1);
    }
    const shown = nodeBeat(state.nodes.get(node)!.beat);
    expect(shown).toEqual({
      agreement: { mean: 0.5, weight: 2 },
      novelty: { mean: 2, weight: 4 },
      "offload-share": { mean: 0.25, weight: 4 },
    });
    stepGateway(state, { kind: "tick" }, BEAT_MS, BEAT_MS);
    expect(nodeBeat(state.nodes.get(node)!.beat).novelty.weight).toBe(0);
    run(state, [up({ ...report, seq: 1, entries, operatingPoint: 2 })]);
    const moved = nodeBeat(state.nodes.get(node)!.beat);
    expect(moved["offload-share"].weight).toBe(0);
    expect(moved.novelty.weight).toBe(4);
    // Another student: what was novel to the one before is no measure of it.
    const next = "fedcba9876543210" as ModelId;
    const outcome = { releaseSequence: 1, modelId: next, outcome: "activated" } as const;
    run(state, [up({ kind: "outcome", ...outcome }), up({ ...report, seq: 2, entries })]);
    expect(state.nodes.get(node)?.beat).toMatchObject({ windows: 0, released: 4, renewed: true });
    run(state, [up({ ...report, seq: 3, modelId: next })]);
    expect(state.nodes.get(node)?.beat).toMatchObject({ windows: 4, released: 8, renewed: true });
  });
});
