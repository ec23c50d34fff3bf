/**
 * `bellwether history`: what a node did on a day, bout by bout, and its time budget.
 *
 * It reads the store of a gateway, running or not, and changes nothing.
 */

import { writeFileSync } from "node:fs";
import { publicBout, publicSpan } from "../gateway/tell-behaviours.ts";
import { EdgeError } from "../src/assert.ts";
import { budgetOf, DAY_MS, dayStart, HOUR_MS } from "../src/behaviour/budget.ts";
import type { Bout } from "../src/behaviour/track.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { BudgetSpan, PublicBout } from "../src/wire/public.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { readStore, STORE_OPTION } from "./label-store.ts";

export const command: CommandSpec = {
  name: "history",
  summary: "what a node did on a day: bouts and time budget",
  description:
    "Bouts of a day, oldest first, and how long the node did what, from the store of a gateway,\n" +
    "which may run meanwhile. What goes on now is a minute behind. Times are those of the node's clock.",
  arguments: [{ name: "<node>", description: "the node's name" }],
  options: [
    STORE_OPTION,
    {
      flags: "--day <day>",
      description: "such as 2026-03-14; the newest without it",
      kind: "text",
    },
    {
      flags: "--utc-offset <hours>",
      description: "how far midnight is ahead of UTC's",
      kind: "number",
      low: -14,
      high: 14,
      default: 0,
    },
    {
      flags: "--profile <name>",
      description: "whose behaviours they are",
      kind: "text",
      default: "cattle",
    },
    { flags: "--csv <file>", description: "bouts as a table, into this file", kind: "text" },
  ],
  examples: [
    "bellwether history collar-02",
    "bellwether history collar-02 --day 2026-03-14 --csv collar-02.csv",
  ],
  run,
};

type History = {
  readonly node: string;
  readonly bouts: readonly (PublicBout & { readonly number: number })[];
  readonly budget: BudgetSpan;
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const node = input.arguments[0] ?? "";
  const offsetMs = (input.number("utc-offset") ?? 0) * HOUR_MS;
  const { classes } = shippedProfile(input.text("profile") ?? "cattle");
  const all = readBouts(input.text("data-dir") ?? "bellwether-data", node);
  const newestMs = all.at(-1)?.endMs ?? 0;
  const startMs = dayOf(input.text("day"), offsetMs) ?? dayStart(newestMs, offsetMs);
  const history = historyOf(node, all, classes, startMs);
  const file = input.text("csv");
  if (file !== undefined) writeFileSync(file, csvOf(history));
  if (io.json) io.printJson(history);
  else printHistory(history, offsetMs, io);
  return EXIT.ok;
}

function readBouts(directory: string, node: string): Bout[] {
  return readStore(directory, (reader, file) => {
    const names = reader.nodes().map((row) => row.node as string);
    if (!names.includes(node)) {
      throw new EdgeError({
        code: "node-unknown",
        message: `the store knows no node ${JSON.stringify(node)}`,
        where: file,
        hint: names.length === 0 ? "No node was heard yet." : `It knows ${names.join(", ")}.`,
      });
    }
    return reader.bouts(node, 0, Number.MAX_SAFE_INTEGER);
  });
}

function dayOf(text: string | undefined, offsetMs: number): number | undefined {
  if (text === undefined) return undefined;
  const utcMs = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(utcMs)) return utcMs - offsetMs;
  throw new EdgeError({
    code: "day-invalid",
    message: `${JSON.stringify(text)} is not a day`,
    where: "--day",
    hint: "Write it as 2026-03-14.",
  });
}

function historyOf(
  node: string,
  all: readonly Bout[],
  classes: readonly string[],
  startMs: number,
): History {
  const endMs = startMs + DAY_MS;
  const bouts = all.filter((bout) => bout.endMs > startMs && bout.startMs < endMs);
  // A day that is not over yet ends, for its budget, with what is known.
  const newestMs = all.at(-1)?.endMs ?? startMs;
  const span = { startMs, endMs: Math.max(startMs, Math.min(endMs, newestMs)) };
  return {
    node,
    bouts: bouts.map((bout) => ({ number: bout.number, ...publicBout(classes, node, bout) })),
    budget: publicSpan(classes, budgetOf(bouts, classes.length, span), span.startMs, span.endMs),
  };
}

function csvOf({ node, bouts }: History): string {
  const rows = bouts.map((bout) => {
    const { number, behaviour, start, end, duration_seconds: seconds, confidence } = bout;
    const last = end === null ? "" : end;
    return [node, number, behaviour, start, last, seconds, confidence, bout.windows, bout.taught];
  });
  const title =
    "node,number,behaviour,start_ms,end_ms,duration_seconds,confidence,windows,taught".split(",");
  return [title, ...rows].map((row) => `${row.map(csvField).join(",")}\n`).join("");
}

function csvField(value: string | number): string {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function printHistory({ bouts, budget }: History, offsetMs: number, io: CommandIo): void {
  const clock = (timeMs: number): string => new Date(timeMs + offsetMs).toISOString().slice(11, 19);
  if (bouts.length === 0) io.print("nothing is known of that day");
  for (const bout of bouts) {
    const end = bout.end === null ? "…       " : clock(bout.end);
    const minutes = (bout.duration_seconds / 60).toFixed(1).padStart(7);
    const sure = `${(100 * bout.confidence).toFixed(0)} %`.padStart(5);
    io.print(`${clock(bout.start)}  ${end}  ${minutes} min  ${sure}  ${bout.behaviour}`);
  }
  const day = new Date(budget.start + offsetMs).toISOString().slice(0, 10);
  const parts = [...Object.entries(budget.minutes), ["unknown", budget.unknown_minutes] as const];
  const told = parts.map(([name, minutes]) => `${name} ${minutes.toFixed(1)}`).join(", ");
  io.print(`${day}, minutes until ${clock(budget.end)}: ${told}`);
}
