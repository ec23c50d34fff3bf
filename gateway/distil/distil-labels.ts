/**
 * Which soft labels a distillation learns from, and which it is judged by.
 *
 * A node is a stranger: it may be broken, repeat itself or send more than all others. So windows that
 * the teacher does not know, of nodes that it does not know, of a dead sensor, or seen before are left
 * out and counted; no node gives more than its share; and of what is left those are taken that
 * differ most, node by node in turn, since fifty windows of many bouts teach more than a thousand of
 * two. Whole bouts are held out for the publish gate.
 */

import {
  statisticsDistance,
  type WindowStatistics,
  windowStatistics,
} from "../../src/gate/window-statistics.ts";
import { largestIndex } from "../../src/learn/metrics.ts";
import { prng, shuffle } from "../../src/prng.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { windowFault } from "../../src/signal/sensor-watch.ts";
import { pickWindows, type WindowSet } from "../../src/signal/window-set.ts";
import type { SoftLabel } from "../store/label-rows.ts";

/** Windows with the teacher's answers; the labels of `windows` are its likeliest classes, the
 * subjects the nodes. */
export type SoftWindows = {
  readonly windows: WindowSet;
  /** `[window][class]`, each row sums to 1. */
  readonly probabilities: Float32Array;
  /** How many windows each stands for: one over the chance with which it was chosen, capped. */
  readonly weights: Float32Array;
};

export type LabelChoice = {
  readonly train: SoftWindows;
  readonly heldOut: SoftWindows;
  /** Rows left out, by reason. */
  readonly leftOut: Readonly<Record<LeftOutReason, number>>;
};

export type LeftOutReason =
  | "other-shape"
  | "other-teacher"
  | "not-trusted"
  | "dead-sensor"
  | "repeated"
  | "over-share";

export type LabelRule = {
  /** Most labels used, held-out ones included. */
  readonly labelsMost: number;
  /** Of these no node gives more than this share, where there are others. */
  readonly nodeShareMost: number;
  readonly heldOutShare: number;
  /** An audit of a window that had one chance in a hundred stands for no more than this many. */
  readonly weightMost: number;
};

export const DEFAULT_LABEL_RULE: LabelRule = {
  labelsMost: 95,
  nodeShareMost: 0.4,
  heldOutShare: 0.2,
  weightMost: 4,
};

/** Windows of one life of a node this far apart, in hops, are of different bouts. */
export const BOUT_GAP_WINDOWS = 12;

export function chooseLabels(
  rows: readonly SoftLabel[],
  context: {
    readonly profile: Profile;
    readonly teacherId: string;
    readonly unknownNodes: readonly string[];
    readonly seed: number;
  },
  rule: LabelRule = DEFAULT_LABEL_RULE,
): LabelChoice {
  const { profile, teacherId, unknownNodes, seed } = context;
  const leftOut: Record<LeftOutReason, number> = {
    "other-shape": 0,
    "other-teacher": 0,
    "not-trusted": 0,
    "dead-sensor": 0,
    repeated: 0,
    "over-share": 0,
  };
  const seen = new Set<string>();
  const good = rows.filter((row) => {
    const reason = reasonToLeaveOut(row, profile, teacherId, unknownNodes, seen);
    if (reason !== undefined) leftOut[reason]++;
    return reason === undefined;
  });
  const chosen = mostDiverse(good, profile.channels, seed, rule);
  leftOut["over-share"] = good.length - chosen.length;
  return { ...splitLabels(chosen, profile, seed, rule), leftOut };
}

/** Rows as windows: whole bouts of each class are held out, the rest is learned from. */
export function splitLabels(
  rows: readonly SoftLabel[],
  profile: Profile,
  seed: number,
  rule: Pick<LabelRule, "heldOutShare" | "weightMost">,
): { readonly train: SoftWindows; readonly heldOut: SoftWindows } {
  const all = softWindows(rows, profile, rule);
  const held = heldOutRows(all.windows, seed, rule.heldOutShare);
  const every = Array.from({ length: all.windows.count }, (_, i) => i);
  return {
    train: pick(
      all,
      every.filter((i) => !held.has(i)),
    ),
    heldOut: pick(
      all,
      every.filter((i) => held.has(i)),
    ),
  };
}

function reasonToLeaveOut(
  row: SoftLabel,
  profile: Profile,
  teacherId: string,
  unknownNodes: readonly string[],
  seen: Set<string>,
): LeftOutReason | undefined {
  const fits = hasShapeOf(profile, row) && row.probabilities.length === profile.classes.length;
  if (!fits) return "other-shape";
  if (row.teacherId !== teacherId) return "other-teacher";
  if (!row.trusted || unknownNodes.includes(row.node)) return "not-trusted";
  if (windowFault(row) !== undefined) return "dead-sensor";
  const key = Buffer.from(row.window).toString("latin1");
  if (seen.has(key)) return "repeated";
  seen.add(key);
  return undefined;
}

/** A window of another shape was made under another profile. */
export function hasShapeOf(profile: Profile, row: SoftLabel): boolean {
  return (
    row.windowSamples === profile.windowSamples &&
    row.channels === profile.channels &&
    row.inputMilligPerStep === profile.inputMilligPerStep &&
    row.rateCentihertz === Math.round(100 * profile.rateHz)
  );
}

/** Node by node in turn, the window that is furthest from what that node has already given. */
function mostDiverse(
  rows: readonly SoftLabel[],
  channels: number,
  seed: number,
  rule: LabelRule,
): SoftLabel[] {
  const random = prng(seed, "labels");
  const byNode = Map.groupBy(rows, (row) => row.node);
  const queues = [...byNode.values()].map((own) => {
    const shuffled = [...own];
    shuffle(random, shuffled);
    return furthestQueue(shuffled, (row) => windowStatistics(row.window, channels));
  });
  const share = queues.length === 1 ? 1 : rule.nodeShareMost;
  const perNode = Math.max(1, Math.floor(share * Math.min(rule.labelsMost, rows.length)));
  const chosen: SoftLabel[] = [];
  for (let turn = 0; turn < perNode && chosen.length < rule.labelsMost; turn++) {
    for (const queue of queues) {
      if (chosen.length >= rule.labelsMost) break;
      const next = takeFurthest(queue);
      if (next !== undefined) chosen.push(next);
    }
  }
  return chosen.sort((a, b) => a.offloadId - b.offloadId);
}

/** Windows that wait, each with its distance to the nearest of those that were taken. */
export type Waiting<Row> = {
  readonly row: Row;
  readonly statistics: WindowStatistics;
  nearest: number;
};

/** What `takeFurthest` takes from; the first of the list goes first. */
export function furthestQueue<Row>(
  rows: readonly Row[],
  statisticsOf: (row: Row) => WindowStatistics,
): Waiting<Row>[] {
  return rows.map((row) => ({
    row,
    statistics: statisticsOf(row),
    nearest: Number.POSITIVE_INFINITY,
  }));
}

/** The one whose raw statistics are furthest from all that were taken before. */
export function takeFurthest<Row>(queue: Waiting<Row>[]): Row | undefined {
  let best = 0;
  queue.forEach((candidate, i) => {
    if (candidate.nearest > Number(queue[best]?.nearest)) best = i;
  });
  const [taken] = queue.splice(best, 1);
  if (taken === undefined) return undefined;
  drawNear(queue, taken.statistics);
  return taken.row;
}

/** To one more that was taken. */
export function drawNear(queue: readonly Waiting<unknown>[], statistics: WindowStatistics): void {
  for (const candidate of queue) {
    const distance = statisticsDistance(candidate.statistics, statistics);
    candidate.nearest = Math.min(candidate.nearest, distance);
  }
}

function softWindows(
  rows: readonly SoftLabel[],
  profile: Profile,
  rule: Pick<LabelRule, "weightMost">,
): SoftWindows {
  const length = profile.windowSamples * profile.channels;
  const classes = profile.classes.length;
  const samples = new Int8Array(rows.length * length);
  const probabilities = new Float32Array(rows.length * classes);
  rows.forEach((row, i) => {
    samples.set(row.window, i * length);
    probabilities.set(row.probabilities, i * classes);
  });
  return {
    windows: {
      count: rows.length,
      windowSamples: profile.windowSamples,
      channels: profile.channels,
      samples,
      labels: Uint8Array.from(rows, (row) => largestIndex(row.probabilities)),
      subjects: rows.map((row) => row.node),
      bouts: boutsOf(rows),
    },
    probabilities,
    weights: Float32Array.from(rows, (row) =>
      Math.min(rule.weightMost, 65535 / Math.max(1, row.chanceQ16)),
    ),
  };
}

/** Nobody tells the gateway where a bout ends: a gap in time, or another answer, begins a new one. */
function boutsOf(rows: readonly SoftLabel[]): Int32Array {
  const bouts = new Int32Array(rows.length);
  const inTime = rows
    .map((row, i) => ({ row, i, label: largestIndex(row.probabilities) }))
    .sort(
      (a, b) =>
        a.row.node.localeCompare(b.row.node) ||
        a.row.epoch - b.row.epoch ||
        a.row.windowIndex - b.row.windowIndex,
    );
  let bout = -1;
  inTime.forEach((here, at) => {
    const before = inTime[at - 1];
    const goesOn =
      before !== undefined &&
      before.row.node === here.row.node &&
      before.row.epoch === here.row.epoch &&
      before.label === here.label &&
      here.row.windowIndex - before.row.windowIndex < BOUT_GAP_WINDOWS;
    if (!goesOn) bout++;
    bouts[here.i] = bout;
  });
  return bouts;
}

/** Whole bouts of each class, up to its share and never above: labels are too few to waste. */
function heldOutRows(windows: WindowSet, seed: number, share: number): Set<number> {
  const random = prng(seed, "held-out");
  const held = new Set<number>();
  const rows = Array.from(windows.labels, (label, i) => ({ i, label, bout: windows.bouts[i] }));
  for (const ofClass of Map.groupBy(rows, (row) => row.label).values()) {
    const bouts = [...Map.groupBy(ofClass, (row) => row.bout).values()];
    shuffle(random, bouts);
    let left = Math.round(share * ofClass.length);
    for (const bout of bouts) {
      if (bout.length > left) continue;
      left -= bout.length;
      for (const row of bout) held.add(row.i);
    }
  }
  return held;
}

function pick(all: SoftWindows, indices: readonly number[]): SoftWindows {
  const classes = all.probabilities.length / Math.max(1, all.windows.count);
  const probabilities = new Float32Array(indices.length * classes);
  indices.forEach((from, to) => {
    probabilities.set(
      all.probabilities.subarray(from * classes, (from + 1) * classes),
      to * classes,
    );
  });
  return {
    windows: pickWindows(all.windows, indices),
    probabilities,
    weights: Float32Array.from(indices, (i) => Number(all.weights[i])),
  };
}
