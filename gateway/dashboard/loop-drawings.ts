/** The loop as drawings: answers against offloading, drift node by node. */

import type { LoopCurve } from "../http/loop-payloads.ts";
import { intervalText } from "./animal-view.ts";
import { draw, letters, type Picture } from "./drawing.ts";
import { percentText } from "./herd-view.ts";
import type { DriftRow, Estimate, LoopPoint } from "./loop-view.ts";

const HEIGHT_PX = 280;
const LEFT_PX = 48;
const TOP_PX = 10;
const BOTTOM_PX = 36;
/** With more nodes than this, intervals would hide each other; the table has them. */
const INTERVALS_MAX = 80;

type Place = { readonly x: (share: number) => number; readonly y: (value: number) => number };

/** Each node twice: what its student says by itself, and what is told after offloading. */
export function pointsPicture(points: readonly LoopPoint[], widthPx: number): Picture {
  const right = Math.max(0.05, ...points.map(({ offload }) => offload)) * 1.08;
  const values = points.flatMap(({ own, told }) => [own.low, own.value, told.low, told.value]);
  const low = Math.max(0, Math.floor(10 * Math.min(0.9, ...values)) / 10);
  const place: Place = {
    x: (share) => LEFT_PX + (share / right) * (widthPx - LEFT_PX - 10),
    y: (value) => TOP_PX + ((1 - value) / (1 - low)) * (HEIGHT_PX - TOP_PX - BOTTOM_PX),
  };
  const areFew = points.length <= INTERVALS_MAX;
  const marks = points.flatMap((point) => [
    ...(areFew
      ? [
          interval(point.offload, point.own, place, "own"),
          interval(point.offload, point.told, place, "told"),
        ]
      : []),
    dot(point, point.own, place, "own", "the student itself agrees on"),
    dot(point, point.told, place, "told", "what is told agrees on"),
  ]);
  const label =
    `${points.length} nodes: share of answers that are the teacher's, against the share of ` +
    "windows offloaded; hollow for the student itself, filled for what is told after offloading.";
  return {
    heightPx: HEIGHT_PX,
    label,
    parts: [...grid(low, right, place, widthPx), ...marks],
  };
}

function grid(low: number, right: number, { x, y }: Place, widthPx: number): SVGElement[] {
  const floor = HEIGHT_PX - BOTTOM_PX;
  const rows = [low, (low + 1) / 2, 1].flatMap((value) => [
    draw("path", { class: "grid", d: `M${LEFT_PX} ${y(value).toFixed(1)}H${widthPx - 10}` }),
    letters([LEFT_PX - 6, y(value) + 4], `${Math.round(100 * value)} %`, "end"),
  ]);
  const every = [0.01, 0.02, 0.05, 0.1, 0.2].find((step) => right / step <= 6) ?? 0.5;
  const columns = Array.from({ length: Math.floor(right / every) + 1 }, (_, i) =>
    letters([x(i * every), floor + 16], `${Math.round(100 * i * every)} %`, "middle"),
  );
  return [
    ...rows,
    ...columns,
    letters([widthPx - 10, HEIGHT_PX - 4], "of windows offloaded", "end"),
  ];
}

function interval(share: number, { low, high }: Estimate, { x, y }: Place, of: string): SVGElement {
  const at = (x(share) + (of === "own" ? -2 : 2)).toFixed(1);
  const d = `M${at} ${y(Math.max(0, low)).toFixed(1)}V${y(Math.min(1, high)).toFixed(1)}`;
  return draw("path", { class: "interval", "data-of": of, d });
}

function dot(
  { node, offload }: LoopPoint,
  { value, low, high }: Estimate,
  { x, y }: Place,
  of: string,
  words: string,
): SVGElement {
  const text = `${node}, ${percentText(offload)} offloaded: ${words} ${intervalText(value, low, high)}`;
  const cx = x(offload) + (of === "own" ? -2 : 2);
  return draw(
    "circle",
    { class: "dot", "data-of": of, cx, cy: y(value), r: 4 },
    draw("title", {}, text),
  );
}

/** One model at other shares, with its interval as a band, and where it is now as a stroke. */
export function curvePicture({ points, now }: LoopCurve, widthPx: number): Picture {
  const right = Math.max(0.05, ...points.map(({ share }) => share)) * 1.04;
  const low = Math.max(0, Math.floor(20 * Math.min(0.95, ...points.map((p) => p.told_low))) / 20);
  const place: Place = {
    x: (share) => LEFT_PX + (share / right) * (widthPx - LEFT_PX - 10),
    y: (value) => TOP_PX + ((1 - value) / (1 - low)) * (HEIGHT_PX - TOP_PX - BOTTOM_PX),
  };
  const at = (share: number, value: number): string =>
    `${place.x(share).toFixed(1)} ${place.y(value).toFixed(1)}`;
  const above = points.map((point) => at(point.share, point.told_high));
  const below = points.map((point) => at(point.share, point.told_low)).reverse();
  const line = points.map((point) => at(point.share, point.told));
  const nowParts =
    now === null || now > right
      ? []
      : [
          draw("path", {
            class: "now",
            d: `M${place.x(now).toFixed(1)} ${TOP_PX}V${HEIGHT_PX - BOTTOM_PX}`,
          }),
          letters(
            [place.x(now) + (now > right / 2 ? -5 : 5), HEIGHT_PX - BOTTOM_PX - 6],
            "now",
            now > right / 2 ? "end" : "start",
          ),
        ];
  return {
    heightPx: HEIGHT_PX,
    label:
      "Share of answers that would be the teacher's in the end, against the share of windows " +
      "offloaded; the table below has the figures.",
    parts: [
      ...grid(low, right, place, widthPx),
      draw("path", { class: "band", d: `M${[...above, ...below].join("L")}Z` }),
      draw("path", { class: "curve", d: `M${line.join("L")}` }),
      ...nowParts,
    ],
  };
}

/** Every node as one stroke, the farthest first: those over their threshold stand out. */
export function driftPicture(rows: readonly DriftRow[], widthPx: number): Picture {
  const height = 140;
  const most = Math.max(1, ...rows.map(({ drift }) => drift));
  const step = Math.min(30, (widthPx - LEFT_PX) / Math.max(1, rows.length));
  const bars = rows.map(({ node, drift, alarm, isOnline }, i) => {
    const tall = (drift / most) * (height - 24);
    const words = `${node}: ${drift.toFixed(2)}${alarm ? ", alarm" : ""}${isOnline ? "" : ", offline"}`;
    const attributes = {
      class: "stroke",
      x: LEFT_PX + i * step,
      y: height - 4 - tall,
      width: Math.max(0.5, Math.min(24, step * 0.8)),
      height: tall,
      ...(alarm && { "data-alarm": "" }),
    };
    return draw("rect", attributes, draw("title", {}, words));
  });
  const alarms = rows.filter(({ alarm }) => alarm).length;
  return {
    heightPx: height,
    label: `Drift of ${rows.length} nodes, the farthest first, ${alarms} with an alarm.`,
    parts: [
      letters([LEFT_PX - 6, 24], most.toFixed(1), "end"),
      letters([LEFT_PX - 6, height - 4], "0", "end"),
      draw("path", { class: "grid", d: `M${LEFT_PX} ${height - 4}H${widthPx}` }),
      ...bars,
    ],
  };
}
