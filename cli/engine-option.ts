/** `--engine`: which engine runs students, wherever a command runs any. */

import { chooseEngine } from "../src/engine/choose-engine.ts";
import { ENGINE_NAMES, type Engine } from "../src/engine/engine.ts";
import type { CommandInput, OptionSpec } from "./command.ts";

export const ENGINE_OPTION: OptionSpec = {
  flags: "--engine <which>",
  description: "what runs students: the same bits (default: wasm, where it has SIMD)",
  kind: "text",
  choices: ENGINE_NAMES,
};

/** Throws `EdgeError` `no-simd` where WebAssembly was asked for and cannot be had. */
export function engineOf(input: CommandInput): Engine {
  return chooseEngine(ENGINE_NAMES.find((name) => name === input.text("engine")));
}
