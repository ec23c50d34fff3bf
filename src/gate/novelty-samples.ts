/**
 * What novelty is fitted on: features and raw statistics of windows, turned as in training.
 *
 * A student that was trained on turned copies has nothing to fear from such turns, so its novelty
 * must know them too. A collar keeps its turn for as long as it hangs, hence one turn per bout and
 * view, not one per window.
 */

import type { LoadedStudent } from "../engine/engine.ts";
import { prng } from "../prng.ts";
import type { Augmentation } from "../signal/augment.ts";
import { drawRotation } from "../signal/augment.ts";
import type { Rotation } from "../signal/turn.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { windowAt } from "../signal/window-set.ts";
import { featuresAt, recordExits } from "./exit-records.ts";
import type { BoutNovelty } from "./false-alarms.ts";
import type { NoveltySamples } from "./fit-novelty.ts";
import type { NoveltyGate } from "./gate-parameters.ts";
import { noveltyOf } from "./novelty.ts";
import { windowStatistics } from "./window-statistics.ts";

/** Turned copies of each bout. */
const VIEWS = 4;

/** The windows in several turned copies, each copy of a bout a bout of its own; the windows as they
 * are where training turned nothing. */
export function turnedViews(
  windows: WindowSet,
  augmentation: Pick<Augmentation, "turn" | "tiltDegrees"> | undefined,
  seed: number,
): WindowSet {
  if (augmentation === undefined) return windows;
  if (augmentation.turn === "none" && augmentation.tiltDegrees === 0) return windows;
  const random = prng(seed, "novelty-views");
  const { count } = windows;
  const samples = new Int8Array(VIEWS * windows.samples.length);
  const bouts = new Int32Array(VIEWS * count);
  for (let view = 0; view < VIEWS; view++) {
    const turns = new Map<number, Rotation>();
    for (let i = 0; i < count; i++) {
      const bout = windows.bouts[i] as number;
      const turn = turns.get(bout) ?? drawRotation(augmentation, random);
      turns.set(bout, turn);
      const at = view * count + i;
      bouts[at] = bout * VIEWS + view;
      samples.set(turned(windowAt(windows, i), turn), (at * windows.samples.length) / count);
    }
  }
  const copies = Array.from({ length: VIEWS }, () => windows);
  return {
    ...windows,
    count: VIEWS * count,
    samples,
    bouts,
    labels: Uint8Array.from(copies.flatMap((copy) => [...copy.labels])),
    subjects: copies.flatMap((copy) => [...copy.subjects]),
  };
}

function turned(window: Int8Array, turn: Rotation): Int8Array {
  const out = new Int8Array(window.length);
  for (let at = 0; at < window.length; at += 3) {
    for (let row = 0; row < 3; row++) {
      let sum = 0;
      for (let axis = 0; axis < 3; axis++) {
        sum += (turn[3 * row + axis] as number) * (window[at + axis] as number);
      }
      out[at + row] = Math.max(-127, Math.min(127, Math.round(sum)));
    }
  }
  return out;
}

/** Runs the student over the windows. */
export function noveltySamples(student: LoadedStudent, windows: WindowSet): NoveltySamples {
  return {
    records: recordExits(student, windows),
    statistics: Array.from({ length: windows.count }, (_, i) =>
      windowStatistics(windowAt(windows, i), windows.channels),
    ),
    labels: windows.labels,
  };
}

/** The standardised log distances of each bout, in the order of its windows. */
export function boutNovelties(
  gate: NoveltyGate,
  samples: NoveltySamples,
  bouts: Int32Array,
): readonly BoutNovelty[] {
  const byBout = new Map<number, number[]>();
  bouts.forEach((bout, i) => {
    const features = featuresAt(samples.records, gate.exit, i);
    const { standardisedQ8 } = noveltyOf(gate, features, samples.statistics[i] ?? []);
    const values = byBout.get(bout);
    if (values === undefined) byBout.set(bout, [standardisedQ8]);
    else values.push(standardisedQ8);
  });
  return [...byBout.values()].map((values) => Int32Array.from(values));
}
