/** Nodes that change together are told from nodes that differ, and from a herd that has its days. */

import { describe, expect, it } from "vitest";
import {
  type CohortShift,
  type CohortWatch,
  NEW_COHORT_WATCH,
  type NodeBeat,
  watchCohort,
} from "../src/gate/cohort-watch.ts";
import { normal, type Prng, prng } from "../src/prng.ts";

const DAY_BEATS = 96;
const NODES = 12;

type Herd = {
  readonly random: Prng;
  /** Added to the novelty of a node in a beat. */
  readonly more: (node: number, beat: number) => number;
  readonly nodes?: number;
};

/** Nodes that differ from each other, and from beat to beat by .3. */
function beatOf({ random, more, nodes = NODES }: Herd, beat: number): Map<string, NodeBeat> {
  return new Map(
    Array.from({ length: nodes }, (_, node) => {
      const mean = 1 + 0.2 * node + 0.3 * normal(random) + more(node, beat);
      const steady = { mean: 0.1, weight: 300 };
      const none = { mean: 0, weight: 0 };
      return [
        `node-${node}`,
        { agreement: none, novelty: { mean, weight: 300 }, "offload-share": steady },
      ];
    }),
  );
}

function livedThrough(herd: Herd, beats: number, renewedAt = -1) {
  let watch: CohortWatch = NEW_COHORT_WATCH;
  const shifts: { readonly beat: number; readonly shift: CohortShift }[] = [];
  for (let beat = 0; beat < beats; beat++) {
    const nodes = beatOf(herd, beat);
    const step = watchCohort(watch, nodes, new Set(beat === renewedAt ? nodes.keys() : []));
    watch = step.watch;
    if (step.shift !== null) shifts.push({ beat, shift: step.shift });
  }
  return shifts;
}

describe("a cohort", () => {
  it("of nodes that differ is calm for weeks, whatever its days are like", () => {
    for (const [seed, swing] of [0, 0.2, 1, 3].entries()) {
      const day = (beat: number): number => swing * Math.sin((2 * Math.PI * beat) / DAY_BEATS);
      const herd = { random: prng(seed, "calm"), more: (_: number, beat: number) => day(beat) };
      expect(livedThrough(herd, 60 * DAY_BEATS), `swing ${swing}`).toEqual([]);
    }
  });

  it("that moves by less than its nodes vary is heard within hours, told once, and by whom", () => {
    const start = 3 * DAY_BEATS;
    const more = (node: number, beat: number): number => (beat >= start && node < 8 ? 0.4 : 0);
    const shifts = livedThrough({ random: prng(5, "shift"), more }, 10 * DAY_BEATS);
    expect(shifts).toHaveLength(1);
    const [{ beat, shift } = { beat: 0, shift: undefined }] = shifts;
    expect(beat - start).toBeLessThan(24);
    expect(shift?.measure).toBe("novelty");
    expect(shift?.difference).toBeGreaterThan(0.1);
    const moved = Array.from({ length: 8 }, (_, node) => `node-${node}`);
    expect(shift?.nodes).toEqual(expect.arrayContaining(moved.slice(0, 1)));
    expect(moved.filter((node) => shift?.nodes.includes(node)).length).toBeGreaterThan(5);
  });

  it("that takes another student begins its novelty anew", () => {
    const more = (_: number, beat: number): number => (beat >= 300 ? 1 : 0);
    const herd = { random: prng(9, "renewed"), more };
    expect(livedThrough(herd, 900, 300)).toEqual([]);
    expect(livedThrough({ ...herd, random: prng(9, "renewed") }, 900)).toHaveLength(1);
  });

  it("does not move because one of its nodes comes back with the backlog of days", () => {
    const random = prng(10, "backlog");
    let watch: CohortWatch = NEW_COHORT_WATCH;
    for (let beat = 0; beat < 400; beat++) {
      const more = (node: number): number => (beat >= 300 && node === 0 ? 1 : 0);
      const nodes = new Map(beatOf({ random, more }, beat));
      const own = nodes.get("node-0") as NodeBeat;
      // For five hours it hands in what it kept, from when its animal did something else.
      const weight = beat >= 300 && beat < 320 ? 30_000 : 300;
      const before = beat < 320 ? own.novelty : { ...own.novelty, mean: own.novelty.mean - 1 };
      nodes.set("node-0", { ...own, novelty: { ...before, weight } });
      const step = watchCohort(watch, nodes);
      expect(step.shift, `beat ${beat}`).toBeNull();
      watch = step.watch;
    }
  });

  it("names only nodes that got worse, whoever weighs most", () => {
    const random = prng(11, "weights");
    let watch: CohortWatch = NEW_COHORT_WATCH;
    let found: CohortShift | null = null;
    for (let beat = 0; beat < 900 && found === null; beat++) {
      // The second half moves hardly at all, so that in the mean of all nodes they got better.
      const change = (node: number): number => (node < 2 ? 3 : node < 7 ? -1.5 : -0.05);
      const more = (node: number): number => (beat < 300 ? 0 : change(node));
      const nodes = beatOf({ random, more }, beat);
      for (const name of ["node-0", "node-1"]) {
        const own = nodes.get(name) as NodeBeat;
        nodes.set(name, { ...own, novelty: { ...own.novelty, weight: 1_200 } });
      }
      const step = watchCohort(watch, nodes);
      watch = step.watch;
      found = step.shift;
    }
    expect(found?.nodes).toEqual(["node-0", "node-1"]);
  });

  it("that gets better is not told of", () => {
    const more = (_: number, beat: number): number => (beat >= 300 ? -0.5 : 0);
    expect(livedThrough({ random: prng(6, "better"), more }, 900)).toEqual([]);
  });

  it("is not heard within its first day, nor where it is of two", () => {
    const more = (_: number, beat: number): number => (beat >= 90 ? 3 : 0);
    const [first] = livedThrough({ random: prng(7, "early"), more }, 110);
    expect(first).toBeUndefined();
    const late = (_: number, beat: number): number => (beat >= 500 ? 3 : 0);
    expect(livedThrough({ random: prng(7, "two"), more: late, nodes: 2 }, 900)).toEqual([]);
    expect(livedThrough({ random: prng(7, "two"), more: late, nodes: 3 }, 900)).toHaveLength(1);
  });

  it("may lose and gain nodes, by which nothing has moved", () => {
    const random = prng(8, "herd");
    let watch: CohortWatch = NEW_COHORT_WATCH;
    for (let beat = 0; beat < 900; beat++) {
      const all = beatOf({ random, more: () => 0 }, beat);
      // The low half goes, the high half comes: the mean of the herd jumps, no node has moved.
      const there = new Map([...all].filter((_, node) => (beat < 450 ? node < 8 : node > 3)));
      const step = watchCohort(watch, there);
      expect(step.shift, `beat ${beat}`).toBeNull();
      watch = step.watch;
    }
  });
});
