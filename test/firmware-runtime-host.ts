/** Runs containers through the runtime in C, with every read and every sum watched. */

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { compile, FIRMWARE_FOLDER, type TargetName } from "../deploy/firmware/tools/toolchain.ts";
import { ByteReader, ByteWriter } from "../src/bytes.ts";
import type { Engine } from "../src/engine/engine.ts";
import type { Container } from "../src/model/container.ts";
import { letter } from "./firmware-host.ts";
import { SANITIZED } from "./firmware-kit.ts";

/** Of one window in the pool that every student reads its own from. */
export const POOL_WINDOW_BYTES = 8192;
export const RUNTIME_SOURCES = ["load", "check", "run", "encode", "gate_tables"].map((name) =>
  path.join(FIRMWARE_FOLDER, "runtime", `bw_${name}.c`),
);

/** As `bw_code` in `bw.h`. */
export const BW_CODES = [
  "ok",
  "bad-alignment",
  "bad-header",
  "bad-sections",
  "bad-shape",
  "bad-table",
  "bad-range",
  "bad-sum",
  "bad-setting",
] as const;

/** One window: what each exit says, and the codes of an encoder, one a byte; none where none is. */
export type HostWindow = { readonly exits: readonly HostExit[]; readonly codes: readonly number[] };
export type HostExit = { readonly features: Int8Array; readonly logits: Int16Array };
export type HostAnswer =
  | { readonly code: Exclude<(typeof BW_CODES)[number], "ok"> }
  | {
      readonly code: "ok";
      readonly ramBytes: number;
      /** Window by window. */
      readonly windows: readonly HostWindow[];
    };

export function buildRuntimeHost(
  folder: string,
  options: { readonly target?: TargetName; readonly flags?: readonly string[] } = {},
): string {
  const { target = "host", flags = SANITIZED } = options;
  const output = path.join(folder, `runtime-${target}-${flags.length}`);
  const sources = [path.join(FIRMWARE_FOLDER, "host", "runtime_host.c"), ...RUNTIME_SOURCES];
  compile({ target, sources, output, flags });
  return output;
}

export type Question = { readonly container: Uint8Array; readonly shift?: number };

/** What the program says of each container with each window; `command` is the program, or an
 * emulator and the program. */
export function askRuntime(
  command: readonly string[],
  windows: readonly Int8Array[],
  questions: readonly Question[],
): readonly HostAnswer[] {
  const operations = new ByteWriter().u8(letter("p")).u32(windows.length);
  for (const window of windows) {
    const padded = new Int8Array(POOL_WINDOW_BYTES);
    padded.set(window.subarray(0, POOL_WINDOW_BYTES));
    operations.bytes(padded);
  }
  for (const { container, shift = 0 } of questions) {
    operations.u8(letter("m")).u8(shift).u32(container.length).bytes(container);
  }
  const [program = "", ...rest] = command;
  const files = [`${command.at(-1)}.in`, `${command.at(-1)}.out`] as const;
  writeFileSync(files[0], operations.finish());
  execFileSync(program, [...rest, ...files], { stdio: ["ignore", "pipe", "pipe"] });
  const reader = new ByteReader(readFileSync(files[1]), "answers of the runtime");
  const answers = questions.map(() => readAnswer(reader, windows.length));
  reader.done();
  return answers;
}

function readAnswer(reader: ByteReader, windows: number): HostAnswer {
  const code = BW_CODES[reader.u8()];
  if (code === undefined) reader.fail("code", "not a code that bw_load gives");
  if (code !== "ok") return { code };
  const ramBytes = reader.u32();
  const exits = reader.u8();
  const said = Array.from({ length: windows }, () => ({
    exits: Array.from({ length: exits }, () => readExit(reader)),
    codes: [...reader.bytes(reader.u16())],
  }));
  return { code, ramBytes, windows: said };
}

/** What an engine says of windows, of which it reads as much as its student wants. */
export function engineAnswers(
  engine: Engine,
  container: Container,
  windows: readonly Int8Array[],
): readonly HostWindow[] {
  const loaded = engine.load(container);
  const { windowSamples, channels } = container.student;
  return windows.map((window) => {
    loaded.begin(window.subarray(0, windowSamples * channels));
    const exits = Array.from({ length: loaded.exits }, (): HostExit => {
      const { features, logits } = loaded.nextExit();
      return { features: features.slice(), logits: logits.slice() };
    });
    return { exits, codes: container.encoder === undefined ? [] : [...loaded.encode()] };
  });
}

function readExit(reader: ByteReader): HostExit {
  const features = Int8Array.from({ length: reader.u16() }, () => reader.i8());
  const logits = Int16Array.from({ length: reader.u8() }, () => reader.i16());
  return { features, logits };
}
