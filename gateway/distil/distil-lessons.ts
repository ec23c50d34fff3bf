/**
 * What one distillation learns from and is judged by, of all that teacher and people have said. Pure.
 *
 * Where the teacher is not trusted on the whole, people's labels alone; else both, but none of the
 * teacher's on nodes that it does not know or where people contradict it.
 */

import type { Profile } from "../../src/signal/profile.ts";
import type { PersonLabel, SoftLabel } from "../store/label-rows.ts";
import type { TrustVerdict } from "../teacher/teacher-trust.ts";
import { chooseLabels, type LabelChoice, type LabelRule } from "./distil-labels.ts";
import type { Judge } from "./distil-measure.ts";
import { judgeByPeople, type PeopleChoice, peopleWindows } from "./people-labels.ts";

export type Lessons = {
  readonly labels: LabelChoice;
  readonly people: PeopleChoice;
  readonly judge: Judge;
};

export function chooseLessons(
  rows: readonly SoftLabel[],
  people: readonly PersonLabel[],
  context: {
    readonly profile: Profile;
    readonly teacherId: string;
    readonly seed: number;
    readonly verdict: TrustVerdict;
    readonly judge: Judge;
  },
  rule: LabelRule,
): Lessons {
  const { profile, teacherId, seed, verdict, judge } = context;
  const said = new Set(people.map(({ offloadId }) => offloadId));
  const left = verdict.trusted ? rows.filter(({ offloadId }) => !said.has(offloadId)) : [];
  const unknownNodes = [...verdict.unknownNodes, ...judgeByPeople(people, teacherId).contradicted];
  return {
    labels: chooseLabels(left, { profile, teacherId, unknownNodes, seed }, rule),
    people: peopleWindows(people, profile, seed),
    judge,
  };
}

/** How much there is to begin with: soft labels to learn from, and all that people have said. */
export function lessonCount({ labels, people }: Lessons): number {
  const { train, heldOut } = people;
  return labels.train.windows.count + train.windows.count + heldOut.windows.count;
}

/** `48 labels of people, 12 soft labels`: what there is, for people. */
export function lessonsText({ labels, people }: Lessons): string {
  const soft = `${labels.train.windows.count} soft labels`;
  const count = people.train.windows.count;
  return count === 0 ? soft : `${count} labels of people, ${soft}`;
}
