/**
 * Tries the native ONNX Runtime in a process of its own before the gateway depends on it.
 *
 * A library that was built for a newer processor does not throw: it kills the process with an
 * illegal instruction (seen on old Raspberry Pis). So a child loads the runtime and compiles the
 * model, and the parent reads how the child ended. Run as a program, this file is that child.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { EdgeError } from "../../src/assert.ts";
import { onnxRuntime } from "./onnx-runtime.ts";

const THIS_FILE = fileURLToPath(import.meta.url);
/** Loading takes a second on a Pi; a child that hangs is as useless as one that dies. */
const PROBE_MS = 60_000;

/**
 * Resolves when a child process has loaded the runtime and compiled this model.
 *
 * @throws EdgeError `onnx-runtime-crashed` when the child was killed, `onnx-runtime-failed` when it
 * reported an error
 */
export async function probeOnnxRuntime(modelFile: string, program = THIS_FILE): Promise<void> {
  const child = spawn(process.execPath, [program, modelFile], {
    stdio: ["ignore", "ignore", "pipe"],
    timeout: PROBE_MS,
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said = `${said}${text}`.slice(-2000);
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
    (resolve, reject) => {
      child.once("error", reject);
      child.once("close", (...ending) => resolve(ending));
    },
  );
  if (code === 0) return;
  const killed = signal !== null;
  throw new EdgeError({
    code: killed ? "onnx-runtime-crashed" : "onnx-runtime-failed",
    message: killed
      ? `the native ONNX Runtime was ended by ${signal}`
      : `the native ONNX Runtime does not work here: ${said.trim().split("\n").at(-1) ?? ""}`,
    where: modelFile,
    hint: killed
      ? "Its binary does not suit this processor. Use a 64-bit system on a Raspberry Pi 4 or newer, or serve the teacher with TensorFlow.js, which falls back to WebAssembly."
      : "Run `npm ci` again on this machine, and check the model with the tool that exported it.",
  });
}

if (process.argv[1] === THIS_FILE) {
  const program = await onnxRuntime().compile(readFileSync(process.argv[2] ?? ""));
  await program.release();
}
