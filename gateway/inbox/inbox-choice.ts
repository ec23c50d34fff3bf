/**
 * Which windows a person is asked about: those whose label nobody can vouch for. Pure.
 *
 * A window is doubted when the teacher's novelty test does not know it, when its two likeliest classes
 * are close, or when people's labels contradict the teacher on that node; none is asked about that shows
 * a broken sensor. Of these a few dozen are asked, in turn from every node in doubt: each as far as can
 * be, in raw statistics, from what that node has had answered or asked already, and few of a bout, since
 * the tenth window of a long rest teaches no more than the first.
 */

import { windowStatistics } from "../../src/gate/window-statistics.ts";
import { windowFault } from "../../src/signal/sensor-watch.ts";
import {
  BOUT_GAP_WINDOWS,
  drawNear,
  furthestQueue,
  takeFurthest,
  type Waiting,
} from "../distil/distil-labels.ts";
import type { PeopleVerdict } from "../distil/people-labels.ts";
import type { SoftLabel } from "../store/label-rows.ts";

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

export type DoubtReason = "not-trusted" | "contradicted" | "unsure";

export type InboxItem = { readonly label: SoftLabel; readonly reason: DoubtReason };

/** Why a person is to say what this window is; undefined where the teacher's word stands. */
export function doubtOf(
  label: SoftLabel,
  people: PeopleVerdict,
  rule: InboxRule,
): DoubtReason | undefined {
  if (windowFault(label) !== undefined) return undefined;
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

/** What is left, by its distance to what was answered or is asked. */
type Queue = { left: Waiting<InboxItem>[]; readonly asked: SoftLabel[] };

function nodeQueue(
  own: readonly SoftLabel[],
  answered: ReadonlySet<number>,
  people: PeopleVerdict,
  rule: InboxRule,
): Queue {
  const asked = own.filter(({ offloadId }) => answered.has(offloadId));
  const items = own.flatMap((label): InboxItem[] => {
    if (answered.has(label.offloadId)) return [];
    const reason = doubtOf(label, people, rule);
    return reason === undefined ? [] : [{ label, reason }];
  });
  const left = furthestQueue(items, ({ label }) => windowStatistics(label.window, label.channels));
  for (const label of asked) drawNear(left, windowStatistics(label.window, label.channels));
  return { left, asked };
}

function takeNext(queue: Queue, rule: InboxRule): InboxItem | undefined {
  if (queue.asked.length >= rule.nodeMost) return undefined;
  queue.left = queue.left.filter(({ row }) => roomInBout(queue.asked, row.label, rule));
  const next = takeFurthest(queue.left);
  if (next !== undefined) queue.asked.push(next.label);
  return next;
}

/** Where a bout ends nobody knows who does not trust the teacher: what is close in time is one. */
function roomInBout(asked: readonly SoftLabel[], label: SoftLabel, rule: InboxRule): boolean {
  const close = asked.filter(
    ({ epoch, windowIndex }) =>
      epoch === label.epoch && Math.abs(windowIndex - label.windowIndex) < BOUT_GAP_WINDOWS,
  );
  return close.length < rule.boutMost;
}
