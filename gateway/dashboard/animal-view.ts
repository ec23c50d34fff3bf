/**
 * What the page of one animal says, worked out from what the gateway answers: sentences, shares and
 * places in a day. Pure.
 */

import type { Audit, BudgetSpan, NodeStateMessage } from "../../src/wire/public.ts";
import type { AnimalDay, AnimalWindow, ListedWindow } from "../http/animal-payloads.ts";
import { counted, durationText, percentText } from "./herd-view.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

/** `06:05`, by the clock that the gateway's days are of. */
export function clockText(timeMs: number, offsetMs: number): string {
  const minutes = Math.floor((((timeMs + offsetMs) % DAY_MS) + DAY_MS) / MINUTE_MS) % 1_440;
  const two = (value: number): string => String(value).padStart(2, "0");
  return `${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

/** `06:05:30` */
export function exactText(timeMs: number, offsetMs: number): string {
  const seconds = Math.floor((((timeMs + offsetMs) % MINUTE_MS) + MINUTE_MS) / 1000) % 60;
  return `${clockText(timeMs, offsetMs)}:${String(seconds).padStart(2, "0")}`;
}

/** That a day's clock is the farm's and not the reader's, where they differ; else nothing. */
export function zoneText(
  day: Pick<AnimalDay, "start" | "utc_offset_ms">,
  readersOffsetMs: number,
): string {
  const { utc_offset_ms: offsetMs } = day;
  if (offsetMs === readersOffsetMs) return "";
  const minutes = Math.abs(offsetMs) / MINUTE_MS;
  const part = minutes % 60 === 0 ? "" : `:${String(minutes % 60).padStart(2, "0")}`;
  const zone =
    offsetMs === 0 ? "UTC" : `UTC${offsetMs < 0 ? "-" : "+"}${Math.floor(minutes / 60)}${part}`;
  return ` Days and times here are those of the farm's clock, ${zone}.`;
}

/** `1 h 20 min` of so many minutes. */
export function minutesText(minutes: number): string {
  const whole = Math.round(minutes);
  return whole === 0 ? "0 min" : durationText(whole * MINUTE_MS);
}

/** A stretch of a lane, from 0 at the start of the day to 1 at its end. */
export type Stretch = {
  readonly lane: number;
  readonly from: number;
  readonly to: number;
  readonly words: string;
};

/** Bouts as stretches, a lane for each behaviour: place and not colour alone says which. */
export function stretchesOf(day: AnimalDay): Stretch[] {
  return day.bouts.map((bout) => {
    const endMs = bout.start + 1000 * bout.duration_seconds;
    const sure = `${Math.round(100 * bout.confidence)} % sure`;
    const times = `${clockText(bout.start, day.utc_offset_ms)} to ${clockText(endMs, day.utc_offset_ms)}`;
    return {
      lane: laneOf(day, bout.behaviour),
      from: placeOf(day, bout.start),
      to: placeOf(day, endMs),
      words: `${bout.behaviour}, ${times}, ${sure}`,
    };
  });
}

/** Behind the last, where a name is none of the classes. */
export function laneOf(day: AnimalDay, behaviour: string): number {
  const index = day.classes.indexOf(behaviour);
  return index < 0 ? day.classes.length : index;
}

export function placeOf(day: AnimalDay, timeMs: number): number {
  return Math.max(0, Math.min(1, (timeMs - day.start) / (day.end - day.start)));
}

/** One sentence for a day. */
export function dayText(day: AnimalDay): string {
  const known = Object.entries(day.budget.minutes).filter(([, minutes]) => minutes >= 0.5);
  if (known.length === 0) return `Nothing is known of ${day.day}.`;
  const parts = known.map(([name, minutes]) => `${name} ${minutesText(minutes)}`);
  const unknown = day.budget.unknown_minutes;
  const told = unknown < 0.5 ? "" : `, unknown ${minutesText(unknown)}`;
  const until =
    day.known_until < day.end ? ` until ${clockText(day.known_until, day.utc_offset_ms)}` : "";
  return `${day.day}${until}: ${parts.join(", ")}${told}.`;
}

export type Part = { readonly name: string; readonly share: number; readonly minutes: number };

/** A span's behaviours as shares of a whole span, in the order of the classes; what is missing to 1
 * is unknown or still to come. */
export function partsOf(span: BudgetSpan, classes: readonly string[], wholeMs: number): Part[] {
  return classes.map((name) => {
    const minutes = span.minutes[name] ?? 0;
    return { name, share: (minutes * MINUTE_MS) / wholeMs, minutes };
  });
}

/** `less than usual, an alarm of rule less-grazing` */
export function changeText(change: AnimalDay["changes"][number]): string {
  const { change_percent: percent, deviations, rule, alarm } = change;
  const way = percent < 0 ? "less" : "more";
  const size = `${Math.abs(percent).toFixed(0)} % ${way}, ${Math.abs(deviations).toFixed(1)} deviations`;
  if (rule === null) return size;
  return alarm ? `${size}: alert of rule ${rule}` : `${size}: no alert of rule ${rule}`;
}

/** `93.1 % (91.0 to 94.8) of 4,000 windows, by 120 audits` */
export function agreementText(audit: Audit | null): string {
  if (audit === null) return "no trusted audit yet";
  const { agreement, agreement_low: low, agreement_high: high, windows, audits } = audit;
  const by = counted(audits, "audit");
  return `${intervalText(agreement, low, high)} of ${counted(windows, "window")}, by ${by}`;
}

export function intervalText(value: number, low: number, high: number): string {
  return `${percentText(value)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`;
}

type PointState = Pick<NodeStateMessage, "operating_point" | "operating_share" | "wanted_share">;

/** What share a node is to offload, and by its last report is out to. */
export function operatingText(state: PointState): string {
  const { operating_point: point, operating_share: share, wanted_share: wanted } = state;
  const goal = wanted === 0 ? "as released" : `${percentText(wanted)} wanted`;
  if (point === null || share === null) return `${goal}; where it is, is not known yet`;
  const isReleased = point === 0;
  if (wanted === 0) {
    return isReleased
      ? `as released, ${percentText(share)}`
      : `as released; still at ${percentText(share)}`;
  }
  return isReleased
    ? `${goal}; still as released, ${percentText(share)}`
    : `${goal}; it aims at ${percentText(share)}`;
}

export const WINDOW_CHOICES = ["all", "changed", "audits", "in doubt", "waiting"] as const;
export type WindowChoice = (typeof WINDOW_CHOICES)[number];

export function isChosen(window: ListedWindow, choice: WindowChoice): boolean {
  const { teacher } = window;
  switch (choice) {
    case "all":
      return true;
    case "changed":
      return teacher?.trusted === true && teacher.behaviour !== window.behaviour;
    case "audits":
      return window.reason === "audit";
    case "in doubt":
      return teacher?.trusted === false;
    case "waiting":
      return teacher === null;
  }
}

export function listedText(window: ListedWindow, offsetMs: number): string {
  const { teacher, time, reason, behaviour, confidence } = window;
  const student = `${behaviour} ${Math.round(100 * confidence)} %`;
  const said =
    teacher === null
      ? "teacher waits"
      : `teacher ${teacher.behaviour} ${Math.round(100 * teacher.confidence)} %`;
  const doubt = teacher?.trusted === false ? ", not trusted" : "";
  return `${exactText(time, offsetMs)} ${reason}: ${student}, ${said}${doubt}`;
}

/** What the student said, and why the window was sent. */
export function studentText({ student, encoding }: AnimalWindow): string {
  const { behaviour, confidence, source, reason, chance } = student;
  const why =
    reason === "audit"
      ? `an audit, drawn with a chance of ${percentText(chance)}`
      : {
          unsure: "not sure enough",
          novel: "unlike what it was trained on",
          burst: "a drift alarm",
        }[reason];
  const how = encoding === "int8" ? "" : ` It came as ${encoding}.`;
  return `${behaviour}, ${Math.round(100 * confidence)} % sure, from ${source}. Offloaded: ${why ?? reason}.${how}`;
}

export function teacherText({ teacher, student }: AnimalWindow): string {
  if (teacher === null) return "The teacher has not answered yet.";
  const { behaviour, confidence, trusted } = teacher;
  const agrees = behaviour === student.behaviour ? "agrees" : "says otherwise";
  const said = `${agrees}: ${behaviour}, ${Math.round(100 * confidence)} %`;
  return trusted
    ? `The teacher ${said}.`
    : `The teacher ${said}, but this signal is not what it was trained on: its answer is not trusted and teaches nothing.`;
}

/** Ends of an axis in g that hold everything, at least 0.2 apart, at tenths. */
export function rangeOf(window: AnimalWindow): { readonly low: number; readonly high: number } {
  const all = (window.signal?.axes ?? []).flatMap(({ g }) => g);
  const low = Math.floor(10 * Math.min(0, ...all)) / 10;
  const high = Math.ceil(10 * Math.max(0, ...all)) / 10;
  return high - low < 0.2 ? { low: low - 0.1, high: high + 0.1 } : { low, high };
}

/** Least, mean and most of an axis, for those who cannot look at the lines. */
export function axisFigures(g: readonly number[]): {
  readonly low: number;
  readonly mean: number;
  readonly high: number;
} {
  if (g.length === 0) return { low: 0, mean: 0, high: 0 };
  const mean = g.reduce((sum, value) => sum + value, 0) / g.length;
  return { low: Math.min(...g), mean, high: Math.max(...g) };
}

/** How far each axis goes, in words: `x -0.10 to 0.32 g, ...`. */
export function reachText({ signal }: AnimalWindow): string {
  if (signal === null) return "no samples";
  return signal.axes
    .map(({ axis, g }) => {
      const { low, high } = axisFigures(g);
      return `${axis} ${low.toFixed(2)} to ${high.toFixed(2)} g`;
    })
    .join(", ");
}
