/** The learning benchmark and the training command, run as a whole on a herd that swings. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { run } from "../bench/learn.ts";
import { commandInput } from "../cli/command.ts";
import { factoryStudent } from "../cli/open-gateway.ts";
import { openProfile } from "../cli/profile-folder.ts";
import { command } from "../cli/train.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { studentFromOnnx } from "../src/learn/student-network.ts";
import { decodeContainer } from "../src/model/container.ts";
import { codeShape } from "../src/model/encoder.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { quickOptions } from "./benchmark-options.ts";
import { silentIo } from "./command-io.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const data = mkdtempSync(join(tmpdir(), "swinging-herd-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3", "4"]));
afterAll(() => rmSync(data, { recursive: true }));

const printed: string[] = [];
const IO = silentIo({ print: (line) => void printed.push(line) });

const OPTIONS = quickOptions({ data, dataset: "cows" });

describe("bench learn", () => {
  it("gives every figure that it promises, per exit, and sees the quantized student", async () => {
    const { ok, figures, lines } = await run({ ...OPTIONS, test: ["3", "4"], seeds: 2 });
    expect(ok).toBe(true);
    expect(figures).toMatchObject({ dataset: "cows", folds: 1, seeds: 2 });
    const { teacher, student } = figures as {
      teacher: Record<string, unknown>;
      student: Record<string, Record<string, unknown>>;
    };
    for (const model of [teacher, student.hard, student.distilled, student.int8]) {
      for (const key of ["accuracy", "macroF1", "mcc", "ece", "subjectMean", "subjectWorst"]) {
        expect(model?.[key], key).toBeTypeOf("number");
        expect(Number.isFinite(model?.[key]), key).toBe(true);
      }
      expect(model?.exits).toHaveLength(model === teacher ? 1 : 2);
    }
    expect(lines.join("\n")).toContain("int8");
  });

  it("puts the student into the integers that are asked for", async () => {
    const extra = { quantize: "dynamic-fixed-point", "weight-bits": "2", threads: "1" };
    const { figures, lines } = await run({ ...OPTIONS, test: ["3", "4"], extra });
    expect(lines.join("\n")).toContain("fixed point, weights of 2 bits of distilled");
    const plan = { scheme: "dynamic-fixed-point", weightBits: 2, fineTune: false };
    expect(figures).toMatchObject({ plan });
  });

  it.each([
    [{ extra: { "weight-bits": "9" } }, "usage"],
    [{ dataset: "goats" }, "no-recordings"],
    [{ test: ["9"] }, "unknown-subject"],
    [{ train: ["1", "2"], test: ["2"] }, "subject-twice"],
    [{ extra: { folds: "many" }, quick: false }, "usage"],
  ])("refuses %j with a hint", async (changes, code) => {
    await expect(run({ ...OPTIONS, ...changes })).rejects.toMatchObject({ code });
  });
});

describe("bellwether train", () => {
  it("writes a teacher, a student that nodes can run, its floats, and a card", async () => {
    const out = join(data, "out");
    const values = { data, out, quick: true, seeds: 0, seed: 1 };
    if (!("run" in command)) throw new Error("train is one command");
    // Another name than the shipped one: there is no plain student of these.
    await writeSwingingHerd(join(data, "cows-own"), "cows-own", ["1", "2", "3"]);
    expect(await command.run(commandInput(values, ["cows-own"]), IO)).toBe(0);
    const folder = join(out, "cattle");
    expect(readdirSync(folder).sort()).toEqual([
      "CARD.md",
      "profile.json",
      "student.bwm",
      "student.onnx",
      "teacher.onnx",
    ]);
    const container = decodeContainer(readFileSync(join(folder, "student.bwm")));
    expect(container.classes).toEqual(["grazing", "still", "walking"]);
    expect(container.gate.length).toBeGreaterThan(0);
    const float = studentFromOnnx(readFileSync(join(folder, "student.onnx")));
    expect(float?.spec.stages.length).toBe(container.student.stages.length);
    const card = readFileSync(join(folder, "CARD.md"), "utf8");
    expect(card).toContain("Subjects: 1, 2, 3.");
    expect(card).toContain("npm run -s bellwether -- train cows-own");
    expect(printed.join()).toContain("student.bwm");
    const home = openProfile(folder);
    expect(home).toMatchObject({ folder, dataset: "cows-own", profile: { name: "cattle" } });
    const { container: bytes } = factoryStudent(home, "default");
    expect(decodeContainer(bytes).classes).toEqual(home.profile.classes);
  });

  it("leaves no model of another training beside its own", async () => {
    const out = join(data, "again");
    const folder = join(out, "cattle");
    mkdirSync(folder, { recursive: true });
    for (const name of ["tail.onnx", "student-plain.bwm", "notes.txt"]) {
      writeFileSync(join(folder, name), "old");
    }
    const values = { data, out, quick: true, seeds: 0, seed: 1 };
    if (!("run" in command)) throw new Error("train is one command");
    await writeSwingingHerd(join(data, "cows-again"), "cows-again", ["1", "2", "3"]);
    expect(await command.run(commandInput(values, ["cows-again"]), IO)).toBe(0);
    expect(readdirSync(folder)).toContain("notes.txt");
    expect(readdirSync(folder)).not.toContain("tail.onnx");
    expect(readdirSync(folder)).not.toContain("student-plain.bwm");
  });

  it("adds an encoder to the student and its tail, which know each other by a hash", async () => {
    const out = join(data, "split");
    const values = { data, out, quick: true, seeds: 0, seed: 1, encoder: 12 };
    if (!("run" in command)) throw new Error("train is one command");
    await writeSwingingHerd(join(data, "cows-split"), "cows-split", ["1", "2", "3"]);
    expect(await command.run(commandInput(values, ["cows-split"]), IO)).toBe(0);
    const file = (name: string) => readFileSync(join(out, "cattle", name));
    const { encoder } = decodeContainer(file("student.bwm"));
    if (encoder === undefined) throw new Error("the container has an encoder");
    const metadata = onnxMetadata(file("tail.onnx"));
    expect(metadata.get("encoder")).toBe(
      createHash("sha256").update(encodeEncoder(encoder)).digest("hex"),
    );
    const { time, channels, bits, bytes } = codeShape(encoder);
    expect(bytes).toBeLessThanOrEqual(12);
    const said = ["codeTime", "codeChannels", "codeBits", "studentWeight"].map((name) =>
      metadata.get(name),
    );
    expect(said).toEqual([time, channels, bits, 1].map(String));
    const card = file("CARD.md").toString();
    expect(card).toContain("train cows-split --encoder 12\n");
    expect(card).toContain(`--dataset cows-split --forms features --budgets ${bytes}\``);
    const tail = await onnxRuntime().compile(file("tail.onnx"));
    const shape = [1, time, channels];
    const { logits, features } = await tail.run({
      code: { shape, data: new Float32Array(time * channels) },
    });
    await tail.release();
    expect(logits?.shape).toEqual([1, 3]);
    expect(features?.data.every(Number.isFinite)).toBe(true);
  });

  it("makes a student of powers of two in few bits, fine-tuned, and says so", async () => {
    const out = join(data, "lean");
    const asked = { quantize: "dynamic-fixed-point", weightBits: 4, fineTune: true };
    const values = { data, out, quick: true, seeds: 0, seed: 1, ...asked };
    if (!("run" in command)) throw new Error("train is one command");
    await writeSwingingHerd(join(data, "cows-lean"), "cows-lean", ["1", "2", "3"]);
    expect(await command.run(commandInput(values, ["cows-lean"]), IO)).toBe(0);
    const container = decodeContainer(readFileSync(join(out, "cattle", "student.bwm")));
    let [largest, rows] = [0, 0];
    for (const layer of container.student.stages.flatMap((stage) => stage.exit.layers)) {
      for (const weight of layer.weights) largest = Math.max(largest, Math.abs(weight));
      for (const multiplier of layer.requantization.multipliers) {
        expect(multiplier).toBe(16_384);
        rows++;
      }
    }
    expect(largest).toBe(7);
    expect(rows).toBe(6);
    const card = readFileSync(join(out, "cattle", "CARD.md"), "utf8");
    expect(card).toContain("fixed point, weights of 4 bits, fine-tuned container");
    expect(card).toContain(
      "train cows-lean --quantize dynamic-fixed-point --weight-bits 4 --fine-tune\n",
    );
  });
});
