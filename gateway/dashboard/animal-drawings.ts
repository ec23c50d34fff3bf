/** A day of one animal as drawings: lanes of behaviours, columns of hours, bars of days. */

import type { BudgetSpan } from "../../src/wire/public.ts";
import type { AnimalDay, ListedWindow } from "../http/animal-payloads.ts";
import {
  clockText,
  dayText,
  isChosen,
  laneOf,
  listedText,
  minutesText,
  partsOf,
  placeOf,
  stretchesOf,
} from "./animal-view.ts";
import { box, draw, letters, type Picture } from "./drawing.ts";

const HOUR_MS = 3_600_000;
const LANE_PX = 18;
const MARKS_PX = 16;
const CLOCK_PX = 18;
const COLUMNS_PX = 120;
const DAY_PX = 20;

/** Lanes need their names beside them. */
export function namesPx(classes: readonly string[], widthPx: number): number {
  const longest = Math.max(0, ...classes.map((name) => name.length));
  return Math.min(widthPx / 3, 12 + 7.2 * longest);
}

/** Hours below a day, fewer of them where there is little room. */
export function clock(leftPx: number, rightPx: number, fromPx: number, toPx: number): SVGElement[] {
  const every = rightPx - leftPx < 500 ? 6 : 3;
  return Array.from({ length: 24 / every + 1 }, (_, i) => {
    const x = leftPx + ((rightPx - leftPx) * i * every) / 24;
    const anchor = i === 0 ? "start" : i * every === 24 ? "end" : "middle";
    return [
      draw("path", { class: "grid", d: `M${x.toFixed(1)} ${fromPx}V${toPx}` }),
      letters([x, toPx + 13], `${i * every}:00`, anchor),
    ];
  }).flat();
}

/** @param shown the id of the window that is shown @param choose another, by its id */
export function ribbonPicture(
  day: AnimalDay,
  windows: readonly ListedWindow[],
  shown: number | undefined,
  choose: (id: number) => void,
  widthPx: number,
): Picture {
  const stretches = stretchesOf(day);
  const others = stretches.some(({ lane }) => lane === day.classes.length) ? ["other"] : [];
  const lanes = [...day.classes, ...others];
  const left = namesPx(lanes, widthPx);
  const place = (at: number): number => left + at * (widthPx - left);
  const bottom = lanes.length * LANE_PX;
  const names = lanes.flatMap((name, i) => [
    box([left, i * LANE_PX + 1, widthPx - left, LANE_PX - 2], { class: "lane" }, "nothing known"),
    letters([0, i * LANE_PX + 13], name),
  ]);
  const bouts = stretches.map(({ lane, from, to, words }) => {
    const width = Math.max(1, place(to) - place(from));
    const kind = lane < day.classes.length ? { "data-kind": String(lane % 8) } : {};
    return box(
      [place(from), lane * LANE_PX + 1, width, LANE_PX - 2],
      { class: "part", ...kind },
      words,
    );
  });
  const marks = windows.map((window) => mark(day, window, shown, place, bottom));
  for (const [i, one] of marks.entries()) {
    one.addEventListener("click", () => choose((windows[i] as ListedWindow).id));
  }
  const foot = bottom + (windows.length > 0 ? MARKS_PX : 2);
  const named = windows.length > 0 ? [letters([0, bottom + 13], "offloads")] : [];
  return {
    heightPx: foot + CLOCK_PX,
    label: `Behaviours of the day. ${dayText(day)} The table of bouts has the same.`,
    parts: [...names, ...clock(left, widthPx, 0, foot), ...bouts, ...named, ...marks],
  };
}

function mark(
  day: AnimalDay,
  window: ListedWindow,
  shown: number | undefined,
  place: (at: number) => number,
  fromPx: number,
): SVGElement {
  const at = place(placeOf(day, window.time)).toFixed(1);
  const attributes = {
    class: "mark",
    d: `M${at} ${fromPx + 2}V${fromPx + MARKS_PX - 2}`,
    ...(isChosen(window, "changed") && { "data-said": "changed" }),
    ...(window.id === shown && { "data-shown": "" }),
  };
  return draw("path", attributes, draw("title", {}, listedText(window, day.utc_offset_ms)));
}

export function hoursPicture(day: AnimalDay, widthPx: number): Picture {
  const step = widthPx / Math.max(1, day.hours.length);
  const columns = day.hours.flatMap((hour, i) => {
    const x = i * step + 1;
    const width = Math.max(2, step - 2);
    const time = clockText(day.start + i * HOUR_MS, day.utc_offset_ms);
    let y = COLUMNS_PX;
    const parts = partsOf(hour, day.classes, HOUR_MS).map(({ name, share, minutes }) => {
      const height = share * (COLUMNS_PX - 4);
      y -= height;
      const words = `${time}: ${name} ${minutes.toFixed(0)} min`;
      return box([x, y, width, height], partOf(day, name), words);
    });
    const whole = `${time}: ${hour.windows} windows, ${hour.offloads} offloaded`;
    return [box([x, 4, width, COLUMNS_PX - 4], { class: "missing" }, whole), ...parts];
  });
  return {
    heightPx: COLUMNS_PX + CLOCK_PX,
    label: "What of each hour was which behaviour; the table of hours has the figures.",
    parts: [...columns, ...clock(0, widthPx, COLUMNS_PX, COLUMNS_PX + 3)],
  };
}

/** This day and those before, the newest above. */
export function daysPicture(day: AnimalDay, widthPx: number): Picture {
  const days: readonly BudgetSpan[] = [day.budget, ...day.before];
  const left = 84;
  const rows = days.flatMap((span, i) => {
    const y = i * DAY_PX;
    const name = i === 0 ? "this day" : dateText(span.start + day.utc_offset_ms);
    let x = left;
    const parts = partsOf(span, day.classes, 24 * HOUR_MS).map((part) => {
      const width = part.share * (widthPx - left);
      const words = `${name}: ${part.name} ${minutesText(part.minutes)}`;
      const made = box([x, y + 2, width, DAY_PX - 4], partOf(day, part.name), words);
      x += width;
      return made;
    });
    const unknown = `${name}: unknown ${minutesText(span.unknown_minutes)}`;
    return [
      letters([0, y + 14], name),
      box([left, y + 2, widthPx - left - 1, DAY_PX - 4], { class: "missing" }, unknown),
      ...parts,
    ];
  });
  return {
    heightPx: days.length * DAY_PX + 2,
    label: `Time budgets of this day and of ${day.before.length} days before it.`,
    parts: rows,
  };
}

function partOf(day: AnimalDay, name: string): Readonly<Record<string, string>> {
  return { class: "part", "data-kind": String(laneOf(day, name) % 8) };
}

function dateText(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}
