/**
 * What the student runtime is held to on a Cortex-M4, and whether it keeps to it. The gate is held to
 * something too, which is told apart: it says nothing of the runtime.
 */

import type { DecisionFigures } from "./mcu-decision.ts";
import type { CodeSize, ShapeFigures } from "./mcu-variant.ts";

export type Bound = {
  readonly what: string;
  /** NaN where there is nothing to measure, which meets no bound. */
  readonly figure: number;
  readonly limit: number;
  readonly met: boolean;
};

/** The interpreter's files that run windows; the loader runs once per model. */
const RUNS_WINDOWS = /^bw_run\.c$/;

export function boundsOf(
  shapes: Readonly<Record<string, ShapeFigures>>,
  code: readonly CodeSize[],
): readonly Bound[] {
  const [cnn, gru] = [shapes.cnn?.m4, shapes.gru?.m4];
  const codeBytes = runBytes(code);
  return [
    bound("CNN, generated, instructions per MAC", cnn?.generated.instructionsPerMac, 2.2),
    bound("CNN, interpreter, instructions per MAC", cnn?.interpreter.instructionsPerMac, 2.6),
    bound("GRU, generated, instructions per MAC", gru?.instructionsPerMac, 2.4),
    bound("CNN, generated, exit 1 of full depth", cnn?.exit1Share, 0.4),
    bound("CNN, interpreter, exit 1 of full depth", cnn?.interpreter.exit1Share, 0.4),
    bound("interpreter, bytes of code", codeBytes === 0 ? undefined : codeBytes, 2560),
  ];
}

/** A decision, as a share of the interpreter's instructions at full depth. */
export function gateBoundsOf(
  decision: Readonly<Record<string, DecisionFigures>>,
): readonly Bound[] {
  return Object.entries(decision).map(([name, { shareOfWhole }]) =>
    bound(`${name}, gate's decision, share of the student`, shareOfWhole, 0.03),
  );
}

/** Code that runs windows. */
export function runBytes(code: readonly CodeSize[]): number {
  return code
    .filter(({ file }) => RUNS_WINDOWS.test(file))
    .reduce((sum, { textBytes }) => sum + textBytes, 0);
}

function bound(what: string, figure: number | undefined, limit: number): Bound {
  return {
    what,
    figure: figure ?? Number.NaN,
    limit,
    met: figure !== undefined && figure <= limit,
  };
}
