/**
 * A profile: how one kind of wearable is sampled, windowed and labelled.
 *
 * Everything downstream (training, node, gateway, emulator) reads its shapes from here, so that a
 * cow's collar and a phone in a pocket run the same code.
 */

export type Profile = {
  /** `cattle`, `people`, or the name of a data set: lower case, digits and dashes. */
  readonly name: string;
  /** Samples a second per axis after resampling. */
  readonly rateHz: number;
  /** Samples in one window, and samples from the start of one window to the next. */
  readonly windowSamples: number;
  readonly hopSamples: number;
  /** Axes per sample. Three everywhere today; the shapes carry it all the same. */
  readonly channels: number;
  /** Behaviours in the order of the class index. */
  readonly classes: readonly string[];
  /** From a recording's label to a class; a label that is missing here is left out. */
  readonly labelClass: Readonly<Record<string, string>>;
  /** One step of the int8 window, in milli-g: values saturate at 127 steps. */
  readonly inputMilligPerStep: number;
};

/** Milliseconds from the start of one window to the start of the next. */
export function hopMs(profile: Profile): number {
  return (profile.hopSamples * 1000) / profile.rateHz;
}

/** Which nodes may run a model made for this profile, in one word: `cattle/10.00Hz/50x3`. */
export function cohortOf(profile: Profile): string {
  const shape = `${profile.windowSamples}x${profile.channels}`;
  return `${profile.name}/${profile.rateHz.toFixed(2)}Hz/${shape}`;
}
