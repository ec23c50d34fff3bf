/**
 * `bellwether labels`: the label inbox of a running gateway from a terminal. What it asks about and what
 * is answered goes over MQTT as an operator, as on its page; what a window looks like is read from the
 * store, for samples are on no topic.
 */

import type { SoftLabel } from "../gateway/store/label-rows.ts";
import { EdgeError } from "../src/assert.ts";
import type { DataOf, RequestName } from "../src/wire/requests.ts";
import { DATA_OPTIONS, dataDirectory } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { readStore } from "./label-store.ts";
import { ASK_OPTIONS, dataOf, withAsker } from "./operator-request.ts";
import { axisLines } from "./window-lines.ts";

const WINDOW = { name: "<window>", description: "its number, as `labels list` says" };

export const command: CommandSpec = {
  name: "labels",
  summary: "label the windows that a gateway cannot vouch for",
  options: [],
  examples: [],
  commands: [
    {
      name: "list",
      summary: "windows that a person is asked about, the first first",
      options: [
        {
          flags: "--limit <count>",
          description: "how many",
          kind: "number",
          default: 16,
          low: 1,
          high: 64,
        },
        ...ASK_OPTIONS,
      ],
      examples: ["bellwether labels list --config farm.yaml"],
      run: list,
    },
    {
      name: "show",
      summary: "one window: its three axes, and what student, teacher and people said",
      arguments: [WINDOW],
      options: DATA_OPTIONS,
      examples: ["bellwether labels show 17 --config farm.yaml"],
      run: show,
    },
    {
      name: "answer",
      summary: "say what a window is; the last word counts",
      arguments: [WINDOW, { name: "<behaviour>", description: "one that the teacher knows" }],
      options: ASK_OPTIONS,
      examples: ["bellwether labels answer 17 grazing --config farm.yaml"],
      run: (input, io) =>
        answer("labels/label", { behaviour: input.arguments[1] ?? "" }, input, io),
    },
    {
      name: "skip",
      summary: "say that nobody can say; it is not asked again",
      arguments: [WINDOW],
      options: ASK_OPTIONS,
      examples: ["bellwether labels skip 17 --config farm.yaml"],
      run: (input, io) => answer("labels/skip", {}, input, io),
    },
    {
      name: "undo",
      summary: "take back what was said of a window",
      arguments: [WINDOW],
      options: ASK_OPTIONS,
      examples: ["bellwether labels undo 17 --config farm.yaml"],
      run: (input, io) => answer("labels/undo", {}, input, io),
    },
  ],
};

const noNews = (): void => undefined;

function list(input: CommandInput, io: CommandIo): Promise<number> {
  return withAsker(input, noNews, async (asker) => {
    const asked = { limit: input.number("limit") ?? 16 };
    const inbox = dataOf<DataOf<"labels/inbox">>(await asker.ask("labels/inbox", asked));
    if (io.json) {
      io.printJson(inbox);
      return EXIT.ok;
    }
    for (const { window, node, time, reason } of inbox.windows) {
      io.print(`${String(window).padStart(7)}  ${momentOf(time)}  ${node}  ${reason}`);
    }
    const { waiting, labels, wanted, classes } = inbox;
    io.print(`${waiting} windows wait, ${labels} are labelled, ${wanted} begin a distillation`);
    io.note(`labels: behaviours are ${classes.join(", ")}`);
    return EXIT.ok;
  });
}

type Answered = Extract<RequestName, "labels/label" | "labels/skip" | "labels/undo">;

function answer(
  request: Answered,
  more: Readonly<Record<string, string>>,
  input: CommandInput,
  io: CommandIo,
): Promise<number> {
  const window = windowOf(input);
  return withAsker(input, noNews, async (asker) => {
    const data = dataOf<DataOf<Answered>>(await asker.ask(request, { window, ...more }));
    if (io.json) io.printJson(data);
    else {
      const word = data.changed ? "stored" : "was known";
      io.print(`window ${window} of ${data.node}: ${word}; ${data.labels} labels of people in all`);
    }
    return EXIT.ok;
  });
}

async function show(input: CommandInput, io: CommandIo): Promise<number> {
  const window = windowOf(input);
  const { label, classes, word } = readStore(dataDirectory(input), (reader, file) => {
    const found = reader.softLabel(window);
    if (found === undefined) throw unknownWindow(window, file);
    const said = reader.personWords().find(({ offloadId }) => offloadId === window);
    return { label: found, classes: reader.classes() ?? [], word: said };
  });
  const nameOf = (index: number): string => classes[index] ?? `class ${index}`;
  const person = word === undefined ? null : { behaviour: nameOf(word.classIndex), who: word.who };
  const told = {
    ...{ window, node: label.node, time: label.timeMs, reason: label.reason },
    student: { behaviour: nameOf(label.classIndex), confidence: label.confidenceQ8 / 255 },
    teacher: {
      trusted: label.trusted,
      chances: Object.fromEntries([...label.probabilities].map((p, i) => [nameOf(i), p])),
    },
    person,
    rate_hz: label.rateCentihertz / 100,
    samples: milligOf(label),
  };
  if (io.json) io.printJson(told);
  else for (const line of linesOf(told, io.columns())) io.print(line);
  return EXIT.ok;
}

type Shown = {
  readonly window: number;
  readonly node: string;
  readonly time: number;
  readonly reason: string;
  readonly student: { readonly behaviour: string; readonly confidence: number };
  readonly teacher: {
    readonly trusted: boolean;
    readonly chances: Readonly<Record<string, number>>;
  };
  readonly person: { readonly behaviour: string; readonly who: string } | null;
  /** `[time][axis]`, milli-g */
  readonly samples: readonly (readonly number[])[];
};

function linesOf(shown: Shown, columns: number): string[] {
  const { window, node, time, reason, student, teacher, person, samples } = shown;
  const chances = Object.entries(teacher.chances)
    .sort(([, a], [, b]) => b - a)
    .map(([name, chance]) => `${name} ${chance.toFixed(2)}`);
  return [
    `window ${window} of ${node}, until ${momentOf(time)}, offloaded as ${reason}`,
    `student  ${student.behaviour} ${student.confidence.toFixed(2)}`,
    `teacher  ${teacher.trusted ? "" : "not trusted: "}${chances.join(", ")}`,
    ...(person === null ? [] : [`person   ${person.behaviour}, says ${person.who}`]),
    ...axisLines(samples, columns),
  ];
}

function milligOf({ window, channels, inputMilligPerStep }: SoftLabel): number[][] {
  return Array.from({ length: window.length / channels }, (_, t) =>
    Array.from(
      window.subarray(t * channels, (t + 1) * channels),
      (step) => step * inputMilligPerStep,
    ),
  );
}

function momentOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 19).replace("T", " ");
}

/** Throws `EdgeError` `usage`. */
function windowOf(input: CommandInput): number {
  const text = input.arguments[0] ?? "";
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text);
  throw new EdgeError({
    code: "usage",
    message: `${JSON.stringify(text)} is no window's number`,
    where: "<window>",
    hint: "`bellwether labels list` names those that are asked about.",
  });
}

function unknownWindow(window: number, where: string): EdgeError {
  return new EdgeError({
    code: "window-unknown",
    message: `no window ${window} was offloaded and answered by the teacher`,
    where,
    hint: "`bellwether labels list` names those that are asked about.",
  });
}
