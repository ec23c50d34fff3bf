/**
 * The publish gate: may a candidate replace the student that runs now?
 *
 * Both are measured as what would ship, in integers, on windows that neither was trained on: the
 * held-out part of the anchor set, where people gave the labels, and held-out soft labels of late,
 * where the teacher did. The candidate must not forget the one and must be better on the other. Where
 * people have labelled windows of the herd, those that were held out judge beside the teacher; where
 * the teacher is not trusted, in its place.
 */

import type { Engine } from "../../src/engine/engine.ts";
import { logitsAt, recordExits } from "../../src/gate/exit-records.ts";
import { gateOf } from "../../src/gate/gate-bytes.ts";
import { fuseExits } from "../../src/gate/margins.ts";
import { largestIndex } from "../../src/learn/metrics.ts";
import type { Container } from "../../src/model/container.ts";
import type { WindowSet } from "../../src/signal/window-set.ts";
import type { SoftWindows } from "./distil-labels.ts";

/** One student on both held-out sets; shares are 0..1. */
export type Measure = {
  readonly anchorAccuracy: number;
  /** Recall per class on the anchor windows; NaN where there are none. */
  readonly anchorRecall: readonly number[];
  /** Weighted agreement with the teacher on held-out soft labels; NaN without any. */
  readonly agreement: number;
  /** Agreement with people on held-out windows of the herd; NaN without any. */
  readonly peopleAgreement: number;
};

/** Who says whether a candidate is better: the teacher on soft labels, or people on what they
 * labelled. */
export type Judge = "teacher" | "people";

export type PublishRule = {
  /** Accuracy on the anchor set that may be lost, 0..1. */
  readonly anchorLossMost: number;
  /** The same for the recall of one class, or two windows where that is more. */
  readonly recallLossMost: number;
  /** Integer and float candidate must give the same class this often. */
  readonly sameClassLeast: number;
  /** Agreement with the teacher must rise by more than this; -1 publishes what is equal as well. */
  readonly gainLeast: number;
  /** Agreement that may be lost with who does not judge, teacher or people: a dozen windows or so. */
  readonly agreementLossMost: number;
};

export const DEFAULT_PUBLISH_RULE: PublishRule = {
  anchorLossMost: 0.01,
  recallLossMost: 0.05,
  sameClassLeast: 0.95,
  gainLeast: 0,
  agreementLossMost: 0.1,
};

export function measureStudent(
  engine: Engine,
  container: Container,
  anchor: WindowSet,
  soft: SoftWindows,
  people?: SoftWindows,
): Measure {
  const onAnchor = answersOf(engine, container, anchor);
  const classes = container.classes.length;
  const right = new Float64Array(classes);
  const seen = new Float64Array(classes);
  anchor.labels.forEach((label, i) => {
    seen[label] = Number(seen[label]) + 1;
    if (onAnchor[i] === label) right[label] = Number(right[label]) + 1;
  });
  return {
    anchorAccuracy: right.reduce((a, b) => a + b, 0) / anchor.count,
    anchorRecall: Array.from(right, (hits, c) => hits / Number(seen[c])),
    agreement: agreementOn(engine, container, soft),
    peopleAgreement: people === undefined ? Number.NaN : agreementOn(engine, container, people),
  };
}

function agreementOn(engine: Engine, container: Container, labelled: SoftWindows): number {
  const answers = answersOf(engine, container, labelled.windows);
  let agreed = 0;
  let total = 0;
  labelled.weights.forEach((weight, i) => {
    total += weight;
    if (answers[i] === labelled.windows.labels[i]) agreed += weight;
  });
  return agreed / total;
}

/** The reasons against publishing, in words; none when it may be published. */
export function reasonsAgainst(
  current: Measure,
  candidate: Measure,
  sameClassShare: number,
  anchor: WindowSet,
  classes: readonly string[],
  rule: PublishRule,
  judge: Judge = "teacher",
): string[] {
  const reasons: string[] = [];
  const points = (share: number): string => (100 * share).toFixed(1);
  if (!(sameClassShare >= rule.sameClassLeast)) {
    reasons.push(`integers and floats give the same class on ${points(sameClassShare)} % only`);
  }
  const lost = current.anchorAccuracy - candidate.anchorAccuracy;
  if (!(lost <= rule.anchorLossMost)) {
    reasons.push(`loses ${points(lost)} points on the anchor set`);
  }
  classes.forEach((name, c) => {
    const count = anchor.labels.filter((label) => label === c).length;
    if (count === 0) return;
    const drop = Number(current.anchorRecall[c]) - Number(candidate.anchorRecall[c]);
    if (!(drop <= Math.max(rule.recallLossMost, 2 / count))) {
      reasons.push(`loses ${points(drop)} points of ${name} on the anchor set`);
    }
  });
  const withTeacher = { before: current.agreement, after: candidate.agreement };
  const withPeople = { before: current.peopleAgreement, after: candidate.peopleAgreement };
  const [gain, keep] = judge === "teacher" ? [withTeacher, withPeople] : [withPeople, withTeacher];
  const of = (one: typeof gain): string =>
    one === withTeacher ? "the teacher on held-out soft labels" : "people on held-out windows";
  // Shares of nothing are no numbers on both sides, and would not tell what is amiss.
  if (Number.isNaN(gain.before) && Number.isNaN(gain.after)) {
    const what = judge === "teacher" ? "soft label" : "label of people";
    reasons.push(`cannot be judged: no ${what} is held out, as no behaviour has bouts enough`);
  } else if (!(gain.after > gain.before + rule.gainLeast)) {
    reasons.push(
      `agrees with ${of(gain)} on ${points(gain.after)} %, the present student on ${points(gain.before)} %`,
    );
  }
  // Who was asked by the way may have been asked about nothing.
  if (keep.before - keep.after > rule.agreementLossMost) {
    reasons.push(
      `agrees with ${of(keep)} on ${points(keep.after)} %, the present student on ${points(keep.before)} %`,
    );
  }
  return reasons;
}

/** The share of windows on which the last exit says the same in integers as in floats. */
export function sameClassShare(
  engine: Engine,
  container: Container,
  floatLogits: Float32Array,
  windows: WindowSet,
): number {
  const { exits, classes } = recordExits(engine.load(container), windows);
  const integer = exits.at(-1)?.logits ?? new Int16Array();
  let same = 0;
  for (let i = 0; i < windows.count; i++) {
    const span = [i * classes, (i + 1) * classes] as const;
    const logits = floatLogits.subarray(...span);
    if (logits.some(Number.isNaN)) continue;
    if (largestIndex(logits) === largestIndex(integer.subarray(...span))) same++;
  }
  return same / Math.max(1, windows.count);
}

/** The class that a node would answer with, all exits run. */
function answersOf(engine: Engine, container: Container, windows: WindowSet): number[] {
  const { exits } = gateOf(container);
  const records = recordExits(engine.load(container), windows);
  return Array.from({ length: windows.count }, (_, i) => {
    const logits = exits.map((_exit, k) => logitsAt(records, k, i));
    return largestIndex(fuseExits(exits, logits));
  });
}
