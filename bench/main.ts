/**
 * `npm run -s bench -- NAME …`: finds the benchmark, reads its options, prints its figures.
 *
 * People get a table on standard output; with `--json` the last line is one JSON object with the
 * figures, the machine and the command. Progress goes to standard error. Exit code 1 when the run
 * failed, 2 when it was asked wrongly.
 */

import { readdirSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { makeProgress } from "../cli/progress.ts";
import { EdgeError } from "../src/assert.ts";
import {
  type BenchmarkModule,
  type BenchmarkOptions,
  type BenchmarkResult,
  machine,
} from "./benchmark.ts";

const USAGE = `Usage: npm run -s bench -- NAME [options]

Options
  --data DIR        where recordings are (else BELLWETHER_DATA, ./recordings-data, ../shared/data)
  --json            the last line of standard output is one JSON object
  --quick           a few seconds: shows that it runs, the figures mean nothing
  --dataset NAME    cows, people or watch
  --train A,B       subjects to train on
  --test C,D        subjects to test on
  --shift E,F       subjects whose collars sit differently
  --seeds N         how many seeds
  --student KIND    default, or plain: trained without turned copies
  --rotate TURN     turn collars about an axis: x90, y45, z180
  --NAME VALUE      what only one benchmark knows; see the comment at its head`;

async function main(argv: readonly string[]): Promise<number> {
  const { name, json, options } = readCommandLine(argv);
  if (name === undefined) {
    process.stdout.write(`${USAGE}\n\n${listing()}\n`);
    return argv.length === 0 || argv.includes("--help") ? 0 : 2;
  }
  const module = (await import(`./${name}.ts`)) as BenchmarkModule;
  const startMs = performance.now();
  const progress = makeProgress(
    name,
    {
      write: (text) => void process.stderr.write(text),
      isTerminal: process.stderr.isTTY === true,
      columns: () => process.stderr.columns ?? 80,
      nowMs: () => performance.now(),
    },
    false,
  );
  const result = await module.run({ ...options, progress: progress.update });
  progress.done();
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  print(result, { name, argv, json, seconds });
  return result.ok ? 0 : 1;
}

function print(
  result: BenchmarkResult,
  run: { name: string; argv: readonly string[]; json: boolean; seconds: number },
): void {
  const about = machine();
  for (const line of result.lines) process.stdout.write(`${line}\n`);
  process.stdout.write(
    `\n${run.seconds} s, ${about.cores} x ${about.cpu}, Node ${about.node}\n` +
      `npm run -s bench -- ${run.argv.join(" ")}\n`,
  );
  if (!run.json) return;
  const command = `npm run -s bench -- ${run.argv.join(" ")}`;
  const head = { benchmark: run.name, ok: result.ok, seconds: run.seconds };
  process.stdout.write(
    `${JSON.stringify({ ...head, ...result.figures, machine: about, command })}\n`,
  );
}

function readCommandLine(argv: readonly string[]): {
  name: string | undefined;
  json: boolean;
  options: Omit<BenchmarkOptions, "progress">;
} {
  const { values, positionals } = parseArgs({
    args: withValues(argv),
    allowPositionals: true,
    strict: false,
  });
  const text = (key: string): string | undefined =>
    typeof values[key] === "string" ? values[key] : undefined;
  const list = (key: string): string[] => text(key)?.split(",").filter(Boolean) ?? [];
  const known = ["data", "json", "quick", "dataset", "train", "test", "shift", "seeds", "student"];
  const extra: Record<string, string> = {};
  for (const key of Object.keys(values)) {
    if (![...known, "rotate", "help"].includes(key)) extra[key] = String(values[key]);
  }
  const name = positionals[0];
  if (name !== undefined && !names().includes(name)) {
    usage(`there is no benchmark ${JSON.stringify(name)}`, `Choose one of ${names().join(", ")}.`);
  }
  const student = text("student");
  if (student !== undefined && student !== "default" && student !== "plain") {
    usage(`--student ${student}`, "Write --student default or --student plain.");
  }
  const controller = new AbortController();
  process.once("SIGINT", () => controller.abort());
  return {
    name: values.help === true ? undefined : name,
    json: values.json === true,
    options: {
      data: text("data"),
      quick: values.quick === true,
      dataset: text("dataset"),
      train: list("train"),
      test: list("test"),
      shift: list("shift"),
      seeds: wholeNumber(text("seeds")),
      student,
      rotate: text("rotate"),
      extra,
      signal: controller.signal,
    },
  };
}

/** `--name value` becomes `--name=value`, for `parseArgs` cannot know which unknown options have a
 * value: all have one but these three. */
function withValues(argv: readonly string[]): string[] {
  const joined: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const item = argv[i] as string;
    const next = argv[i + 1];
    const alone = ["--json", "--quick", "--help"].includes(item) || item.includes("=");
    if (!item.startsWith("--") || alone) {
      joined.push(item);
    } else {
      if (next === undefined || next.startsWith("--")) usage(`${item} has no value`, USAGE);
      joined.push(`${item}=${next}`);
      i++;
    }
  }
  return joined;
}

function wholeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 1000) {
    usage(`--seeds ${text}`, "Give a whole number from 1 to 1000.");
  }
  return number;
}

/** Benchmarks are the files beside this one that export `run`. */
function names(): string[] {
  return readdirSync(new URL(".", import.meta.url))
    .filter((file) => file.endsWith(".ts") && file !== "main.ts")
    .filter((file) => /^export async function run\(/m.test(source(file)))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}

/** Names with the first sentence of each file's opening comment. */
function listing(): string {
  const lines = names().map((name) => {
    const comment = /\/\*\*([\s\S]*?)\*\//.exec(source(`${name}.ts`))?.[1] ?? "";
    const words = comment.replace(/^\s*\* ?/gm, "").trim();
    const first = words.split("\n\n")[0]?.replace(/\s+/g, " ") ?? "";
    return `  ${name.padEnd(15)} ${first}`;
  });
  return ["Benchmarks", ...lines].join("\n");
}

function source(file: string): string {
  return readFileSync(new URL(file, import.meta.url), "utf8");
}

function usage(message: string, hint: string): never {
  throw new EdgeError({ code: "usage", message, where: "bench", hint });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { message, stack } = error as Error;
  process.stderr.write(`${error instanceof EdgeError ? message : (stack ?? message)}\n`);
  process.exitCode = error instanceof EdgeError ? 2 : 1;
}
