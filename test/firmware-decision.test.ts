/**
 * Student and gate together on microcontrollers: every decision as in TypeScript, on windows as
 * shipped profiles know them and then on noise, which raises the alarm.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { BoardName } from "../deploy/firmware/tools/boards.ts";
import { embedContainers, type StudentCase } from "../deploy/firmware/tools/embed.ts";
import {
  buildProgram,
  gateSources,
  missingFor,
  runProgram,
} from "../deploy/firmware/tools/runtime-program.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { type GateDecision, gateExit, gateWindow } from "../src/gate/decide.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { decodeContainer } from "../src/model/container.ts";
import { hashLogits } from "../src/model/self-test.ts";
import { prng } from "../src/prng.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { OFFLOAD_REASONS } from "../src/wire/messages.ts";
import { noiseWindows, SPECS } from "./student-samples.ts";

const KNOWN_WINDOWS = 30;
const NOISE_WINDOWS = 30;
const BOARDS: readonly BoardName[] = ["microbit", "mps2-an385", "mps2-an386", "virt-rv32"];

const folder = mkdtempSync(join(tmpdir(), "bellwether-decision-"));
afterAll(() => rmSync(folder, { recursive: true }));

const cases = [await caseOf("cattle"), await caseOf("people")];
const expected = cases.map(decide);

async function caseOf(name: string): Promise<StudentCase> {
  const profile = shippedProfile(name);
  const options = { seed: 4, secondsPerClass: 60 };
  const known = makeWindows(
    emulateRecordings(await readShippedEmulator(name), profile, options),
    profile,
  );
  const { windowSamples, channels } = profile;
  const noise = noiseWindows({ ...SPECS["small-cnn"], windowSamples }, NOISE_WINDOWS, 9);
  const bytes = new Uint8Array((KNOWN_WINDOWS + NOISE_WINDOWS) * windowSamples * channels);
  bytes.set(new Uint8Array(known.samples.buffer, 0, KNOWN_WINDOWS * windowSamples * channels));
  bytes.set(new Uint8Array(noise.samples.buffer), KNOWN_WINDOWS * windowSamples * channels);
  const path = join(import.meta.dirname, "../profiles", name, "student.bwm");
  return {
    name,
    container: new Uint8Array(readFileSync(path)),
    windows: { key: name, count: KNOWN_WINDOWS + NOISE_WINDOWS, bytes },
  };
}

/** The decisions of `programs/decision.c`, here. */
function decide({ container: bytes, windows }: StudentCase) {
  const container = decodeContainer(bytes);
  const loaded = referenceEngine.load(container);
  const gate = gateOf(container);
  const random = prng(1, "gate");
  let state = initialGateState(gate);
  let hash = 0x811c9dc5;
  const alarms = new Set<boolean>();
  const length = windows.bytes.length / windows.count;
  for (let windowIndex = 0; windowIndex < windows.count; windowIndex++) {
    const at = windowIndex * length;
    const window = new Int8Array(windows.bytes.slice(at, at + length).buffer);
    loaded.begin(window);
    const exits = [];
    do exits.push(structuredClone(loaded.nextExit()));
    while (gateExit(gate, state, exits) === "next");
    const statistics = windowStatistics(window, container.student.channels);
    const decision = gateWindow(gate, state, { exits, statistics, windowIndex }, random);
    hash = hashLogits(hash, Int16Array.from(fieldsOf(decision)));
    alarms.add(decision.alarm);
    state = decision.nextState;
  }
  return { hash, alarms };
}

function fieldsOf(decision: GateDecision): readonly number[] {
  const { exit, classIndex, confidenceQ8, offload, alarm, marginQ8, chanceQ16 } = decision;
  const reason = offload === null ? 255 : OFFLOAD_REASONS.indexOf(offload);
  const first = [exit, classIndex, confidenceQ8, reason, alarm ? 1 : 0];
  return [...first, marginQ8, chanceQ16, decision.driftQ8];
}

it("the windows are such that alarms are raised, and not always", () => {
  for (const { alarms } of expected) expect(alarms).toEqual(new Set([false, true]));
});

describe.each(BOARDS)("%s", (board) => {
  const missing = missingFor(board);
  if (missing.length > 0) console.log(`${board} is skipped: no ${missing.join(", no ")}`);

  it.skipIf(missing.length > 0)("decides as TypeScript does", async () => {
    const output = join(folder, `${board}.elf`);
    const sources = [...embedContainers(folder, cases), ...gateSources()];
    buildProgram({ place: board, program: "decision", sources, output });
    const finished = await runProgram(board, output, 60_000);
    expect(finished).toMatchObject({ exitCode: 0, timedOut: false });
    const hashes = finished.output.split("\n").filter((line) => line.includes(" hash "));
    expect(hashes).toEqual(cases.map(({ name }, i) => `${name} hash ${expected[i]?.hash}`));
  });
});
