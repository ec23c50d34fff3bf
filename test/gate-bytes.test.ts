import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { decodeGate, encodeGate } from "../src/gate/gate-bytes.ts";
import { CONFIDENCE_NODES, type GateParameters } from "../src/gate/gate-parameters.ts";

const u16 = (low = 0, high = 65535) => fc.integer({ min: low, max: high });

const gates: fc.Arbitrary<GateParameters> = fc
  .record({
    classes: u16(2, 6),
    exits: u16(1, 3),
    features: u16(1, 5),
    seed: fc.infiniteStream(u16()),
    hasNovelty: fc.boolean(),
  })
  .map(({ classes, exits, features, seed, hasNovelty }) => {
    const draw = (low: number, high: number): number =>
      low + ((seed.next().value as number) % (high - low + 1));
    const many = (length: number, low: number, high: number): number[] =>
      Array.from({ length }, () => draw(low, high));
    const axes = draw(0, 3);
    const inputs = features + axes;
    return {
      classes,
      exits: Array.from({ length: exits }, () => ({
        inverseTemperatureQ8: draw(1, 65535),
        fusionWeight: draw(1, 255),
        sureMarginQ8: draw(0, 5121),
        confidenceQ8: many(CONFIDENCE_NODES, 0, 255),
      })),
      filter: { changeQ15: draw(1, 32768), adaptQ8: draw(0, 1024) },
      offload: {
        unsureMarginQ8: many(classes, 0, 5120),
        targetShareQ16: draw(0, 65535),
        rateStepQ16: draw(0, 1 << 14),
        rateLimitQ8: draw(0, 5120),
      },
      bucket: { capacityTokens: 24, windowsPerTokenQ8: draw(256, 65535), reserveTokens: 8 },
      auditChanceQ16: draw(0, 65535),
      novelty: hasNovelty
        ? {
            exit: draw(0, exits - 1),
            features,
            axes,
            whiteningQ12: Int16Array.from(many((inputs * (inputs + 1)) / 2, -32768, 32767)),
            prototypesQ4: Int16Array.from(many(classes * inputs, -32768, 32767)),
            centresQ8: many(classes, -32768, 32767),
            inverseSpreadsQ8: many(classes, 1, 16383),
            clipQ8: draw(1, 32767),
            slackQ8: draw(0, 32767),
            recoveryWindows: draw(1, 65535),
            thresholdQ8: draw(1, 32767),
            novelQ8: draw(0, 32767),
          }
        : null,
      burst: {
        windows: draw(0, 65535),
        delayWindows: draw(0, 65535),
        expiryWindows: draw(0, 65535),
        perBout: draw(0, 255),
        gapWindows: draw(0, 65535),
        diversity: draw(0, 65535),
        boutChange: draw(0, 65535),
      },
      operatingPoints: [],
    };
  });

describe("gate bytes", () => {
  it("come back as they went", () => {
    fc.assert(
      fc.property(gates, (gate) => {
        expect(decodeGate(encodeGate(gate))).toEqual(gate);
      }),
    );
  });

  it("are refused when cut short or lengthened", () => {
    fc.assert(
      fc.property(gates, fc.nat(), (gate, at) => {
        const bytes = encodeGate(gate);
        expect(() => decodeGate(bytes.subarray(0, at % bytes.length))).toThrow(EdgeError);
        expect(() => decodeGate(Uint8Array.from([...bytes, 0]))).toThrow("trailing-bytes");
      }),
      { numRuns: 50 },
    );
  });

  it("decode to a valid gate or are refused, whatever byte is changed", () => {
    fc.assert(
      fc.property(gates, fc.nat(), u16(0, 255), (gate, at, value) => {
        const bytes = encodeGate(gate);
        bytes[at % bytes.length] = value;
        let decoded: GateParameters;
        try {
          decoded = decodeGate(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(EdgeError);
          return;
        }
        // One encoding only: what was accepted is what would have been written.
        expect(encodeGate(decoded)).toEqual(bytes);
      }),
    );
  });

  it("of another version are refused", () => {
    const [gate] = fc.sample(gates, 1);
    const bytes = encodeGate(gate as GateParameters);
    bytes[0] = 2;
    expect(() => decodeGate(bytes)).toThrow("gate-version");
  });
});
