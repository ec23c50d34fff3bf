/**
 * The herd's page: listens to the gateway, and writes what `herd-view.ts` works out into the page.
 *
 * Plain DOM, no framework. Everything from outside is written as text, never as markup. Rows are
 * written once an animation frame, and only cells that say something else than before.
 */

import type { BoardChange } from "../telling/board.ts";
import { attribute, element, make, write } from "./elements.ts";
import {
  applyChange,
  createHerd,
  loopOf,
  needsLook,
  type Row,
  rowOf,
  sharesOf,
  summaryOf,
} from "./herd-view.ts";
import { openLine } from "./line.ts";

/** Those who listen are not told more often. */
const SUMMARY_MS = 10_000;
const CELLS = ["does", "for", "sure", "from", "state", "heard", "battery", "model"] as const;
/** What a cell is, on a phone, where no column says it. */
const WORDS: Partial<Record<(typeof CELLS)[number], string>> = {
  for: "for",
  sure: "sure",
  from: "by",
  heard: "heard",
  battery: "battery",
};

type Drawn = {
  readonly element: HTMLTableRowElement;
  readonly cells: Record<(typeof CELLS)[number], HTMLElement>;
  row: Row;
};

let herd = createHerd();
const drawn = new Map<string, Drawn>();
const dirty = new Set<string>();
let everythingIsDirty = false;
let frame = 0;
let isDrawn = false;
let summaryMs = Number.NEGATIVE_INFINITY;
let diaryTop = -1;

const find = element<HTMLInputElement>("find");
const look = element<HTMLInputElement>("look");
find.addEventListener("input", drawAll);
look.addEventListener("change", drawAll);
keepRoles();
const line = openLine({ onBoard: begin, onChanges: take, onLive: drawAll });
setInterval(drawAll, 10_000);

/** On a phone the table is not laid out as one, and browsers then forget that it is one. */
function keepRoles(): void {
  const roles = { table: "table", "thead, tbody": "rowgroup", tr: "row", th: "columnheader" };
  for (const [selector, role] of Object.entries(roles)) {
    for (const found of document.querySelectorAll(selector)) found.setAttribute("role", role);
  }
}

function take(changes: readonly BoardChange[]): void {
  for (const change of changes) {
    const name = applyChange(herd, change);
    if (name !== undefined) dirty.add(name);
  }
  draw();
}

/** The whole board: who is no longer on it has no row. */
function begin(changes: readonly BoardChange[]): void {
  herd = createHerd();
  take(changes);
  for (const [name, { element: row }] of drawn) {
    if (herd.nodes.has(name)) continue;
    row.remove();
    drawn.delete(name);
  }
  drawAll();
}

function drawAll(): void {
  everythingIsDirty = true;
  draw();
}

function draw(): void {
  if (frame !== 0) return;
  frame = requestAnimationFrame(() => {
    frame = 0;
    drawRows();
    drawHerd();
    drawLoop();
    if (drawn.size > 0 && !isDrawn) {
      isDrawn = true;
      // For whoever measures how long it takes until the herd is there.
      performance.mark("herd");
    }
  });
}

function drawRows(): void {
  const names = everythingIsDirty ? herd.nodes.keys() : dirty;
  const nowMs = line.nowMs();
  const added: Drawn[] = [];
  for (const name of names) {
    const row = rowOf(herd, name, nowMs, line.isLive());
    let known = drawn.get(name);
    if (known === undefined) {
      known = createRow(row);
      drawn.set(name, known);
      added.push(known);
    }
    writeRow(known, row);
  }
  everythingIsDirty = false;
  dirty.clear();
  if (added.length > 0) placeRows();
}

/** In the order of their names, numbers as numbers, so that a row stays where it is. */
function placeRows(): void {
  const order = new Intl.Collator("en", { numeric: true });
  const sorted = [...drawn.values()].sort((a, b) => order.compare(a.row.node, b.row.node));
  element("rows").append(...sorted.map((one) => one.element));
}

function createRow(row: Row): Drawn {
  const link = make("a", { href: `/animal?node=${encodeURIComponent(row.node)}` }, row.node);
  const name = make("th", { scope: "row", role: "rowheader" }, link);
  const tr = make("tr", { role: "row" }, name);
  const cells = {} as Drawn["cells"];
  for (const what of CELLS) {
    const cell = make("td", { class: what, role: "cell" });
    const word = WORDS[what];
    if (word !== undefined) cell.dataset.what = word;
    cells[what] = cell;
    tr.append(cell);
  }
  return { element: tr, cells, row };
}

function writeRow(known: Drawn, row: Row): void {
  known.row = row;
  const { element: tr, cells } = known;
  const kind = herd.info?.classes.indexOf(row.behaviour) ?? -1;
  attribute(tr, "data-status", row.status);
  attribute(tr, "data-kind", kind < 0 ? null : String(kind % 8));
  attribute(tr, "data-alarm", row.amiss === "" ? null : "");
  attribute(tr, "data-doubt", row.trusted ? null : "");
  const isMemory = row.status !== "live" && row.status !== "silent";
  write(cells.does, isMemory ? `was ${row.behaviour}` : row.behaviour);
  write(cells.for, row.lasts);
  write(cells.sure, row.sure === null ? "" : `${row.sure} %`);
  write(cells.from, row.trusted ? row.source : `${row.source}, in doubt`);
  write(cells.state, row.amiss === "" ? row.status : `${row.status}, ${row.amiss}`);
  write(cells.heard, row.heard);
  write(cells.battery, row.battery);
  write(cells.model, row.release);
  tr.hidden = !isWanted(row);
}

function isWanted(row: Row): boolean {
  const text = find.value.trim().toLowerCase();
  if (look.checked && !needsLook(row)) return false;
  return text === "" || `${row.node} ${row.behaviour} ${row.status}`.toLowerCase().includes(text);
}

function drawHerd(): void {
  const rows = [...drawn.values()].map(({ row }) => row);
  const shares = sharesOf(herd, rows);
  const bar = element("shares");
  while (bar.children.length < shares.length) bar.append(document.createElement("span"));
  while (bar.children.length > shares.length) bar.lastElementChild?.remove();
  shares.forEach(({ name, count }, i) => {
    const part = bar.children[i] as HTMLElement;
    attribute(part, "data-kind", name === "not live" ? null : String(i % 8));
    part.style.flexGrow = String(count);
    part.title = `${count} ${name}`;
  });
  for (const id of ["tools", "table"]) element(id).hidden = rows.length === 0;
  const summary = summaryOf(herd, rows);
  write(element("summary"), summary);
  if (performance.now() - summaryMs < SUMMARY_MS) return;
  if (write(element("aloud"), summary)) summaryMs = performance.now();
}

function drawLoop(): void {
  const { progress, note, ...facts } = loopOf(herd);
  for (const [name, text] of Object.entries(facts)) write(element(`loop-${name}`), text);
  write(element("note"), note);
  element("progress").hidden = progress === null;
  if (progress !== null) element<HTMLProgressElement>("bar").value = progress;
  const top = herd.diary[0]?.number ?? 0;
  if (top === diaryTop) return;
  diaryTop = top;
  element("diary").replaceChildren(
    ...herd.diary.slice(0, 20).map(({ value }) => {
      const at = new Date(value.time);
      const isToday = at.toDateString() === new Date(line.nowMs()).toDateString();
      const when = isToday ? at.toLocaleTimeString() : at.toLocaleString();
      const time = make("time", { datetime: at.toISOString() }, when);
      return make("li", {}, time, value.message);
    }),
  );
}
