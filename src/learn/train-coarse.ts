/**
 * From a teacher to one that answers windows in 2 bits a value: the same views and answers as an
 * encoder's tail learns from, and a network of a tail's size.
 *
 * It is a teacher like any other to whoever opens its file. Only what it was shown differs: windows as
 * they come out of `companded.ts`, which a teacher of whole windows has never met.
 */

import type { Profile } from "../signal/profile.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { decodeCompanded, encodeCompanded } from "../wire/companded.ts";
import type { Program, Runtime } from "./runtime.ts";
import { type SplitRecipe, tailSize } from "./split-recipes.ts";
import { type FloatTeacher, teacherNetwork } from "./teacher-network.ts";
import type { TrainingProgress } from "./train-network.ts";
import { drawViews, trainSplit } from "./train-split.ts";

export async function trainCoarse(
  runtime: Runtime,
  training: {
    readonly profile: Profile;
    readonly windows: WindowSet;
    readonly recipe: Pick<SplitRecipe, "objective" | "options">;
    readonly quick: boolean;
    /** Input `window`, output `logits`. */
    readonly teacher: Program;
    readonly seed: number;
    readonly onProgress?: (progress: TrainingProgress) => void;
    readonly shouldStop?: () => boolean;
  },
): Promise<FloatTeacher> {
  const { profile, windows, recipe, teacher, seed } = training;
  const { objective, options } = recipe;
  const { windowSamples, channels, classes, rateHz, inputMilligPerStep } = profile;
  const design = {
    ...{ windowSamples, channels, classes: classes.length },
    ...tailSize(profile, training.quick),
  };
  const views = await drawViews({
    ...{ windows, classes: classes.length, inputMilligPerStep, seed, objective, options, teacher },
  });
  const tensors = await trainSplit(runtime, {
    ...{ network: teacherNetwork(design), views, seed, objective, options },
    reduce: (window) => {
      const packed = encodeCompanded(window, channels, 2);
      return decodeCompanded(packed, windowSamples, channels, 2);
    },
    ...(training.onProgress && { onProgress: training.onProgress }),
    ...(training.shouldStop && { shouldStop: training.shouldStop }),
  });
  return { design, tensors, classes, rateHz, inputMilligPerStep };
}
