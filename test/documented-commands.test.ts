/**
 * Every command that the documentation tells people to type: the shell takes it, and the program it
 * starts knows the subcommand, the script, the benchmark and the options.
 *
 * It types nothing that has effects: what a command does is tested elsewhere.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectFiles, ROOT, readText } from "./house-sources.ts";

type Command = { readonly file: string; readonly line: string; readonly words: readonly string[] };

const DOCUMENTS = projectFiles().filter((path) => path.endsWith(".md"));
const BLOCKS = DOCUMENTS.flatMap((file) =>
  [...readText(file).matchAll(/```(?:bash|sh|console)\n([\s\S]*?)```/g)].map((match) => ({
    file,
    text: (match[1] ?? "").replace(/^\$ /gm, ""),
  })),
);
const COMMANDS = BLOCKS.flatMap(({ file, text }) =>
  text
    .replace(/\\\n/g, " ")
    .split("\n")
    .flatMap((line) => commandsOf(line).map((words): Command => ({ file, line, words }))),
);
const SCRIPTS: Record<string, string> = JSON.parse(readText("package.json")).scripts;

describe("documented commands", () => {
  it("are there, so that this test means something", () => {
    expect(COMMANDS.length).toBeGreaterThan(5);
  });

  it("are what a shell can read", () => {
    const wrong = BLOCKS.filter(({ text }) => spawnSync("bash", ["-nc", text]).status !== 0);
    expect(wrong).toEqual([]);
  });

  it("start programs that are known here", () => {
    const wrong = COMMANDS.filter(({ words }) => checkOf(words) === undefined);
    expect(wrong.map(({ file, line }) => `${file}: ${line}`)).toEqual([]);
  });

  it.each(COMMANDS.map((command) => [`${command.file}: ${command.words.join(" ")}`, command]))(
    "%s",
    (_, { words }) => {
      expect(checkOf(words as string[])?.() ?? []).toEqual([]);
    },
  );
});

/** What is wrong with a command, found out when called; undefined for a program that is unknown. */
function checkOf(words: readonly string[]): (() => string[]) | undefined {
  const [program = "", ...rest] = words;
  switch (program) {
    case "npm":
      return () => npmProblems(rest);
    case "npx":
      if (rest[0] === "node") return () => missingFile(rest[1] ?? "");
      return () => (rest[0] === "bellwether" ? cliProblems(rest.slice(1)) : [`npx ${rest[0]}`]);
    case "bellwether":
    case "bin/bellwether.js":
      return () => cliProblems(rest);
    case "mosquitto_sub":
    case "mosquitto_pub":
    case "mosquitto_rr":
      return () => mosquittoProblems(program, rest);
    case "git":
    case "cd":
    case "jq":
    case "apt-get":
    case "export":
    case "mosquitto":
    case "systemctl":
    case "journalctl":
      return () => [];
    case "sudo":
      return checkOf(rest);
    case "deploy/pi/install.sh":
    case "deploy/pi/try-install.sh":
      return () => scriptProblems(program, rest);
    default:
      return program.startsWith(".ci/") ? () => missingFile(program) : undefined;
  }
}

function missingFile(path: string): string[] {
  return existsSync(join(ROOT, path)) ? [] : [`${path} is not there`];
}

/** Words that a script of ours does not name are words that it does not take. */
function scriptProblems(path: string, words: readonly string[]): string[] {
  if (!existsSync(join(ROOT, path))) return [`${path} is not there`];
  return optionsOf(words).filter((option) => !readText(path).includes(`${option}) `));
}

function npmProblems(words: readonly string[]): string[] {
  const args = words.filter((word) => word !== "-s" && word !== "--silent");
  const [verb = "", name = ""] = args;
  if (["ci", "install", "link"].includes(verb)) return [];
  const script = verb === "run" ? name : verb;
  if (SCRIPTS[script] === undefined) return [`no script ${script}`];
  const given = args.slice(args.indexOf("--") + 1);
  if (!args.includes("--")) return [];
  if (script === "bench") return benchProblems(given);
  return script === "bellwether" || script === "start" ? cliProblems(given, script) : [];
}

function benchProblems(words: readonly string[]): string[] {
  const [name = "", ...rest] = words;
  if (name === "NAME") return [];
  const file = `bench/${name}.ts`;
  if (!existsSync(join(ROOT, file))) return [`no benchmark ${name}`];
  const known = readText("bench/main.ts") + (readText(file).split("*/")[0] ?? "");
  return optionsOf(rest).filter((option) => !known.includes(`${option} `));
}

const helps = new Map<string, string>();

function cliProblems(words: readonly string[], script = "bellwether"): string[] {
  const given = script === "start" ? ["demo", ...words] : words;
  const path = given.slice(0, 2).filter((word) => /^[a-z]+$/.test(word));
  const help = helpOf(path) ?? helpOf(path.slice(0, 1));
  if (help === undefined) return [`no command ${path.join(" ")}`];
  return optionsOf(given).filter((option) => !help.includes(option));
}

function helpOf(path: readonly string[]): string | undefined {
  const key = path.join(" ");
  if (!helps.has(key)) {
    const args = [join(ROOT, "cli/main.ts"), ...path, "--help"];
    const { status, stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    helps.set(key, status === 0 ? stdout : "");
  }
  return helps.get(key) || undefined;
}

/** Without the tool, its flags cannot be asked for; they are few and the same for decades. */
function mosquittoProblems(program: string, words: readonly string[]): string[] {
  let help = "-h -p -t -v -C -m -r -u -P -i -e --cafile";
  try {
    execFileSync(program, ["--help"], { encoding: "utf8" });
  } catch (error) {
    help += (error as { stdout?: string }).stdout ?? "";
  }
  const flags = words.filter((word) => word.startsWith("-"));
  return flags.filter((flag) => !help.includes(flag));
}

function optionsOf(words: readonly string[]): string[] {
  return words.filter((word) => word.startsWith("--")).map((word) => word.split("=")[0] ?? "");
}

/** The simple commands of one line, without comments, assignments and redirections. */
function commandsOf(line: string): string[][] {
  const words = [...line.matchAll(/'[^']*'|"[^"]*"|#.*|&&|\|\||[|;&]|[^\s'"|;&]+/g)].map(
    (match) => match[0],
  );
  const commands: string[][] = [[]];
  for (const word of words) {
    if (word.startsWith("#")) break;
    if (["&&", "||", "|", ";", "&"].includes(word)) commands.push([]);
    else commands.at(-1)?.push(word.replace(/^['"]|['"]$/g, ""));
  }
  return commands
    .map((words_) => words_.slice(words_.findIndex((word) => !/^[A-Z_]+=/.test(word))))
    .filter((words_) => words_.length > 0);
}
