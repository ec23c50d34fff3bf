import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BoutNovelty, falseAlarmRate, fitAlarm } from "../src/gate/false-alarms.ts";
import { fitNovelty, type NoveltySamples } from "../src/gate/fit-novelty.ts";
import { ALARM_DOUBLINGS, type NoveltyGate } from "../src/gate/gate-parameters.ts";
import { type DriftState, NO_DRIFT } from "../src/gate/gate-state.ts";
import { accumulate, noveltyOf } from "../src/gate/novelty.ts";
import { below, normal, prng } from "../src/prng.ts";

const FEATURES = 6;
const CLASSES = 2;

/** Two classes in six correlated features: the third is always the sum of the first two. */
function samplesOf(count: number, seed: number, broken = false): NoveltySamples {
  const random = prng(seed, "samples");
  const features = new Int8Array(count * FEATURES);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const label = below(random, CLASSES);
    labels[i] = label;
    const a = 20 + 30 * label + 8 * normal(random);
    const b = 40 - 20 * label + 8 * normal(random);
    const third = broken ? a - b + 40 : a + b;
    const rest = [5 * normal(random), 3 * normal(random), 0];
    const values = [a, b, third, ...rest];
    values.forEach((value, f) => {
      features[i * FEATURES + f] = Math.max(-127, Math.min(127, Math.round(value)));
    });
  }
  const logits = new Int16Array(count * CLASSES);
  return {
    records: { count, classes: CLASSES, exits: [{ logits, features, featureCount: FEATURES }] },
    statistics: Array.from({ length: count }, () => [1, 2, 3, 4, 5, 6]),
    labels,
  };
}

const OPTIONS = { exit: 0, axes: 0, clip: 6, recoveryWindows: 17280 };
const gate = fitNovelty(samplesOf(800, 1), samplesOf(400, 2), OPTIONS);

function repeated(value: number, count: number): number[] {
  return Array.from({ length: count }, () => value);
}

function standardised(samples: NoveltySamples): number[] {
  const { features } = samples.records.exits[0] as { features: Int8Array };
  return samples.statistics.map(
    (statistics, i) =>
      noveltyOf(gate, features.subarray(i * FEATURES, (i + 1) * FEATURES), statistics)
        .standardisedQ8,
  );
}

function run(alarmGate: NoveltyGate, values: readonly number[], from = NO_DRIFT) {
  let state: DriftState = from;
  let alarms = 0;
  let first = -1;
  let mostDoublings = 0;
  values.forEach((value, i) => {
    const after = accumulate(alarmGate, state, value);
    if (after.alarm && !state.alarm) {
      alarms++;
      if (first < 0) first = i;
    }
    state = after;
    mostDoublings = Math.max(mostDoublings, state.doublings);
  });
  return { state, alarms, first, mostDoublings };
}

describe("noveltyOf", () => {
  it("is standardised on windows that nothing was fitted on", () => {
    const values = standardised(samplesOf(2000, 3)).map((value) => value / 256);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
    expect(Math.abs(mean)).toBeLessThan(0.2);
    expect(Math.sqrt(variance)).toBeGreaterThan(0.75);
    expect(Math.sqrt(variance)).toBeLessThan(1.25);
  });

  it("sees a broken relation between features whose own ranges have not changed", () => {
    const values = standardised(samplesOf(400, 4, true)).map((value) => value / 256);
    const median = values.sort((a, b) => a - b)[200] as number;
    expect(median).toBeGreaterThan(3);
  });

  it("stays a whole number within the clip for any features", () => {
    fc.assert(
      fc.property(fc.int8Array({ minLength: FEATURES, maxLength: FEATURES }), (features) => {
        const { standardisedQ8, logDistanceQ8, nearestClass } = noveltyOf(gate, features, []);
        expect(Number.isInteger(standardisedQ8)).toBe(true);
        expect(Math.abs(standardisedQ8)).toBeLessThanOrEqual(6 * 256);
        expect(logDistanceQ8).toBeLessThan(31 * 256);
        expect(nearestClass).toBeLessThan(CLASSES);
      }),
    );
  });

  it("agrees with the distance in floating point", () => {
    const samples = samplesOf(200, 5);
    const { features } = samples.records.exits[0] as { features: Int8Array };
    for (let i = 0; i < 200; i++) {
      const window = features.subarray(i * FEATURES, (i + 1) * FEATURES);
      const whitened = Array.from({ length: FEATURES }, (_, row) =>
        Array.from({ length: row + 1 }, (_, column) => {
          const at = (row * (row + 1)) / 2 + column;
          return ((gate.whiteningQ12[at] as number) / 4096) * (window[column] as number);
        }).reduce((a, b) => a + b, 0),
      );
      const distances = Array.from({ length: CLASSES }, (_, c) =>
        whitened.reduce(
          (sum, value, f) =>
            sum + (value - (gate.prototypesQ4[c * FEATURES + f] as number) / 16) ** 2,
          0,
        ),
      );
      const exact = 256 * (8 + Math.log2(Math.min(...distances)));
      expect(Math.abs(noveltyOf(gate, window, []).logDistanceQ8 - exact)).toBeLessThan(64);
    }
  });
});

describe("accumulate", () => {
  const alarmGate = { ...gate, slackQ8: 512, thresholdQ8: 6 * 256, recoveryWindows: 500 };

  it("is deaf to single outliers and quick on a lasting shift", () => {
    const outliers = Array.from({ length: 1000 }, (_, i) => (i % 20 === 0 ? 6 * 256 : 0));
    expect(run(alarmGate, outliers).alarms).toBe(0);
    expect(run(alarmGate, repeated(4 * 256, 10)).first).toBe(2);
  });

  it("stays on while the shift lasts and lets go when it is over", () => {
    const { state, alarms } = run(alarmGate, repeated(4 * 256, 400));
    expect(alarms).toBe(1);
    expect(state.alarm).toBe(true);
    expect(run(alarmGate, repeated(0, 10), state).state.alarm).toBe(false);
  });

  it("makes alarms that recur rarer, and recovers when they stop", () => {
    const odd = Array.from({ length: 6000 }, (_, i) => (i % 100 < 8 ? 4 * 256 : 0));
    const { alarms, state, mostDoublings } = run(alarmGate, odd);
    expect(alarms).toBeGreaterThan(0);
    expect(alarms).toBeLessThan(15);
    expect(mostDoublings).toBeGreaterThan(0);
    expect(mostDoublings).toBeLessThanOrEqual(ALARM_DOUBLINGS);
    const calm = repeated(0, 500 * (ALARM_DOUBLINGS + 1));
    expect(run(alarmGate, calm, state).state.doublings).toBe(0);
  });

  it("keeps its sum whole and in 16 bits whatever comes", () => {
    const values = fc.array(fc.integer({ min: -1536, max: 1536 }), { maxLength: 400 });
    fc.assert(
      fc.property(values, fc.integer({ min: 1, max: 32767 }), (sequence, thresholdQ8) => {
        let state = NO_DRIFT;
        for (const value of sequence) {
          state = accumulate({ ...alarmGate, thresholdQ8 }, state, value);
          expect(state.cusumQ8 >= 0 && state.cusumQ8 <= 65535).toBe(true);
          expect(Number.isInteger(state.cusumQ8)).toBe(true);
        }
      }),
    );
  });
});

describe("fitAlarm", () => {
  /** Bouts whose windows resemble each other: a level per bout and a little noise. */
  function boutsOf(count: number, seed: number): BoutNovelty[] {
    const random = prng(seed, "bouts");
    return Array.from({ length: count }, () => {
      const level = 0.9 * normal(random);
      return Int32Array.from({ length: 10 + below(random, 60) }, () =>
        Math.round(256 * Math.max(-6, Math.min(6, level + 0.5 * normal(random)))),
      );
    });
  }
  const wanted = { windowsPerNodeDay: 17280, mostPerNodeDay: 2, shift: 5 };
  const fitted = fitAlarm(gate, boutsOf(40, 1), wanted, (purpose) => prng(1, purpose));

  it("holds its bound on the bouts that it was fitted on", () => {
    expect(fitted.rate.upperPerNodeDay).toBeLessThanOrEqual(2);
    expect(fitted.rate.bouts).toBe(40);
  });

  it("gives few false alarms on other bouts of the same kind", () => {
    const rate = falseAlarmRate(fitted.gate, boutsOf(200, 2), 17280, prng(2, "days"));
    expect(rate.perNodeDay).toBeLessThanOrEqual(2);
  });

  it("sees a shift of five standard deviations within a few windows", () => {
    expect(run(fitted.gate, repeated(5 * 256, 20)).first).toBeLessThan(5);
  });

  it("says so when nothing was recorded to bound it by", () => {
    const rate = falseAlarmRate(fitted.gate, [], 17280, prng(1));
    expect(rate.upperPerNodeDay).toBe(Number.POSITIVE_INFINITY);
  });
});
