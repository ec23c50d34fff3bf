/**
 * libFuzzer on the loader in C: bytes that it grows from the golden containers, guided by what they
 * reach, under the address and undefined-behaviour sanitizers.
 *
 * BELLWETHER_FUZZ_SECONDS says for how long. What it finds is written beside the program and named
 * in the failure.
 */

import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compile, FIRMWARE_FOLDER, findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { EdgeError } from "../src/assert.ts";
import { encodeContainer } from "../src/model/container.ts";
import { containerWithEncoder } from "./encoder-samples.ts";
import { RUNTIME_SOURCES } from "./firmware-runtime-host.ts";
import { GOLDEN_FOLDER } from "./make-golden.ts";
import { containerOf, MUTATED_ENCODER, TINY_SPEC } from "./mutated-containers.ts";

const SECONDS = Number(process.env.BELLWETHER_FUZZ_SECONDS ?? 60);
const folder = mkdtempSync(path.join(tmpdir(), "bellwether-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function buildFuzzer(): string {
  const output = path.join(folder, "fuzz");
  compile({
    target: "host",
    compiler: "clang",
    sources: [path.join(FIRMWARE_FOLDER, "host", "fuzz_load.c"), ...RUNTIME_SOURCES],
    output,
    flags: ["-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"],
  });
  return output;
}

/** Why it cannot be built: no compiler, or a compiler without libFuzzer. */
function reasonToSkip(): string | undefined {
  if (findProgram("clang") === undefined) return "clang is not installed";
  const source = path.join(folder, "empty.c");
  writeFileSync(
    source,
    "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n);\n" +
      "int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n > 9; }\n",
  );
  try {
    const flags = ["-fsanitize=fuzzer,address,undefined", "-Wno-conversion"];
    const output = path.join(folder, "empty");
    compile({ target: "host", compiler: "clang", sources: [source], output, flags });
    return undefined;
  } catch (error) {
    if (error instanceof EdgeError)
      return `clang has no libFuzzer (libclang-rt-dev): ${error.code}`;
    throw error;
  }
}

const reason = reasonToSkip();
if (reason !== undefined) console.log(`fuzzing the loader in C: skipped, ${reason}`);

describe.skipIf(reason !== undefined)("libFuzzer on bw_load", () => {
  it(`${SECONDS} s from the golden containers: no step out of bounds, nothing undefined`, {
    timeout: 60_000 + 2000 * SECONDS,
  }, () => {
    const program = buildFuzzer();
    const corpus = path.join(folder, "corpus");
    mkdirSync(corpus);
    for (const name of readdirSync(GOLDEN_FOLDER).filter((it) => it.endsWith(".container.bin"))) {
      copyFileSync(path.join(GOLDEN_FOLDER, name), path.join(corpus, name));
    }
    // Most of the inputs grow from this one: a kilobyte is mutated faster than fifteen.
    writeFileSync(path.join(corpus, "tiny"), encodeContainer(containerOf(TINY_SPEC, "int8")));
    const encoding = containerWithEncoder(TINY_SPEC, MUTATED_ENCODER, 1);
    writeFileSync(path.join(corpus, "tiny-encoder"), encodeContainer(encoding));
    const pointed = { ...encoding, points: Uint8Array.of(1, 2, 3, 4, 5) };
    writeFileSync(path.join(corpus, "tiny-points"), encodeContainer(pointed));
    const { status, stderr } = spawnSync(
      program,
      [
        corpus,
        `-max_total_time=${SECONDS}`,
        "-max_len=20000",
        "-timeout=20",
        "-seed=20261",
        "-print_final_stats=1",
        `-artifact_prefix=${folder}/`,
      ],
      { encoding: "utf8", maxBuffer: 1 << 26 },
    );
    expect(status, stderr.slice(-6000)).toBe(0);
    const units = Number(/stat::number_of_executed_units:\s*(\d+)/.exec(stderr)?.[1]);
    const edges = [...stderr.matchAll(/cov: (\d+)/g)].map((match) => Number(match[1]));
    console.log(`${units} inputs in ${SECONDS} s, ${Math.max(...edges)} edges reached`);
    // That it got somewhere: beyond what the golden containers reach, and often.
    expect(units).toBeGreaterThan(20 * SECONDS);
    expect(Math.max(...edges)).toBeGreaterThan(edges[0] as number);
  });
});
