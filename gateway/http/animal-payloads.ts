/**
 * What the gateway answers about one animal over HTTP, as types: `animal-day.ts` makes it of the store,
 * and the page shows it. Behaviours are names, times milliseconds since 1970 by the node's clock, and
 * bouts and spans as on the public topics. `docs/TOPICS.md` is the reference.
 */

import type { OffloadReason } from "../../src/wire/messages.ts";
import type { BudgetSpan, PublicBout } from "../../src/wire/public.ts";

/** Windows of an hour. */
export type HourCount = { readonly windows: number; readonly offloads: number };

/** A day against the days before, of behaviours whose time is added up. */
export type DayChange = {
  readonly behaviours: readonly string[];
  /** Of a wholly known day: this one, and the median of the days before. */
  readonly minutes: number;
  readonly baseline_minutes: number;
  readonly change_percent: number;
  /** The same in deviations of the days before. */
  readonly deviations: number;
  readonly days: number;
  /** The rule that gives an alarm; null for a behaviour by itself, which gives none. */
  readonly rule: string | null;
  readonly alarm: boolean;
};

/** Which day is told, of a node or of a group. */
export type ToldDay = {
  /** `2026-03-14`, where midnight is so many milliseconds ahead of UTC's. */
  readonly day: string;
  readonly utc_offset_ms: number;
  readonly start: number;
  readonly end: number;
  /** Until where something is known, of any node, if that is in the day. */
  readonly known_until: number;
  /** The first and the last day of which something is known. */
  readonly first_day: string | null;
  readonly last_day: string | null;
};

export type AnimalDay = ToldDay & {
  readonly v: 1;
  readonly node: string;
  readonly classes: readonly string[];
  readonly bouts: readonly (PublicBout & { readonly number: number })[];
  /** There are more than are told. */
  readonly more: boolean;
  readonly budget: BudgetSpan;
  readonly hours: readonly (BudgetSpan & HourCount)[];
  /** Days that were judged, the newest first. */
  readonly before: readonly BudgetSpan[];
  /** Empty for a day that is not over, and where too little is known to compare. */
  readonly changes: readonly DayChange[];
};

export type TeacherAnswer = {
  readonly behaviour: string;
  readonly confidence: number;
  /** False where the teacher does not know this kind of signal: its answer teaches nothing. */
  readonly trusted: boolean;
};

export type ListedWindow = {
  readonly id: number;
  /** Its end, by the node's clock. */
  readonly time: number;
  readonly reason: OffloadReason;
  readonly behaviour: string;
  readonly confidence: number;
  readonly source: string;
  readonly teacher: TeacherAnswer | null;
};

export type AnimalWindows = {
  readonly v: 1;
  readonly node: string;
  readonly windows: readonly ListedWindow[];
  /** There are more; the next begin after the time of the last. */
  readonly more: boolean;
};

export type AnimalSignal = {
  /** By the node's clock. */
  readonly start: number;
  readonly rate_hz: number;
  readonly axes: readonly { readonly axis: string; readonly g: readonly number[] }[];
};

export type AnimalWindow = {
  readonly v: 1;
  readonly id: number;
  readonly node: string;
  /** By the node's clock. */
  readonly end: number;
  /** How it came: `companded4` has lost something on the way. */
  readonly encoding: string;
  /** Null of one that came as codes, from which no samples come back. */
  readonly signal: AnimalSignal | null;
  readonly student: {
    readonly behaviour: string;
    readonly confidence: number;
    readonly source: string;
    readonly model: string;
    readonly reason: string;
    /** With which it was chosen. */
    readonly chance: number;
  };
  readonly teacher:
    | (TeacherAnswer & {
        readonly name: string;
        readonly answered: number;
        readonly probabilities: Readonly<Record<string, number>>;
      })
    | null;
};

/** Windows beside one that were offloaded in the same bout, so far as there are any. */
export type AnimalNear = {
  readonly v: 1;
  readonly node: string;
  readonly id: number;
  /** As it is stored; null where no bout is known, and what is close in time is told. */
  readonly bout: { readonly start: number; readonly end: number } | null;
  /** The nearest, oldest first. */
  readonly before: readonly AnimalWindow[];
  readonly after: readonly AnimalWindow[];
};
