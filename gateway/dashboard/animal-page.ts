/**
 * The page of one animal: a chosen day from the store, what it does now from the board's events, and
 * the windows that it offloaded. Where it stands is in the address, so that it can be linked to:
 * `/animal?node=collar-7&day=2026-03-14&window=1234`.
 */

import type {
  AnimalDay,
  AnimalWindow,
  AnimalWindows,
  ListedWindow,
} from "../http/animal-payloads.ts";
import type { BoardChange } from "../telling/board.ts";
import { daysPicture, hoursPicture, ribbonPicture } from "./animal-drawings.ts";
import { drawPoint, followPoint } from "./animal-point.ts";
import {
  agreementText,
  changeText,
  clockText,
  dayText,
  intervalText,
  isChosen,
  listedText,
  minutesText,
  WINDOW_CHOICES,
  type WindowChoice,
  zoneText,
} from "./animal-view.ts";
import { read } from "./ask.ts";
import { openDayChoice } from "./day-choice.ts";
import { drawInto } from "./drawing.ts";
import {
  attribute,
  element,
  letScroll,
  make,
  readersOffsetMs,
  showLegend,
  tableRow,
  write,
} from "./elements.ts";
import { applyChange, counted, createHerd, percentText, rowOf } from "./herd-view.ts";
import { openLine } from "./line.ts";
import { showNear } from "./near-windows.ts";
import { showWindow } from "./window-card.ts";

const DAY_MS = 86_400_000;
const NOTHING = { heightPx: 1, label: "nothing yet", parts: [] };

const address = new URLSearchParams(location.search);
const node = address.get("node") ?? "";
let herd = createHerd();
let day: AnimalDay | undefined;
let windows: readonly ListedWindow[] = [];
let shown: number | undefined = Number(address.get("window") ?? Number.NaN) || undefined;
/** Answers to questions that were overtaken by another are not shown. */
let asked = 0;

const choice = element<HTMLSelectElement>("choice");
const list = element<HTMLSelectElement>("window");
const nodes = element<HTMLSelectElement>("node");
const ribbon = drawInto(element("ribbon"), (widthPx) =>
  day === undefined
    ? NOTHING
    : ribbonPicture(day, windows, shown, (id) => void choose(id), widthPx),
);
const hours = drawInto(element("hours"), (widthPx) =>
  day === undefined ? NOTHING : hoursPicture(day, widthPx),
);
const days = drawInto(element("days"), (widthPx) =>
  day === undefined ? NOTHING : daysPicture(day, widthPx),
);

const line = openLine({ onBoard: begin, onChanges: take, onLive: drawNow });
const dates = openDayChoice((name) => void look(name), line.isLive);
begin([]);
letScroll();
listen();
followPoint(node);
attribute(element("content"), "data-empty", "");
if (node === "") {
  attribute(element("content"), "data-unchosen", "");
  write(element("node-label"), "Which animal");
} else {
  write(element("title"), node);
  document.title = `${node} - Bellwether`;
  void look(address.get("day") ?? undefined);
}

function listen(): void {
  for (const name of WINDOW_CHOICES) choice.append(make("option", { value: name }, name));
  choice.addEventListener("change", drawList);
  list.addEventListener("change", () => void choose(Number(list.value)));
  element("previous").addEventListener("click", () => step(-1));
  element("next").addEventListener("click", () => step(1));
  element("bouts-table").addEventListener("toggle", drawBouts);
  element("hours-table").addEventListener("toggle", drawHours);
  nodes.addEventListener("change", () => {
    location.search = `?node=${encodeURIComponent(nodes.value)}`;
  });
}

async function look(name: string | undefined): Promise<void> {
  asked += 1;
  const mine = asked;
  const parameters = { node, ...(name !== undefined && { day: name }) };
  const [told, listed] = await Promise.all([
    read<AnimalDay>("/api/animal", parameters),
    read<AnimalWindows>("/api/windows", parameters),
  ]);
  if (mine !== asked) return;
  if (typeof told === "string") {
    write(element("day-text"), `Nothing to show: ${told}.`);
    return;
  }
  day = told;
  attribute(element("content"), "data-empty", null);
  windows = typeof listed === "string" ? [] : listed.windows;
  element("window-tools").hidden = windows.length === 0;
  write(
    element("windows-text"),
    typeof listed === "string" ? `Not shown: ${listed}.` : countText(listed),
  );
  keepAddress();
  drawDay();
  if (shown !== undefined) await choose(shown);
}

function countText({ windows: listed, more }: AnimalWindows): string {
  const changed = listed.filter((window) => isChosen(window, "changed")).length;
  const were = listed.length === 1 ? "was" : "were";
  const rest = more ? " at first, and more after them" : "";
  const told = `${counted(listed.length, "window")} ${were} offloaded${rest}`;
  return `${told}; of ${changed} the teacher changed the answer.`;
}

function keepAddress(): void {
  const now = new URLSearchParams({ node });
  if (day !== undefined) now.set("day", day.day);
  if (shown !== undefined) now.set("window", String(shown));
  history.replaceState(null, "", `?${now}`);
}

function drawDay(): void {
  if (day === undefined) return;
  dates.show(day);
  write(
    element("day-text"),
    `${dayText(day)}${zoneText(day, readersOffsetMs(day.start))}${day.more ? " There are more bouts than are shown." : ""}`,
  );
  showLegend(element("legend"), day.classes);
  ribbon();
  hours();
  days();
  drawBouts();
  drawHours();
  drawChanges();
  drawList();
}

/** Thousands of rows that few will open are written when somebody does. */
function drawBouts(): void {
  if (day === undefined || !element<HTMLDetailsElement>("bouts-table").open) return;
  const { utc_offset_ms: offsetMs, bouts } = day;
  const rows = bouts.map((bout) => {
    const texts = [
      bout.end === null ? "…" : clockText(bout.end, offsetMs),
      minutesText(bout.duration_seconds / 60),
      bout.behaviour,
      `${Math.round(100 * bout.confidence)} %`,
      String(bout.windows),
      String(bout.taught),
    ];
    return tableRow(clockText(bout.start, offsetMs), texts);
  });
  element("bouts").replaceChildren(...rows);
}

function drawHours(): void {
  if (day === undefined || !element<HTMLDetailsElement>("hours-table").open) return;
  const { utc_offset_ms: offsetMs, classes } = day;
  const titles = ["Hour", ...classes, "unknown", "windows", "offloaded"];
  const head = make("tr", {}, ...titles.map((text) => make("th", { scope: "col" }, text)));
  element("hours-head").replaceChildren(head);
  const rows = day.hours.map((hour, i) => {
    const minutes = classes.map((name) => (hour.minutes[name] ?? 0).toFixed(0));
    const counts = [hour.unknown_minutes.toFixed(0), String(hour.windows), String(hour.offloads)];
    const time = clockText((day?.start ?? 0) + i * (DAY_MS / 24), offsetMs);
    return tableRow(time, [...minutes, ...counts]);
  });
  element("hours-rows").replaceChildren(...rows);
}

function drawChanges(): void {
  if (day === undefined) return;
  const { changes, before } = day;
  const alarms = changes.filter(({ alarm }) => alarm);
  element("changes").hidden = changes.length === 0;
  const isOpen = day.known_until < day.end;
  write(
    element("change-text"),
    changes.length === 0
      ? isOpen
        ? `A day is compared when it is over; ${counted(before.length, "day")} before it known.`
        : "Too little is known of this day or of those before to compare them."
      : `${
          alarms.length === 0
            ? "No alert: no rule finds this day unlike the days before."
            : `${alarms.length === 1 ? "An alert" : `${alarms.length} alerts`}: ${alarms.map(({ rule }) => rule).join(", ")}.`
        } Times are of a day that is known wholly: what is unknown is taken to be like the rest.`,
  );
  element("change-text").className = alarms.length > 0 ? "alarm" : "";
  const rows = changes.map((change) => {
    const texts = [
      minutesText(change.minutes),
      `${minutesText(change.baseline_minutes)}, ${change.days} days`,
      changeText(change),
    ];
    const look = change.alarm ? { class: "alarm" } : {};
    return tableRow(change.behaviours.join(" and "), texts, look);
  });
  element("change-rows").replaceChildren(...rows);
}

function chosenWindows(): readonly ListedWindow[] {
  return windows.filter((window) => isChosen(window, choice.value as WindowChoice));
}

function drawList(): void {
  const offsetMs = day?.utc_offset_ms ?? 0;
  const chosen = chosenWindows();
  const empty = make("option", { value: "" }, chosen.length === 0 ? "none" : "choose a window");
  const options = chosen.map((window) =>
    make("option", { value: String(window.id) }, listedText(window, offsetMs)),
  );
  list.replaceChildren(empty, ...options);
  list.value = chosen.some(({ id }) => id === shown) ? String(shown) : "";
}

function step(by: number): void {
  const chosen = chosenWindows();
  const at = chosen.findIndex(({ id }) => id === shown);
  const next = at < 0 ? (by > 0 ? chosen[0] : chosen.at(-1)) : chosen[at + by];
  if (next !== undefined) void choose(next.id);
}

async function choose(id: number): Promise<void> {
  if (!Number.isInteger(id) || id <= 0) return;
  shown = id;
  const told = await read<AnimalWindow>("/api/window", { node, id: String(id) });
  if (shown !== id) return;
  if (typeof told === "string") return void write(element("windows-text"), `Not shown: ${told}.`);
  showWindow(told, day?.classes ?? [], day?.utc_offset_ms ?? 0);
  void showNear(told, day?.utc_offset_ms ?? 0);
  keepAddress();
  ribbon();
  list.value = [...list.options].some(({ value }) => value === String(id)) ? String(id) : "";
}

function begin(changes: readonly BoardChange[]): void {
  herd = createHerd();
  take(changes);
  const names = changes.flatMap((change) => (change.kind === "device" ? [change.node] : []));
  const order = new Intl.Collator("en", { numeric: true });
  const known = [...new Set([...names, ...(node === "" ? [] : [node])])].sort(order.compare);
  const first = node === "" ? [make("option", { value: "" }, "choose")] : [];
  nodes.replaceChildren(...first, ...known.map((name) => make("option", { value: name }, name)));
  nodes.value = node;
}

/** What other nodes do is no matter here. */
function take(changes: readonly BoardChange[]): void {
  const mine = changes.filter((change) => !("node" in change) || change.node === node);
  if (mine.some(({ kind }) => kind === "device")) void drawPoint();
  for (const change of mine) applyChange(herd, change);
  if (mine.length > 0) drawNow();
}

function drawNow(): void {
  if (!herd.nodes.has(node)) {
    write(
      element("now-text"),
      node === "" ? "No animal is chosen." : "Nothing was told of it yet.",
    );
    return;
  }
  const row = rowOf(herd, node, line.nowMs(), line.isLive());
  const was = row.status === "live" || row.status === "silent" ? "" : "was ";
  const sure = row.sure === null ? "" : `, ${row.sure} % sure, from ${row.source}`;
  const lasts = row.lasts === "" ? "" : ` for ${row.lasts}`;
  const doubt = row.trusted ? "" : ", in doubt";
  const amiss = row.amiss === "" ? "" : `, ${row.amiss}`;
  write(
    element("now-text"),
    `${row.status}${amiss}: ${was}${row.behaviour}${lasts}${sure}${doubt}`,
  );
  const device = herd.nodes.get(node)?.device;
  const audit = device?.audit ?? null;
  const texts = {
    battery: row.battery === "" ? "not told" : row.battery,
    offload:
      device === undefined
        ? "-"
        : `${percentText(device.offload_ratio)} of ${device.windows.toLocaleString("en")}`,
    agreement: agreementText(audit),
    mended: audit === null ? "-" : intervalText(audit.mended, audit.mended_low, audit.mended_high),
    left: audit === null ? "-" : intervalText(audit.left, audit.left_low, audit.left_high),
    drift:
      device === undefined ? "-" : `${device.drift.toFixed(2)}${device.alarm ? ", alarm" : ""}`,
    model: row.release,
    heard: row.heard,
  };
  for (const [id, text] of Object.entries(texts)) write(element(id), text);
}
