/** A day of a group as drawings: a lane for each animal, and their time budgets as bars. */

import type { GroupDay } from "../http/group-payloads.ts";
import { clock, namesPx } from "./animal-drawings.ts";
import { clockText, minutesText, partsOf } from "./animal-view.ts";
import { box, letters, type Picture } from "./drawing.ts";

const LANE_PX = 18;
const CLOCK_PX = 18;
const DAY_MS = 86_400_000;

export function lanesPicture(day: GroupDay, widthPx: number): Picture {
  const left = namesPx(
    day.nodes.map(({ node }) => node),
    widthPx,
  );
  const place = (timeMs: number): number => {
    const at = (timeMs - day.start) / (day.end - day.start);
    return left + Math.max(0, Math.min(1, at)) * (widthPx - left);
  };
  const lanes = day.nodes.flatMap(({ node, bouts }, i) => {
    const y = i * LANE_PX + 1;
    const parts = bouts.map(([index, start, end]) => {
      const name = day.classes[index] ?? "unknown";
      const times = `${clockText(start, day.utc_offset_ms)} to ${clockText(end, day.utc_offset_ms)}`;
      const width = Math.max(1, place(end) - place(start));
      const attributes = { class: "part", "data-kind": String(index % 8) };
      return box([place(start), y, width, LANE_PX - 2], attributes, `${node}: ${name}, ${times}`);
    });
    return [
      box([left, y, widthPx - left, LANE_PX - 2], { class: "lane" }, `${node}: nothing known`),
      letters([0, y + 12], shortened(node, left)),
      ...parts,
    ];
  });
  const bottom = day.nodes.length * LANE_PX;
  return {
    heightPx: bottom + CLOCK_PX,
    label: `What each of ${day.nodes.length} animals did on ${day.day}; the table below has the minutes.`,
    parts: [...lanes, ...clock(left, widthPx, bottom, bottom + 3)],
  };
}

/** The average above, then each animal, as shares of a whole day. */
export function barsPicture(day: GroupDay, widthPx: number): Picture {
  const heard = day.nodes.flatMap(({ node, budget }) =>
    budget === null ? [] : [{ node, budget }],
  );
  const average = day.budget === null ? [] : [{ node: "the average", budget: day.budget }];
  const rows = [...average, ...heard];
  const left = namesPx(
    rows.map(({ node }) => node),
    widthPx,
  );
  const parts = rows.flatMap(({ node, budget }, i) => {
    const y = i * LANE_PX + 1;
    let x = left;
    const spans = partsOf(budget, day.classes, DAY_MS).map(({ name, share, minutes }, c) => {
      const width = share * (widthPx - left);
      const words = `${node}: ${name} ${minutesText(minutes)}`;
      const attributes = { class: "part", "data-kind": String(c % 8) };
      const made = box([x, y, width, LANE_PX - 2], attributes, words);
      x += width;
      return made;
    });
    const unknown = `${node}: unknown ${minutesText(budget.unknown_minutes)}`;
    return [
      letters([0, y + 12], shortened(node, left)),
      box([left, y, widthPx - left - 1, LANE_PX - 2], { class: "missing" }, unknown),
      ...spans,
    ];
  });
  return {
    heightPx: Math.max(1, rows.length * LANE_PX),
    label: `Time budgets of ${heard.length} animals and of the average one; the table has the figures.`,
    parts,
  };
}

/** Letters of 12 pixels are some 7 wide. */
function shortened(name: string, roomPx: number): string {
  const most = Math.max(3, Math.floor(roomPx / 7.2) - 1);
  return name.length <= most ? name : `${name.slice(0, most - 1)}…`;
}
