/** `bellwether completion`, asked for by the shells themselves; a shell that is absent is left out. */

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-completion-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const MAIN = ["cli/main.ts", "completion"];

function scriptOf(shell: string): string {
  const file = path.join(folder, shell);
  writeFileSync(file, execFileSync(process.execPath, [...MAIN, shell]));
  return file;
}

/** What a shell offers for each line, at its end; an empty last word is asked for by a space. */
type Ask = (line: string) => string[];

const ASKS: Readonly<Record<string, (script: string) => Ask>> = {
  bash: (script) => (line) =>
    outputOf("bash", [
      "-c",
      `source ${script}; COMP_WORDS=(${wordsOf(line)}); COMP_CWORD=$((\${#COMP_WORDS[@]}-1))
       _bellwether; printf '%s\\n' "\${COMPREPLY[@]}"`,
    ]),
  // zsh completes only at a terminal; its two functions that offer words are put in place here.
  zsh: (script) => (line) => {
    const last = line.split(" ").at(-1) ?? "";
    return outputOf("zsh", [
      "-fc",
      `compdef() { : }; _files() { print -l - *(N) }; compadd() { shift; print -l - "$@" }
       _describe() { print -l - \${\${(P)2}%%:*} }
       source ${script}; words=(${wordsOf(line)}); CURRENT=$#words; _bellwether`,
    ]).filter((word) => word.startsWith(last));
  },
  fish: (script) => (line) =>
    outputOf("fish", ["--no-config", "-c", `source ${script}; complete -C '${line}'`]).map(
      (word) => word.split("\t")[0] ?? "",
    ),
};

describe.each(Object.keys(ASKS))("completion for %s", (shell) => {
  const isThere = findProgram(shell) !== undefined;
  if (!isThere) console.info(`skipped: no ${shell} here`);

  it.skipIf(!isThere)("knows commands, commands within them, options, choices and files", () => {
    const ask = (ASKS[shell] as (script: string) => Ask)(scriptOf(shell));
    expect(ask("bellwether gat")).toEqual(["gateway"]);
    expect(ask("bellwether ")).toEqual(expect.arrayContaining(["demo", "doctor", "backup"]));
    expect(ask("bellwether nodes ro")).toEqual(["rotate"]);
    expect(ask("bellwether gateway --data-d")).toEqual(["--data-dir"]);
    expect(ask("bellwether gateway --student ").sort()).toEqual(["default", "plain"]);
    expect(ask("bellwether gateway --port ")).toEqual([]);
    expect(ask("bellwether doctor --config package.js")).toEqual(["package.json"]);
    expect(ask("bellwether completion fi")).toEqual(["fish"]);
    expect(ask("bellwether --j")).toEqual(["--json"]);
    expect(ask("bellwether backup --st")).toEqual([]);
  });
});

it("refuses a shell that it does not know", () => {
  const { status, stderr } = spawnSync(process.execPath, [...MAIN, "tcsh"], { encoding: "utf8" });
  expect(status).toBe(2);
  expect(stderr).toContain("bash, zsh, fish");
});

function outputOf(program: string, args: readonly string[]): string[] {
  const { stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((word) => word !== "");
}

function wordsOf(line: string): string {
  return line
    .split(" ")
    .map((word) => `'${word}'`)
    .join(" ");
}
