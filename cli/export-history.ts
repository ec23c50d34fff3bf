/**
 * `bellwether export bouts | budgets | labels`: what a gateway's store remembers, as CSV or Parquet.
 *
 * It reads the store of a gateway, running or not, and changes nothing.
 */

import type { LabelReader } from "../gateway/store/label-reader.ts";
import { EdgeError } from "../src/assert.ts";
import { DAY_MS, HOUR_MS } from "../src/behaviour/budget.ts";
import { DATA_OPTIONS, namedDirectory } from "./access-data.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";
import { boutTable, budgetTable, labelTable } from "./history-tables.ts";
import { readStore } from "./label-store.ts";
import {
  classesOf,
  GROUP_OPTION,
  groupMembers,
  knownNode,
  OFFSET_OPTION,
  offsetMsOf,
  PROFILE_OPTION,
  SPAN_OPTIONS,
  spanOf,
} from "./store-scope.ts";
import type { Table } from "./table.ts";
import { TABLE_FORMATS, type TableFormat, writeTable } from "./table-file.ts";

const COMMON: readonly OptionSpec[] = [
  { flags: "--out <file>", description: "where to write", kind: "text" },
  {
    flags: "--format <kind>",
    description: "csv or parquet; as --out ends without it",
    kind: "text",
    choices: TABLE_FORMATS,
  },
  ...SPAN_OPTIONS,
  { flags: "--node <names>", description: "these nodes alone, comma-separated", kind: "list" },
  GROUP_OPTION,
  OFFSET_OPTION,
  PROFILE_OPTION,
  ...DATA_OPTIONS,
  { flags: "--force", description: "write over a file that exists", kind: "flag" },
];

export const BOUTS_COMMAND: CommandSpec = {
  name: "bouts",
  summary: "who did what from when to when, as CSV or Parquet",
  description:
    "A row for each bout of the store: node, behaviour, start and end in milliseconds since 1970 by\n" +
    "the node's clock, duration, mean confidence, windows, and how many of them the teacher answered.\n" +
    "What goes on now is a minute behind, and over is false. The gateway may run meanwhile.",
  options: COMMON,
  examples: [
    "bellwether export bouts --out bouts.parquet",
    "bellwether export bouts --since 2026-03-14 --until 2026-03-15 --node collar-02 --out day.csv",
  ],
  run: (input, io) => exportTable(input, io, (reader) => bouts(reader, input)),
};

export const BUDGETS_COMMAND: CommandSpec = {
  name: "budgets",
  summary: "minutes of each behaviour per hour or day, as CSV or Parquet",
  description:
    "A row for each node, span and behaviour, one of them unknown, in minutes: they add up to the\n" +
    "span. With --group the mean of the group's members instead. Spans in which nobody knows anything\n" +
    "are left out; one that is not over ends with what is known.",
  options: [
    {
      flags: "--per <span>",
      description: "hour or day",
      kind: "text",
      choices: ["hour", "day"],
      default: "hour",
    },
    ...COMMON,
  ],
  examples: [
    "bellwether export budgets --per day --out budgets.parquet",
    "bellwether export budgets --group heifers --config farm.yaml --out heifers.csv",
  ],
  run: (input, io) => exportTable(input, io, (reader) => budgets(reader, input)),
};

export const LABELS_COMMAND: CommandSpec = {
  name: "labels",
  summary: "the teacher's answers to what nodes offloaded, as CSV or Parquet",
  description:
    "A row for each soft label: why and with what chance the node offloaded the window, what the\n" +
    "student said and how sure, what the teacher said, whether it is trusted, and its chance of each\n" +
    "class. --windows adds the signal itself: int8, [time][channel], in steps of millig_per_step\n" +
    "milli-g; in CSV as base64.",
  options: [{ flags: "--windows", description: "the windows as well", kind: "flag" }, ...COMMON],
  examples: [
    "bellwether export labels --out labels.csv",
    "bellwether export labels --windows --since 2026-03-14 --out labels.parquet",
  ],
  run: (input, io) => exportTable(input, io, (reader) => labels(reader, input)),
};

async function exportTable(
  input: CommandInput,
  io: CommandIo,
  open: (reader: LabelReader) => Table,
): Promise<number> {
  const file = input.text("out") ?? "";
  const format = formatOf(input.text("format"), file);
  const rows = readStore(namedDirectory(input), (reader) =>
    writeTable(file, open(reader), format, input.flag("force")),
  );
  if (io.json) io.printJson({ file, format, rows });
  else io.print(`${file}: ${rows} rows`);
  return EXIT.ok;
}

/** Throws `EdgeError` `usage`. */
function formatOf(named: string | undefined, file: string): TableFormat {
  const format = TABLE_FORMATS.find((known) => known === named || file.endsWith(`.${known}`));
  if (file !== "" && named !== undefined) return named as TableFormat;
  if (file !== "" && format !== undefined) return format;
  throw new EdgeError({
    code: "usage",
    message: file === "" ? "is missing" : `${JSON.stringify(file)} ends with neither`,
    where: file === "" ? "--out <file>" : "--format <kind>",
    hint: "Name a file that ends with .csv or .parquet, or say --format.",
  });
}

function nodesOf(reader: LabelReader, input: CommandInput): readonly string[] {
  const group = input.text("group");
  const named = input.list("node").map((node) => knownNode(reader, node, "--node"));
  if (group !== undefined) return groupMembers(input, group);
  return named.length > 0 ? named : reader.nodes().map(({ node }) => node);
}

function bouts(reader: LabelReader, input: CommandInput): Table {
  return boutTable(reader, nodesOf(reader, input), classesOf(reader, input), spanOf(input));
}

function budgets(reader: LabelReader, input: CommandInput): Table {
  const nodes = nodesOf(reader, input);
  const group = input.text("group");
  const whose =
    group === undefined
      ? nodes.map((node) => ({ name: node, nodes: [node] }))
      : [{ name: group, nodes }];
  return budgetTable(reader, whose, classesOf(reader, input), {
    whole: spanOf(input),
    everyMs: input.text("per") === "day" ? DAY_MS : HOUR_MS,
    offsetMs: offsetMsOf(input),
  });
}

function labels(reader: LabelReader, input: CommandInput): Table {
  const nodes = nodesOf(reader, input);
  return labelTable(reader, nodes, classesOf(reader, input), spanOf(input), input.flag("windows"));
}
