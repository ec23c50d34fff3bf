/** `bellwether data import csv …` and `… windows …`: recordings of one's own. */

import { SEPARATORS, type SeparatorName } from "../recordings/csv-lines.ts";
import type { CsvOptions } from "../recordings/csv-samples.ts";
import { DATE_ORDERS, TIME_UNITS, type TimeFormat, type TimeUnit } from "../recordings/csv-time.ts";
import { type CsvImport, importCsv } from "../recordings/import-csv.ts";
import { importWindows } from "../recordings/import-windows.ts";
import { type AccelerationUnit, MILLIG_PER_UNIT } from "../recordings/recording-builder.ts";
import { EdgeError } from "../src/assert.ts";
import { LEAST_RATE_HZ, MOST_RATE_HZ } from "../src/signal/recordings.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";
import { megabytes, nameOption, storeRecordings, TARGET_OPTIONS } from "./store-recordings.ts";

const VALUE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--units <unit>",
    description: "of the axes",
    kind: "text",
    choices: Object.keys(MILLIG_PER_UNIT),
  },
  {
    flags: "--counts-per-g <n>",
    description: "instead of --units: what a sensor's own numbers are worth",
    kind: "number",
    low: 0.001,
    high: 1e7,
  },
  {
    flags: "--zero <n>",
    description: "the number at which such a sensor feels nothing, as 2048 of 12 bits",
    kind: "number",
    default: 0,
  },
  {
    flags: "--rate <hertz>",
    description: "samples a second",
    kind: "number",
    low: LEAST_RATE_HZ,
    high: MOST_RATE_HZ,
  },
  {
    flags: "--labels <old=new,...>",
    description: "other names for labels; old=- leaves one out, *=- all that are not named",
    kind: "list",
  },
];

const LABEL_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--label-file <file>",
    description: "names of many labels: two columns, as recorded and as they shall be called",
    kind: "text",
  },
  { flags: "--label <label>", description: "for files without such a column", kind: "text" },
  {
    flags: "--subject <name>",
    description: "for files without such a column (else the file's name)",
    kind: "text",
  },
  {
    flags: "--path <template>",
    description: "subject and label from the files' paths: '{subject}/acc_{label}_{}.csv'",
    kind: "text",
  },
  {
    flags: "--intervals <file>",
    description: "labels in a file of bouts; {subject} in its name is who wore it",
    kind: "text",
  },
  {
    flags: "--interval-columns <start,end,label[,subject]>",
    description: "which columns hold a bout's start, end and label",
    kind: "list",
  },
  {
    flags: "--interval-zero <time>",
    description: "what bouts count from: start, of each file, or a time of the samples' clock",
    kind: "text",
  },
];

const ROW_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--separator <which>",
    description: "between fields (else what the first lines speak for)",
    kind: "text",
    choices: Object.keys(SEPARATORS),
  },
  {
    flags: "--time-unit <unit>",
    description: "of a time that does not count from 1970; days are a spreadsheet's dates",
    kind: "text",
    choices: Object.keys(TIME_UNITS),
  },
  {
    flags: "--date-order <order>",
    description: "of dates such as 5/6/2024",
    kind: "text",
    choices: DATE_ORDERS,
  },
  {
    flags: "--skip-bad-rows",
    description: "go on at rows that hold no numbers, or whose time repeats or goes back",
    kind: "flag",
  },
  {
    flags: "--fill <seconds>",
    description: "draw lines over holes of at most so long, rather than end a segment",
    kind: "number",
    default: 0,
    low: 0,
    high: 1,
  },
  { flags: "--any-magnitude", description: "let signals without gravity pass", kind: "flag" },
];

export const csvCommand: CommandSpec = {
  name: "csv",
  summary: "import CSV files with one sample a row",
  description:
    "Imports text files with one sample a row, packed with gzip or not.\n\n" +
    "Columns are named as in the header, or by number from 1 where there is none; - is for a column\n" +
    "that is not there, date+time for a time in two. With a column of time the rate may be left out,\n" +
    "and gaps end a segment. docs/RECORDINGS.md goes through the forms in which recordings come.",
  arguments: [{ name: "<files...>", description: "one file or more, of one layout" }],
  options: [
    {
      flags: "--columns <x,y,z[,label,subject,time]>",
      description: "which columns hold the axes, the label, who wore it, and the time",
      kind: "list",
    },
    ...VALUE_OPTIONS,
    ...LABEL_OPTIONS,
    ...ROW_OPTIONS,
    nameOption(),
    ...TARGET_OPTIONS,
  ],
  examples: [
    "bellwether data import csv goats.csv --columns ax,ay,az,behaviour,goat --units g --rate 50 --name goats",
    "bellwether data import csv day1.csv day2.csv --columns 2,3,4,6,-,1 --units m/s2 --name herd",
    "bellwether data import csv raw/*.csv.gz --columns x,y,z,label,-,time --units g --labels unknown=- --name ward",
    "bellwether data import csv ewe*.csv --columns x,y,z,-,-,time --units g --name ewes \\\n" +
      "      --intervals boris.tsv --interval-columns 'Start (s),Stop (s),Behavior,Subject' --interval-zero start",
  ],
  run: runCsv,
};

export const windowsCommand: CommandSpec = {
  name: "windows",
  summary: "import windows that somebody has cut already",
  description:
    "Imports files with one window a row, as UCI HAR has them: five files of as many rows, x, y, z,\n" +
    "labels and subjects, and five more for each further part. Windows that overlap are put together\n" +
    "again, so that a profile cuts them as it does others.",
  arguments: [{ name: "<files...>", description: "x, y, z, labels, subjects; and again" }],
  options: [...VALUE_OPTIONS, nameOption(), ...TARGET_OPTIONS],
  examples: [
    "bellwether data import windows total_acc_x.txt total_acc_y.txt total_acc_z.txt y.txt subject.txt \\\n" +
      "      --units g --rate 50 --labels 1=walking,4=sitting,*=- --name har",
  ],
  run: runWindows,
};

async function runCsv(input: CommandInput, io: CommandIo): Promise<number> {
  const units = unitsOf(input);
  const name = nameOf(input);
  const columns = input.list("columns");
  if (columns.length === 0) throw missing("--columns", "Name them: --columns x,y,z,label,subject.");
  const progress = io.progress("import");
  const imported = await importCsv({
    files: input.arguments.filter((file) => file !== undefined),
    columns,
    units,
    rateHz: input.number("rate"),
    timeUnit: input.text("time-unit") as TimeUnit | undefined,
    dateOrder: input.text("date-order") as TimeFormat["dateOrder"],
    separator: input.text("separator") as SeparatorName | undefined,
    label: input.text("label"),
    subject: input.text("subject"),
    path: input.text("path"),
    labels: input.list("labels"),
    labelFile: input.text("label-file"),
    intervals: intervalsOf(input),
    name,
    skipBadRows: input.flag("skip-bad-rows"),
    fillSeconds: input.number("fill"),
    anyMagnitude: input.flag("any-magnitude"),
    onProgress: (bytes, total) => {
      progress.update(`${megabytes(bytes)} of ${megabytes(total)}`, bytes / Math.max(1, total));
    },
  });
  progress.done();
  const { recordings, ...counts } = imported;
  await storeRecordings(input, io, recordings, counts);
  return EXIT.ok;
}

async function runWindows(input: CommandInput, io: CommandIo): Promise<number> {
  const units = unitsOf(input);
  const name = nameOf(input);
  const rateHz = input.number("rate");
  if (rateHz === undefined) throw missing("--rate", "Give it in hertz: --rate 50.");
  const { recordings, joinedWindows } = await importWindows({
    files: input.arguments.filter((file) => file !== undefined),
    ...{ units, name, rateHz, labels: input.list("labels") },
  });
  await storeRecordings(input, io, recordings, { joinedWindows });
  return EXIT.ok;
}

function unitsOf(input: CommandInput): CsvOptions["units"] {
  const units = input.text("units");
  const perG = input.number("counts-per-g");
  if (units !== undefined && perG === undefined) return units as AccelerationUnit;
  if (units === undefined && perG !== undefined) return { perG, zero: input.number("zero") ?? 0 };
  const hint = "Give --units g, mg or m/s2; or --counts-per-g for a sensor's own numbers.";
  throw missing("--units", hint);
}

function intervalsOf(input: CommandInput): CsvImport["intervals"] {
  const file = input.text("intervals");
  if (file === undefined) return undefined;
  return { file, columns: input.list("interval-columns"), zero: input.text("interval-zero") };
}

function nameOf(input: CommandInput): string {
  const name = input.text("name");
  if (name !== undefined) return name;
  throw missing("--name", "Give the data set a name: --name goats.");
}

function missing(where: string, hint: string): EdgeError {
  return new EdgeError({ code: "usage", message: "is needed", where, hint });
}
