/**
 * `bellwether report offload`: accuracy against what offloading costs, drawn, for any recordings and
 * for our own training or a model that is given.
 */

import { writeFileSync } from "node:fs";
import path from "node:path";
import type { BenchmarkOptions } from "../bench/benchmark.ts";
import { gateFigures } from "../bench/gate.ts";
import { measureGate } from "../bench/gate-measure.ts";
import { measureModel } from "../bench/gate-model.ts";
import type { NodeDay } from "../bench/node-day.ts";
import { EdgeError } from "../src/assert.ts";
import { TARGET_NAMES } from "../src/cost/targets.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import {
  DATA_RATE_OPTION,
  dataRateOption,
  ENERGY_LINK_OPTION,
  energyLinkOf,
} from "./link-option.ts";
import { energyChart, energyText, type ReportEnergy, reportEnergy } from "./offload-energy.ts";
import { bytesChart, bytesPerDay, offloadPage, shareChart } from "./offload-page.ts";

export const OFFLOAD_COMMAND: CommandSpec = {
  name: "offload",
  summary: "accuracy against offloaded share, bytes and energy, as a page and drawings",
  description:
    "Draws accuracy against the share of windows offloaded, against bytes and against a node's energy\n" +
    "of a day on --link, for our gate and for other systems' filters at equal share, on subjects that\n" +
    "the models have not seen. Energies are estimates from data sheets.\n\n" +
    "Without --model it trains by the recipe, each fold of subjects left out once: minutes to an\n" +
    "hour; --keep keeps what was trained for the next time. With --model and --teacher it only\n" +
    "measures: name with --test subjects that these models were not trained on.",
  options: [
    { flags: "--dataset <name>", description: "recordings", kind: "text", default: "cows" },
    { flags: "--data <dir>", description: "where recordings are", kind: "text" },
    { flags: "--model <file>", description: "a student's container, with its gate", kind: "text" },
    { flags: "--teacher <file>", description: "the teacher of --model", kind: "text" },
    { flags: "--test <subjects>", description: "subjects to test on: a,b,c", kind: "list" },
    { flags: "--train <subjects>", description: "subjects to learn from", kind: "list" },
    { flags: "--rotate <turn>", description: "turn the tested collars: x90, y45", kind: "text" },
    {
      flags: "--student <which>",
      description: "plain: trained without turned copies",
      kind: "text",
      choices: ["default", "plain"],
      default: "default",
    },
    {
      flags: "--seeds <n>",
      description: "trainings",
      kind: "number",
      default: 1,
      low: 1,
      high: 50,
    },
    {
      flags: "--folds <n>",
      description: "parts of the subjects",
      kind: "number",
      low: 2,
      high: 99,
    },
    ENERGY_LINK_OPTION,
    DATA_RATE_OPTION,
    {
      flags: "--target <name>",
      description: "what runs the student, where it is not the radio's own processor",
      kind: "text",
      choices: TARGET_NAMES,
    },
    { flags: "--keep <dir>", description: "keep trained models here", kind: "text" },
    { flags: "--quick", description: "seconds; the figures mean nothing", kind: "flag" },
    {
      flags: "--out <file>",
      description: "the page; drawings lie beside it as .share.svg, .bytes.svg and .energy.svg",
      kind: "text",
      default: "offload.html",
    },
  ],
  examples: [
    "bellwether report offload --dataset people --seeds 2 --out people.html",
    "bellwether report offload --dataset cows --model profiles/cattle/student.bwm \\\n" +
      "      --teacher profiles/cattle/teacher.onnx --test 6019 --json",
  ],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const options = optionsOf(input, io);
  const [model, teacher] = [input.text("model"), input.text("teacher")];
  if ((model === undefined) !== (teacher === undefined)) {
    throw new EdgeError({
      code: "usage",
      message: "--model and --teacher go together",
      where: "report offload",
      hint: "Name both files, or neither to train by the recipe.",
    });
  }
  // Asked wrongly, it is better said before an hour of training.
  const dataRate = dataRateOption(input);
  const progress = io.progress("report");
  const measured =
    model === undefined || teacher === undefined
      ? await measureGate({ ...options, progress: progress.update })
      : await measureModel({ ...options, progress: progress.update }, model, teacher);
  progress.done();
  const figures = gateFigures(measured);
  const energy = energyOf(input, dataRate, measured.day);
  const out = input.text("out") ?? "offload.html";
  const stem = out.replace(/\.html?$/, "");
  const files = [out, `${stem}.share.svg`, `${stem}.bytes.svg`, `${stem}.energy.svg`] as const;
  write(files[0], offloadPage(figures, energy, commandLine(input)));
  write(files[1], shareChart(figures));
  write(files[2], bytesChart(figures));
  write(files[3], energyChart(figures, energy));
  const { ours, sedna, oracle } = figures.at["10"] as NonNullable<(typeof figures.at)[string]>;
  const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
  io.print(
    `at 10 % offloaded (${(bytesPerDay(figures, 10) / 1e6).toFixed(2)} MB and ` +
      `${energyText(energy, 10)} mJ a node-day on ${energy.link}): ours ` +
      `${percent(ours.mean)}, entropy ${percent(sedna.mean)}, oracle ${percent(oracle.mean)}, ` +
      `teacher alone ${percent(figures.teacher.mean)}`,
  );
  for (const file of files) io.print(file);
  if (io.json) io.printJson({ ...figures, energy, files });
  return EXIT.ok;
}

/** @throws EdgeError `does-not-fit` */
function energyOf(input: CommandInput, dataRate: number, day: NodeDay): ReportEnergy {
  const target = TARGET_NAMES.find((known) => known === input.text("target"));
  return reportEnergy(day, energyLinkOf(input), { dataRate, target });
}

function optionsOf(input: CommandInput, io: CommandIo): BenchmarkOptions {
  const folds = input.number("folds");
  const keep = input.text("keep");
  return {
    data: input.text("data"),
    quick: input.flag("quick"),
    dataset: input.text("dataset"),
    train: input.list("train"),
    test: input.list("test"),
    shift: [],
    seeds: input.number("seeds"),
    student: input.text("student") === "plain" ? "plain" : "default",
    rotate: input.text("rotate"),
    extra: {
      ...(folds !== undefined && { folds: String(folds) }),
      ...(keep !== undefined && { keep: path.resolve(keep) }),
    },
    progress: () => undefined,
    signal: io.signal,
  };
}

/** As a person would type it again, without where the files lie. */
function commandLine(input: CommandInput): string {
  const texts = ["dataset", "model", "teacher", "rotate", "student", "link", "target"].flatMap(
    (name) => {
      const value = input.text(name);
      return value === undefined || value === "default"
        ? []
        : [`--${name} ${path.basename(value)}`];
    },
  );
  const lists = ["train", "test"].flatMap((name) => {
    const values = input.list(name);
    return values.length === 0 ? [] : [`--${name} ${values.join(",")}`];
  });
  const seeds = input.number("seeds") ?? 1;
  return ["bellwether report offload", ...texts, ...lists, `--seeds ${seeds}`].join(" ");
}

function write(file: string, content: string): void {
  try {
    writeFileSync(file, content);
  } catch (error) {
    throw new EdgeError({
      code: "cannot-write",
      message: (error as Error).message,
      where: file,
      hint: "Name with --out a file in a folder that exists.",
    });
  }
}
