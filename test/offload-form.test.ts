/** What travels of a window: the rule, whatever it is asked, and what forms cost on real links. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { untrainedEncoder, untrainedSplit } from "../bench/untrained-encoder.ts";
import { encoderOn } from "../src/cost/encoder-on-target.ts";
import { estimateOn } from "../src/cost/student-on-target.ts";
import {
  doubtsStoodFor,
  type FormQuestion,
  offloadForm,
  DEFAULT_FORM_RULE as RULE,
} from "../src/gate/offload-form.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { LINK_NAMES } from "../src/link/link-cost.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import {
  featuresSendingCost,
  formCosts,
  macsPerByte,
  sendingCost,
} from "../src/link/offload-costs.ts";
import { codeShape, encoderMacs } from "../src/model/encoder.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { encodeUp } from "../src/wire/frames.ts";
import { toLoraPayloads } from "../src/wire/lora.ts";
import { OFFLOAD_REASONS, WINDOW_ENCODINGS } from "../src/wire/messages.ts";
import { featuresBytes, offloadBytes } from "../src/wire/offload-frame.ts";
import { containerWithEncoder, ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import { offloadOf } from "./gateway-kit.ts";
import { COLLAR_SPEC } from "./student-samples.ts";
import { GOLDEN_FEATURES } from "./wire-samples.ts";

const cost = fc.option(fc.record({ microjoules: fc.double({ min: 0, max: 1e6, noNaN: true }) }), {
  nil: undefined,
});
const anyQuestion: fc.Arbitrary<FormQuestion> = fc.record({
  reason: fc.constantFrom(null, ...OFFLOAD_REASONS),
  alarm: fc.boolean(),
  batteryPercent: fc.integer({ min: 0, max: 100 }),
  owed: fc.integer({ min: 0, max: 12 }),
  owedMax: fc.integer({ min: 1, max: 10 }),
  doubts: fc.integer({ min: 0, max: 1_000 }),
  features: cost,
  raw: cost,
});
const holds = (check: (asked: FormQuestion) => void): void => {
  fc.assert(fc.property(anyQuestion, check), { numRuns: 2_000 });
};

describe("the form of an offload", () => {
  it("is one that the link carries, and none where the gate or the queue says so", () => {
    holds((asked) => {
      const form = offloadForm(asked);
      if (form === "raw") expect(asked.raw).toBeDefined();
      if (form === "features") expect(asked.features).toBeDefined();
      if (asked.reason === null || asked.owed >= asked.owedMax) expect(form).toBe("none");
    });
  });

  it("is never codes of what the student does not know, or of what is to be learned from", () => {
    holds((asked) => {
      const unknown = asked.alarm || asked.reason === "novel" || asked.reason === "burst";
      if (unknown) expect(offloadForm(asked)).not.toBe("features");
    });
  });

  it("is what it was before there were codes, where there are none", () => {
    holds((asked) => {
      const { reason, raw, owed, owedMax } = asked;
      const wanted = reason !== null && raw !== undefined && owed < owedMax;
      expect(offloadForm({ ...asked, features: undefined })).toBe(wanted ? "raw" : "none");
    });
  });

  it("asks about a window that one of the forms could carry, but for what only a window can", () => {
    holds((asked) => {
      const { reason, alarm, owed, owedMax, features, raw } = asked;
      const could = raw !== undefined || (features !== undefined && !alarm);
      if (owed < owedMax && could && (reason === "unsure" || reason === "audit")) {
        expect(offloadForm(asked)).not.toBe("none");
      }
    });
  });

  it("never changes to the dearer one when battery or queue get worse", () => {
    holds((asked) => {
      if (asked.reason !== "unsure" || offloadForm(asked) !== "features") return;
      const worse = {
        ...asked,
        batteryPercent: 0,
        owed: Math.min(asked.owed + 1, asked.owedMax - 1),
      };
      expect(offloadForm(worse)).toBe("features");
    });
  });

  it("of doubts is a window every eighth time, and the cheaper one in between", () => {
    const doubt = (doubts: number, features: number) =>
      offloadForm({
        ...{ reason: "unsure", alarm: false, batteryPercent: 90, owed: 0, owedMax: 8, doubts },
        ...{ features: { microjoules: features }, raw: { microjoules: 500 } },
      });
    const forms = Array.from({ length: 24 }, (_, doubts) => doubt(doubts, 100));
    expect(forms.filter((form) => form === "raw")).toHaveLength(24 / RULE.doubtsPerWindow);
    expect(forms.filter((form) => form === "features")).toHaveLength(21);
    expect(new Set(Array.from({ length: 24 }, (_, n) => doubt(n, 501)))).toEqual(new Set(["raw"]));
  });

  it("is codes of every doubt with a low battery or a long queue, and a window of an audit", () => {
    const asked: FormQuestion = {
      ...{ reason: "unsure", alarm: false, batteryPercent: 20, owed: 3, owedMax: 8 },
      // Its turn to go as a window, and the cheaper one besides.
      doubts: RULE.doubtsPerWindow - 1,
      ...{ features: { microjoules: 100 }, raw: { microjoules: 50 } },
    };
    expect(offloadForm(asked)).toBe("raw");
    expect(offloadForm({ ...asked, batteryPercent: 19 })).toBe("features");
    expect(offloadForm({ ...asked, owed: 4 })).toBe("features");
    expect(offloadForm({ ...asked, reason: "audit", batteryPercent: 1, owed: 7 })).toBe("raw");
  });
});

describe("a window among doubts that go as codes", () => {
  it("stands for eight, is a window, and every other offload stands for itself", () => {
    holds((asked) => {
      const stands = doubtsStoodFor(asked);
      const form = offloadForm(asked);
      expect([1, RULE.doubtsPerWindow]).toContain(stands);
      if (form === "features") return;
      const next = { ...asked, doubts: asked.doubts + 1 };
      // The doubt after it goes as codes, or it would not stand for any.
      if (stands > 1 && form === "raw") expect(offloadForm(next)).toBe("features");
      if (asked.reason !== "unsure" || asked.alarm) expect(stands).toBe(1);
    });
  });
});

describe("what forms cost", () => {
  const encoder = randomEncoder(ENCODER_SPEC, 1);
  const rawBytes = offloadBytes("int8", { windowSamples: 50, channels: 3 });

  it.each(LINK_NAMES)("is the packets that the frames take, on %s", (name) => {
    for (const dataRate of [0, 3, 5]) {
      const profile = linkProfile(name, dataRate);
      const cut = (frame: Uint8Array): readonly number[] | undefined => {
        if (profile.packets === undefined) return [frame.length];
        const { payloadBytes, piecesMax } = profile.packets;
        const payloads = toLoraPayloads("offload", frame, payloadBytes, piecesMax);
        return payloads?.map(({ length }) => length);
      };
      const raw = sendingCost(profile, rawBytes);
      expect(raw?.packets).toEqual(cut(encodeUp(offloadOf(0))));
      const most = { seq: 2 ** 21 - 1, windowIndex: 2 ** 28 - 1, codes: new Uint8Array(29) };
      const features = featuresSendingCost(profile, 29);
      expect(features?.packets).toEqual(cut(encodeUp({ ...GOLDEN_FEATURES, ...most })));
      const sum = features?.packets.reduce((all, n) => all + profile.uplink(n).microjoules, 0);
      expect(features?.microjoules).toBe(sum);
    }
  });

  it("puts the encoder's own energy on the codes, which is less than the student's here", () => {
    const container = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, 1);
    const made = encoderOn("nrf52840", encoder);
    const [student] = estimateOn("nrf52840", container.student, 10_000).exits.slice(-1);
    expect(made.instructions).toBeGreaterThan(0);
    expect(made.instructions).toBeLessThan(Number(student?.instructions));
    for (const name of LINK_NAMES) {
      const profile = linkProfile(name, 3);
      const costs = formCosts(profile, { rawBytes, codeBytes: 25, encoder });
      const sent = Number(featuresSendingCost(profile, 25)?.microjoules);
      const own = encoderOn(profile.target, encoder).microjoules;
      expect(costs.features?.microjoules).toBeCloseTo(sent + own, 9);
      expect(costs.raw?.microjoules).toBe(sendingCost(profile, rawBytes)?.microjoules);
    }
    const slowest = formCosts(linkProfile("lorawan", 0), { rawBytes: 900, codeBytes: 25, encoder });
    expect(slowest.raw).toBeUndefined();
    expect(slowest.features).toBeDefined();
  });

  it("is cheaper in bytes, as firmware counts, where it is in energy", () => {
    const cheaper = [
      ["cattle", 24] as const,
      ["cattle", 44] as const,
      ["people", 48] as const,
    ].flatMap(([task, bytes]) => {
      const profile = shippedProfile(task);
      const { design } = splitRecipeFor(profile, bytes);
      const encoder = untrainedEncoder(untrainedSplit(design, 1), profile.inputMilligPerStep);
      return LINK_NAMES.flatMap((name) =>
        WINDOW_ENCODINGS.map((encoding) => {
          const link = linkProfile(name, 5);
          const rawBytes = offloadBytes(encoding, profile);
          const { bytes: codeBytes } = codeShape(encoder);
          const { raw, features } = formCosts(link, { rawBytes, codeBytes, encoder });
          const sums = Math.floor(encoderMacs(encoder) / macsPerByte(link, encoder));
          return {
            byEnergy: (raw?.microjoules ?? Infinity) <= (features?.microjoules ?? Infinity),
            byBytes: rawBytes <= featuresBytes(codeBytes) + sums,
          };
        }),
      );
    });
    expect(cheaper.map(({ byBytes }) => byBytes)).toEqual(cheaper.map(({ byEnergy }) => byEnergy));
    expect(new Set(cheaper.map(({ byBytes }) => byBytes)).size).toBe(2);
  });
});
