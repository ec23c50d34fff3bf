/**
 * `bellwether history`: what a node did on a day, bout by bout, and its time budget; or what each
 * member of a group did, and the mean of them.
 *
 * It reads the store of a gateway, running or not, and changes nothing.
 */

import type { LabelReader } from "../gateway/store/label-reader.ts";
import { publicBout, publicSpan } from "../gateway/telling/tell-behaviours.ts";
import { EdgeError } from "../src/assert.ts";
import { DAY_MS, dayStart, meanBudget, type Span } from "../src/behaviour/budget.ts";
import type { BudgetSpan, PublicBout } from "../src/wire/public.ts";
import { DATA_OPTIONS, namedDirectory } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { boutTable, budgetIn, knownSpans, membersAt } from "./history-tables.ts";
import { readStore } from "./label-store.ts";
import {
  classesOf,
  dayOf,
  GROUP_OPTION,
  groupMembers,
  knownNode,
  OFFSET_OPTION,
  offsetMsOf,
  PROFILE_OPTION,
} from "./store-scope.ts";
import { writeTable } from "./table-file.ts";

export const command: CommandSpec = {
  name: "history",
  summary: "what a node or a group did on a day: bouts and time budget",
  description:
    "Bouts of a day, oldest first, and how long the node did what, from the store of a gateway,\n" +
    "which may run meanwhile. Of a group, each member's time budget and the mean of them. What goes\n" +
    "on now is a minute behind. Times are those of the node's clock.",
  arguments: [{ name: "[node]", description: "the node's name; none with --group" }],
  options: [
    ...DATA_OPTIONS,
    GROUP_OPTION,
    {
      flags: "--day <day>",
      description: "such as 2026-03-14; the newest without it",
      kind: "text",
    },
    OFFSET_OPTION,
    PROFILE_OPTION,
    { flags: "--csv <file>", description: "bouts as a table, into this file", kind: "text" },
  ],
  examples: [
    "bellwether history collar-02",
    "bellwether history collar-02 --day 2026-03-14 --csv collar-02.csv",
    "bellwether history --group heifers --config farm.yaml",
  ],
  run,
};

type NodeHistory = {
  readonly node: string;
  readonly bouts: readonly (PublicBout & { readonly number: number })[];
  readonly budget: BudgetSpan;
};

type GroupHistory = {
  readonly group: string;
  /** Members that had been heard by then. */
  readonly nodes: readonly NodeHistory[];
  /** Of the average member; null where none had been heard. */
  readonly budget: BudgetSpan | null;
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const offsetMs = offsetMsOf(input);
  return readStore(namedDirectory(input), (reader, file) => {
    const group = input.text("group");
    const nodes = nodesAsked(input, reader, file);
    const classes = classesOf(reader, input);
    const known = knownSpans(reader, nodes);
    const newestMs = Math.max(0, ...[...known.values()].map(({ endMs }) => endMs));
    const startMs = dayOf(input.text("day"), offsetMs) ?? dayStart(newestMs, offsetMs);
    const day = { startMs, endMs: startMs + DAY_MS };
    const csv = input.text("csv");
    if (csv !== undefined) writeTable(csv, boutTable(reader, nodes, classes, day), "csv", true);
    // A day that is not over yet ends, for its budget, with what is known.
    const span = { startMs, endMs: Math.max(startMs, Math.min(day.endMs, newestMs)) };
    if (group === undefined) {
      const history = nodeHistory(reader, nodes[0] ?? "", classes, span);
      if (io.json) io.printJson(history);
      else printNode(history, offsetMs, io);
    } else {
      const members = membersAt(known, { ...span, endMs: day.endMs });
      const history = groupHistory(reader, group, members, classes, span);
      if (io.json) io.printJson(history);
      else printGroup(history, span, offsetMs, io);
    }
    return EXIT.ok;
  });
}

/** Throws `EdgeError` `usage`, `node-unknown` and `group-unknown`. */
function nodesAsked(input: CommandInput, reader: LabelReader, file: string): readonly string[] {
  const group = input.text("group");
  const [node] = input.arguments;
  if (node !== undefined && group === undefined) return [knownNode(reader, node, file)];
  if (node === undefined && group !== undefined) return groupMembers(input, group);
  throw new EdgeError({
    code: "usage",
    message: "takes one of them",
    where: "[node], --group",
    hint: "Name a node, or a group with --group and --config.",
  });
}

function nodeHistory(
  reader: LabelReader,
  node: string,
  classes: readonly string[],
  span: Span,
): NodeHistory {
  const bouts = reader.bouts(node, span.startMs, span.endMs);
  const budget = budgetIn(reader, node, classes.length, span);
  return {
    node,
    bouts: bouts.map((bout) => ({ number: bout.number, ...publicBout(classes, node, bout) })),
    budget: publicSpan(classes, budget, span.startMs, span.endMs),
  };
}

function groupHistory(
  reader: LabelReader,
  group: string,
  members: readonly string[],
  classes: readonly string[],
  span: Span,
): GroupHistory {
  const mean = meanBudget(members.map((node) => budgetIn(reader, node, classes.length, span)));
  return {
    group,
    nodes: members.map((node) => nodeHistory(reader, node, classes, span)),
    budget: mean === null ? null : publicSpan(classes, mean, span.startMs, span.endMs),
  };
}

function printNode({ bouts, budget }: NodeHistory, offsetMs: number, io: CommandIo): void {
  if (bouts.length === 0) io.print("nothing is known of that day");
  for (const bout of bouts) {
    const end = bout.end === null ? "…       " : clock(bout.end, offsetMs);
    const minutes = (bout.duration_seconds / 60).toFixed(1).padStart(7);
    const sure = `${(100 * bout.confidence).toFixed(0)} %`.padStart(5);
    io.print(`${clock(bout.start, offsetMs)}  ${end}  ${minutes} min  ${sure}  ${bout.behaviour}`);
  }
  const until = `minutes until ${clock(budget.end, offsetMs)}`;
  io.print(`${dayText(budget.start, offsetMs)}, ${until}: ${minutesText(budget)}`);
}

function printGroup(
  { group, nodes, budget }: GroupHistory,
  { startMs, endMs }: Span,
  offsetMs: number,
  io: CommandIo,
): void {
  if (budget === null) {
    io.print("nothing is known of that day");
    return;
  }
  io.print(`${dayText(startMs, offsetMs)}, minutes until ${clock(endMs, offsetMs)}`);
  const mean = `${group}, mean of ${nodes.length}`;
  const width = Math.max(mean.length, ...nodes.map(({ node }) => node.length));
  for (const one of nodes) io.print(`${one.node.padEnd(width)}  ${minutesText(one.budget)}`);
  io.print(`${mean.padEnd(width)}  ${minutesText(budget)}`);
}

function minutesText({ minutes, unknown_minutes: unknown }: BudgetSpan): string {
  const parts = [...Object.entries(minutes), ["unknown", unknown] as const];
  return parts.map(([name, value]) => `${name} ${value.toFixed(1)}`).join(", ");
}

function clock(timeMs: number, offsetMs: number): string {
  return new Date(timeMs + offsetMs).toISOString().slice(11, 19);
}

function dayText(timeMs: number, offsetMs: number): string {
  return new Date(timeMs + offsetMs).toISOString().slice(0, 10);
}
