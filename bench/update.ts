/**
 * What a firmware's update costs: instructions and stack of its arithmetic, bytes of its code.
 *
 * Instructions are counted exactly in QEMU, not estimated; no such board was on a desk. Boards whose
 * compiler or emulator is not installed are named and left out.
 */

import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BARE_METAL_FLAGS,
  BOARDS,
  type BoardName,
  buildImage,
} from "../deploy/firmware/tools/boards.ts";
import { canEmulate, emulate } from "../deploy/firmware/tools/emulator.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  TARGETS,
} from "../deploy/firmware/tools/toolchain.ts";
import { encodeDown } from "../src/wire/frames.ts";
import { UPDATE_FILES } from "../test/firmware-update-host.ts";
import { PUBLIC_KEY, signRelease } from "../test/node-world.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { segmentBytes } from "./binary-size.ts";

const CRYPTO = ["bw_sha2.c", "bw_crc32.c", "bw_field25519.c", "bw_ed25519.c"];
const RUNTIME = ["bw_load.c", "bw_check.c", "bw_run.c", "bw_encode.c", "bw_gate_tables.c"];
const OPTIMISATIONS = ["-O2", "-Os"] as const;
/** Divides the 16 KiB that are hashed; a manifest of a 15 KiB student is about as long. */
const MESSAGE_BYTES = 256;
const SEQUENCE = 5;
/** A private Ed25519 key up to the key itself (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

export type Cost = {
  readonly verifyInstructions: number;
  readonly verifyStackBytes: number;
  readonly sha256InstructionsPerByte: number;
  readonly sha512InstructionsPerByte: number;
  readonly cryptoBytes: number;
  readonly updateBytes: number;
  /** Of `bw_update`: all that it keeps between two calls. */
  readonly ramBytes: number;
  /** Of the shipped cattle student: signature to receiving; one chunk; hash, load and self-test; and
   * a start of the node with that release on trial. Undefined where RAM is too small for the test. */
  readonly whole: Readonly<Record<Step, StepCost>> | undefined;
};

const STEPS = ["offer", "chunk", "check", "boot"] as const;
type Step = (typeof STEPS)[number];
type StepCost = { readonly instructions: number; readonly stackBytes: number };

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const folder = mkdtempSync(join(tmpdir(), "bellwether-update-cost-"));
  try {
    return await measureBoards(options, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureBoards(options: BenchmarkOptions, folder: string): Promise<BenchmarkResult> {
  const boards: readonly BoardName[] = options.quick
    ? ["mps2-an386"]
    : ["mps2-an386", "mps2-an385", "microbit", "virt-rv32"];
  const figures: Record<string, Record<string, Cost>> = {};
  const rows: (string | number)[][] = [
    [
      "board",
      "flags",
      "verify",
      "stack",
      "SHA-256 /B",
      "SHA-512 /B",
      "crypto B",
      "update B",
      "RAM B",
    ],
  ];
  const wholeRows: (string | number)[][] = [
    ["board", "flags", ...STEPS.flatMap((step) => [step, "stack"])],
  ];
  const missing: string[] = [];
  writeCase(folder);
  for (const board of boards) {
    const { target } = BOARDS[board];
    if (!canEmulate(board) || findProgram(TARGETS[target].compiler) === undefined) {
      missing.push(`${board} is left out: its compiler or emulator is not installed`);
      continue;
    }
    const costs: Record<string, Cost> = {};
    figures[target] = costs;
    for (const flag of OPTIMISATIONS) {
      options.progress(`${board} ${flag}`);
      const cost = await measureBoard(board, flag, folder);
      costs[flag.slice(1)] = cost;
      rows.push([
        `${board} (${target})`,
        flag,
        cost.verifyInstructions,
        cost.verifyStackBytes,
        cost.sha256InstructionsPerByte.toFixed(1),
        cost.sha512InstructionsPerByte.toFixed(1),
        cost.cryptoBytes,
        cost.updateBytes,
        cost.ramBytes,
      ]);
      const { whole } = cost;
      if (whole === undefined) continue;
      wholeRows.push([
        `${board} (${target})`,
        flag,
        ...STEPS.flatMap((step) => [whole[step].instructions, whole[step].stackBytes]),
      ]);
    }
  }
  const lines = [...table(rows), "", ...table(wholeRows), ...missing];
  return { ok: missing.length < boards.length, lines, figures };
}

async function measureBoard(board: BoardName, flag: string, folder: string): Promise<Cost> {
  const image = join(folder, `${board}${flag}.elf`);
  const inFolder = (name: string) => (file: string) => join(FIRMWARE_FOLDER, name, file);
  const crypto = CRYPTO.map(inFolder("crypto"));
  const includes = ["crypto", "node", "runtime"].map((name) => `-I${join(FIRMWARE_FOLDER, name)}`);
  const program = join(FIRMWARE_FOLDER, "programs/update_cost.c");
  const flags = [flag, ...includes, `-I${folder}`];
  const update = UPDATE_FILES.map(inFolder("node"));
  const sources = [
    ...crypto,
    ...update,
    ...["bw_gate_load.c"].map(inFolder("node")),
    ...RUNTIME.map(inFolder("runtime")),
  ];
  buildImage({ board, sources: [program, ...sources], output: image, flags });
  const { counterFlags } = BOARDS[board];
  const finished = await emulate({ board, image, flags: counterFlags, timeoutMs: 60_000 });
  if (finished.exitCode !== 0) throw new Error(`${board}: ${finished.exitCode} ${finished.output}`);
  const told = new Map(
    finished.output
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([name, ...numbers]) => [name, numbers.map(Number)]),
  );
  const figure = (name: string, index: number): number => told.get(name)?.[index] ?? Number.NaN;
  return {
    verifyInstructions: figure("verify", 0),
    verifyStackBytes: figure("verify", 1),
    sha256InstructionsPerByte: figure("sha256", 0) / (16 << 10),
    sha512InstructionsPerByte: figure("sha512", 0) / (16 << 10),
    cryptoBytes: codeBytes(board, crypto, flags, folder),
    updateBytes: codeBytes(board, update, flags, folder),
    ramBytes: figure("ram", 0),
    whole: told.has("offer")
      ? (Object.fromEntries(
          STEPS.map((step) => [
            step,
            { instructions: figure(step, 0), stackBytes: figure(step, 1) },
          ]),
        ) as Record<Step, StepCost>)
      : undefined,
  };
}

/** Code and constants of some files as they are, before a linker leaves anything out. */
function codeBytes(
  board: BoardName,
  sources: readonly string[],
  flags: readonly string[],
  folder: string,
): number {
  const { target } = BOARDS[board];
  const output = join(folder, "all.o");
  compile({
    target,
    sources,
    output,
    flags: [...BARE_METAL_FLAGS, ...flags, "-nostdlib", "-r"],
  });
  return segmentBytes(target, output).text;
}

/** What the program works on: a header beside it. The release is the shipped student of cattle. */
function writeCase(folder: string): void {
  const message = Uint8Array.from({ length: MESSAGE_BYTES }, (_, i) => (i * 37) & 0xff);
  const profile = (name: string): Uint8Array =>
    Uint8Array.from(readFileSync(join(import.meta.dirname, "../profiles/cattle", name)));
  const release = signRelease(profile("student.bwm"), SEQUENCE);
  // Always the same key, since what a signature costs depends a little on its bits.
  const secret = Buffer.concat([PKCS8_PREFIX, Buffer.alloc(32, "bellwether")]);
  const key = createPrivateKey({ key: secret, format: "der", type: "pkcs8" });
  const publicBytes = createPublicKey(key).export({ format: "der", type: "spki" }).subarray(-32);
  const { manifestBytes: manifest, signature } = release;
  const constant = (name: string, bytes: Uint8Array): string =>
    `static const uint8_t __attribute__((aligned(4), unused)) ${name}[${bytes.length}] = ` +
    `{${[...bytes].join(", ")}};`;
  const lines = [
    "#include <stdint.h>",
    `#define SEQUENCE ${SEQUENCE}`,
    constant("PUBLIC_KEY", PUBLIC_KEY),
    constant("MESSAGE", message),
    constant("MESSAGE_KEY", publicBytes),
    constant("SIGNATURE", sign(null, message, key)),
    constant("FACTORY", profile("student-plain.bwm")),
    constant("OFFER", encodeDown({ kind: "offer", manifest, signature })),
    constant("CONTAINER", release.container),
  ];
  writeFileSync(join(folder, "update_case.h"), `${lines.join("\n")}\n`);
}
