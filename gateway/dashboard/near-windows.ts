/**
 * The windows beside one that is shown, small and in a row: a single window of five seconds may be
 * anything, and what came before and after it often says what. All of a row have one scale.
 */

import type { AnimalNear, AnimalWindow } from "../http/animal-payloads.ts";
import { exactText, rangeOf, reachText } from "./animal-view.ts";
import { read } from "./ask.ts";
import { draw } from "./drawing.ts";
import { attribute, element, make, write } from "./elements.ts";
import { durationText } from "./herd-view.ts";
import { axisLine } from "./window-card.ts";

/** Of the drawing's own units; it is stretched to the room that there is. */
const WIDTH = 100;
const HEIGHT = 60;

/** The one whose neighbours were asked for last; answers for others come too late. */
let wanted = 0;

export async function showNear(shown: AnimalWindow, utcOffsetMs: number): Promise<void> {
  wanted = shown.id;
  const near = element("near");
  near.hidden = true;
  const told = await read<AnimalNear>("/api/near", { node: shown.node, id: String(shown.id) });
  if (wanted !== shown.id || typeof told === "string") return;
  const all = [...told.before, shown, ...told.after];
  const ranges = all.map(rangeOf);
  const low = Math.min(...ranges.map((range) => range.low));
  const high = Math.max(...ranges.map((range) => range.high));
  element("near-list").replaceChildren(...all.map((one) => figureOf(one, shown, low, high)));
  write(element("near-text"), textOf(told, utcOffsetMs));
  element("near-list").hidden = all.length === 1;
  near.hidden = false;
}

function textOf({ bout, before, after }: AnimalNear, offsetMs: number): string {
  const isAlone = before.length + after.length === 0;
  if (bout === null) {
    return isAlone
      ? "Nothing else was offloaded close to it."
      : "What was offloaded close to it; no bout is known here.";
  }
  const span = `${exactText(bout.start, offsetMs)} to ${exactText(bout.end, offsetMs)}`;
  return isAlone
    ? `Nothing else was offloaded in its bout, ${span}.`
    : `What was offloaded in the same bout, ${span}.`;
}

function figureOf(
  window: AnimalWindow,
  shown: AnimalWindow,
  low: number,
  high: number,
): HTMLElement {
  const away = window.end - shown.end;
  const words =
    window.id === shown.id
      ? "this window"
      : `${durationText(Math.abs(away))} ${away < 0 ? "before" : "after"}`;
  const picture = draw(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${words}: ${reachText(window)}`,
    },
    ...linesOf(window, low, high),
  );
  const item = make("li", {}, picture, make("span", { "aria-hidden": "true" }, words));
  if (window.id === shown.id) attribute(item, "aria-current", "true");
  return item;
}

function linesOf({ signal }: AnimalWindow, low: number, high: number): SVGElement[] {
  return (signal?.axes ?? []).map(({ g }, c) => {
    const x = (t: number): number => (t / Math.max(1, g.length - 1)) * WIDTH;
    const y = (value: number): number => HEIGHT - ((value - low) / (high - low)) * HEIGHT;
    return axisLine(
      c,
      g.map((value, t) => `${x(t).toFixed(1)} ${y(value).toFixed(1)}`),
    );
  });
}
