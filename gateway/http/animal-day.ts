/**
 * What the page of one animal is told: a day with its bouts, hours and the days before it, the windows
 * it offloaded, and one of them whole. Payloads as the public topics have them, in names and not in
 * indices.
 */

import {
  type Budget,
  budgetOf,
  DAY_MS,
  dayStart,
  HOUR_MS,
  type Span,
} from "../../src/behaviour/budget.ts";
import { type BaselineRule, type Change, changeOf } from "../../src/behaviour/change.ts";
import type { Bout } from "../../src/behaviour/track.ts";
import { largestIndex } from "../../src/learn/metrics.ts";
import type { WindowOffload } from "../../src/wire/messages.ts";
import type { BehaviourConfig } from "../herd/behaviour-config.ts";
import type { OffloadedWindow, WholeWindow } from "../store/label-animal.ts";
import { publicBout, publicSpan, rounded } from "../telling/tell-behaviours.ts";
import type {
  AnimalDay,
  AnimalSignal,
  AnimalWindow,
  DayChange,
  HourCount,
  ListedWindow,
  TeacherAnswer,
  ToldDay,
} from "./animal-payloads.ts";

/** Bounds of an answer, so that a strange node makes no page of megabytes. */
export const ANIMAL_LIMITS = {
  /** Of a day; one a minute is 1,440. */
  bouts: 4_000,
  /** Offloaded windows that are listed at once. */
  windows: 1_000,
  /** Windows of the same bout before one that is shown, and as many after. */
  near: 3,
  /** Days before a day. */
  days: 14,
} as const;

export type DayRule = Pick<BehaviourConfig, "utcOffsetMs" | "baseline" | "rules" | "groups">;

export type StoredDay = {
  readonly node: string;
  readonly span: Span;
  readonly known: Span | null;
  /** Those that touch the day. */
  readonly bouts: readonly Bout[];
  readonly hours: readonly HourCount[];
  readonly days: readonly { readonly startMs: number; readonly budget: Budget }[];
};

/** The day of that name, or the newest of which something is known; null where that is no day. */
export function daySpan(
  day: string | undefined,
  known: Span | null,
  offsetMs: number,
): Span | null {
  const startMs =
    day === undefined
      ? dayStart(known?.endMs ?? 0, offsetMs)
      : Date.parse(`${day}T00:00:00Z`) - offsetMs;
  return Number.isNaN(startMs) ? null : { startMs, endMs: startMs + DAY_MS };
}

/** @param known from the first to the last of which something is known; null of nothing */
export function toldDay({ startMs, endMs }: Span, known: Span | null, offsetMs: number): ToldDay {
  return {
    day: dayName(startMs, offsetMs),
    utc_offset_ms: offsetMs,
    start: startMs,
    end: endMs,
    known_until: Math.max(startMs, Math.min(endMs, known?.endMs ?? startMs)),
    first_day: known === null ? null : dayName(known.startMs, offsetMs),
    last_day: known === null ? null : dayName(known.endMs, offsetMs),
  };
}

export function animalDay(
  { node, span, known, bouts, hours, days }: StoredDay,
  classes: readonly string[],
  rule: DayRule,
): AnimalDay {
  const { startMs, endMs } = span;
  const told = toldDay(span, known, rule.utcOffsetMs);
  const untilMs = told.known_until;
  const budget = budgetOf(bouts, classes.length, { startMs, endMs: untilMs });
  const before = days.filter((one) => one.startMs < startMs).slice(-ANIMAL_LIMITS.days);
  return {
    v: 1,
    node,
    classes,
    ...told,
    bouts: bouts.slice(0, ANIMAL_LIMITS.bouts).map((bout) => {
      return { number: bout.number, ...publicBout(classes, node, bout) };
    }),
    more: bouts.length > ANIMAL_LIMITS.bouts,
    budget: publicSpan(classes, budget, startMs, untilMs),
    hours: hours.map((count, hour) => {
      const from = startMs + hour * HOUR_MS;
      const to = Math.max(from, Math.min(from + HOUR_MS, untilMs));
      const inHour = budgetOf(bouts, classes.length, { startMs: from, endMs: to });
      return { ...publicSpan(classes, inHour, from, to), ...count };
    }),
    before: before
      .map((one) => publicSpan(classes, one.budget, one.startMs, one.startMs + DAY_MS))
      .reverse(),
    changes: untilMs < endMs ? [] : changesOf(budget, before, startMs, classes, rule),
  };
}

/** Each behaviour by itself, and then what the rules ask. */
function changesOf(
  day: Budget,
  before: StoredDay["days"],
  startMs: number,
  classes: readonly string[],
  { baseline, rules }: DayRule,
): DayChange[] {
  const oldestMs = startMs - baseline.days * DAY_MS;
  const past = before.filter((one) => one.startMs >= oldestMs).map((one) => one.budget);
  const single = classes.map((name) => ({ name: null, behaviours: [name], changePercent: 1 }));
  return [...single, ...rules].flatMap(({ name, behaviours, changePercent }) => {
    const change = changed(day, past, behaviours, classes, baseline, changePercent);
    return change === undefined ? [] : [publicChange(change, behaviours, name)];
  });
}

function changed(
  day: Budget,
  past: readonly Budget[],
  behaviours: readonly string[],
  classes: readonly string[],
  baseline: BaselineRule,
  changePercent: number,
): Change | undefined {
  const classIndices = behaviours.map((name) => classes.indexOf(name));
  return changeOf({ name: "", classIndices, changePercent }, baseline, day, past);
}

function publicChange(
  { minutes, baselineMinutes, changePercent, deviations, days, alarm }: Change,
  behaviours: readonly string[],
  rule: string | null,
): DayChange {
  return {
    behaviours,
    minutes: rounded(minutes),
    baseline_minutes: rounded(baselineMinutes),
    change_percent: rounded(changePercent),
    deviations: rounded(deviations),
    days,
    rule,
    alarm: rule !== null && alarm,
  };
}

export function listedWindow(window: OffloadedWindow, classes: readonly string[]): ListedWindow {
  const { offloadId, timeMs, reason, answer } = window;
  return {
    id: offloadId,
    time: timeMs,
    reason,
    ...studentSaid(window, classes),
    teacher: answer === null ? null : teacherSaid(answer, classes),
  };
}

export function animalWindow(
  node: string,
  { offloadId, offload, answer }: WholeWindow,
  classes: readonly string[],
): AnimalWindow {
  const chances = [...(answer?.probabilities ?? [])].map((p, c) => {
    return [className(classes, c), rounded(p)];
  });
  return {
    v: 1,
    id: offloadId,
    node,
    end: offload.timeMs,
    encoding: offload.encoding,
    signal: offload.encoding === "features" ? null : signalOf(offload),
    student: {
      ...studentSaid(offload, classes),
      model: offload.modelId,
      reason: offload.reason,
      chance: rounded(offload.chanceQ16 / 65_535),
    },
    teacher:
      answer === null
        ? null
        : {
            ...teacherSaid(answer, classes),
            name: answer.teacherId,
            answered: answer.answeredMs,
            probabilities: Object.fromEntries(chances) as Record<string, number>,
          },
  };
}

function signalOf(offload: WindowOffload): AnimalSignal {
  const { window, windowSamples, channels, inputMilligPerStep, rateCentihertz, timeMs } = offload;
  const rateHz = rateCentihertz / 100;
  const axes = Array.from({ length: channels }, (_, c) => ({
    axis: ["x", "y", "z"][c] ?? `channel ${c + 1}`,
    g: Array.from({ length: windowSamples }, (_, t) =>
      rounded(((window[t * channels + c] ?? 0) * inputMilligPerStep) / 1000),
    ),
  }));
  return { start: Math.round(timeMs - (1000 * windowSamples) / rateHz), rate_hz: rateHz, axes };
}

function studentSaid(
  { classIndex, confidenceQ8, exit }: Pick<OffloadedWindow, "classIndex" | "confidenceQ8" | "exit">,
  classes: readonly string[],
): { readonly behaviour: string; readonly confidence: number; readonly source: string } {
  return {
    behaviour: className(classes, classIndex),
    confidence: rounded(confidenceQ8 / 255),
    source: `exit ${exit + 1}`,
  };
}

function teacherSaid(
  { probabilities, trusted }: NonNullable<OffloadedWindow["answer"]>,
  classes: readonly string[],
): TeacherAnswer {
  const best = largestIndex(probabilities);
  return {
    behaviour: className(classes, best),
    confidence: rounded(probabilities[best] ?? 0),
    trusted,
  };
}

function className(classes: readonly string[], index: number): string {
  return classes[index] ?? `class ${index}`;
}

/** `2026-03-14` */
export function dayName(timeMs: number, offsetMs: number): string {
  return new Date(timeMs + offsetMs).toISOString().slice(0, 10);
}
