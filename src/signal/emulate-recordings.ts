/**
 * Labelled recordings from the emulator: what training and benchmarks read where nobody recorded
 * anything. They say in their name that they are emulated.
 */

import { assert } from "../assert.ts";
import { prng, uniform } from "../prng.ts";
import { createEmulator } from "./emulator.ts";
import type { EmulatorParameters } from "./emulator-parameters.ts";
import type { Profile } from "./profile.ts";
import { AXES, type Recordings, type Segment } from "./recordings.ts";

export type EmulateOptions = {
  readonly seed: number;
  /** Animals made from each fitted individual. */
  readonly animalsPerIndividual?: number;
  /** Signal per animal and behaviour. */
  readonly secondsPerClass?: number;
  /** Mean length of a bout; lengths lie between half and one and a half of it. */
  readonly boutSeconds?: number;
  /** See `EmulatorOptions`. */
  readonly variation?: number;
};

/**
 * @param profile of the same rate and classes as the parameters; labels are the recorded ones that
 * it maps to its classes, so that `makeWindows` reads the result as it reads recordings
 */
export function emulateRecordings(
  parameters: EmulatorParameters,
  profile: Profile,
  options: EmulateOptions,
): Recordings {
  assert(parameters.rateHz === profile.rateHz, "the emulator has the profile's rate");
  const { animalsPerIndividual = 1, secondsPerClass = 180, boutSeconds = 45 } = options;
  const labels = profile.classes.map((name) => recordedLabel(profile, name));
  const segments: Segment[] = [];
  const blocks: Int16Array[] = [];
  const subjects: string[] = [];
  let start = 0;
  for (let animal = 0; animal < parameters.individuals.length * animalsPerIndividual; animal++) {
    const individual = animal % parameters.individuals.length;
    const subject = `e${animal + 1}`;
    const random = prng(options.seed, `bouts ${subject}`);
    const emulator = createEmulator(parameters, {
      seed: options.seed,
      name: subject,
      individual,
      ...(options.variation === undefined ? {} : { variation: options.variation }),
    });
    subjects.push(subject);
    profile.classes.forEach((name, classIndex) => {
      let left = Math.round(secondsPerClass * profile.rateHz);
      while (left > 0) {
        const seconds = boutSeconds * uniform(random, 0.5, 1.5);
        // A rest too short for a bout of its own is added to the last one.
        const asked = Math.round(seconds * profile.rateHz);
        const length = left < asked * 1.5 ? left : asked;
        if (!emulator.startBout(parameters.classes.indexOf(name), length)) break;
        blocks.push(emulator.next(length).samples);
        const label = labels[classIndex] ?? name;
        segments.push({ subject, label, start, length, source: "emulated" });
        start += length;
        left -= length;
      }
    });
  }
  const samples = new Int16Array(start * AXES);
  blocks.reduce((at, block) => {
    samples.set(block, at);
    return at + block.length;
  }, 0);
  return {
    name: `emulated-${profile.name}`,
    rateHz: profile.rateHz,
    labels,
    subjects,
    segments,
    samples,
    about: { origin: `emulated with seed ${options.seed}` },
  };
}

function recordedLabel(profile: Profile, className: string): string {
  const found = Object.entries(profile.labelClass).find(([, mapped]) => mapped === className);
  assert(found !== undefined, `a label is mapped to ${className}`);
  return found[0];
}
