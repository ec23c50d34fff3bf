/**
 * What people's labels are to the loop: windows to learn from and to judge by, and a measure of the
 * teacher. Pure.
 *
 * They join the anchor set: what a person said is kept whatever the teacher is, and takes the place of
 * the teacher's answer to the same window. On a node where people contradict the teacher none of its
 * answers is learned from, trusted or not.
 */

import { largestIndex } from "../../src/learn/metrics.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { isLearnable, type PersonLabel } from "../store/label-rows.ts";
import { hasShapeOf, type LabelRule, type SoftWindows, splitLabels } from "./distil-labels.ts";

/** Read for one distillation, the newest first: years of a few dozen now and then. */
export const PEOPLE_MOST = 1_000;

export type PeopleRule = {
  /** A node's labels before they say anything of the teacher. */
  readonly labelsLeast: number;
  /** Below this agreement with people the teacher is wrong for that node. */
  readonly agreementLeast: number;
  /** Held out for the publish gate, in whole bouts. */
  readonly heldOutShare: number;
};

/** Eight labels with two the other way may be a person's slips; three are the teacher's. */
export const DEFAULT_PEOPLE_RULE: PeopleRule = {
  labelsLeast: 8,
  agreementLeast: 0.7,
  heldOutShare: 0.25,
};

export type PeopleVerdict = {
  /** Nodes on which people contradict the teacher. */
  readonly contradicted: readonly string[];
  readonly labels: number;
  /** Share of these labels on which the teacher says the same; NaN without any. */
  readonly agreement: number;
};

export const NO_PEOPLE: PeopleVerdict = { contradicted: [], labels: 0, agreement: Number.NaN };

/** The teacher's answers beside those of people. What another teacher answered, one of before or one
 * of windows in 2 bits, says nothing of this one. */
export function judgeByPeople(
  all: readonly PersonLabel[],
  teacherId: string,
  rule: PeopleRule = DEFAULT_PEOPLE_RULE,
): PeopleVerdict {
  const labels = all.filter((label) => label.teacherId === teacherId);
  const agrees = (label: PersonLabel): boolean =>
    largestIndex(label.probabilities) === label.personClass;
  const contradicted = [...Map.groupBy(labels, (label) => label.node)]
    .filter(
      ([, own]) =>
        own.length >= rule.labelsLeast &&
        own.filter(agrees).length < rule.agreementLeast * own.length,
    )
    .map(([node]) => node);
  const agreement = labels.filter(agrees).length / labels.length;
  return { contradicted, labels: labels.length, agreement };
}

export type PeopleChoice = { readonly train: SoftWindows; readonly heldOut: SoftWindows };

/** What people said as windows with one sure class each. Those of another shape or with a class that
 * the profile does not have are left out: they were made under another profile. So are those that
 * nothing is learned from, whoever says what they are. */
export function peopleWindows(
  labels: readonly PersonLabel[],
  profile: Profile,
  seed: number,
  rule: PeopleRule = DEFAULT_PEOPLE_RULE,
): PeopleChoice {
  const classes = profile.classes.length;
  const rows = labels
    .filter(
      (label) =>
        isLearnable(label.encoding) && hasShapeOf(profile, label) && label.personClass < classes,
    )
    .map((label) => ({
      ...label,
      probabilities: Float32Array.from({ length: classes }, (_, c) =>
        c === label.personClass ? 1 : 0,
      ),
    }))
    .sort((a, b) => a.offloadId - b.offloadId);
  return splitLabels(rows, profile, seed, {
    heldOutShare: rule.heldOutShare,
    // Nobody drew them by chance: each stands for itself.
    weightMost: 1,
  } satisfies Pick<LabelRule, "heldOutShare" | "weightMost">);
}
