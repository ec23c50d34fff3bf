/** What a compiled file takes, as the `size` of its own compiler tells it. */

import { execFileSync } from "node:child_process";
import { TARGETS, type TargetName } from "../deploy/firmware/tools/toolchain.ts";

/** Code with its constants, data with a first value, and what starts as zeros. */
export type SegmentBytes = {
  readonly text: number;
  readonly data: number;
  readonly bss: number;
};

export function segmentBytes(target: TargetName, file: string): SegmentBytes {
  const [, row = ""] = runSize(target, [file]).split("\n");
  const [text = 0, data = 0, bss = 0] = row.trim().split(/\s+/).map(Number);
  return { text, data, bss };
}

/** Answers how many bytes all sections take whose name matches. */
export function sectionBytes(target: TargetName, file: string): (name: RegExp) => number {
  const sections = [...runSize(target, ["-A", file]).matchAll(/^(\.\S+)\s+(\d+)/gm)];
  return (name) =>
    sections
      .filter(([, section = ""]) => name.test(section))
      .reduce((sum, [, , bytes]) => sum + Number(bytes), 0);
}

function runSize(target: TargetName, words: readonly string[]): string {
  const program = TARGETS[target].compiler.replace(/gcc$/, "size");
  return execFileSync(program, words, { encoding: "utf8" });
}
