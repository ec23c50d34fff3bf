/**
 * One distillation: from the student that runs now, the anchor set and soft labels to a candidate.
 *
 * It goes on from the present student, always mixes the anchor set in, quantizes, calibrates the
 * gate anew, and measures both students. It knows no thread, no clock and no disk: the worker and the
 * benchmarks call it alike.
 *
 * Found on real collars, three cattle that hang differently from the two of the anchor set, about 60
 * labels, five seeds. Going on from the present student and starting anew end alike; going on needs
 * half the steps. Half soft labels and half anchor windows lost the least of either. Asking the teacher
 * about every view instead of keeping its one answer gained nothing there and cost twice the time.
 */

import type { Engine } from "../../src/engine/engine.ts";
import { OPERATING_SHARES } from "../../src/gate/fit-points.ts";
import { decodeGate, encodeGate } from "../../src/gate/gate-bytes.ts";
import { decodePoints } from "../../src/gate/operating-points.ts";
import { packStudent } from "../../src/gate/pack-student.ts";
import { predictStudent } from "../../src/learn/predict.ts";
import { plannedStudent, planOf } from "../../src/learn/quantization-plan.ts";
import type { Runtime } from "../../src/learn/runtime.ts";
import { trainStudent } from "../../src/learn/train-student.ts";
import { type Container, decodeContainer, encodeContainer } from "../../src/model/container.ts";
import type { FloatStudent } from "../../src/model/student-spec.ts";
import type { Augmentation } from "../../src/signal/augment.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { WindowSet } from "../../src/signal/window-set.ts";
import type { AnchorSet } from "./anchor.ts";
import type { LabelChoice, SoftWindows } from "./distil-labels.ts";
import {
  type Judge,
  type Measure,
  measureStudent,
  type PublishRule,
  reasonsAgainst,
  sameClassShare,
} from "./distil-measure.ts";
import type { PeopleChoice } from "./people-labels.ts";

export type DistilRecipe = {
  /** Shares of soft labels in what is trained on, tried in turn until the publish gate is content.
   * None is above .7: three windows in ten at least come from the anchor set. */
  readonly softShares: readonly number[];
  /** Passes over the mixture. */
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Weight of the likeliest class as a hard label beside the soft one. */
  readonly hardWeight: number;
  readonly temperature: number;
  /** With the turns that the present student was trained with, so that it forgets none of them. */
  readonly augmentation: Augmentation;
};

/** What the views of a distillation differ by, beside the turns that the student was trained with.
 * On the three cattle it was worth two points over views as they are. */
export function distilAugmentation(turn: Augmentation["turn"]): Augmentation {
  return {
    turn,
    tiltDegrees: 10,
    scale: 0.05,
    noiseMilliG: 10,
    shiftSamples: 5,
    stretch: 0,
    removal: 0,
  };
}

export const DISTIL_RECIPE: Omit<DistilRecipe, "augmentation"> = {
  softShares: [0.5, 0.35],
  epochs: 40,
  batchSize: 64,
  learningRate: 3e-3,
  weightDecay: 0.01,
  hardWeight: 0.3,
  temperature: 2,
};

export type DistilInput = {
  readonly profile: Profile;
  readonly anchor: AnchorSet;
  readonly labels: Pick<LabelChoice, "train" | "heldOut">;
  /** What people said of windows of the herd; they join the anchor set. */
  readonly people?: PeopleChoice | undefined;
  /** Whom the candidate must please more than the present student does; the teacher unless said. */
  readonly judge?: Judge | undefined;
  /** What runs now, and the float student that it was quantized from. */
  readonly current: { readonly container: Container; readonly student: FloatStudent };
  /** False where some node of the cohort reads no operating points: its student is made without. */
  readonly readsPoints: boolean;
  readonly recipe: DistilRecipe;
  readonly rule: PublishRule;
  readonly seed: number;
};

export type DistilReport = {
  readonly before: Measure;
  readonly after: Measure;
  readonly softLabels: number;
  readonly heldOutLabels: number;
  /** The same of what people labelled. */
  readonly peopleLabels: number;
  readonly heldOutPeopleLabels: number;
  readonly softShare: number;
  readonly sameClassShare: number;
  /** What calibration expects the new gate to offload. */
  readonly offloadShare: number;
  /** How many operating points it carries. */
  readonly operatingPoints: number;
};

export type DistilResult =
  | {
      readonly kind: "candidate";
      readonly container: Uint8Array;
      readonly student: FloatStudent;
      readonly report: DistilReport;
    }
  | {
      readonly kind: "refused";
      readonly reasons: readonly string[];
      readonly report: DistilReport;
      /** Nobody runs it; a benchmark may ask what it would have been worth. */
      readonly container: Uint8Array;
    };

export type DistilStage = "training" | "measuring";

/** Runs one distillation. `onProgress` is told a share of the whole, 0..1. */
export async function distil(
  runtime: Runtime,
  engine: Engine,
  input: DistilInput,
  onProgress: (stage: DistilStage, share: number) => void = () => {},
): Promise<DistilResult> {
  const { recipe } = input;
  const before = measureStudent(
    engine,
    input.current.container,
    input.anchor.heldOut,
    input.labels.heldOut,
    input.people?.heldOut,
  );
  let refused: DistilResult | undefined;
  for (const [attempt, softShare] of recipe.softShares.entries()) {
    const done = (share: number): number => (attempt + share) / recipe.softShares.length;
    const result = await attemptOnce(runtime, engine, input, before, softShare, (stage, share) =>
      onProgress(stage, done(share)),
    );
    if (result.kind === "candidate") {
      onProgress("measuring", 1);
      return result;
    }
    refused = result;
  }
  return refused as DistilResult;
}

async function attemptOnce(
  runtime: Runtime,
  engine: Engine,
  input: DistilInput,
  before: Measure,
  softShare: number,
  onProgress: (stage: DistilStage, share: number) => void,
): Promise<DistilResult> {
  const { anchor, labels, people, profile, recipe, rule, seed } = input;
  const taught = people === undefined ? labels.train : together(people.train, labels.train);
  const mixture = mixed(anchor.replay, taught, softShare, profile.classes.length);
  const trained = await trainStudent(runtime, {
    spec: input.current.student.spec,
    windows: mixture.windows,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    objective: { hardWeight: recipe.hardWeight, temperature: recipe.temperature },
    options: { ...recipe, labelSmoothing: 0, balance: 0.5 },
    softLabels: mixture.probabilities,
    sampleWeights: mixture.weights,
    initial: input.current.student,
    onProgress: ({ step, steps }) => onProgress("training", (0.9 * step) / steps),
  });
  // Into the integers that the nodes run now: someone chose powers of two, or fewer bits, for a reason.
  const plan = planOf(input.current.container.student);
  const planned = await plannedStudent(runtime, plan, {
    student: trained,
    windows: mixture.windows,
    inputMilligPerStep: profile.inputMilligPerStep,
    seed,
    options: { ...recipe, labelSmoothing: 0, balance: 0.5 },
  });
  onProgress("measuring", 0.9);
  const packed = packStudent({
    ...planned,
    profile,
    trained: mixture.windows,
    held: heldOutOf(input),
    augmentation: recipe.augmentation,
    engine,
    seed,
    target: { kind: "offload-share", share: offloadTarget(input.current.container) },
    operatingShares: input.readsPoints ? sharesLike(input.current.container) : [],
  });
  const container = keptSettings(packed.container, input.current.container);
  const measured = [anchor.heldOut, labels.heldOut, people?.heldOut] as const;
  const after = measureStudent(engine, container, ...measured);
  const exits = await predictStudent(runtime, trained, anchor.heldOut, profile.inputMilligPerStep);
  const floats = exits.at(-1) ?? new Float32Array();
  const same = sameClassShare(engine, container, floats, anchor.heldOut);
  const report: DistilReport = {
    before,
    after,
    softLabels: labels.train.windows.count,
    heldOutLabels: labels.heldOut.windows.count,
    peopleLabels: people?.train.windows.count ?? 0,
    heldOutPeopleLabels: people?.heldOut.windows.count ?? 0,
    softShare,
    sameClassShare: same,
    offloadShare: packed.calibration.expected.offloadShare,
    operatingPoints: packed.calibration.parameters.operatingPoints.length,
  };
  const about = [anchor.heldOut, profile.classes, rule, input.judge] as const;
  const reasons = reasonsAgainst(before, after, same, ...about);
  const bytes = encodeContainer(container);
  if (reasons.length > 0) return { kind: "refused", reasons, report, container: bytes };
  return { kind: "candidate", container: bytes, student: planned.student, report };
}

/** What nothing is trained on, whoever labelled it. */
function heldOutOf({ anchor, labels, people }: DistilInput): WindowSet {
  const said =
    people === undefined ? anchor.heldOut : joined(anchor.heldOut, people.heldOut.windows);
  return joined(said, labels.heldOut.windows);
}

/** Anchor windows with their labels, and soft labels as often as their share needs. */
function mixed(
  replay: WindowSet,
  soft: SoftWindows,
  softShare: number,
  classes: number,
): { windows: WindowSet; probabilities: Float32Array; weights: Float32Array } {
  const wanted = (replay.count * softShare) / (1 - softShare);
  const repeats = Math.max(1, Math.round(wanted / Math.max(1, soft.windows.count)));
  const meanWeight =
    soft.weights.reduce((sum, weight) => sum + weight, 0) / Math.max(1, soft.weights.length);
  let windows = replay;
  for (let i = 0; i < repeats; i++) windows = joined(windows, soft.windows);
  const probabilities = new Float32Array(windows.count * classes);
  const weights = new Float32Array(windows.count).fill(1);
  replay.labels.forEach((label, i) => {
    probabilities[i * classes + label] = 1;
  });
  for (let i = 0; i < repeats; i++) {
    const at = replay.count + i * soft.windows.count;
    probabilities.set(soft.probabilities, at * classes);
    // The share is set by repetition; the weights only tell soft labels apart.
    weights.set(
      soft.weights.map((weight) => weight / meanWeight),
      at,
    );
  }
  return { windows, probabilities, weights };
}

/** Both as one; people's come first and keep the weight of a window that stands for itself. */
function together(people: SoftWindows, soft: SoftWindows): SoftWindows {
  return {
    windows: joined(people.windows, soft.windows),
    probabilities: Float32Array.of(...people.probabilities, ...soft.probabilities),
    weights: Float32Array.of(...people.weights, ...soft.weights),
  };
}

/** Two sets as one; bouts of the second are numbered on, so that none is mistaken for another. */
function joined(first: WindowSet, second: WindowSet): WindowSet {
  const samples = new Int8Array(first.samples.length + second.samples.length);
  samples.set(first.samples);
  samples.set(second.samples, first.samples.length);
  const above = first.bouts.reduce((most, bout) => Math.max(most, bout), -1) + 1;
  return {
    ...first,
    count: first.count + second.count,
    samples,
    labels: Uint8Array.of(...first.labels, ...second.labels),
    subjects: [...first.subjects, ...second.subjects],
    bouts: Int32Array.of(...first.bouts, ...second.bouts.map((bout) => bout + above)),
  };
}

function offloadTarget(current: Container): number {
  return decodeGate(current.gate).offload.targetShareQ16 / 65535;
}

/** The shares of the points that run now, so that a node's share means the same afterwards. */
function sharesLike({ points }: Container): readonly number[] {
  if (points === undefined) return OPERATING_SHARES;
  return decodePoints(points).map(({ targetShareQ16 }) => targetShareQ16 / 65535);
}

/** Thresholds are solved anew; what a person chose (audits, budget, length of a burst) stays, and so
 * does the encoder. */
function keptSettings(packed: Container, current: Container): Container {
  const solved = decodeGate(packed.gate);
  const chosen = decodeGate(current.gate);
  const gate = encodeGate({
    ...solved,
    auditChanceQ16: chosen.auditChanceQ16,
    bucket: chosen.bucket,
    burst: { ...solved.burst, windows: chosen.burst.windows },
  });
  // It reads the window and not the student: the gateway's tail goes on answering its codes.
  const kept = current.encoder === undefined ? {} : { encoder: current.encoder };
  return decodeContainer(encodeContainer({ ...packed, ...kept, gate }));
}
