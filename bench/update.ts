/**
 * What a firmware's update costs: instructions and stack of its arithmetic, bytes of its code.
 *
 * Instructions are counted exactly in QEMU, not estimated; no such board was on a desk. Boards whose
 * compiler or emulator is not installed are named and left out.
 */

import { execFileSync } from "node:child_process";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";

const CRYPTO = ["bw_sha2.c", "bw_crc32.c", "bw_field25519.c", "bw_ed25519.c"];
const UPDATE = [
  "bw_release.c",
  "bw_update_frames.c",
  "bw_slots.c",
  "bw_assembly.c",
  "bw_self_test.c",
  "bw_trial.c",
  "bw_update.c",
  "bw_update_models.c",
  "bw_boot_slots.c",
];
const OPTIMISATIONS = ["-O2", "-Os"] as const;
/** Divides the 16 KiB that are hashed; a manifest of a 15 KiB student is about as long. */
const MESSAGE_BYTES = 256;

type Cost = {
  readonly verifyInstructions: number;
  readonly verifyStackBytes: number;
  readonly sha256InstructionsPerByte: number;
  readonly sha512InstructionsPerByte: number;
  readonly cryptoBytes: number;
  readonly updateBytes: number;
  /** Of `bw_update`: all that it keeps between two calls. */
  readonly ramBytes: number;
};

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
  const missing: string[] = [];
  writeMessage(folder);
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
    }
  }
  return { ok: missing.length < boards.length, lines: [...table(rows), ...missing], figures };
}

async function measureBoard(board: BoardName, flag: string, folder: string): Promise<Cost> {
  const image = join(folder, `${board}${flag}.elf`);
  const inFolder = (name: string) => (file: string) => join(FIRMWARE_FOLDER, name, file);
  const crypto = CRYPTO.map(inFolder("crypto"));
  const includes = ["crypto", "node", "runtime"].map((name) => `-I${join(FIRMWARE_FOLDER, name)}`);
  const program = join(FIRMWARE_FOLDER, "programs/update_cost.c");
  const flags = [flag, ...includes, `-I${folder}`];
  buildImage({ board, sources: [program, ...crypto], output: image, flags });
  const { counterFlags } = BOARDS[board];
  const finished = await emulate({ board, image, flags: counterFlags, timeoutMs: 60_000 });
  if (finished.exitCode !== 0) throw new Error(`${board}: ${finished.output}`);
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
    updateBytes: codeBytes(board, UPDATE.map(inFolder("node")), flags, folder),
    ramBytes: figure("ram", 0),
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
  const size = TARGETS[target].compiler.replace(/gcc$/, "size");
  const [, line = ""] = execFileSync(size, [output], { encoding: "utf8" }).split("\n");
  return Number(line.trim().split(/\s+/)[0]);
}

/** A signature for the program: a header beside it, of a key that is made for this run. */
function writeMessage(folder: string): void {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const message = Uint8Array.from({ length: MESSAGE_BYTES }, (_, i) => (i * 37) & 0xff);
  const key = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const constant = (name: string, bytes: Uint8Array): string =>
    `static const uint8_t ${name}[${bytes.length}] = {${[...bytes].join(", ")}};`;
  const lines = [
    "#include <stdint.h>",
    constant("PUBLIC_KEY", key),
    constant("MESSAGE", message),
    constant("SIGNATURE", sign(null, message, privateKey)),
  ];
  writeFileSync(join(folder, "signed_message.h"), `${lines.join("\n")}\n`);
}
