import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ExitOutput } from "../src/engine/engine.ts";
import { applySetting, gateExit, gateVerdict, gateWindow } from "../src/gate/decide.ts";
import { type GateParameters, uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { carryGateState, type GateState, initialGateState } from "../src/gate/gate-state.ts";
import { decodeGateState, encodeGateState } from "../src/gate/gate-state-bytes.ts";
import { below, type Prng, prng } from "../src/prng.ts";

const FEATURES = 4;

/** A gate whose novelty knows one place: features near 0. */
function gateWith(changes: Partial<GateParameters> = {}): GateParameters {
  return {
    ...uncalibratedGate({ exits: 2, classes: 3 }),
    novelty: {
      exit: 1,
      features: FEATURES,
      axes: 0,
      // The identity: every feature has a standard deviation of one step.
      whiteningQ12: Int16Array.of(4096, 0, 4096, 0, 0, 4096, 0, 0, 0, 4096),
      prototypesQ4: new Int16Array(3 * FEATURES),
      centresQ8: [2560, 2560, 2560],
      inverseSpreadsQ8: [256, 256, 256],
      clipQ8: 6 * 256,
      recoveryWindows: 10000,
      slackQ8: 256,
      thresholdQ8: 10 * 256,
      novelQ8: 32767,
    },
    ...changes,
  };
}

function output(random: Prng, spread: number, feature: number): ExitOutput {
  return {
    logits: Int16Array.from({ length: 3 }, () => below(random, spread)),
    features: new Int8Array(FEATURES).fill(feature),
  };
}

/** A stream of windows: easy or hard, known or novel, from a few places. */
function streamOf(seed: number) {
  const random = prng(seed, "stream");
  return (windowIndex: number, feature = 1) => {
    const spread = below(random, 3) === 0 ? 200 : 6000;
    return {
      exits: [output(random, spread, feature), output(random, spread, feature)],
      statistics: Array.from({ length: 6 }, () => below(random, 60)),
      windowIndex,
    };
  };
}

function allWhole(value: unknown): boolean {
  if (typeof value === "number") return (value | 0) === value;
  if (typeof value === "object" && value !== null) return Object.values(value).every(allWhole);
  return true;
}

describe("gateWindow", () => {
  it("never lets the bucket exceed its budget, in any stretch of windows", () => {
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          capacityTokens: fc.integer({ min: 1, max: 30 }),
          windowsPerTokenQ8: fc.integer({ min: 256, max: 8000 }),
          reserveTokens: fc.nat(5),
          auditChanceQ16: fc.nat(65535),
          burstAt: fc.nat(400),
        }),
        ({ seed, capacityTokens, windowsPerTokenQ8, reserveTokens, auditChanceQ16, burstAt }) => {
          const gate = gateWith({
            bucket: {
              capacityTokens,
              windowsPerTokenQ8,
              reserveTokens: Math.min(reserveTokens, capacityTokens),
            },
            auditChanceQ16,
          });
          const next = streamOf(seed);
          const random = prng(seed, "gate");
          let state = initialGateState(gate);
          const offloads: number[] = [];
          for (let i = 0; i < 400; i++) {
            if (i === burstAt) state = applySetting(state, { auditChanceQ16, burstWindows: 60 });
            const decision = gateWindow(gate, state, next(i, i > 200 ? 40 : 1), random);
            state = decision.nextState;
            if (state.levelQ8 < 0 || !allWhole(decision)) expect(decision).toBe("whole, in credit");
            if (decision.offload !== null) offloads.push(i);
          }
          let worst = 0;
          offloads.forEach((first, a) => {
            for (let b = a; b < offloads.length; b++) {
              const length = (offloads[b] as number) - first + 1;
              const allowed = capacityTokens + (length * 256) / windowsPerTokenQ8;
              worst = Math.max(worst, b - a + 1 - allowed);
            }
          });
          expect(worst).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("goes on from its bytes, and from JSON, as if nothing had happened", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 120 }), (seed, stop) => {
        const gate = gateWith({
          offload: { ...gateWith().offload, rateStepQ16: 9000, rateLimitQ8: 1500 },
        });
        const run = (restart: (state: GateState) => GateState) => {
          const next = streamOf(seed);
          const random = prng(seed, "gate");
          let state = initialGateState(gate);
          const decisions: unknown[] = [];
          for (let i = 0; i < 160; i++) {
            if (i === stop) state = restart(state);
            const decision = gateWindow(gate, state, next(i, i > 60 ? 30 : 1), random);
            state = decision.nextState;
            if (i % 7 === 0) {
              state = gateVerdict(gate, state, {
                windowIndex: i,
                classIndex: i % 3,
                trusted: i % 2 === 0,
                probabilitiesQ8: Uint8Array.of(250, 3, 2),
              });
            }
            decisions.push(decision);
          }
          return decisions;
        };
        const uninterrupted = run((state) => state);
        expect(run((state) => decodeGateState(encodeGateState(state)))).toEqual(uninterrupted);
        expect(run((state) => JSON.parse(JSON.stringify(state)))).toEqual(uninterrupted);
      }),
      { numRuns: 20 },
    );
  });

  it("keeps its state to a few hundred bytes", () => {
    const gate = gateWith({
      bucket: { capacityTokens: 100, windowsPerTokenQ8: 256, reserveTokens: 0 },
    });
    const next = streamOf(1);
    const random = prng(1, "gate");
    let state = applySetting(initialGateState(gate), { auditChanceQ16: 9, burstWindows: 500 });
    let most = 0;
    for (let i = 0; i < 300; i++) {
      state = gateWindow(gate, state, next(i), random).nextState;
      most = Math.max(most, encodeGateState(state).length);
    }
    expect(most).toBeLessThan(300);
  });

  it("audits with the stated chance, so that weighting by its inverse is unbiased", () => {
    const gate = gateWith({
      auditChanceQ16: 3277,
      novelty: null,
      bucket: { capacityTokens: 24, windowsPerTokenQ8: 1280, reserveTokens: 8 },
      offload: { ...gateWith().offload, unsureMarginQ8: [200, 200, 200] },
    });
    const estimates: number[] = [];
    let truth = 0;
    let windows = 0;
    for (let seed = 0; seed < 40; seed++) {
      const next = streamOf(seed);
      const random = prng(seed, "gate");
      let state = initialGateState(gate);
      let weighted = 0;
      for (let i = 0; i < 1000; i++) {
        const input = next(i);
        const decision = gateWindow(gate, state, input, random);
        state = decision.nextState;
        // Something that depends on the window and goes with its margin, as errors do.
        const value = (input.statistics[0] as number) < 20 || decision.marginQ8 < 900 ? 1 : 0;
        truth += value;
        windows++;
        if (decision.offload !== null) weighted += (value * 65536) / decision.chanceQ16;
      }
      estimates.push(weighted / 1000);
    }
    const mean = estimates.reduce((a, b) => a + b, 0) / estimates.length;
    const variance =
      estimates.reduce((a, b) => a + (b - mean) ** 2, 0) /
      (estimates.length - 1) /
      estimates.length;
    expect(Math.abs(mean - truth / windows)).toBeLessThan(3.5 * Math.sqrt(variance));
    expect(Math.sqrt(variance)).toBeLessThan(0.02);
  });

  it("raises the alarm on novel features, calls one bounded burst, and lets go afterwards", () => {
    const gate = gateWith({
      auditChanceQ16: 0,
      offload: { ...gateWith().offload, unsureMarginQ8: [0, 0, 0] },
      bucket: { capacityTokens: 64, windowsPerTokenQ8: 512, reserveTokens: 0 },
      burst: { ...gateWith().burst, windows: 12, diversity: 4, boutChange: 20 },
    });
    const next = streamOf(3);
    const random = prng(3, "gate");
    let state = initialGateState(gate);
    let alarmedAt = -1;
    let bursts = 0;
    for (let i = 0; i < 900; i++) {
      const decision = gateWindow(gate, state, next(i, i >= 100 && i < 400 ? 40 : 1), random);
      state = decision.nextState;
      if (decision.alarm && alarmedAt < 0) alarmedAt = i;
      if (decision.offload === "burst") bursts++;
      expect(decision.offload === null || decision.offload === "burst").toBe(true);
    }
    expect(alarmedAt).toBeGreaterThanOrEqual(100);
    expect(alarmedAt).toBeLessThan(110);
    expect(bursts).toBe(12);
    expect(state.drift.alarm).toBe(false);
  });

  it("holds the share of unsure windows near the target where calibration was wrong", () => {
    const target = 0.1;
    const gate = gateWith({
      novelty: null,
      auditChanceQ16: 0,
      offload: {
        unsureMarginQ8: [2000, 2000, 2000],
        targetShareQ16: Math.round(target * 65535),
        rateStepQ16: 1 << 13,
        rateLimitQ8: 5120,
      },
      bucket: { capacityTokens: 64, windowsPerTokenQ8: 256, reserveTokens: 0 },
    });
    const next = streamOf(5);
    const random = prng(5, "gate");
    let state = initialGateState(gate);
    let late = 0;
    for (let i = 0; i < 8000; i++) {
      const decision = gateWindow(gate, state, next(i), random);
      state = decision.nextState;
      if (i >= 4000 && decision.offload !== null) late++;
    }
    expect(late / 4000).toBeGreaterThan(target / 1.25);
    expect(late / 4000).toBeLessThan(target * 1.25);
  });
});

describe("gateExit", () => {
  const sure = { logits: Int16Array.from([5000, 0, 0]), features: new Int8Array(FEATURES) };
  const open = gateWith();
  const gate = gateWith({
    exits: open.exits.map((exit, k) => ({ ...exit, sureMarginQ8: k === 0 ? 1000 : 0 })),
  });

  it("answers early only when sure, and never during an alarm or a burst", () => {
    const calm = initialGateState(gate);
    const doubtful = { ...sure, logits: Int16Array.from([300, 100, 0]) };
    expect(gateExit(gate, calm, [sure])).toBe("answer");
    expect(gateExit(gate, calm, [doubtful])).toBe("next");
    expect(gateExit(gate, calm, [doubtful, doubtful])).toBe("answer");
    expect(gateExit(gate, { ...calm, drift: { ...calm.drift, alarm: true } }, [sure])).toBe("next");
    const bursting = applySetting(calm, { auditChanceQ16: 0, burstWindows: 3 });
    expect(gateExit(gate, bursting, [sure])).toBe("next");
    expect(gateExit(open, calm, [sure])).toBe("next");
  });
});

describe("gateVerdict", () => {
  it("counts trusted verdicts on windows that wait, once", () => {
    const gate = gateWith({ auditChanceQ16: 65535 });
    const decision = gateWindow(gate, initialGateState(gate), streamOf(1)(7), prng(1));
    const wrong = (decision.classIndex + 1) % 3;
    const verdict = {
      windowIndex: 7,
      classIndex: wrong,
      trusted: true,
      probabilitiesQ8: Uint8Array.of(9, 9, 237),
    };
    const once = gateVerdict(gate, decision.nextState, verdict);
    expect(once.verdicts).toBe(1);
    expect(once.agreementQ16).toBeLessThan(65535);
    expect(gateVerdict(gate, once, verdict)).toBe(once);
    const untrusted = gateVerdict(gate, decision.nextState, { ...verdict, trusted: false });
    expect(untrusted).toEqual({ ...decision.nextState, pending: [] });
    expect(gateVerdict(gate, decision.nextState, { ...verdict, windowIndex: 8 })).toBe(
      decision.nextState,
    );
  });
});

describe("carryGateState", () => {
  it("starts novelty afresh and leaves the budget as it was", () => {
    const gate = gateWith();
    const before = {
      ...initialGateState(gate),
      levelQ8: 5,
      beliefQ15: [1, 2, 3],
      rateOffsetQ16: 900,
    };
    expect(carryGateState(gate, before)).toEqual({ ...initialGateState(gate), levelQ8: 5 });
  });
});
