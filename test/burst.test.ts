import { describe, expect, it } from "vitest";
import { callBurst, followBout, seekForBurst } from "../src/gate/burst.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { type BurstState, type GateState, initialGateState } from "../src/gate/gate-state.ts";
import { statisticsDistance, windowStatistics } from "../src/gate/window-statistics.ts";

const gate = uncalibratedGate({ exits: 2, classes: 3 });
const BURST = {
  windows: 20,
  delayWindows: 10,
  expiryWindows: 2000,
  perBout: 3,
  gapWindows: 2,
  diversity: 6,
  boutChange: 40,
};

/** Lives through bouts, each a place of its own with some restlessness, and lists what a burst took. */
function live(bouts: number, windowsPerBout: number, windows = BURST.windows) {
  let state: GateState = { ...initialGateState(gate), burst: callBurst(noBurst(), windows) };
  const taken: { bout: number; at: number; statistics: readonly number[] }[] = [];
  let at = 0;
  for (let bout = 0; bout < bouts; bout++) {
    for (let i = 0; i < windowsPerBout; i++, at++) {
      const statistics = [30 * (bout % 4), -20 * (bout % 3), 50, 3 + (i % 5), 2 + ((i * 3) % 7), 4];
      const followed = followBout(BURST, state, statistics);
      const sought = seekForBurst(BURST, followed.burst, statistics);
      if (sought.wanted) taken.push({ bout, at, statistics });
      state = { ...state, ...followed, burst: sought.wanted ? sought.ifTaken : sought.ifLeft };
    }
  }
  return { taken, state };
}

function noBurst(): BurstState {
  return initialGateState(gate).burst;
}

describe("a burst", () => {
  it("is bounded, waits at first, and spreads over bouts and time", () => {
    const { taken, state } = live(40, 50);
    expect(taken.length).toBe(BURST.windows);
    expect(state.burst.left).toBe(0);
    expect(taken[0]?.at).toBeGreaterThanOrEqual(BURST.delayWindows);
    const perBout = new Map<number, number>();
    taken.forEach(({ bout, at }, i) => {
      perBout.set(bout, (perBout.get(bout) ?? 0) + 1);
      const before = taken[i - 1];
      if (before !== undefined) expect(at - before.at).toBeGreaterThan(BURST.gapWindows);
    });
    expect(Math.max(...perBout.values())).toBeLessThanOrEqual(BURST.perBout);
    expect(perBout.size).toBeGreaterThanOrEqual(6);
  });

  it("takes no window that resembles one taken lately", () => {
    const { taken } = live(40, 50);
    taken.forEach((window, i) => {
      for (const earlier of taken.slice(Math.max(0, i - 12), i)) {
        const distance = statisticsDistance(window.statistics, earlier.statistics);
        expect(distance).toBeGreaterThanOrEqual(BURST.diversity);
      }
    });
  });

  it("ends by itself where nothing worth sending comes", () => {
    const { taken, state } = live(1, BURST.expiryWindows + 20);
    expect(taken.length).toBeLessThanOrEqual(BURST.perBout);
    expect(state.burst.left).toBe(0);
  });

  it("is topped up, not begun again, when it is called for twice", () => {
    const running = { ...callBurst(noBurst(), 20), left: 5, ageWindows: 100 };
    expect(callBurst(running, 8)).toEqual({ ...running, left: 8 });
    expect(callBurst(running, 3)).toEqual(running);
  });
});

describe("windowStatistics", () => {
  it("are means, then standard deviations, in whole steps", () => {
    const window = Int8Array.of(10, -4, 30, -4, 10, -4, 30, -4);
    expect(windowStatistics(window, 2)).toEqual([20, -4, 10, 0]);
  });

  it("stay in range at full scale", () => {
    const window = Int8Array.from({ length: 600 }, (_, i) => (i % 2 === 0 ? 127 : -127));
    expect(windowStatistics(window, 1)).toEqual([0, 127]);
  });
});
