/**
 * Which windows a person is asked about: those whose label nobody can vouch for. Pure.
 *
 * A window is doubted when the teacher's novelty test does not know it, when its two likeliest classes
 * are close, or when people's labels contradict the teacher on that node. Of these a few dozen are
 * asked, in turn from every node in doubt: each as far as can be, in raw statistics, from what that node
 * has had answered or asked already, and few of a bout, since the tenth window of a long rest teaches
 * no more than the first.
 */

import {
  statisticsDistance,
  type WindowStatistics,
  windowStatistics,
} from "../src/gate/window-statistics.ts";
import type { SoftLabel } from "./label-rows.ts";
import type { PeopleVerdict } from "./people-labels.ts";

export type InboxRule = {
  /** Asked at a time, over all nodes. */
  readonly windowsMost: number;
  /** Of one node, answered ones included; then there is enough to distil from, and to judge by. */
  readonly nodeMost: number;
  /** Of one bout, answered ones included. */
  readonly boutMost: number;
  /** The teacher is unsure where its likeliest class is ahead of the next by less than this. */
  readonly marginLeast: number;
};

/** Forty-eight windows are ten minutes of a person, and were more than enough for three lost collars
 * (`bench -- loop --person`). */
export const DEFAULT_INBOX_RULE: InboxRule = {
  windowsMost: 48,
  nodeMost: 48,
  boutMost: 2,
  marginLeast: 0.2,
};

/** Windows of one life of a node this close, in hops, are of one bout as far as anybody knows. */
const BOUT_GAP_WINDOWS = 12;

export type DoubtReason = "not-trusted" | "contradicted" | "unsure";

export type InboxItem = { readonly label: SoftLabel; readonly reason: DoubtReason };

/** Why a person is to say what this window is; undefined where the teacher's word stands. */
export function doubtOf(
  label: SoftLabel,
  people: PeopleVerdict,
  rule: InboxRule,
): DoubtReason | undefined {
  if (!label.trusted) return "not-trusted";
  if (people.contradicted.includes(label.node)) return "contradicted";
  const [first = 0, second = 0] = [...label.probabilities].sort((a, b) => b - a);
  return first - second < rule.marginLeast ? "unsure" : undefined;
}

/**
 * What to ask, the first first. Windows that were answered are not asked again, but count.
 *
 * @param rows with the answered ones among them, as far as they are to count
 */
export function chooseInbox(
  rows: readonly SoftLabel[],
  answered: ReadonlySet<number>,
  people: PeopleVerdict,
  rule: InboxRule = DEFAULT_INBOX_RULE,
): InboxItem[] {
  const queues = [...Map.groupBy(rows, (row) => row.node).values()]
    .map((own) => nodeQueue(own, answered, people, rule))
    .filter((queue) => queue.left.length > 0)
    // A node of which much is in doubt has more to teach than one with a single odd window.
    .sort((a, b) => b.left.length - a.left.length);
  const chosen: InboxItem[] = [];
  while (chosen.length < rule.windowsMost) {
    const taken = queues.flatMap((queue) => takeNext(queue, rule) ?? []);
    if (taken.length === 0) break;
    chosen.push(...taken);
  }
  return chosen.slice(0, rule.windowsMost);
}

type Candidate = InboxItem & {
  readonly statistics: WindowStatistics;
  /** To what was answered or is asked. */
  nearest: number;
};

type Queue = { left: Candidate[]; readonly asked: SoftLabel[] };

function nodeQueue(
  own: readonly SoftLabel[],
  answered: ReadonlySet<number>,
  people: PeopleVerdict,
  rule: InboxRule,
): Queue {
  const asked = own.filter(({ offloadId }) => answered.has(offloadId));
  const left = own.flatMap((label): Candidate[] => {
    if (answered.has(label.offloadId)) return [];
    const reason = doubtOf(label, people, rule);
    if (reason === undefined) return [];
    const statistics = windowStatistics(label.window, label.channels);
    return [{ label, reason, statistics, nearest: Number.POSITIVE_INFINITY }];
  });
  for (const label of asked) drawNear(left, windowStatistics(label.window, label.channels));
  return { left, asked };
}

function takeNext(queue: Queue, rule: InboxRule): InboxItem | undefined {
  if (queue.asked.length >= rule.nodeMost) return undefined;
  queue.left = queue.left.filter(({ label }) => roomInBout(queue.asked, label, rule));
  let best = queue.left[0];
  for (const candidate of queue.left) {
    if (best === undefined || candidate.nearest > best.nearest) best = candidate;
  }
  if (best === undefined) return undefined;
  queue.left = queue.left.filter((candidate) => candidate !== best);
  drawNear(queue.left, best.statistics);
  queue.asked.push(best.label);
  return { label: best.label, reason: best.reason };
}

function drawNear(left: readonly Candidate[], statistics: WindowStatistics): void {
  for (const candidate of left) {
    const distance = statisticsDistance(candidate.statistics, statistics);
    candidate.nearest = Math.min(candidate.nearest, distance);
  }
}

/** Where a bout ends nobody knows who does not trust the teacher: what is close in time is one. */
function roomInBout(asked: readonly SoftLabel[], label: SoftLabel, rule: InboxRule): boolean {
  const close = asked.filter(
    ({ epoch, windowIndex }) =>
      epoch === label.epoch && Math.abs(windowIndex - label.windowIndex) < BOUT_GAP_WINDOWS,
  );
  return close.length < rule.boutMost;
}
