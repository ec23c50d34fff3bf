/** From a teacher to an encoder for nodes and a tail for the gateway, by the recipe of a profile. */
import type { QuantizedEncoder } from "../model/encoder.ts";
import { quantizeEncoder } from "../model/quantize-encoder.ts";
import type { Profile } from "../signal/profile.ts";
import type { WindowSet } from "../signal/window-set.ts";
import type { Program, Runtime } from "./runtime.ts";
import { splitNetwork } from "./split-network.ts";
import type { SplitRecipe } from "./split-recipes.ts";
import { encoderOf, type FloatSplit } from "./tail-network.ts";
import { drawViews, splitProgress, trainSplit } from "./train-split.ts";

export async function trainEncoder(
  runtime: Runtime,
  training: {
    readonly profile: Profile;
    readonly windows: WindowSet;
    readonly recipe: SplitRecipe;
    /** Input `window`, output `logits`. */
    readonly teacher: Program;
    readonly seed: number;
    /** Share of the work that is done. */
    readonly onProgress?: (share: number) => void;
    readonly shouldStop?: () => boolean;
  },
): Promise<{ readonly split: FloatSplit; readonly encoder: QuantizedEncoder }> {
  const { profile, windows, recipe, teacher, seed } = training;
  const { design, objective, options } = recipe;
  const { inputMilligPerStep, classes } = profile;
  const told = splitProgress(training);
  const views = await drawViews({
    ...{ windows, classes: classes.length, inputMilligPerStep, seed, objective, options, teacher },
    ...told.drawing,
  });
  const tensors = await trainSplit(runtime, {
    ...{ network: splitNetwork(design), views, seed, objective, options },
    ...told.training,
  });
  const split = { design, tensors };
  return { split, encoder: quantizeEncoder(encoderOf(split), windows, inputMilligPerStep) };
}
