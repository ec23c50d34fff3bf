/**
 * The C compilers that firmware is built with, one per kind of processor, and how each is called.
 *
 * Nothing is installed from here: a target whose compiler is not on the machine is not there, and
 * whoever asks says so. The flags are those that the figures in docs/RESULTS.md were taken with.
 */

import { execFileSync } from "node:child_process";
import { accessSync, constants, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EdgeError } from "../../../src/assert.ts";

export type TargetName = "host" | "aarch64" | "cortex-m0" | "cortex-m3" | "cortex-m4" | "rv32";

export type Target = {
  readonly name: TargetName;
  readonly compiler: string;
  /** Debian's package that has the compiler. */
  readonly package: string;
  /** Choose the instruction set. */
  readonly machineFlags: readonly string[];
  /** What the C code calls itself: bare metal links no operating system's library. */
  readonly bareMetal: boolean;
};

const ARM = { compiler: "arm-none-eabi-gcc", package: "gcc-arm-none-eabi", bareMetal: true };

export const TARGETS: Readonly<Record<TargetName, Target>> = {
  host: { name: "host", compiler: "gcc", package: "gcc", machineFlags: [], bareMetal: false },
  aarch64: {
    name: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
    machineFlags: ["-static"],
    bareMetal: false,
  },
  "cortex-m0": { ...ARM, name: "cortex-m0", machineFlags: ["-mthumb", "-mcpu=cortex-m0"] },
  "cortex-m3": { ...ARM, name: "cortex-m3", machineFlags: ["-mthumb", "-mcpu=cortex-m3"] },
  "cortex-m4": { ...ARM, name: "cortex-m4", machineFlags: ["-mthumb", "-mcpu=cortex-m4"] },
  rv32: {
    name: "rv32",
    compiler: "riscv64-unknown-elf-gcc",
    package: "gcc-riscv64-unknown-elf",
    // The older specification has the counters in the base set. Named apart, as `_zicsr`, GCC 12
    // does not find its own library for this set of instructions, and links that of 64 bits.
    machineFlags: ["-march=rv32imc", "-misa-spec=2.2", "-mabi=ilp32"],
    bareMetal: true,
  },
};

/** For every file: C99 and nothing beyond it, and no warning is let pass. */
export const C_FLAGS: readonly string[] = [
  "-std=c99",
  "-pedantic-errors",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-Wconversion",
  "-Wshadow",
  "-Wstrict-prototypes",
];

export const FIRMWARE_FOLDER = dirname(dirname(fileURLToPath(import.meta.url)));

/** The C files of the named folders of the firmware. */
export function firmwareFiles(...folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(FIRMWARE_FOLDER, folder))
      .filter((name) => name.endsWith(".c"))
      .sort()
      .map((name) => join(FIRMWARE_FOLDER, folder, name)),
  );
}

/** The compiler's path, or undefined where it is not installed. */
export function findProgram(name: string): string | undefined {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

export type Compilation = {
  readonly target: TargetName;
  /** C files, and whatever else the compiler driver takes by name. */
  readonly sources: readonly string[];
  readonly output: string;
  readonly flags?: readonly string[];
  /** Default: the target's own. Clang, for sanitizers and fuzzing. */
  readonly compiler?: string;
};

/** Compiles and links in one go. Throws an `EdgeError` with what the compiler said. */
export function compile(options: Compilation): void {
  const target = TARGETS[options.target];
  const compiler = options.compiler ?? target.compiler;
  if (findProgram(compiler) === undefined) {
    throw new EdgeError({
      code: "no-compiler",
      message: `${compiler} is not installed`,
      where: `firmware for ${target.name}`,
      hint: `apt-get install ${target.package}`,
    });
  }
  const { machineFlags } = target;
  const flags = [...machineFlags, ...C_FLAGS, ...(options.flags ?? [])];
  try {
    execFileSync(compiler, [...flags, ...options.sources, "-o", options.output], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  } catch (error) {
    throw new EdgeError({
      code: "does-not-compile",
      message: String((error as { stderr?: string }).stderr ?? error),
      where: `firmware for ${target.name}`,
      hint: "Read what the compiler says; the runtime needs a C99 compiler with 32-bit ints.",
    });
  }
}
