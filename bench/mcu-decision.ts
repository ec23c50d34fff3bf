/**
 * What the gate's decision costs beside its student, in instructions on a Cortex-M4: the shipped
 * students on emulated animals and people, and the large CNN with a gate calibrated on noise.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embedContainers, type StudentCase } from "../deploy/firmware/tools/embed.ts";
import { buildProgram, gateSources, runProgram } from "../deploy/firmware/tools/runtime-program.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { assert } from "../src/assert.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { CNN_SPEC, noiseWindows } from "../test/student-samples.ts";

export type DecisionFigures = {
  /** Means over the windows. */
  readonly decisionInstructions: number;
  readonly statisticsInstructions: number;
  readonly mostInstructions: number;
  /** Of the exits that ran, and of all of them. */
  readonly studentInstructions: number;
  readonly wholeInstructions: number;
  readonly exitsRun: number;
  readonly offloadShare: number;
  /** Of the student at full depth, and of what ran. */
  readonly shareOfWhole: number;
  readonly shareOfRun: number;
};

const PLACE = "mps2-an386";
const TIMEOUT_MS = 60_000;

/** `cnn` is the large CNN's container; every case by its name. */
export async function measureDecisions(
  cnn: Uint8Array,
  folder: string,
  windowCount: number,
): Promise<Readonly<Record<string, DecisionFigures>>> {
  const cases = [
    await shippedCase("cattle", windowCount),
    await shippedCase("people", windowCount),
    cnnCase(cnn, windowCount),
  ];
  const output = join(folder, "decision.elf");
  const sources = [...embedContainers(folder, cases), ...gateSources()];
  buildProgram({ place: PLACE, program: "decision", sources, output });
  const finished = await runProgram(PLACE, output, TIMEOUT_MS);
  assert(finished.exitCode === 0, `the decision ends with 0: ${JSON.stringify(finished)}`);
  return Object.fromEntries(
    cases.map(({ name }) => {
      const lines = finished.output.split("\n").filter((line) => line.startsWith(`${name} `));
      const sums = new Map(lines.map((line) => line.split(" ").slice(1) as [string, string]));
      return [name, figuresOf((what) => Number(sums.get(what)), windowCount)];
    }),
  );
}

function figuresOf(figure: (what: string) => number, windows: number): DecisionFigures {
  const mean = (what: string): number => Math.round(figure(what) / windows);
  const share = (a: number, b: number): number => Math.round((a / b) * 10_000) / 10_000;
  return {
    decisionInstructions: mean("decision"),
    statisticsInstructions: mean("statistics"),
    mostInstructions: figure("most"),
    studentInstructions: mean("student"),
    wholeInstructions: figure("whole"),
    exitsRun: figure("exits") / windows,
    offloadShare: figure("offloads") / windows,
    shareOfWhole: share(figure("decision") / windows, figure("whole")),
    shareOfRun: share(figure("decision"), figure("student")),
  };
}

async function shippedCase(name: string, count: number): Promise<StudentCase> {
  const path = fileURLToPath(new URL(`../profiles/${name}/student.bwm`, import.meta.url));
  return {
    name,
    container: new Uint8Array(readFileSync(path)),
    windows: { key: name, count, bytes: await emulatedWindows(name, count) },
  };
}

/** So many windows of a task's shipped emulator, one after another, int8 as bytes. */
export async function emulatedWindows(name: string, count: number): Promise<Uint8Array> {
  const profile = shippedProfile(name);
  const emulated = emulateRecordings(await readShippedEmulator(name), profile, {
    seed: 1,
    secondsPerClass: 60,
  });
  const set = makeWindows(emulated, profile);
  const length = profile.windowSamples * profile.channels;
  return Uint8Array.from(set.samples.subarray(0, count * length));
}

function cnnCase(bytes: Uint8Array, count: number): StudentCase {
  const container = decodeContainer(bytes);
  const { parameters } = calibrateGate({
    student: createWasmEngine().load(container),
    trained: noiseWindows(CNN_SPEC, 200, 11),
    held: noiseWindows(CNN_SPEC, 200, 12),
    target: { kind: "offload-share", share: 0.1 },
    windowsPerNodeDay: 10_000,
  });
  const { samples } = noiseWindows(CNN_SPEC, count, 13);
  return {
    name: "cnn",
    container: encodeContainer({ ...container, gate: encodeGate(parameters) }),
    windows: { key: "cnn", count, bytes: new Uint8Array(samples.buffer) },
  };
}
