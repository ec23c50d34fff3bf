/** The benchmark of payloads: its forms, and the whole of it on a herd that swings. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bareGate } from "../bench/gate-curves.ts";
import { type DoubtAnswers, type Replay, replayGate } from "../bench/gate-replay.ts";
import { run } from "../bench/split.ts";
import { type DoubtFigures, doubtFigures } from "../bench/split-doubts.ts";
import type { Doubts, SplitAnswers } from "../bench/split-job.ts";
import { learnedForms } from "../bench/split-learned.ts";
import {
  BUDGETS_BYTES,
  type PayloadForm,
  payloadForms,
  reducedWindow,
  throughPayload,
} from "../bench/split-payloads.ts";
import { WORK_SHARES, type WorkFigures } from "../bench/split-work.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { decodeContainer } from "../src/model/container.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { decodeCompanded, encodeCompanded } from "../src/wire/companded.ts";
import { quickOptions } from "./benchmark-options.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";
import { turningHerd } from "./turning-herd.ts";

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

  it.each([4, 2] as const)("are in %d bits what a gateway reads of such a window", (bits) => {
    const window = Int8Array.from({ length: 2 * 24 }, (_, i) => Math.round(90 * Math.sin(i * i)));
    const packed = encodeCompanded(window, 2, bits);
    expect(reducedWindow(window, 24, bits, 2)).toEqual(decodeCompanded(packed, 24, 2, bits));
    const halves = reducedWindow(window, 12, bits, 2);
    const means = Int8Array.from({ length: 24 }, (_, i) => {
      const at = 4 * Math.floor(i / 2) + (i % 2);
      return Math.round((Number(window[at]) + Number(window[at + 2])) / 2);
    });
    const coarse = encodeCompanded(means, 2, bits);
    expect(halves).toEqual(decodeCompanded(coarse, 12, 2, bits));
  });
});

describe("doubts", () => {
  it("are answered by whoever reads their form, and the rest by the teacher", () => {
    const file = new URL("../profiles/cattle/student.bwm", import.meta.url);
    const container = decodeContainer(Uint8Array.from(readFileSync(file)));
    const windows = turningHerd(4, 6);
    const records = recordExits(referenceEngine.load(container), windows);
    const gate = bareGate(gateOf(container), 1800);
    const certain = (classIndex: number): Float32Array =>
      Float32Array.from({ length: 3 * windows.count }, (_, i) => Number(i % 3 === classIndex));
    const tell: DoubtAnswers["tell"] = (_offload, row) => row;
    const with_ = (teaches: boolean): Replay => {
      const doubts = { rows: certain(2), tell, teaches };
      const audited = { ...gate, auditChanceQ16: 9000 };
      return replayGate(audited, records, windows, certain(1), 1, { doubts });
    };
    const untaught = with_(false);
    const isDoubt = (i: number): boolean => untaught.doubted[i] === 1;
    const asked = [...untaught.offloaded.keys()].filter((i) => untaught.offloaded[i] === 1);
    expect(asked.filter(isDoubt).length).toBeGreaterThan(5);
    expect(asked.filter((i) => !isDoubt(i)).length).toBeGreaterThan(5);
    for (const i of asked) expect(untaught.told[i]).toBe(isDoubt(i) ? 2 : 1);
    expect(with_(true).answers).not.toEqual(untaught.answers);
  });

  it("are summed over subjects, those that calibrate apart", () => {
    const of = (windows: number, node: number, forms: Doubts["forms"]) => ({
      ...{ subject: "a", windows: 10, student: 5, forms: [5] },
      doubts: { windows, node, forms },
    });
    const answers: SplitAnswers = {
      tested: [
        of(4, 1, [{ alone: 1, together: [2, 3, 4] }]),
        of(6, 4, [{ alone: 0, together: [0, 1, 2] }]),
      ],
      calibrating: [of(2, 1, [{ alone: 2, together: [1, 1, 0] }])],
      ...{ atWork: [], studentMacs: 1, encoderMacs: [], tableBytes: [] },
    };
    const { tested, calibrating } = doubtFigures(1, [answers, answers]);
    const means = ({ forms }: typeof tested): unknown =>
      forms.map(({ alone, gained }) => [alone, ...gained.map(({ mean }) => mean)]);
    expect(tested).toMatchObject({ windows: 20, node: 0.5 });
    expect(means(tested)).toEqual([[0.1, 0.1, 0.3, 0.5]]);
    expect(calibrating).toMatchObject({ windows: 4, node: 0.5 });
    expect(means(calibrating)).toEqual([[1, -0.5, -0.5, -1]]);
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
    // The pair, and the one of the other learner that the gate is rehearsed with.
    expect(readdirSync(extra.keep)).toHaveLength(4);
    expect((await run(asked)).figures).toEqual(figures);
  });

  it("trains tails for codes and for reduced windows, keeps them, and answers from integers", async () => {
    const extra = {
      keep: join(data, "kept"),
      forms: "features,companded4,companded2,coarse",
      budgets: "12,40",
    };
    const asked = quickOptions({ data, dataset: "cows", test: ["3"], extra });
    const { figures, lines } = await run(asked);
    const { forms } = figures as { forms: Record<string, unknown>[] };
    const own = forms.filter(({ reduction }) => reduction !== "none");
    expect(own.map(({ encoding, bytes }) => `${String(encoding)} ${String(bytes)}`)).toEqual([
      "code 2 bits 10",
      "companded4 12",
      "companded2 12",
      "code 2 bits 38",
      "companded4 39",
      "companded2 40",
      "companded2 44",
    ]);
    expect(forms.at(-1)).toMatchObject({ reduction: "coarse teacher", samples: 50 });
    for (const { encoding, macsRatio } of own) {
      if (String(encoding).startsWith("code")) {
        expect(macsRatio).toBeGreaterThan(0.1);
        expect(macsRatio).toBeLessThanOrEqual(1.5);
      } else expect(macsRatio).toBe(0);
    }
    expect(lines.join("\n")).toContain("own tail");
    const { atWork } = figures as { atWork: WorkFigures };
    expect(atWork.map(({ told }) => told[0])).toEqual(forms.map(() => atWork[0]?.told[0]));
    for (const [f, { told, compared, lessWhole }] of atWork.entries()) {
      expect(told[WORK_SHARES.indexOf(10)]).toBeCloseTo(compared.mean, 12);
      const whole = atWork[0]?.compared.mean ?? 0;
      expect(lessWhole.mean, `form ${f}`).toBeCloseTo(compared.mean - whole, 12);
    }
    const { doubts } = figures as { doubts: DoubtFigures };
    for (const group of [doubts.tested, doubts.calibrating]) {
      expect(group.windows).toBeGreaterThan(0);
      expect(group.forms).toHaveLength(forms.length);
      for (const { alone, gained } of group.forms) {
        expect(alone >= 0 && alone <= 1).toBe(true);
        for (const { low, mean, high } of gained) expect(low <= mean && mean <= high).toBe(true);
      }
    }
    expect(readdirSync(extra.keep).filter((name) => name.endsWith(".split.onnx"))).toHaveLength(7);
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
