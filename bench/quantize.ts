/**
 * What integers cost: macro-F1 and accuracy lost, over bits, schemes, families and ways to quantize.
 *
 * Float students of both families are trained once for each fold and seed, by the profile's recipe,
 * and shared by all cells: after training with ranges by maximum, percentile (99.9) and mean square
 * error, the last also with bias correction, and fine-tuned with the rounding in the graph. Nobody is
 * tested by a student that saw him; figures are over all folds of a seed, means over seeds. Bytes are
 * as if weights were packed into their bits. `--students DIR` keeps the float students there for the
 * next run; `--svg FILE` draws loss against bytes; `--folds N`, `--threads N`.
 */
import { writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { requireDataset } from "../recordings/open.ts";
import type { StudentFamily } from "../src/learn/recipes.ts";
import type { Scheme } from "../src/model/requantize.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { FAMILIES, type Row, rowsOf, type Spread } from "./quantize-figures.ts";
import type { QuantizeAnswers, QuantizeJob } from "./quantize-job.ts";
import { quantizeSvg } from "./quantize-svg.ts";
import { subjectSplits, wholeOption } from "./subject-splits.ts";
import { runJobs } from "./worker-pool.ts";

const DEFAULT_SEEDS = 3;
const BITS = [8, 6, 4];
const QUICK_BITS = [8, 4];

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const dataset = options.dataset ?? "people";
  const folder = requireDataset(dataset, options.data);
  const splits = await subjectSplits(folder, options);
  const seeds = options.seeds ?? (options.quick ? 1 : DEFAULT_SEEDS);
  const bits = options.quick ? QUICK_BITS : BITS;
  const students = options.extra.students;
  const jobs: QuantizeJob[] = [];
  for (let seed = 1; seed <= seeds; seed++) {
    for (const split of splits) {
      const { quick } = options;
      jobs.push({ folder, ...split, seed, quick, families: FAMILIES, bits, students });
    }
  }
  const answers = await runJobs<QuantizeJob, QuantizeAnswers>(
    new URL("./quantize-worker.ts", import.meta.url),
    jobs,
    {
      threads: wholeOption(options, "threads") ?? Math.min(2, availableParallelism()),
      signal: options.signal,
      onProgress: (share) => options.progress(`${dataset}: ${jobs.length} folds and seeds`, share),
    },
  );
  const bySeed = Array.from({ length: seeds }, (_, s) =>
    answers.slice(s * splits.length, (s + 1) * splits.length),
  );
  const rows = rowsOf(bySeed, bits);
  const about = { dataset, folds: splits.length, seeds };
  const { svg } = options.extra;
  if (svg !== undefined) writeFileSync(svg, quantizeSvg(dataset, rows));
  return { ok: true, lines: linesOf(about, rows), figures: figuresOf(about, rows) };
}

type About = { readonly dataset: string; readonly folds: number; readonly seeds: number };

function figuresOf(about: About, rows: readonly Row[]): Readonly<Record<string, unknown>> {
  const shipped = (scheme: Scheme) => {
    const of = (family: StudentFamily) =>
      rows.find(
        (row) =>
          row.family === family &&
          row.scheme === scheme &&
          row.bits === 8 &&
          row.method === "fine-tuned",
      )?.exits ?? [];
    const last = of("cnn").at(-1)?.lossPoints;
    return {
      /** Macro-F1 at the last exit of the default family: 8 bits, fine-tuned. */
      lossPoints: last?.mean,
      spread: last?.spread,
      byExit: of("cnn").map((exit) => exit.lossPoints.mean),
      gruLossPoints: of("gru").at(-1)?.lossPoints.mean,
    };
  };
  return {
    ...about,
    int8: shipped("int8"),
    dynamicFixedPoint: shipped("dynamic-fixed-point"),
    rows,
  };
}

function linesOf({ dataset, folds, seeds }: About, rows: readonly Row[]): string[] {
  const exits = rows[0]?.exits.length ?? 0;
  const each = Array.from({ length: exits }, (_, e) => e + 1);
  const title = [
    "family",
    "scheme",
    "bits",
    "quantized by",
    ...each.map((e) => `macro-F1 ${e}`),
    "accuracy",
    ...each.map((e) => `lost ${e}`),
    ...each.map((e) => `bytes ${e}`),
    "MACs",
    "rescalings",
  ];
  const points = ({ mean, spread }: Spread): string => `${mean.toFixed(2)} ±${spread.toFixed(2)}`;
  const body = rows.map((row) => {
    const last = row.exits.at(-1);
    const isFloat = row.scheme === "float";
    return [
      row.family,
      row.scheme === "dynamic-fixed-point" ? "fixed point" : row.scheme,
      isFloat ? "-" : row.bits,
      isFloat ? "-" : row.method,
      ...row.exits.map((exit) => exit.macroF1.mean.toFixed(4)),
      last?.accuracy.mean.toFixed(4) ?? "-",
      ...row.exits.map((exit) => (isFloat ? "-" : points(exit.lossPoints))),
      ...row.exits.map((exit) => exit.bytes ?? "-"),
      last?.macs ?? "-",
      last?.rescalings ?? "-",
    ];
  });
  return [
    `${dataset}: ${folds} fold${folds === 1 ? "" : "s"} by subject, ${seeds} seed${seeds === 1 ? "" : "s"}; ` +
      "figures per exit, accuracy of the last; lost: points of macro-F1",
    "",
    ...table([title, ...body]),
  ];
}
