/** From a teacher to an encoder for nodes and a tail for the gateway, by the recipe of a profile. */
import type { QuantizedEncoder } from "../model/encoder.ts";
import { quantizeEncoder } from "../model/quantize-encoder.ts";
import type { Profile } from "../signal/profile.ts";
import type { WindowSet } from "../signal/window-set.ts";
import type { Program, Runtime } from "./runtime.ts";
import { splitNetwork } from "./split-network.ts";
import type { SplitRecipe } from "./split-recipes.ts";
import { encoderOf, type FloatSplit } from "./tail-network.ts";
import type { TrainingProgress } from "./train-network.ts";
import { drawViews, trainSplit } from "./train-split.ts";

export async function trainEncoder(
  runtime: Runtime,
  training: {
    readonly profile: Profile;
    readonly windows: WindowSet;
    readonly recipe: SplitRecipe;
    /** Input `window`, output `logits`. */
    readonly teacher: Program;
    readonly seed: number;
    readonly onProgress?: (progress: TrainingProgress) => void;
    readonly shouldStop?: () => boolean;
  },
): Promise<{ readonly split: FloatSplit; readonly encoder: QuantizedEncoder }> {
  const { profile, windows, recipe, teacher, seed } = training;
  const { design, objective, options } = recipe;
  const { inputMilligPerStep, classes } = profile;
  const views = await drawViews({
    ...{ windows, classes: classes.length, inputMilligPerStep, seed, objective, options, teacher },
  });
  const tensors = await trainSplit(runtime, {
    ...{ network: splitNetwork(design), views, seed, objective, options },
    ...(training.onProgress && { onProgress: training.onProgress }),
    ...(training.shouldStop && { shouldStop: training.shouldStop }),
  });
  const split = { design, tensors };
  return { split, encoder: quantizeEncoder(encoderOf(split), windows, inputMilligPerStep) };
}
