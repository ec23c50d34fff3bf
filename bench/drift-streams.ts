/**
 * What a node lives through in the drift benchmark: bouts drawn by chance, calm ones first, and
 * then shifted ones, until its alarm.
 */
import type { BoutNovelty } from "../src/gate/false-alarms.ts";
import type { NoveltyGate } from "../src/gate/gate-parameters.ts";
import { NO_DRIFT } from "../src/gate/gate-state.ts";
import { accumulate } from "../src/gate/novelty.ts";
import { below, type Prng } from "../src/prng.ts";

/** One bout: how novel each window is, and whether the student is right about it. */
export type BoutTrack = { readonly novelties: BoutNovelty; readonly right: Uint8Array };

/** Repetitions give up here. */
export const NO_ALARM = 1000;
/** Unshifted windows before each shift, so that the statistic starts where it would be. */
const WINDOWS_BEFORE = 60;

export type Delay = {
  /** From the shift to the alarm; `NO_ALARM` where none came. */
  readonly windows: number;
  /** Of these, how many the student had wrong. */
  readonly wrong: number;
};

/** Unshifted bouts for a while, then shifted ones from a random place in a random bout on: one
 * stage with each bout until the last, which lasts. A false alarm before the shift is waited out,
 * and leaves the gate as much harder to alarm as on a node. */
export function delayOf(
  gate: NoveltyGate,
  calm: readonly BoutTrack[],
  stages: readonly (readonly BoutTrack[])[],
  random: Prng,
): Delay {
  let state = NO_DRIFT;
  const before = streamOf([calm], random);
  for (let i = 0; i < WINDOWS_BEFORE || (state.alarm && i < NO_ALARM); i++) {
    state = accumulate(gate, state, before().novelty);
  }
  const after = streamOf(stages, random);
  let wrong = 0;
  for (let windows = 1; windows < NO_ALARM; windows++) {
    const { novelty, right } = after();
    state = accumulate(gate, state, novelty);
    if (!right) wrong++;
    if (state.alarm) return { windows, wrong };
  }
  return { windows: NO_ALARM, wrong };
}

function streamOf(
  stages: readonly (readonly BoutTrack[])[],
  random: Prng,
): () => { readonly novelty: number; readonly right: boolean } {
  let stage = 0;
  const draw = (): BoutTrack => {
    const bouts = stages[Math.min(stage++, stages.length - 1)] as readonly BoutTrack[];
    return bouts[below(random, bouts.length)] as BoutTrack;
  };
  let bout = draw();
  let at = below(random, bout.novelties.length);
  return () => {
    if (at >= bout.novelties.length) {
      bout = draw();
      at = 0;
    }
    const novelty = bout.novelties[at] as number;
    return { novelty, right: bout.right[at++] === 1 };
  };
}
