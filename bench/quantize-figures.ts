/** Figures of the quantization benchmark: from the answers of all folds and seeds to one row a cell. */
import { accuracyOf, confusionOf, macroF1Of } from "../src/learn/metrics.ts";
import type { StudentFamily } from "../src/learn/recipes.ts";
import type { PackedCost } from "../src/model/packed-cost.ts";
import type { Scheme } from "../src/model/requantize.ts";
import {
  METHODS,
  type Method,
  type Predictions,
  type QuantizeAnswers,
  SCHEMES,
} from "./quantize-job.ts";

export const FAMILIES: readonly StudentFamily[] = ["cnn", "gru"];

export type Spread = { readonly mean: number; readonly spread: number };

/** One exit of one cell, or of the float student (scheme undefined). Points are hundredths. */
export type ExitFigures = {
  readonly macroF1: Spread;
  readonly accuracy: Spread;
  /** Of macro-F1, and of accuracy: float less integer, positive where something is lost. */
  readonly lossPoints: Spread;
  readonly accuracyLossPoints: Spread;
};
export type Row = {
  readonly family: StudentFamily;
  readonly scheme: Scheme | "float";
  readonly bits: number;
  readonly method: Method | "float";
  readonly exits: readonly (ExitFigures & Partial<PackedCost>)[];
};

type Scores = { readonly macroF1: number; readonly accuracy: number };

/** The float student of each family, then its cells. */
export function rowsOf(
  bySeed: readonly (readonly QuantizeAnswers[])[],
  bits: readonly number[],
): readonly Row[] {
  return FAMILIES.flatMap((family) => {
    const float = (part: QuantizeAnswers) =>
      part.floats.find((one) => one.family === family)?.predictions ?? [];
    const floats = bySeed.map((parts) => scoresOf(parts, float));
    const cells = SCHEMES.flatMap((scheme) =>
      bits.flatMap((count) =>
        METHODS.map((method): Row => {
          const find = (part: QuantizeAnswers) =>
            part.cells.find(
              (cell) =>
                cell.family === family &&
                cell.scheme === scheme &&
                cell.bits === count &&
                cell.method === method,
            );
          const scores = bySeed.map((parts) =>
            scoresOf(parts, (part) => find(part)?.predictions ?? []),
          );
          const first = bySeed[0]?.[0];
          const cost = (first && find(first)?.cost) ?? [];
          const exits = exitFigures(scores, floats).map((exit, e) => ({ ...exit, ...cost[e] }));
          return { family, scheme, bits: count, method, exits };
        }),
      ),
    );
    const exits = exitFigures(floats, floats);
    return [{ family, scheme: "float", bits: 32, method: "float", exits }, ...cells];
  });
}

/** Per exit, all folds of a seed as one test. */
function scoresOf(
  parts: readonly QuantizeAnswers[],
  take: (part: QuantizeAnswers) => Predictions,
): readonly Scores[] {
  const { classes } = parts[0] as QuantizeAnswers;
  const labels = parts.flatMap((part) => [...part.labels]);
  const exits = take(parts[0] as QuantizeAnswers).length;
  return Array.from({ length: exits }, (_, exit) => {
    const predicted = parts.flatMap((part) => [...(take(part)[exit] ?? [])]);
    const confusion = confusionOf(classes, labels, predicted);
    return { macroF1: macroF1Of(confusion, classes), accuracy: accuracyOf(confusion, classes) };
  });
}

/** `[seed][exit]` scores to figures per exit. */
function exitFigures(
  scores: readonly (readonly Scores[])[],
  floats: readonly (readonly Scores[])[],
): readonly ExitFigures[] {
  return (scores[0] ?? []).map((_, exit) => {
    const over = (key: keyof Scores): Spread =>
      meanAndSpread(scores.map((seed) => seed[exit]?.[key] ?? 0));
    const lost = (key: keyof Scores): Spread =>
      meanAndSpread(
        scores.map((seed, s) => 100 * ((floats[s]?.[exit]?.[key] ?? 0) - (seed[exit]?.[key] ?? 0))),
      );
    return {
      macroF1: over("macroF1"),
      accuracy: over("accuracy"),
      lossPoints: lost("macroF1"),
      accuracyLossPoints: lost("accuracy"),
    };
  });
}

function meanAndSpread(values: readonly number[]): Spread {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  if (values.length < 2) return { mean, spread: 0 };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: Math.sqrt(squares / (values.length - 1)) };
}
