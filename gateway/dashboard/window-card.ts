/** One offloaded window on the page: its three axes as lines, and what student and teacher said. */

import type { AnimalSignal, AnimalWindow } from "../http/animal-payloads.ts";
import { axisFigures, exactText, rangeOf, studentText, teacherText } from "./animal-view.ts";
import { draw, drawInto, letters, type Picture } from "./drawing.ts";
import { element, make, tableRow, write } from "./elements.ts";

const HEIGHT_PX = 220;
const LEFT_PX = 40;
const RIGHT_PX = 24;
const TOP_PX = 8;
const BOTTOM_PX = 34;
/** One for each axis, so that lines differ in more than colour. */
const DASHES = ["none", "7 3", "2 3"];
const KINDS = ["1", "2", "4"];

let window: AnimalWindow | undefined;
let offsetMs = 0;
let classes: readonly string[] = [];
let drawAgain: (() => void) | undefined;

export function showWindow(
  shown: AnimalWindow,
  names: readonly string[],
  utcOffsetMs: number,
): void {
  window = shown;
  classes = names;
  offsetMs = utcOffsetMs;
  element("shown").hidden = false;
  write(element("student"), studentText(shown));
  write(element("teacher"), teacherText(shown));
  element("axes").replaceChildren(...(shown.signal?.axes ?? []).map(axisRow));
  const chances = Object.entries(shown.teacher?.probabilities ?? {});
  element("chances-table").hidden = chances.length === 0;
  element("chances").replaceChildren(...chances.map(chanceRow));
  drawAgain ??= drawInto(element("signal"), signalPicture);
  drawAgain();
}

/** The line of an axis by its number, through points `x y`. */
export function axisLine(c: number, points: readonly string[]): SVGElement {
  return draw("path", {
    class: "axis",
    "data-kind": KINDS[c % KINDS.length] ?? "1",
    "stroke-dasharray": DASHES[c % DASHES.length] ?? "none",
    d: `M${points.join("L")}`,
  });
}

function axisRow({ axis, g }: AnimalSignal["axes"][number]): HTMLElement {
  const { low, mean, high } = axisFigures(g);
  return tableRow(
    axis,
    [low, mean, high].map((value) => value.toFixed(2)),
  );
}

function chanceRow([name, chance]: readonly [string, number]): HTMLElement {
  const index = classes.indexOf(name);
  const bar = make("div", { class: "bar", ...(index >= 0 && { "data-kind": String(index % 8) }) });
  bar.style.width = `${Math.round(100 * chance)}%`;
  const isStudents = name === window?.student.behaviour;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, isStudents ? `${name} (the student's)` : name),
    make("td", {}, `${(100 * chance).toFixed(1)} %`),
    make("td", { "aria-hidden": "true" }, bar),
  );
}

function signalPicture(widthPx: number): Picture {
  if (window === undefined || window.signal === null) {
    const words = "This window came as codes, from which no samples come back.";
    return { heightPx: 24, label: words, parts: [letters([0, 16], words)] };
  }
  const { axes, rate_hz: rateHz, start } = window.signal;
  const { low, high } = rangeOf(window);
  const count = Math.max(1, ...axes.map(({ g }) => g.length));
  const floor = HEIGHT_PX - BOTTOM_PX;
  const x = (t: number): number => LEFT_PX + (t / count) * (widthPx - LEFT_PX - RIGHT_PX);
  const y = (g: number): number => floor - ((g - low) / (high - low)) * (floor - TOP_PX);
  const lines = axes.flatMap(({ axis, g }, c) => {
    const points = g.map((value, t) => `${x(t).toFixed(1)} ${y(value).toFixed(1)}`);
    return [axisLine(c, points), letters([widthPx - RIGHT_PX + 6, y(g.at(-1) ?? 0) + 4], axis)];
  });
  const seconds = count / rateHz;
  const parts = [
    ...rows(low, high, y, widthPx),
    ...columns(seconds, (at) => x(at * rateHz), floor),
    letters(
      [widthPx - RIGHT_PX, HEIGHT_PX - 4],
      `seconds from ${exactText(start, offsetMs)}`,
      "end",
    ),
    ...lines,
  ];
  const label =
    `Acceleration in g over ${seconds.toFixed(1)} seconds at ${rateHz} samples a second, ` +
    `${axes.length} axes; the table below has least, mean and most of each.`;
  return { heightPx: HEIGHT_PX, label, parts };
}

function rows(low: number, high: number, y: (g: number) => number, widthPx: number): SVGElement[] {
  const step = [0.1, 0.2, 0.5, 1, 2, 5].find((size) => (high - low) / size <= 6) ?? 10;
  const made: SVGElement[] = [];
  for (let n = Math.ceil(low / step); n * step <= high + 1e-9; n++) {
    const at = y(n * step).toFixed(1);
    made.push(
      draw("path", { class: "grid", d: `M${LEFT_PX} ${at}H${widthPx - RIGHT_PX}` }),
      letters([LEFT_PX - 6, Number(at) + 4], (n * step).toFixed(1), "end"),
    );
  }
  return [...made, letters([2, TOP_PX + 8], "g")];
}

function columns(seconds: number, x: (at: number) => number, floorPx: number): SVGElement[] {
  const every = [1, 2, 5, 10, 30].find((size) => seconds / size <= 8) ?? 60;
  return Array.from({ length: Math.floor(seconds / every) + 1 }, (_, i) =>
    letters([x(i * every), floorPx + 15], String(i * every), "middle"),
  );
}
