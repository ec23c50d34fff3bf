/** The gate in C against the gate in TypeScript: every decision and every byte of state. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { decodeGate, encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { decodeGateState, encodeGateState } from "../src/gate/gate-state-bytes.ts";
import { exp2Q16, log2Q8 } from "../src/gate/margins.ts";
import { encodePoints, fullBucketQ8, pointOf } from "../src/gate/operating-points.ts";
import { decodeContainer } from "../src/model/container.ts";
import { below, chance, prng } from "../src/prng.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { windowAt } from "../src/signal/window-set.ts";
import {
  buildGateHost,
  codeOf,
  compareGates,
  GATE_CODES,
  type GateOperation,
  gateWith,
  runGateHost,
} from "./firmware-gate-kit.ts";
import {
  many,
  randomGate,
  randomLife,
  randomShare,
  withRandomPoints,
} from "./firmware-gate-lives.ts";
import { withoutCompiler } from "./firmware-host.ts";

const absent = withoutCompiler("the gate in C");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-gate-"));
  program = buildGateHost(folder);
}, 60_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

/** A shipped student over emulated animals that turn half way, with a teacher that always knows. */
async function shippedLife(profileName: string, file: string): Promise<GateOperation[]> {
  const bytes = readFileSync(path.join(import.meta.dirname, "../profiles", profileName, file));
  const container = decodeContainer(bytes);
  const profile = shippedProfile(profileName);
  const emulated = emulateRecordings(await readShippedEmulator(profileName), profile, {
    seed: 7,
    secondsPerClass: 90,
  });
  const student = createWasmEngine().load(container);
  const operations: GateOperation[] = [
    { kind: "load", section: container.gate },
    { kind: "start", seed: 3, stream: "node collar-01" },
  ];
  const turned = turnRecordings(emulated, parseTurn("z180"));
  const most = Math.max(...container.student.stages.map(({ exit }) => exit.features));
  const { channels } = container.student;
  let windowIndex = 0;
  for (const recordings of [emulated, turned]) {
    const windows = makeWindows(recordings, profile);
    for (let i = 0; i < windows.count; i++, windowIndex++) {
      const window = windowAt(windows, i);
      student.begin(window);
      const exits = container.student.stages.map(() => {
        const { logits, features } = student.nextExit();
        const padded = new Int8Array(most);
        padded.set(features);
        return { logits: logits.slice(), features: padded };
      });
      operations.push({ kind: "window", windowIndex, window, channels, exits });
      const classIndex = windows.labels[i] as number;
      const probabilitiesQ8 = new Uint8Array(container.student.classes).fill(2);
      probabilitiesQ8[classIndex] = 250;
      operations.push({ kind: "verdict", windowIndex, classIndex, trusted: true, probabilitiesQ8 });
    }
  }
  return operations;
}

describe.skipIf(absent)("the gate in C", () => {
  it("has the tables of the gate in TypeScript", () => {
    const text = readFileSync(path.join(FIRMWARE_FOLDER, "node/bw_margin_tables.c"), "utf8");
    const tables = [...text.matchAll(/\{([\d,\s]+)\}/g)].map((match) =>
      (match[1] as string).split(",").map(Number),
    );
    expect(tables).toEqual([
      Array.from({ length: 256 }, (_, i) => exp2Q16(i)),
      Array.from({ length: 256 }, (_, i) => log2Q8(256 + i) - log2Q8(256)),
    ]);
  });

  it("decides as the shipped gates do, over animals whose collars turn", async () => {
    for (const [profile, file] of [
      ["cattle", "student.bwm"],
      ["cattle", "student-plain.bwm"],
      ["people", "student.bwm"],
    ] as const) {
      const seen = compareGates(program, await shippedLife(profile, file));
      expect(seen.get("window")).toBeGreaterThan(200);
      expect(seen.get("alarm"), `${profile} ${file}`).toBeGreaterThan(0);
      expect(seen.get("burst"), `${profile} ${file}`).toBeGreaterThan(0);
    }
  }, 60_000);

  it("decides as random gates do, uncalibrated ones too", () => {
    const random = prng(1, "gates in C");
    const operations: GateOperation[] = [];
    for (let i = 0; i < 500; i++) {
      const gate =
        i % 10 === 0 ? uncalibratedGate({ exits: 2, classes: 3 }) : randomGate(random, false);
      const pointed = chance(random, 0.5) ? gate : withRandomPoints(random, gate);
      operations.push(...randomLife(random, pointed, 60));
    }
    const seen = compareGates(program, operations);
    for (const reason of ["unsure", "audit", "novel", "burst", "kept", "alarm", "later exit"]) {
      expect(seen.get(reason), reason).toBeGreaterThan(20);
    }
  }, 60_000);

  it("stays inside its integers at the ends of every range", () => {
    const random = prng(2, "gates in C");
    const operations = Array.from({ length: 40 }, () =>
      randomLife(random, withRandomPoints(random, randomGate(random, true)), 20),
    );
    expect(compareGates(program, operations.flat()).get("window")).toBe(800);
  }, 60_000);

  it("goes on from its saved state, and carries its budget into another release", () => {
    const random = prng(3, "gates in C");
    for (let i = 0; i < 4; i++) {
      const gate = withRandomPoints(random, randomGate(random, false));
      const life = randomLife(random, gate, 40, 3);
      const answers = runGateHost(program, life);
      answers.u8();
      const states = life.slice(1).map((operation) => {
        if (operation.kind === "window") answers.bytes(11);
        return answers.bytes(answers.u16()).slice();
      });
      const saved = states.at(-1) as Uint8Array;
      const restored = (sameRelease: boolean): GateOperation[] => [
        ...life,
        { kind: "restore", sameRelease, bytes: saved },
        ...randomLife(random, gate, 20, 3).filter(({ kind }) => kind === "window"),
      ];
      compareGates(program, restored(true));
      compareGates(program, restored(false));
    }
  }, 60_000);

  it("is at the next release's own point for the share that is wanted", () => {
    const random = prng(7, "gates in C");
    for (let i = 0; i < 60; i++) {
      const [before, after] = [1, 2].map(() => withRandomPoints(random, randomGate(random, false)));
      if (before === undefined || after === undefined) throw new Error("two gates");
      const [load, , ...windows] = randomLife(random, after, 20);
      const shareQ16 = randomShare(random, after);
      const life = [...randomLife(random, before, 20), { kind: "move", shareQ16 } as const];
      if (load !== undefined) compareGates(program, [...life, load, { kind: "carry" }, ...windows]);
    }
  }, 60_000);

  it("refuses the sections that the gateway refuses, with the same code", () => {
    const random = prng(4, "gates in C");
    const sections = Array.from({ length: 3000 }, (_, i) => {
      const bytes = encodeGate(randomGate(random, i % 7 === 0));
      const at = below(random, chance(random, 0.5) ? bytes.length : Math.min(200, bytes.length));
      const kind = below(random, 3);
      if (kind === 0) return bytes.subarray(0, at);
      if (kind === 1)
        return Uint8Array.from([...bytes, ...many(random, 1 + below(random, 3), 0, 255)]);
      bytes[at] = below(random, 256);
      return bytes;
    });
    const answers = runGateHost(
      program,
      sections.map((section) => ({ kind: "load", section })),
    );
    const found = sections.map(() => GATE_CODES[answers.u8()]);
    const expected = sections.map((section) => codeOf(() => decodeGate(section)));
    expect(found).toEqual(expected);
    expect(new Set(expected).size).toBe(5);
  }, 60_000);

  it("refuses the operating points that the gateway refuses, with the same code", () => {
    const random = prng(6, "points in C");
    const loads = Array.from({ length: 3000 }, () => {
      const gate = withRandomPoints(random, randomGate(random, chance(random, 0.1)));
      const section = encodeGate(gate);
      const points = encodePoints(gate) ?? Uint8Array.of(1, gate.exits.length);
      const kind = below(random, 4);
      const at = below(random, chance(random, 0.5) ? points.length : Math.min(6, points.length));
      if (kind === 0) return { section, points: points.slice(0, 1 + at) };
      if (kind === 1) return { section, points: Uint8Array.from([...points, 0]) };
      if (kind === 2) return { section: encodeGate(randomGate(random, false)), points };
      points[at] = below(random, 256);
      return { section, points };
    });
    const answers = runGateHost(
      program,
      loads.map((load) => ({ kind: "load", ...load })),
    );
    const found = loads.map(() => GATE_CODES[answers.u8()]);
    const expected = loads.map(({ section, points }) => codeOf(() => gateWith(section, points)));
    expect(found).toEqual(expected);
    expect(new Set(expected)).toEqual(
      new Set(["ok", "truncated", "trailing-bytes", "gate-range", "gate-mismatch"]),
    );
  }, 60_000);

  it("never reads past a damaged state, and takes none that TypeScript would not", () => {
    const random = prng(5, "gates in C");
    const gate = gateOf(
      decodeContainer(
        readFileSync(path.join(import.meta.dirname, "../profiles/cattle/student.bwm")),
      ),
    );
    const life = randomLife(random, gate, 60).slice(0, 90);
    const start = runGateHost(program, life);
    start.u8();
    let saved = new Uint8Array();
    for (const operation of life.slice(1)) {
      if (operation.kind === "window") start.bytes(11);
      saved = start.bytes(start.u16()).slice();
    }
    const damaged = Array.from({ length: 2000 }, () => {
      const bytes = saved.slice(
        0,
        chance(random, 0.3) ? below(random, saved.length) : saved.length,
      );
      for (let i = below(random, 3); i > 0; i--) {
        bytes[below(random, bytes.length)] = below(random, 256);
      }
      return bytes;
    });
    const [load, begin] = life as [GateOperation, GateOperation];
    const answers = runGateHost(program, [
      load,
      begin,
      ...damaged.map((bytes) => ({ kind: "restore", sameRelease: true, bytes }) as const),
    ]);
    answers.u8();
    answers.bytes(answers.u16());
    const fresh = encodeGateState(initialGateState(gate));
    let taken = 0;
    for (const bytes of damaged) {
      const code = GATE_CODES[answers.u8()];
      const state = answers.bytes(answers.u16());
      if (code !== "ok") {
        expect(state).toEqual(fresh);
        continue;
      }
      taken += 1;
      const read = decodeGateState(bytes);
      const levelQ8 = Math.min(read.levelQ8, fullBucketQ8(gate, pointOf(gate, read)));
      expect(state).toEqual(encodeGateState({ ...read, levelQ8 }));
    }
    expect(taken).toBeGreaterThan(100);
    expect(taken).toBeLessThan(1900);
  }, 60_000);
});
