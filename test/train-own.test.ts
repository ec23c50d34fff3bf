/** Training on recordings of one's own: what is said before, who is held out, other shapes. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { classFigures, classTable } from "../bench/class-table.ts";
import { measureModel } from "../bench/gate-model.ts";
import { commandInput } from "../cli/command.ts";
import { openProfile } from "../cli/profile-folder.ts";
import { command } from "../cli/train.ts";
import { learnersOf, trainingSummary } from "../cli/train-summary.ts";
import { readRecordings, writeRecordings } from "../recordings/read.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { labelWindows, profileFor, shapeOverrides } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { quickOptions } from "./benchmark-options.ts";
import { silentIo } from "./command-io.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "own-herd-"));
let goats: Recordings;
beforeAll(async () => {
  await writeSwingingHerd(join(data, "goats"), "goats", ["g1", "g2", "g3", "g4"]);
  goats = await readRecordings(join(data, "goats"));
  const segments = goats.segments.map((segment) => ({ ...segment, subject: "g1" }));
  await writeRecordings(join(data, "lone"), { ...goats, name: "lone", subjects: ["g1"], segments });
});
afterAll(() => rmSync(data, { recursive: true }));

async function train(dataset: string, values: object): Promise<{ notes: string; printed: string }> {
  const [notes, printed]: string[][] = [[], []];
  const io = silentIo({
    note: (line) => void notes?.push(line),
    print: (line) => void printed?.push(line),
  });
  if (!("run" in command)) throw new Error("train is one command");
  const all = { data, out: join(data, "out"), quick: true, seeds: 0, seed: 1, ...values };
  expect(await command.run(commandInput(all, [dataset]), io)).toBe(0);
  return { notes: notes?.join("\n") ?? "", printed: printed?.join("\n") ?? "" };
}

describe("bellwether train on recordings of one's own", () => {
  it("learns nothing from those who are held out, and takes the models' figures on them", async () => {
    const { notes, printed } = await train("goats", { holdOut: ["g2"] });
    expect(notes).toMatch(/windows of 5\.00 s at 10 Hz, of 3 subjects/);
    expect(printed).toMatch(/windows of g2/);
    const card = readFileSync(join(data, "out", "goats", "CARD.md"), "utf8");
    expect(card).toContain("Subjects: g1, g3, g4.");
    expect(card).toContain("train goats --hold-out g2");
    expect(card).toMatch(/held out\n\n```\n\d+ windows of g2\n/);
    expect(card).toMatch(/grazing +\d+ +[01]\.\d{3}/);
  });

  it("takes another rate and window where they are asked for, and says how to again", async () => {
    await train("goats", { window: 8, rate: 5, out: join(data, "slow"), seeds: 1 });
    const { profile } = openProfile(join(data, "slow", "goats"));
    expect(profile).toMatchObject({ rateHz: 5, windowSamples: 40, hopSamples: 20 });
    const card = readFileSync(join(data, "slow", "goats", "CARD.md"), "utf8");
    expect(card).toContain("train goats --window 8 --rate 5\n");
    expect(card).toContain("bench -- learn --dataset goats --window 8 --rate 5 --seeds 1\n");
    // What measures the models goes by the windows that they were made for, not by the usual ones.
    const file = (name: string): string => join(data, "slow", "goats", name);
    const options = quickOptions({ data, dataset: "goats", test: ["g1"] });
    const measured = await measureModel(options, file("student.bwm"), file("teacher.onnx"));
    expect(measured.windowsPerNodeDay).toBe(86_400 / 4);
  });

  it("trains on one subject, and says that it means nothing for another", async () => {
    const { notes } = await train("lone", { seeds: 1 });
    expect(notes).toMatch(/One subject alone/);
    const card = readFileSync(join(data, "out", "lone", "CARD.md"), "utf8");
    expect(card).toMatch(/One subject alone says nothing/);
  });

  it("does not look for another herd's turned collars in one that is called the same", async () => {
    await writeSwingingHerd(join(data, "cows"), "cows", ["a", "b", "c"]);
    const { printed } = await train("cows", {});
    expect(printed).not.toContain("student-plain");
  });
});

describe("learnersOf", () => {
  it("refuses subjects that are not there, and to hold out all", () => {
    expect(() => learnersOf(goats, ["g9"])).toThrow(/no subject g9.*g1, g2, g3, g4/s);
    expect(() => learnersOf(goats, ["g1", "g2", "g3", "g4"])).toThrow(/nobody is left/);
    expect(learnersOf(goats, ["g4"]).subjects).toEqual(["g1", "g2", "g3"]);
  });
});

describe("trainingSummary", () => {
  it("names classes with little to learn from, and labels that are left out with why", () => {
    const rare = goats.segments.filter(({ label }) => label === "Walking").slice(0, 1);
    const others = goats.segments.filter(({ label }) => label !== "Walking");
    const few = { ...goats, segments: [...others, ...rare] };
    const profile = profileFor({ ...few, name: "few" });
    const lines = trainingSummary(few, profile, makeWindows(few, profile)).join("\n");
    expect(lines).toMatch(/label Walking is left out: \d+ .*needed/);
    expect(lines).not.toMatch(/walking: /);
    expect(labelWindows(few, profile).get("Grazing")?.lack).toBeUndefined();
  });
});

describe("shapeOverrides", () => {
  it("refuses rates above the recorded one and windows that no model takes", () => {
    expect(() => shapeOverrides(goats, { rateHz: 20 })).toThrow(/20 Hz, where 10 Hz.*--rate/s);
    expect(() => shapeOverrides(goats, { windowSeconds: 1 })).toThrow(/10 samples.*1\.60 to 102/s);
    expect(() => shapeOverrides(goats, { windowSeconds: 200 })).toThrow(/2000 samples/);
    expect(shapeOverrides(goats, { windowSeconds: 4.9 })).toMatchObject({ windowSamples: 50 });
    expect(shapeOverrides(goats, {})).toEqual({});
  });
});

describe("classFigures", () => {
  it("say what becomes of each class", () => {
    const figures = classFigures(["a", "b", "c"], [0, 0, 0, 0, 1, 1], [0, 0, 2, 2, 0, 1]);
    expect(figures).toMatchObject([
      { windows: 4, recall: 0.5, precision: 2 / 3, takenFor: { name: "c", share: 0.5 } },
      { windows: 2, recall: 0.5, precision: 1, takenFor: { name: "a", share: 0.5 } },
      { windows: 0, recall: 0, precision: 0, takenFor: undefined },
    ]);
    expect(classTable(figures, figures).join("\n")).toMatch(/a +4 +0\.500 +0\.667 +0\.500 +c 50 %/);
  });
});
