/** The benchmark of payloads: its forms, and the whole of it on a herd that swings. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/split.ts";
import {
  BUDGETS_BYTES,
  type PayloadForm,
  payloadForms,
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
});
