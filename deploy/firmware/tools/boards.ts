/**
 * The boards that QEMU can stand in for, and how a program becomes an image for one of them.
 *
 * Start-up code, linker scripts and the console are in `../boards`. None of these boards was ever on
 * a desk here: what runs is QEMU's model of it.
 */

import { join } from "node:path";
import { compile, FIRMWARE_FOLDER, type TargetName } from "./toolchain.ts";

export type BoardName = "mps2-an386" | "mps2-an385" | "microbit" | "virt-rv32";

export type Board = {
  readonly name: BoardName;
  readonly target: TargetName;
  /** QEMU's program, its machine and what else it wants to know. */
  readonly emulator: string;
  /** Debian's package that has the emulator. */
  readonly package: string;
  readonly emulatorFlags: readonly string[];
  /** Make what `bench_counter.h` reads count instructions, each so many ns (a power of two). */
  readonly counterFlags: readonly string[];
  /** What `bench_counter.h` and hardware layers know it by. */
  readonly define: string;
  /** Its family's start-up code, from the folder of boards. */
  readonly startup: string;
};

const countsBy = (shift: number): readonly string[] => [
  "-icount",
  `shift=${shift},align=off,sleep=off`,
];

const ARM = {
  emulator: "qemu-system-arm",
  package: "qemu-system-arm",
  startup: "cortex-m/startup.c",
  counterFlags: countsBy(10),
} as const;

export const BOARDS: Readonly<Record<BoardName, Board>> = {
  "mps2-an386": {
    ...ARM,
    name: "mps2-an386",
    target: "cortex-m4",
    emulatorFlags: ["-M", "mps2-an386"],
    define: "BOARD_MPS2",
  },
  "mps2-an385": {
    ...ARM,
    name: "mps2-an385",
    target: "cortex-m3",
    emulatorFlags: ["-M", "mps2-an385"],
    define: "BOARD_MPS2",
  },
  microbit: {
    ...ARM,
    name: "microbit",
    target: "cortex-m0",
    emulatorFlags: ["-M", "microbit"],
    define: "BOARD_MICROBIT",
  },
  "virt-rv32": {
    name: "virt-rv32",
    target: "rv32",
    emulator: "qemu-system-riscv32",
    package: "qemu-system-misc",
    emulatorFlags: ["-M", "virt", "-bios", "none"],
    counterFlags: countsBy(0),
    define: "BOARD_VIRT_RV32",
    startup: "riscv/startup.c",
  },
};

const BOARDS_FOLDER = join(FIRMWARE_FOLDER, "boards");

/** No operating system and no library below the program, but a compiler that knows memcpy: without
 * `-fbuiltin`, `-ffreestanding` turns every small copy into a call. */
export const BARE_METAL_FLAGS: readonly string[] = [
  "-ffreestanding",
  "-fbuiltin",
  "-ffunction-sections",
  "-fdata-sections",
];

export type Image = {
  readonly board: BoardName;
  /** The program's C files, or assembly files ending in `.S`. */
  readonly sources: readonly string[];
  readonly output: string;
  /** Optimisation, defines, include folders. */
  readonly flags?: readonly string[];
};

/** Compiles and links a program with the board's start-up code. Throws as `compile` does. */
export function buildImage({ board: name, sources, output, flags = ["-O2"] }: Image): void {
  const board = BOARDS[name];
  compile({
    target: board.target,
    sources: [
      ...sources,
      ...[board.startup, "semihosting.c", "memory.c"].map((file) => join(BOARDS_FOLDER, file)),
      // Last, for those above it: 64-bit and, on some, any division.
      "-lgcc",
    ],
    output,
    flags: [
      ...BARE_METAL_FLAGS,
      ...flags,
      `-D${board.define}`,
      `-I${BOARDS_FOLDER}`,
      "-fno-tree-loop-distribute-patterns",
      "-nostdlib",
      "-Wl,--gc-sections",
      "-Wl,--no-warn-rwx-segments",
      `-L${BOARDS_FOLDER}`,
      `-T${join(BOARDS_FOLDER, board.name, "link.ld")}`,
    ],
  });
}
