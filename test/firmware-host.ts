/**
 * Builds and runs the firmware's host programs: operations in, answers out, with every read and
 * every sum watched by the sanitizers.
 */

import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { hashOfSources, imageFolder } from "../deploy/firmware/tools/node-image.ts";
import {
  compile,
  FIRMWARE_FOLDER,
  findProgram,
  firmwareFiles,
} from "../deploy/firmware/tools/toolchain.ts";
import { ByteReader } from "../src/bytes.ts";
import { SANITIZERS } from "./firmware-kit.ts";

/** True, and said, where C code cannot be built. */
export function withoutCompiler(what: string): boolean {
  const absent = findProgram("gcc") === undefined;
  if (absent) console.log(`${what}: skipped, gcc is not installed`);
  return absent;
}

/** Compiles a program of `deploy/firmware/host` with the named files of the firmware, or takes it as
 * it was compiled from the same sources before. */
export function buildHost(folder: string, name: string, sources: readonly string[]): string {
  const output = path.join(folder, name);
  const kept = path.join(
    imageFolder(),
    `${name}-${hashOfSources([name, ...sources, ...SANITIZERS])}`,
  );
  if (!existsSync(kept)) {
    mkdirSync(imageFolder(), { recursive: true, mode: 0o700 });
    compile({
      target: "host",
      sources: [`host/${name}.c`, ...sources].map((file) => path.resolve(FIRMWARE_FOLDER, file)),
      output,
      flags: SANITIZERS,
    });
    copyFileSync(output, `${kept}.${process.pid}`);
    renameSync(`${kept}.${process.pid}`, kept);
  }
  copyFileSync(kept, output);
  return output;
}

/** Frames, windows and MQTT. */
export function buildWireHost(folder: string): string {
  const names = ["frames", "codes", "companded", "offload_form", "mqtt", "windowing", "prng"];
  const sources = names.map((name) => `node/bw_${name}.c`);
  return buildHost(folder, "wire_host", sources);
}

/** The whole node, over flash whose power can be cut. */
export function buildNodeHost(folder: string): string {
  const parts = firmwareFiles("node", "runtime", "crypto");
  return buildHost(folder, "node_host", [...parts, "host/update_flash.c"]);
}

/** What the program answers. Throws with what a sanitizer said. */
export function runHost(program: string, operations: Uint8Array): ByteReader {
  writeFileSync(`${program}.in`, operations);
  execFileSync(program, [`${program}.in`, `${program}.out`], { stdio: ["ignore", "pipe", "pipe"] });
  return new ByteReader(readFileSync(`${program}.out`), path.basename(program));
}

/** One letter that says which operation follows. */
export function letter(text: string): number {
  return text.charCodeAt(0);
}
