/**
 * The page of the loop: what audits say of each cohort and node, drift, groups and alerts, kept live by
 * the board's events and drawn anew at most every other second, however much changes.
 */

import type { BoardChange } from "../telling/board.ts";
import { intervalText, minutesText } from "./animal-view.ts";
import { drawInto } from "./drawing.ts";
import { element, letScroll, make, tableRow, write } from "./elements.ts";
import { applyChange, counted, createHerd, percentText } from "./herd-view.ts";
import { openLine } from "./line.ts";
import { followCurves } from "./loop-curves.ts";
import { driftPicture, pointsPicture } from "./loop-drawings.ts";
import { alertRows, auditRows, driftRows, groupRows, pointsOf, pointsText } from "./loop-view.ts";

const AGAIN_MS = 2_000;
/** Of those that drift most, and of alerts. */
const ROWS_MAX = 20;

let herd = createHerd();
let waits = false;

const points = drawInto(element("points"), (widthPx) => pointsPicture(pointsOf(herd), widthPx));
const drifts = drawInto(element("drifts"), (widthPx) => driftPicture(driftRows(herd), widthPx));
letScroll();
element("points-table").addEventListener("toggle", drawPoints);
const line = openLine({ onBoard: begin, onChanges: take, onLive: () => undefined });
followCurves(line.isLive);

function begin(changes: readonly BoardChange[]): void {
  herd = createHerd();
  for (const change of changes) applyChange(herd, change);
  drawAll();
}

function take(changes: readonly BoardChange[]): void {
  for (const change of changes) applyChange(herd, change);
  // What nodes do now is not on this page.
  if (waits || changes.every(({ kind }) => kind === "behaviour")) return;
  waits = true;
  setTimeout(() => {
    waits = false;
    drawAll();
  }, AGAIN_MS);
}

/** A drawing of nothing says nothing. */
function hideEmpty(): void {
  const isSilent = auditRows(herd.info).length === 0;
  element("no-audits").hidden = !isSilent;
  element("audits-table").hidden = isSilent;
  for (const id of ["drifts", "drift-table"]) element(id).hidden = driftRows(herd).length === 0;
  const areNone = pointsOf(herd).length === 0;
  for (const id of ["points", "points-key", "points-table"]) element(id).hidden = areNone;
}

function drawAll(): void {
  hideEmpty();
  const rows = auditRows(herd.info).map(({ name, ...texts }) =>
    tableRow(name, Object.values(texts)),
  );
  element("audits").replaceChildren(...rows);
  write(element("points-text"), pointsText(pointsOf(herd), herd.nodes.size));
  points();
  drifts();
  drawPoints();
  drawDrift();
  drawGroups();
  const alerts = alertRows(herd).slice(0, ROWS_MAX);
  const items = alerts.map(({ node, message, day }) =>
    make(
      "li",
      { class: "alarm" },
      linkTo(node),
      ` ${new Date(day).toISOString().slice(0, 10)}: ${message}`,
    ),
  );
  element("alerts").replaceChildren(
    ...(items.length > 0 ? items : [make("li", {}, "none was told")]),
  );
}

function drawPoints(): void {
  if (!element<HTMLDetailsElement>("points-table").open) return;
  const rows = pointsOf(herd).map(({ node, offload, own, told }) =>
    tableRow(linkTo(node), [
      percentText(offload),
      intervalText(own.value, own.low, own.high),
      intervalText(told.value, told.low, told.high),
    ]),
  );
  element("point-rows").replaceChildren(...rows);
}

function drawDrift(): void {
  const rows = driftRows(herd)
    .slice(0, ROWS_MAX)
    .map(({ node, drift, alarm, isOnline }) => {
      const state = `${isOnline ? "online" : "offline"}${alarm ? ", drift alarm" : ""}`;
      return tableRow(linkTo(node), [drift.toFixed(2), state]);
    });
  element("drift-rows").replaceChildren(...rows);
}

function drawGroups(): void {
  const groups = groupRows(herd);
  const classes = herd.info?.classes ?? [];
  element("groups-table").hidden = groups.length === 0;
  const text =
    groups.length === 0
      ? "No groups are set up, or nobody of them was heard: behaviours.groups in the settings."
      : "What an average member did, by the time that is known.";
  write(element("groups-text"), text);
  const titles = ["Group", ...classes, "unknown"];
  const head = make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title)));
  element("group-head").replaceChildren(head);
  const rows = groups.flatMap(({ name, nodes, spans }) =>
    spans.map(({ name: when, span }) =>
      tableRow(groupCell(name, `, ${counted(nodes, "animal")}, ${when}`), [
        ...classes.map((one) => minutesText(span.minutes[one] ?? 0)),
        minutesText(span.unknown_minutes),
      ]),
    ),
  );
  element("group-rows").replaceChildren(...rows);
}

function groupCell(name: string, words: string): HTMLElement {
  const link = make("a", { href: `/group?name=${encodeURIComponent(name)}` }, name);
  return make("span", {}, link, words);
}

function linkTo(node: string): HTMLElement {
  return make("a", { href: `/animal?node=${encodeURIComponent(node)}` }, node);
}
