/** The curves of the loop's page: each model with its drawing and a table, asked for now and then. */

import type { LoopCurve, LoopCurves } from "../http/loop-payloads.ts";
import { intervalText } from "./animal-view.ts";
import { read } from "./ask.ts";
import { drawInto } from "./drawing.ts";
import { element, make, tableRow } from "./elements.ts";
import { curvePicture } from "./loop-drawings.ts";
import { curveName, curveRows, curveText } from "./loop-view.ts";

/** Audits come slowly, and estimates are made anew twice a minute at most. */
const AGAIN_MS = 60_000;

let shown = "";

export function followCurves(isLive: () => boolean): void {
  void ask();
  setInterval(() => {
    if (isLive()) void ask();
  }, AGAIN_MS);
}

async function ask(): Promise<void> {
  const told = await read<LoopCurves>("/api/curves", {});
  const text = JSON.stringify(told);
  if (text === shown) return;
  shown = text;
  const open = new Set(
    [...document.querySelectorAll<HTMLElement>("#curves details[open]")].map(
      ({ dataset }) => dataset.name,
    ),
  );
  const parts =
    typeof told === "string"
      ? [make("p", {}, `Not shown: ${told}.`)]
      : told.curves.length === 0
        ? [make("p", {}, "No node has been heard yet.")]
        : told.curves.map(partOf);
  element("curves").replaceChildren(...parts);
  for (const table of document.querySelectorAll<HTMLDetailsElement>("#curves details")) {
    table.open = open.has(table.dataset.name);
  }
}

function partOf(curve: LoopCurve): HTMLElement {
  const part = make("div", { class: "curve-part" }, make("h3", {}, curveName(curve)));
  part.append(make("p", {}, curveText(curve)));
  if (curve.points.length === 0) return part;
  const place = make("div", { class: "drawing" });
  part.append(place, tableOf(curve));
  drawInto(place, (widthPx) => curvePicture(curve, widthPx));
  return part;
}

function tableOf(curve: LoopCurve): HTMLElement {
  const head = ["Offloaded, of all windows", "The teacher's answer in the end"].map((title) =>
    make("th", { scope: "col" }, title),
  );
  const rows = curveRows(curve).map((point) =>
    tableRow(intervalText(point.share, point.share_low, point.share_high), [
      intervalText(point.told, point.told_low, point.told_high),
    ]),
  );
  const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)));
  table.append(make("tbody", {}, ...rows));
  return make(
    "details",
    { "data-name": curveName(curve) },
    make("summary", {}, "As a table"),
    table,
  );
}
