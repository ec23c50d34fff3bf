/** The options of `bellwether node` that say where its samples are from, and which exclude each other. */

import type { AccelerationUnit } from "../recordings/recording-builder.ts";
import { EdgeError } from "../src/assert.ts";
import type { CommandInput, OptionSpec } from "./command.ts";

const UNITS = ["mg", "g", "m/s2"] as const satisfies readonly AccelerationUnit[];

export const SAMPLE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--input <path>",
    description: "where its samples come from; - for standard input",
    kind: "text",
  },
  {
    flags: "--rate <hz>",
    description: "samples a second of the input (default: what the student takes)",
    kind: "number",
    low: 0.5,
    high: 1000,
  },
  {
    flags: "--units <unit>",
    description: "of the input's x, y and z, with gravity: mg, g or m/s2 (default: mg)",
    kind: "text",
    choices: UNITS,
  },
  { flags: "--recording <dir>", description: "replay a recording instead, for ever", kind: "text" },
  { flags: "--subjects <list>", description: "replay only these of it", kind: "list" },
  {
    flags: "--speed <factor>",
    description: "seconds of a file or a recording a second; paces a pipe as well",
    kind: "number",
    low: 0.1,
    high: 10_000,
  },
  {
    flags: "--battery-file <path>",
    description: "what the battery holds, in percent, is read from here each minute",
    kind: "text",
  },
];

export function unitsOf(input: CommandInput): AccelerationUnit {
  return UNITS.find((unit) => unit === input.text("units")) ?? "mg";
}

/** Throws `EdgeError` `node-input` where samples come from nowhere, from two places, or where an
 * option is for the other place: it would be left aside without a word. */
export function checkSampleOptions(input: CommandInput): void {
  const hasInput = input.text("input") !== undefined;
  const hasRecording = input.text("recording") !== undefined;
  if (hasInput === hasRecording) {
    throw new EdgeError({
      code: "node-input",
      message: hasInput ? "samples come from two places" : "there are no samples",
      where: "--input, --recording",
      hint: "Name either a file, a pipe or a port with --input, or a recording to replay.",
    });
  }
  const given = {
    "--rate": input.number("rate") !== undefined,
    "--units": input.text("units") !== undefined,
    "--subjects": input.list("subjects").length > 0,
  };
  const misplaced = hasRecording ? (["--rate", "--units"] as const) : (["--subjects"] as const);
  const where = misplaced.filter((flag) => given[flag]).join(", ");
  if (where === "") return;
  throw new EdgeError({
    code: "node-input",
    message: hasRecording
      ? "a recording says itself what it is in"
      : "lines of samples are of one subject",
    where,
    hint: `Leave ${where} out, or name ${hasRecording ? "--input" : "--recording"} instead.`,
  });
}
