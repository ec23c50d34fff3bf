/**
 * How encoders and their tails are made where nobody says otherwise: one trunk per task, and a rule
 * from a payload's bytes to the code's shape.
 *
 * A trunk takes up to one and a half times the multiply-accumulates of the task's student.
 */
import { assert } from "../assert.ts";
import type { EncoderLayer, EncoderSpec } from "../model/encoder-spec.ts";
import type { Profile } from "../signal/profile.ts";
import { recipeAsked, type RecipeAsked, taskKind } from "./recipes.ts";
import { codeShapeOf, type SplitDesign } from "./split-network.ts";
import type { Objective, StudentOptions } from "./train-student.ts";

export type SplitRecipe = {
  readonly design: SplitDesign;
  readonly objective: Objective;
  readonly options: StudentOptions;
};

const conv = (filters: number, kernel: number, stride: number): EncoderLayer => ({
  kind: "conv",
  filters,
  kernel,
  stride,
});
const separable = (filters: number, kernel: number, stride: number): EncoderLayer => ({
  kind: "separable",
  filters,
  kernel,
  stride,
});

type SplitTask = {
  /** The last layer's stride is made larger for codes that are too short otherwise. */
  readonly trunk: readonly EncoderLayer[];
  readonly widths: readonly number[];
  readonly epochs: number;
  /** Beside codes of at most so many bytes the student's own answer helps: chosen on the subjects
   * that gates are calibrated on (`bench -- split`), 0 where nobody measured it. */
  readonly helpedBytes: number;
};

const TASKS: Readonly<Record<ReturnType<typeof taskKind>, SplitTask>> = {
  collar: {
    // Deeper ones learn the animals they were shown: worse on those set aside.
    trunk: [conv(16, 5, 2)],
    widths: [32, 64, 64],
    epochs: 30,
    helpedBytes: 64,
  },
  pocket: {
    trunk: [conv(16, 7, 2), separable(32, 5, 2), separable(32, 5, 1), separable(24, 3, 1)],
    widths: [48, 96, 96],
    epochs: 48,
    helpedBytes: 0,
  },
  wrist: {
    trunk: [conv(24, 7, 2), separable(48, 5, 2), separable(64, 5, 2), separable(96, 5, 1)],
    widths: [48, 96, 96],
    // A quarter of it ends below the student, as people's half did.
    epochs: 48,
    helpedBytes: 64,
  },
};

/** The tail reads few steps of time already: it keeps them. */
const TAIL_STRIDES = [1, 1, 1];
const TAIL_KERNELS = [5, 3, 3];
const OBJECTIVE: Objective = { hardWeight: 0.3, temperature: 2 };

/** Up to this many bytes more channels of 2 bits say more than fewer of 4. */
const COARSE_BYTES = 64;
const COARSE_BITS = 2;
const FINE_BITS = 4;
/** With fewer channels than these the code keeps less of time instead. */
const LEAST_CHANNELS = 3;
const STRIDES = [1, 2, 4, 8];

/** For a code of at most so many bytes. */
export function splitRecipeFor(
  profile: Profile,
  bytes: number,
  asked: Pick<RecipeAsked, "quick"> = { quick: false },
): SplitRecipe {
  const task = TASKS[taskKind(profile)];
  const { quick } = asked;
  const { teacher } = recipeAsked(profile, { quick });
  return {
    design: {
      encoder: encoderFor(profile, task.trunk, bytes),
      tail: tailSize(profile, quick),
      classes: profile.classes.length,
    },
    objective: OBJECTIVE,
    options: { ...teacher, epochs: quick ? 1 : task.epochs },
  };
}

/** What the student's own answer weighs beside a tail's for codes of at most so many bytes, see
 * `jointAnswer`. */
export function studentWeightFor(profile: Profile, bytes: number): number {
  return bytes <= TASKS[taskKind(profile)].helpedBytes ? 1 : 0;
}

/** The size of every tail of a task, whatever it reads. */
export function tailSize(profile: Profile, quick: boolean): SplitDesign["tail"] {
  const widths = quick ? [8, 16, 16] : TASKS[taskKind(profile)].widths;
  return { widths, strides: TAIL_STRIDES, kernels: TAIL_KERNELS };
}

function encoderFor(
  { windowSamples, channels }: Profile,
  trunk: readonly EncoderLayer[],
  bytes: number,
): EncoderSpec {
  const codeBits = bytes <= COARSE_BYTES ? COARSE_BITS : FINE_BITS;
  const head = trunk.slice(0, -1);
  const last = trunk.at(-1);
  assert(last !== undefined, "a trunk has layers");
  const shapeAt = (stride: number) => {
    const layers = [...head, { ...last, stride: last.stride * stride }];
    const { time } = codeShapeOf({ windowSamples, channels, layers, codeBits });
    return { layers, filters: Math.floor((8 * bytes) / (time * codeBits)) };
  };
  const shapes = STRIDES.map(shapeAt);
  const shape = shapes.find(({ filters }) => filters >= LEAST_CHANNELS) ?? shapes.at(-1);
  assert(shape !== undefined && shape.filters > 0, "a code of some bytes");
  const code = conv(shape.filters, 1, 1);
  return { windowSamples, channels, layers: [...shape.layers, code], codeBits };
}
