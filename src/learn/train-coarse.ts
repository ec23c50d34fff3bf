/**
 * From a teacher to one that answers windows in 2 bits a value: the same views and answers as an
 * encoder's tail learns from, and a network of the teacher's own size: it reads as many samples.
 *
 * It is a teacher like any other to whoever opens its file. Only what it was shown differs: windows as
 * they come out of `companded.ts`, which a teacher of whole windows has never met.
 */

import type { Profile } from "../signal/profile.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { decodeCompanded, encodeCompanded } from "../wire/companded.ts";
import type { Program, Runtime } from "./runtime.ts";
import type { SplitRecipe } from "./split-recipes.ts";
import { type FloatTeacher, type TeacherDesign, teacherNetwork } from "./teacher-network.ts";
import { drawViews, splitProgress, trainSplit } from "./train-split.ts";

export async function trainCoarse(
  runtime: Runtime,
  training: {
    readonly profile: Profile;
    readonly windows: WindowSet;
    readonly recipe: Pick<SplitRecipe, "objective" | "options">;
    readonly size: Pick<TeacherDesign, "widths" | "strides" | "kernels">;
    /** Input `window`, output `logits`. */
    readonly teacher: Program;
    readonly seed: number;
    /** Share of the work that is done. */
    readonly onProgress?: (share: number) => void;
    readonly shouldStop?: () => boolean;
  },
): Promise<FloatTeacher> {
  const { profile, windows, recipe, teacher, seed } = training;
  const { objective, options } = recipe;
  const { windowSamples, channels, classes, rateHz, inputMilligPerStep } = profile;
  const design = {
    ...{ windowSamples, channels, classes: classes.length },
    ...training.size,
  };
  const told = splitProgress(training);
  const views = await drawViews({
    ...{ windows, classes: classes.length, inputMilligPerStep, seed, objective, options, teacher },
    ...told.drawing,
  });
  const tensors = await trainSplit(runtime, {
    ...{ network: teacherNetwork(design), views, seed, objective, options },
    reduce: (window) => {
      const packed = encodeCompanded(window, channels, 2);
      return decodeCompanded(packed, windowSamples, channels, 2);
    },
    ...told.training,
  });
  return { design, tensors, classes, rateHz, inputMilligPerStep };
}
