/** Operating points: their bytes, which one a share means, and what a move changes and what it keeps. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { needsOf, unfitReason } from "../gateway/release/release-fit.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { applyOperatingShare, applySetting, gateExit, gateWindow } from "../src/gate/decide.ts";
import { encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import {
  type GateParameters,
  NEVER_Q8,
  type OperatingPoint,
  uncalibratedGate,
} from "../src/gate/gate-parameters.ts";
import { carryGateState, initialGateState, withinBucket } from "../src/gate/gate-state.ts";
import { decodeGateState, encodeGateState } from "../src/gate/gate-state-bytes.ts";
import { decodePoints, encodePoints, pointAt } from "../src/gate/operating-points.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { below, prng } from "../src/prng.ts";
import { codeOf } from "./edge-code.ts";
import { containerWithEncoder, ENCODER_SPEC } from "./encoder-samples.ts";
import { gateWithPoints, OPERATING_POINTS, pointsArbitrary } from "./operating-point-samples.ts";
import { COLLAR_SPEC, randomContainer } from "./student-samples.ts";

const GOLDEN: { readonly section: string; readonly state: string } = JSON.parse(
  readFileSync(new URL("golden/operating-points.json", import.meta.url), "utf8"),
);
const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString("hex");
/** A gate for `COLLAR_SPEC` in a container with its points. */
function containerWithPoints(gate: GateParameters, more: Partial<Container> = {}): Container {
  const points = encodePoints(gate);
  return {
    ...randomContainer(COLLAR_SPEC, 1),
    gate: encodeGate(gate),
    ...(points && { points }),
    ...more,
  };
}

describe("the points section", () => {
  it("comes back as it went, and is refused when it is cut, longer, or out of range", () => {
    fc.assert(
      fc.property(pointsArbitrary, (operatingPoints) => {
        const gate = { ...uncalibratedGate({ exits: 2, classes: 3 }), operatingPoints };
        const bytes = encodePoints(gate) as Uint8Array;
        expect(decodePoints(bytes)).toEqual(operatingPoints);
        expect(codeOf(() => decodePoints(bytes.subarray(0, -1)))).toBe("truncated");
        expect(codeOf(() => decodePoints(Uint8Array.of(...bytes, 0)))).toBe("trailing-bytes");
        expect(codeOf(() => decodePoints(bytes.with(0, 0)))).toBe("gate-range");
        expect(codeOf(() => decodePoints(bytes.with(0, 17)))).toBe("gate-range");
        expect(codeOf(() => decodePoints(bytes.with(1, 9)))).toBe("gate-range");
      }),
      { numRuns: 60 },
    );
  });

  it("is what is written down, least share first and none twice", () => {
    expect(hex(encodePoints(gateWithPoints()))).toBe(GOLDEN.section);
    const twice = [OPERATING_POINTS[1], OPERATING_POINTS[1]] as OperatingPoint[];
    const falling = [OPERATING_POINTS[1], OPERATING_POINTS[0]] as OperatingPoint[];
    for (const operatingPoints of [twice, falling]) {
      const bytes = encodePoints({ ...gateWithPoints(), operatingPoints }) as Uint8Array;
      expect(codeOf(() => decodePoints(bytes))).toBe("gate-range");
    }
    expect(encodePoints({ ...gateWithPoints(), operatingPoints: [] })).toBeUndefined();
  });

  it("must be of the container's gate: its exits, and levels that its bucket can hold", () => {
    expect(gateOf(containerWithPoints(gateWithPoints()))).toEqual(gateWithPoints());
    const [point] = OPERATING_POINTS;
    const changed = (change: Partial<OperatingPoint>) => {
      const operatingPoints = [{ ...(point as OperatingPoint), ...change }];
      const exits = (change.sureMarginsQ8 ?? [0, 0]).map(() => gateWithPoints().exits[0]);
      const points = encodePoints({
        ...gateWithPoints(),
        exits,
        operatingPoints,
      } as GateParameters);
      return codeOf(() => gateOf(containerWithPoints(gateWithPoints(), points && { points })));
    };
    expect(changed({})).toBe("accepted");
    expect(changed({ sureMarginsQ8: [0] })).toBe("gate-mismatch");
    const most = Math.trunc(0x3fffffff / gateWithPoints().bucket.capacityTokens);
    expect(changed({ windowsPerTokenQ8: most })).toBe("accepted");
    expect(changed({ windowsPerTokenQ8: most + 1 })).toBe("gate-mismatch");
  });
});

describe("a container with points", () => {
  const withPoints = containerWithPoints(gateWithPoints());
  const { encoder } = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1);
  const withBoth = { ...withPoints, ...(encoder && { encoder }) };

  it("is of format 3, with and without an encoder, and without points it is what it was", () => {
    const kinds = [withPoints, withBoth].map((container) => {
      const bytes = encodeContainer(container);
      expect(decodeContainer(bytes)).toEqual(container);
      return [bytes[4], bytes[6]];
    });
    expect(kinds).toEqual([
      [3, 9],
      [3, 10],
    ]);
    const { points: _, ...without } = withPoints;
    expect(encodeContainer(without)[4]).toBe(1);
    const bytes = encodeContainer(withPoints);
    for (const format of [0, 1, 4]) {
      expect(codeOf(() => decodeContainer(bytes.with(4, format)))).not.toBe("accepted");
    }
    expect(codeOf(() => decodeContainer(encodeContainer(without).with(4, 3)))).not.toBe("accepted");
  });

  it("is withheld from a node that reads less", () => {
    const node = { slotBytes: 262_144, ramBytes: 65_536 };
    const needs = needsOf(encodeContainer(withPoints));
    expect(unfitReason({ ...node, formatVersion: 2 }, needs)).toBe("wrong-format");
    expect(unfitReason({ ...node, formatVersion: 3 }, needs)).toBeUndefined();
  });

  it("has a self-test that a node without codes can pass: theirs is a hash of its own", () => {
    const hashes = (container: Container) => selfTestHashes(referenceEngine.load(container), 7);
    const bare = hashes(randomContainer(COLLAR_SPEC, 1));
    expect(hashes(withPoints)).toEqual(bare);
    expect(hashes(withBoth).slice(0, -1)).toEqual(bare);
    const other = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 2).encoder;
    const changed = hashes({ ...withBoth, ...(other && { encoder: other }) });
    expect(changed.slice(0, -1)).toEqual(bare);
    expect(changed.at(-1)).not.toBe(hashes(withBoth).at(-1));
  });
});

describe("pointAt", () => {
  it("finds the largest share that is not above, else the least; nothing wanted is as released", () => {
    fc.assert(
      fc.property(pointsArbitrary, fc.integer({ min: 0, max: 65535 }), (points, share) => {
        const found = pointAt(points, share);
        if (share === 0) {
          expect(found).toBe(0);
          return;
        }
        const below = points.filter((point) => point.targetShareQ16 <= share);
        expect(found).toBe(
          below.length === 0 ? 1 : points.indexOf(below.at(-1) as OperatingPoint) + 1,
        );
      }),
    );
    expect(pointAt([], 1311)).toBe(0);
  });
});

describe("a move", () => {
  const gate = gateWithPoints();
  const full = (point: number): number => {
    const { windowsPerTokenQ8 } = gate.operatingPoints[point - 1] ?? gate.bucket;
    return gate.bucket.capacityTokens * windowsPerTokenQ8;
  };
  const spent = { ...initialGateState(gate), levelQ8: full(0), rateOffsetQ16: 7000 };

  it("starts the rate control afresh and keeps the budget, within what the bucket holds there", () => {
    const [low, high] = [1311, 19661];
    const atHigh = applyOperatingShare(gate, spent, high);
    expect(atHigh).toEqual({
      ...spent,
      ...{ operatingShareQ16: high, rateOffsetQ16: 0, levelQ8: full(2) },
    });
    const atLow = applyOperatingShare(gate, atHigh, low);
    expect(atLow.levelQ8).toBe(full(2));
    expect(full(1)).toBeGreaterThan(full(2));
    // Another share that means the same point changes nothing but what is wanted.
    const steered = { ...atLow, rateOffsetQ16: 5 };
    expect(applyOperatingShare(gate, steered, low + 1)).toEqual({
      ...steered,
      operatingShareQ16: low + 1,
    });
    expect(applyOperatingShare(gate, steered, 0).operatingShareQ16).toBe(0);
  });

  it("survives bytes, and the next model at that model's own point", () => {
    const moved = applyOperatingShare(gate, spent, 1311);
    expect(decodeGateState(encodeGateState(moved))).toEqual(moved);
    expect(hex(encodeGateState({ ...initialGateState(gate), operatingShareQ16: 1311 }))).toBe(
      GOLDEN.state,
    );
    const bytes = encodeGateState(moved);
    expect(codeOf(() => decodeGateState(bytes.with(15, 0).with(16, 0)))).toBe("gate-range");
    const next = { ...gate, operatingPoints: gate.operatingPoints.slice(1) };
    const carried = carryGateState(next, moved);
    expect(carried.operatingShareQ16).toBe(1311);
    expect(carried.levelQ8).toBeLessThanOrEqual(full(2));
    expect(withinBucket(next, carried)).toEqual(carried);
    const none = { ...gate, operatingPoints: [] };
    expect(carryGateState(none, moved).operatingShareQ16).toBe(1311);
    // What a program of before wrote is read, and a node that nobody moved writes no more than it.
    const before = encodeGateState(spent);
    expect([before[0], decodeGateState(before).operatingShareQ16]).toEqual([1, 0]);
  });

  it("lets no stretch of windows at one point exceed its budget, through moves, restarts and releases", () => {
    const anyMove = fc.record({
      at: fc.nat(599),
      what: fc.constantFrom("restart", "release", "burst", 0, 1311, 19661),
    });
    fc.assert(
      fc.property(fc.nat(), fc.array(anyMove, { maxLength: 12 }), (seed, moves) => {
        const random = prng(seed, "moves");
        let state = initialGateState(gate);
        let stretch: { offloads: number[]; from: number; point: number } | undefined;
        let worst = 0;
        for (let i = 0; i < 600; i++) {
          for (const { what } of moves.filter(({ at }) => at === i)) {
            if (what === "restart") state = decodeGateState(encodeGateState(state));
            else if (what === "release") state = carryGateState(gate, state);
            else if (what === "burst") {
              state = applySetting(state, { auditChanceQ16: 65535, burstWindows: 60 });
            } else if (typeof what === "number") state = applyOperatingShare(gate, state, what);
          }
          const point = pointAt(gate.operatingPoints, state.operatingShareQ16);
          if (stretch?.point !== point) stretch = { offloads: [], from: i, point };
          const logits = Int16Array.from({ length: 3 }, () => below(random, 300));
          const exit = { logits, features: new Int8Array(4) };
          const statistics = Array.from({ length: 6 }, () => below(random, 60));
          const input = { exits: [exit, exit], statistics, windowIndex: i };
          const decision = gateWindow(gate, state, input, random);
          state = decision.nextState;
          if (state.levelQ8 < 0) expect(state.levelQ8).toBe("in credit");
          if (decision.offload === null) continue;
          stretch.offloads.push(i);
          const { windowsPerTokenQ8 } = gate.operatingPoints[point - 1] ?? gate.bucket;
          stretch.offloads.forEach((first, nth, all) => {
            const allowed =
              gate.bucket.capacityTokens + ((i - first + 1) * 256) / windowsPerTokenQ8;
            worst = Math.max(worst, all.length - nth - allowed);
          });
        }
        expect(worst).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it("takes effect in exits, doubts and tokens at the next window", () => {
    const sure = { logits: Int16Array.of(4000, 0, 0), features: new Int8Array(4) };
    const doubt = { logits: Int16Array.of(300, 0, 0), features: new Int8Array(4) };
    const at = (share: number) => applyOperatingShare(gate, spent, share);
    expect(gate.operatingPoints.map((point) => point.sureMarginsQ8[0])).toEqual([0, NEVER_Q8]);
    expect(gateExit(gate, at(1311), [sure])).toBe("answer");
    expect(gateExit(gate, at(19661), [sure])).toBe("next");
    const decide = (share: number, levelQ8: number) => {
      const input = { exits: [doubt, doubt], statistics: [0, 0, 0, 0, 0, 0], windowIndex: 9 };
      return gateWindow(gate, { ...at(share), levelQ8 }, input, prng(1, "move"));
    };
    expect(decide(1311, full(1)).offload).toBeNull();
    const taken = decide(19661, full(2));
    expect(taken.offload).toBe("unsure");
    const [, high] = gate.operatingPoints as [OperatingPoint, OperatingPoint];
    expect(taken.nextState.levelQ8).toBe(full(2) - high.windowsPerTokenQ8);
    expect(taken.nextState.rateOffsetQ16).toBe(
      (gate.offload.rateStepQ16 * (high.targetShareQ16 - 65536) + 32768) >> 16,
    );
  });
});
