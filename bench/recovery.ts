/**
 * How few of the teacher's answers bring a student back, and which to ask for.
 *
 * A plain student meets collars that hang otherwise (`--train`, `--shift` as in `bench -- loop`).
 * From windows of half of their bouts some are chosen, the teacher answers, and the gateway's own
 * re-distillation runs; the student is tested on the other bouts. Counts are windows offloaded, of
 * which the gateway drops what the teacher does not know and holds a fifth back to judge by; nodes
 * share evenly. Mean and worst over seeds. A second table turns the collars further, where the
 * teacher itself is lost.
 *
 * `--keep DIR` keeps trained pairs, `--svg FILE` draws, `--threads N`, `--counts 5,50`,
 * `--choices random,capped`.
 */
import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { offloadChart } from "../cli/offload-chart.ts";
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { loopSubjects } from "./loop.ts";
import type { Scores } from "./loop-scores.ts";
import { CHOICES, type Choice } from "./recovery-choices.ts";
import type { Recovered, RecoveryJob, RecoveryRun } from "./recovery-job.ts";
import type { TurnedTrust } from "./recovery-trust.ts";
import { runJobs } from "./worker-pool.ts";

const COUNTS = [5, 10, 25, 50, 100, 200] as const;
const SEEDS = 5;
const TURNS = ["", "z180", "x20", "x45", "x90", "x180", "y90", "y180"] as const;

const NAMES: Readonly<Record<Choice, { readonly name: string; readonly colour: string }>> = {
  "first-come": { name: "first come", colour: "#8a8f98" },
  random: { name: "random", colour: "#56b4e9" },
  unsure: { name: "unsure only", colour: "#cc79a7" },
  diverse: { name: "diverse", colour: "#009e73" },
  capped: { name: "diverse, capped", colour: "#d55e00" },
  views: { name: "capped, 4 views", colour: "#e69f00" },
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const { quick, extra } = options;
  const dataset = options.dataset ?? "cows";
  const folder = requireDataset(dataset, options.data);
  const { train, shift } = loopSubjects(await readRecordings(folder), options);
  const student = options.student ?? "plain";
  const counts = numbersOf(extra.counts, quick ? [10] : COUNTS);
  const choices = choicesOf(extra.choices, quick);
  const turns = quick ? ["", "x90"] : [...TURNS, `x90 of ${shift[0] ?? ""}`];
  const seeds = quick ? 1 : (options.seeds ?? SEEDS);
  const keep = extra.keep === undefined ? undefined : resolve(extra.keep);
  const { rotate } = options;
  const jobs = Array.from(
    { length: seeds },
    (_, i): RecoveryJob => ({
      ...{ folder, train, shift, rotate, student, quick, keep, counts, choices, turns },
      seed: i + 1,
    }),
  );
  const runs = await runJobs<RecoveryJob, RecoveryRun>(
    new URL("./recovery-worker.ts", import.meta.url),
    jobs,
    {
      threads: Math.max(1, Math.trunc(Number(extra.threads ?? 2)) || 1),
      signal: options.signal,
      onProgress: (share) => options.progress(`${seeds} seeds`, share),
    },
  );
  const cells = cellsOf(runs);
  if (extra.svg !== undefined) writeFileSync(extra.svg, drawing(cells, runs));
  return {
    ok: true,
    lines: [
      `${dataset}: ${student} student of ${train.join(", ")}, on ${shift.join(", ")}; ${seeds} seeds`,
      "",
      ...recoveryTable(cells, runs),
      "",
      ...trustTable(runs),
    ],
    figures: {
      dataset,
      student,
      train,
      shift,
      rotate: rotate ?? null,
      seeds,
      cells,
      perSeed: runs,
    },
  };
}

type MeanAndWorst = { readonly mean: number; readonly worst: number };

type Cell = { readonly choice: Choice; readonly count: number; readonly released: number } & {
  readonly [Figure in keyof Scores | "anchorAccuracy" | "windows" | "softLabels"]: MeanAndWorst;
};

function cellsOf(runs: readonly RecoveryRun[]): Cell[] {
  const asked = runs[0]?.recovered ?? [];
  return asked.map(({ choice, count }, i) => {
    const own = runs.map((one) => one.recovered[i] as Recovered);
    const of = (value: (one: Recovered) => number): MeanAndWorst => meanAndWorst(own.map(value));
    return {
      choice,
      count,
      released: own.filter((one) => one.released).length,
      windows: of((one) => one.windows),
      softLabels: of((one) => one.softLabels),
      accuracy: of(({ scores }) => scores.accuracy),
      macroF1: of(({ scores }) => scores.macroF1),
      boutAccuracy: of(({ scores }) => scores.boutAccuracy),
      anchorAccuracy: of((one) => one.anchorAccuracy),
    };
  });
}

function recoveryTable(cells: readonly Cell[], runs: readonly RecoveryRun[]): string[] {
  const scoreCells = (scores: readonly Scores[]): string[] =>
    (["accuracy", "macroF1", "boutAccuracy"] as const).map((key) =>
      both(meanAndWorst(scores.map((one) => one[key]))),
    );
  const anchorBefore = both(meanAndWorst(runs.map((one) => one.anchorBefore)));
  const rows = cells.map((cell) => [
    NAMES[cell.choice].name,
    cell.count,
    cell.windows.mean.toFixed(0),
    cell.softLabels.mean.toFixed(0),
    both(cell.accuracy),
    both(cell.macroF1),
    both(cell.boutAccuracy),
    both(cell.anchorAccuracy),
    cell.released,
  ]);
  const title = ["choice", "asked", "windows", "labels", "accuracy", "macro-F1", "bouts"];
  return table([
    [...title, "anchor", "released"],
    ["before", "-", "-", "-", ...scoreCells(runs.map(({ before }) => before)), anchorBefore, "-"],
    ["teacher", "-", "-", "-", ...scoreCells(runs.map(({ teacher }) => teacher)), "-", "-"],
    ...rows,
  ]);
}

function trustTable(runs: readonly RecoveryRun[]): string[] {
  const turns = runs[0]?.turned ?? [];
  const rows = turns.map(({ turn }, i) => {
    const own = runs.map((one) => one.turned[i] as TurnedTrust);
    const unknown = own.map(({ unknownShare }) => unknownShare);
    const refused = own.filter(({ trusted }) => !trusted).length;
    const nodes = own.reduce((sum, { unknownNodes }) => sum + unknownNodes.length, 0);
    return [
      turn === "" ? "as they sit" : turn,
      both(meanAndWorst(own.map(({ teacherAccuracy }) => teacherAccuracy))),
      `${Math.min(...unknown).toFixed(2)} to ${Math.max(...unknown).toFixed(2)}`,
      `${refused} of ${runs.length}`,
      String(nodes),
    ];
  });
  const title = ["turned by", "teacher", "share unknown", "not trusted", "nodes left out"];
  return table([title, ...rows]);
}

function drawing(cells: readonly Cell[], runs: readonly RecoveryRun[]): string {
  const counts = [...new Set(cells.map(({ count }) => count))];
  const choices = [...new Set(cells.map(({ choice }) => choice))];
  return offloadChart({
    title: "accuracy after re-distillation, mean of seeds, on bouts never labelled",
    across: {
      label: "windows offloaded, logarithmic; shaded: from the worst seed to the best, capped",
      scale: "log",
      ticks: counts.map((at) => ({ at, text: String(at) })),
    },
    upLabel: "accuracy, %",
    series: choices.map((choice) => {
      const own = cells.filter((cell) => cell.choice === choice);
      return {
        ...NAMES[choice],
        points: own.map(({ count, accuracy }) => ({ x: count, y: accuracy.mean })),
        ...(choice === "capped" && {
          bold: true,
          band: own.map(({ count }) => {
            const values = runs.flatMap(({ recovered }) =>
              recovered
                .filter((one) => one.choice === choice && one.count === count)
                .map(({ scores }) => scores.accuracy),
            );
            return { x: count, low: Math.min(...values), high: Math.max(...values) };
          }),
        }),
      };
    }),
    level: { y: meanAndWorst(runs.map((one) => one.teacher.accuracy)).mean, name: "teacher" },
  });
}

/** @throws EdgeError `usage` */
function numbersOf(text: string | undefined, otherwise: readonly number[]): readonly number[] {
  if (text === undefined) return otherwise;
  const numbers = text.split(",").map(Number);
  if (numbers.every((count) => Number.isInteger(count) && count >= 1)) return numbers;
  throw usage(`--counts ${text}`, "Give whole numbers of windows: 5,50.");
}

/** @throws EdgeError `usage` */
function choicesOf(text: string | undefined, quick: boolean): readonly Choice[] {
  if (text === undefined) return quick ? ["capped"] : CHOICES;
  return text.split(",").map((name) => {
    const choice = CHOICES.find((known) => known === name);
    if (choice === undefined) throw usage(`--choices ${text}`, `Known: ${CHOICES.join(", ")}.`);
    return choice;
  });
}

function usage(message: string, hint: string): EdgeError {
  return new EdgeError({ code: "usage", message, where: "bench recovery", hint });
}

function meanAndWorst(values: readonly number[]): MeanAndWorst {
  const mean = values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  return { mean, worst: Math.min(...values) };
}

function both({ mean, worst }: MeanAndWorst): string {
  return `${mean.toFixed(3)} (${worst.toFixed(3)})`;
}
