/**
 * Runs an image on a board that QEMU emulates: once to its end, or as a process that goes on.
 *
 * Headless always. What the program writes to its console comes out of QEMU's standard error, beside
 * QEMU's own complaints; QEMU's machine protocol (QMP) has its standard input and output. Nothing
 * here outlives the caller's `stop`.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { EdgeError } from "../../../src/assert.ts";
import { BOARDS, type Board, type BoardName } from "./boards.ts";
import { findProgram } from "./toolchain.ts";

const OUTPUT_LIMIT_BYTES = 4 << 20;

export type Emulation = {
  readonly board: BoardName;
  /** An ELF file made by `buildImage`. */
  readonly image: string;
  /** For QEMU, such as the board's `counterFlags`, or `["-serial", "tcp:127.0.0.1:1883"]`. */
  readonly flags?: readonly string[];
};

export type Finished = {
  /** What the program gave to `board_exit`; undefined when it did not get that far. */
  readonly exitCode: number | undefined;
  readonly output: string;
  readonly timedOut: boolean;
};

export type Emulator = {
  readonly pid: number;
  /** Everything that the program has written to its console. */
  output(): string;
  /** Resets the board as its button would. Flash keeps what it holds. */
  reset(): void;
  /** Resolves when QEMU has ended, however. */
  readonly finished: Promise<Finished>;
  /** Ends QEMU at once, as pulling the battery would; resolves when it is gone. */
  stop(): Promise<Finished>;
};

/** Whether this machine can run images for the board. */
export function canEmulate(board: BoardName): boolean {
  return findProgram(BOARDS[board].emulator) !== undefined;
}

/** Runs to the program's end, or for so long. */
export async function emulate(
  options: Emulation & { readonly timeoutMs: number },
): Promise<Finished> {
  const emulator = startEmulator(options);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    void emulator.stop();
  }, options.timeoutMs);
  const finished = await emulator.finished;
  clearTimeout(timer);
  return { ...finished, timedOut };
}

/** Starts a board and leaves it running. Throws an `EdgeError` where there is no QEMU. */
export function startEmulator(options: Emulation): Emulator {
  const board = BOARDS[options.board];
  const child = spawn(programOf(board), [...argumentsOf(board, options)], { stdio: "pipe" });
  let output = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    if (output.length < OUTPUT_LIMIT_BYTES) output += text;
  });
  // Answers of QMP are not needed: a reset either happens, or QEMU has ended and `finished` says so.
  child.stdout.resume();
  child.stdin.on("error", () => undefined);
  tell(child, "qmp_capabilities");
  const finished = once(child, "close").then(
    ([code]): Finished => ({ exitCode: code ?? undefined, output, timedOut: false }),
  );
  return {
    pid: child.pid ?? 0,
    output: () => output,
    reset: () => tell(child, "system_reset"),
    finished,
    stop: () => {
      child.kill("SIGKILL");
      return finished;
    },
  };
}

function tell(child: ChildProcessWithoutNullStreams, command: string): void {
  if (child.stdin.writable) child.stdin.write(`${JSON.stringify({ execute: command })}\n`);
}

function programOf(board: Board): string {
  const program = findProgram(board.emulator);
  if (program !== undefined) return program;
  throw new EdgeError({
    code: "no-emulator",
    message: `${board.emulator} is not installed`,
    where: `board ${board.name}`,
    hint: `apt-get install ${board.package}`,
  });
}

function argumentsOf(board: Board, { image, flags = [] }: Emulation): readonly string[] {
  const chosen = flags.includes("-serial") ? [] : ["-serial", "none"];
  return [
    ...board.emulatorFlags,
    "-display",
    "none",
    "-monitor",
    "none",
    "-parallel",
    "none",
    ...["-qmp", "stdio"],
    ...["-semihosting-config", "enable=on,target=native"],
    ...chosen,
    ...flags,
    "-kernel",
    image,
  ];
}
