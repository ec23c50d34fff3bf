/** The benchmark of payloads: its forms, and the whole of it on a herd that swings. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/split.ts";
import { learnedForms } from "../bench/split-learned.ts";
import {
  BUDGETS_BYTES,
  type PayloadForm,
  payloadForms,
  reducedWindow,
  throughPayload,
} from "../bench/split-payloads.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "swinging-split-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3"]));
afterAll(() => rmSync(data, { recursive: true }));

describe("forms of a payload", () => {
  it.each(["cattle", "people"])("of %s keep their budgets, and the whole window is one", (name) => {
    const profile = shippedProfile(name);
    const values = profile.windowSamples * profile.channels;
    const forms = payloadForms(profile);
    const whole = forms.filter(({ reduction }) => reduction === "none");
    expect(whole.map(({ bytes }) => bytes)).toEqual([values, values / 2 + 2 * profile.channels]);
    for (const { bytes, samples, reduction } of forms) {
      if (reduction === "none") continue;
      const budget = BUDGETS_BYTES.find((most) => most >= bytes) ?? 0;
      expect(budget - bytes).toBeLessThan(profile.channels);
      expect(samples).toBeLessThan(profile.windowSamples);
    }
  });

  it("give a line back as it was, but for its ends, and a level whole", () => {
    const line = Int8Array.from({ length: 2 * 48 }, (_, i) => (i % 2 === 0 ? 2 * (i >> 1) : -7));
    for (const reduction of ["means", "middles"] as const) {
      const form: PayloadForm = { encoding: "int8", reduction, samples: 12, bytes: 24 };
      const back = throughPayload(line, form, 2);
      for (let t = 2; t < 46; t++) {
        expect(Math.abs(Number(back[2 * t]) - Number(line[2 * t]))).toBeLessThanOrEqual(2);
      }
      for (let t = 0; t < 48; t++) expect(back[2 * t + 1]).toBe(-7);
    }
  });

  it("may be of a single sample", () => {
    const form: PayloadForm = { encoding: "int8", reduction: "means", samples: 1, bytes: 1 };
    expect(throughPayload(Int8Array.of(1, 2, 6), form, 1)).toEqual(Int8Array.of(3, 3, 3));
  });
});

describe("forms that something is trained for", () => {
  it.each(["cattle", "people", "watch"])("of %s keep their budgets", (name) => {
    const profile = shippedProfile(name);
    const budgets = [12, 24, 40, 48, 96, 192];
    const forms = learnedForms(profile, ["features", "companded4", "companded2"], budgets);
    expect(forms.filter(({ kind }) => kind === "features")).toHaveLength(budgets.length);
    for (const { kind, bytes, time, channels, bits } of forms) {
      const header = kind === "reduced" ? 2 * channels : 0;
      expect(bytes).toBe(header + Math.ceil((time * channels * bits) / 8));
      const budget = budgets.find((most) => most >= bytes) ?? 0;
      expect(bytes).toBeLessThanOrEqual(budget);
    }
    expect(learnedForms(profile, [], budgets)).toEqual([]);
  });

  it("keep a window's mean and peak in 2 bits, and a level whole", () => {
    const window = Int8Array.of(1, 7, 40, 7, 10, 7, -40, 7, -10, 7, -1, 7);
    const came = reducedWindow(window, 6, 2, 2);
    expect([0, 2, 4, 6, 8, 10].map((i) => came[i])).toEqual([7, 40, 7, -40, -7, -7]);
    for (let t = 0; t < 6; t++) expect(came[2 * t + 1]).toBe(7);
  });
});

describe("bench split", () => {
  it("sets every form beside the student and the teacher, with a pair that the gate's kept", async () => {
    const extra = { keep: join(data, "kept") };
    const asked = quickOptions({ data, dataset: "cows", test: ["3"], extra });
    const { ok, figures, lines } = await run(asked);
    expect(ok).toBe(true);
    type Interval = { mean: number };
    const { student, forms } = figures as {
      student: Interval;
      forms: (PayloadForm & Record<"accuracy" | "lessStudent" | "lessTeacher", Interval>)[];
    };
    const [whole, ...others] = forms;
    expect(whole).toMatchObject({ encoding: "int8", bytes: 150, lessTeacher: { mean: 0 } });
    for (const { accuracy, lessStudent, lessTeacher } of others) {
      expect(lessStudent.mean).toBeCloseTo(accuracy.mean - student.mean, 12);
      expect(lessTeacher.mean).toBeCloseTo(accuracy.mean - Number(whole?.accuracy.mean), 12);
    }
    expect(lines.join("\n")).toContain("companded4");
    expect(readdirSync(extra.keep)).toHaveLength(2);
    expect((await run(asked)).figures).toEqual(figures);
  });

  it("trains tails for codes and for reduced windows, keeps them, and answers from integers", async () => {
    const extra = {
      keep: join(data, "kept"),
      forms: "features,companded4,companded2",
      budgets: "12,40",
    };
    const asked = quickOptions({ data, dataset: "cows", test: ["3"], extra });
    const { figures, lines } = await run(asked);
    const { forms } = figures as { forms: Record<string, unknown>[] };
    const own = forms.filter(({ reduction }) => reduction === "own tail");
    expect(own.map(({ encoding, bytes }) => `${String(encoding)} ${String(bytes)}`)).toEqual([
      "code 2 bits 10",
      "companded4 12",
      "companded2 12",
      "code 2 bits 38",
      "companded4 39",
      "companded2 40",
    ]);
    for (const { encoding, macsRatio } of own) {
      if (String(encoding).startsWith("code")) {
        expect(macsRatio).toBeGreaterThan(0.1);
        expect(macsRatio).toBeLessThanOrEqual(1.5);
      } else expect(macsRatio).toBe(0);
    }
    expect(lines.join("\n")).toContain("own tail");
    const { doubts } = figures as { doubts: { windows: number; forms: { alone: number }[] } };
    expect(doubts.windows).toBeGreaterThan(0);
    expect(doubts.forms).toHaveLength(forms.length);
    for (const { alone } of doubts.forms) expect(alone >= 0 && alone <= 1).toBe(true);
    expect(readdirSync(extra.keep).filter((name) => name.endsWith(".split.onnx"))).toHaveLength(6);
    expect((await run(asked)).figures).toEqual(figures);
  });

  it.each([{ forms: "pictures" }, { forms: "features", budgets: "12,many" }, { fold: "2" }])(
    "refuses %j with a hint",
    async (extra) => {
      const asked = quickOptions({ data, dataset: "cows", test: ["3"], extra });
      await expect(run(asked)).rejects.toMatchObject({ code: "usage" });
    },
  );
});
