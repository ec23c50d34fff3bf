/**
 * The runtime in C on the host, watched by sanitizers, against the reference engine: the same bits,
 * the same memory, the same limits. Other processors are in `firmware-golden.test.ts`, containers
 * that somebody has broken in `firmware-mutants.test.ts`.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GATE_TABLES_FILE, gateTablesSource } from "../deploy/firmware/tools/gate-tables.ts";
import { FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { modelRamBytes } from "../src/model/encoder-cost.ts";
import { MODEL_LIMITS } from "../src/model/limits.ts";
import { MULTIPLIER_MIN, SHIFT_MAX, SHIFT_MIN } from "../src/model/requantize.ts";
import { below, prng } from "../src/prng.ts";
import { packCodes } from "../src/wire/codes.ts";
import { containerWithEncoder, ENCODER_SPEC } from "./encoder-samples.ts";
import { runtimeCases } from "./firmware-cases.ts";
import { withoutCompiler } from "./firmware-host.ts";
import {
  askRuntime,
  buildRuntimeHost,
  engineAnswers,
  POOL_WINDOW_BYTES,
} from "./firmware-runtime-host.ts";
import { anyConvolutions, anyEncoders, anyGrus, anyShifts } from "./firmware-shapes.ts";
import { goldenWindows } from "./make-golden.ts";
import { GOLDEN_ENCODER, GOLDEN_ENCODER_SEED } from "./make-golden-encoder.ts";
import { containerOf } from "./mutated-containers.ts";
import { COLLAR_SPEC, SMALL_CNN_SPEC } from "./student-samples.ts";

const absent = withoutCompiler("the runtime in C");

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-runtime-"));
  if (!absent) program = buildRuntimeHost(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function referenceAnswer(bytes: Uint8Array, windows: readonly Int8Array[]) {
  const container = decodeContainer(bytes);
  const said = engineAnswers(referenceEngine, container, windows);
  return { code: "ok", ramBytes: modelRamBytes(container), windows: said };
}

/** Any bytes, and both ends of them. */
function poolWindows(seed: number): readonly Int8Array[] {
  const random = prng(seed, "pool");
  return [
    Int8Array.from({ length: POOL_WINDOW_BYTES }, () => below(random, 256) - 128),
    Int8Array.from({ length: POOL_WINDOW_BYTES }, () => (below(random, 2) === 0 ? 127 : -128)),
    new Int8Array(POOL_WINDOW_BYTES).fill(-128),
  ];
}

function expectSameAnswers(containers: readonly Uint8Array[], windows: readonly Int8Array[]): void {
  const answers = askRuntime(
    [program],
    windows,
    containers.map((container) => ({ container })),
  );
  for (const [i, container] of containers.entries()) {
    expect(answers[i], `student ${i}`).toEqual(referenceAnswer(container, windows));
  }
}

describe.skipIf(absent)("the runtime in C says what the reference says, in as much memory", () => {
  it("of golden, scrambled and shipped students, with golden, noisy and recorded windows", async () => {
    const { cases, real } = await runtimeCases();
    if (!real) console.log("no recordings were found: only made-up windows are compared");
    for (const { container, windows } of cases) {
      const length = windows.bytes.length / windows.count;
      const each = Array.from(
        { length: windows.count },
        (_, w) => new Int8Array(windows.bytes.buffer.slice(w * length, (w + 1) * length)),
      );
      expectSameAnswers([container], each);
    }
  });

  it("of convolutions of any shape", () => {
    expectSameAnswers(anyConvolutions(60), poolWindows(1));
  });

  it("of GRUs of any shape", () => {
    expectSameAnswers(anyGrus(40), poolWindows(2));
  });

  it("with every shift, alone and mixed with others", () => {
    expectSameAnswers(anyShifts(), poolWindows(3));
  });

  it("of encoders of any shape, beside students of both kinds", () => {
    expectSameAnswers(anyEncoders(40), poolWindows(4));
  });

  it("of the golden encoder, with the golden codes", () => {
    const golden = JSON.parse(readFileSync(GOLDEN_ENCODER, "utf8")) as { codes: string[] };
    const container = encodeContainer(
      containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, GOLDEN_ENCODER_SEED),
    );
    const [answer] = askRuntime([program], goldenWindows(COLLAR_SPEC), [{ container }]);
    const codes = answer?.code === "ok" ? answer.windows.map((said) => said.codes) : [];
    const packed = codes.map((each) => packCodes(Uint8Array.from(each), ENCODER_SPEC.codeBits));
    expect(packed.map((bytes) => Buffer.from(bytes).toString("hex"))).toEqual(golden.codes);
  });

  it("but not of a container at an odd address", () => {
    const container = encodeContainer(containerOf(SMALL_CNN_SPEC, "int8"));
    const shifts = [0, 1, 2, 3, 4].map((shift) => ({ container, shift }));
    const codes = askRuntime([program], [], shifts).map(({ code }) => code);
    expect(codes).toEqual(["ok", "bad-alignment", "bad-alignment", "bad-alignment", "ok"]);
  });
});

describe("the runtime's files", () => {
  it("hold the GRU's tables as the reference has them", () => {
    expect(readFileSync(GATE_TABLES_FILE, "utf8")).toBe(gateTablesSource());
  });

  it("hold the limits of src/model/limits.ts, and no other", () => {
    const header = readFileSync(path.join(FIRMWARE_FOLDER, "runtime", "bw_limits.h"), "utf8");
    const lines = header.matchAll(/^#define BW_(M[A-Z_]+) (\d+)u$/gm);
    const named = Object.entries(MODEL_LIMITS)
      // The header has 32 bits for the one, 16 for the other, and both are used up.
      .filter(([name]) => name !== "inputMicrogPerStep" && name !== "hopSamples")
      .map(([name, value]) => [`MAX_${name.replace(/[A-Z]/g, "_$&").toUpperCase()}`, value]);
    expect(Object.fromEntries([...lines].map((line) => [line[1], Number(line[2])]))).toEqual({
      ...Object.fromEntries(named),
      MIN_MULTIPLIER: MULTIPLIER_MIN,
      MIN_SHIFT: SHIFT_MIN,
      MAX_SHIFT: SHIFT_MAX,
    });
    expect(MODEL_LIMITS.inputMicrogPerStep).toBe(0xffff_ffff);
    expect(MODEL_LIMITS.hopSamples).toBe(0xffff);
  });
});
