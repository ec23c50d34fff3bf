/**
 * Compiles the WebAssembly kernels: `npx node test/build-wasm-module.ts` writes
 * `src/engine/wasm-module.ts`, which a test compares with what this makes.
 *
 * The source has an ending of its own, because it is AssemblyScript, which TypeScript's compiler
 * would not accept.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const SOURCE = fileURLToPath(new URL("../src/engine/wasm/kernels.as", import.meta.url));
export const WASM_MODULE_FILE = fileURLToPath(
  new URL("../src/engine/wasm-module.ts", import.meta.url),
);
const COLUMNS = 92;

/** The text of `src/engine/wasm-module.ts`. */
export async function wasmModuleText(): Promise<string> {
  const base64 = Buffer.from(await compile()).toString("base64");
  const lines = base64.match(new RegExp(`.{1,${COLUMNS}}`, "g")) ?? [];
  return `/**
 * The compiled kernels of \`src/engine/wasm/kernels.as\`, made by \`npx node test/build-wasm-module.ts\`.
 * They travel as text, since the pure code reads no files.
 */

import { bytesOfBase64 } from "./base64.ts";

/** The WebAssembly module, ${Buffer.from(base64, "base64").length} bytes. */
export function wasmModuleBytes(): Uint8Array<ArrayBuffer> {
  return bytesOfBase64(MODULE);
}

const MODULE = \`
${lines.join("\n")}
\`;
`;
}

async function compile(): Promise<Uint8Array> {
  let module: Uint8Array | undefined;
  const { error } = await asc.main(
    // biome-ignore format: one option a line reads better with its value beside it
    [
      "kernels.ts",
      "--outFile", "kernels.wasm",
      "--optimizeLevel", "3",
      "--noAssert",
      "--enable", "simd",
      "--runtime", "stub",
      "--importMemory",
      "--use", "abort=",
    ],
    {
      readFile: (name: string) => (name === "kernels.ts" ? readFileSync(SOURCE, "utf8") : null),
      writeFile: (_name: string, contents: Uint8Array | string) => {
        if (typeof contents !== "string") module = contents;
      },
      listFiles: () => [],
    },
  );
  if (error !== null) throw error;
  if (module === undefined) throw new Error("the compiler wrote no module");
  return module;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(WASM_MODULE_FILE, await wasmModuleText());
}
