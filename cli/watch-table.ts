/**
 * Draws a view as text: a head with the gateway's state, a row per node, the last of the diary.
 *
 * A pure function from a view, a size and a time to lines; `watch` and the demonstration put them on
 * the screen. Columns are dropped from the right where the terminal is narrow, rows at the bottom
 * where it is low, and it says so.
 */

import type { Behaviour, BridgeInfo, Device } from "../src/wire/public.ts";
import type { View } from "./watch-view.ts";

export type Screen = {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
  /** The clock of the viewer; a node that is ahead of it is believed. */
  readonly nowMs: number;
};

type Cell = { readonly text: string; readonly style?: keyof typeof STYLES };
type Column = { readonly title: string; readonly right?: boolean };

const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const;
const COLUMNS: readonly Column[] = [
  { title: "node" },
  { title: "behaviour" },
  { title: "for", right: true },
  { title: "sure", right: true },
  { title: "by" },
  { title: "offloaded", right: true },
  { title: "agrees", right: true },
  { title: "release", right: true },
  { title: "model" },
  { title: "state" },
];
const DIARY_SHARE = 0.3;

export function drawView(view: View, screen: Screen): string[] {
  const head = drawHead(view, screen);
  const nodes = [...view.rows.keys()].sort();
  const diaryRoom = Math.max(2, Math.floor(screen.rows * DIARY_SHARE));
  const diary = view.diary.slice(-diaryRoom);
  const room = Math.max(1, screen.rows - head.length - diary.length - 5);
  const shown = nodes.slice(0, room);
  const cells = shown.map((node) => rowCells(view, node, screen.nowMs));
  const lines = [...head, "", ...drawTable(cells, screen)];
  if (shown.length < nodes.length) lines.push(`… and ${nodes.length - shown.length} more nodes`);
  if (nodes.length === 0) lines.push("no node has said anything yet");
  if (diary.length > 0) {
    lines.push("");
    for (const event of diary) {
      lines.push(`${clock(event.time)}  ${event.message}`.slice(0, screen.columns));
    }
  }
  return lines;
}

function drawHead(view: View, screen: Screen): string[] {
  const well = view.gateway === "online" && view.trouble === undefined;
  const text = view.trouble === undefined ? view.gateway : `${view.gateway}, ${view.trouble}`;
  const state = { text, style: well ? "green" : "red" } as const;
  const info = view.info;
  const first = `${paint({ text: "bellwether", style: "bold" }, screen)}  gateway ${paint(state, screen)}`;
  if (info === undefined) return [first];
  const trust: Cell = info.teacher.trusted
    ? { text: "trusted", style: "green" }
    : { text: "not trusted", style: "red" };
  return [
    `${first}  teacher ${info.teacher.name} ${paint(trust, screen)}  soft labels ${info.soft_labels}` +
      `  release ${info.release.sequence}`,
    loopLine(info).slice(0, screen.columns),
  ];
}

function loopLine(info: BridgeInfo): string {
  const { state, progress, note } = info.loop;
  const share = progress === null ? "" : ` ${Math.round(100 * progress)} %`;
  return `loop: ${state}${share}${note === "" ? "" : `, ${note}`}`;
}

function rowCells(view: View, node: string, nowMs: number): Cell[] {
  const { behaviour, device, online } = view.rows.get(node) ?? {};
  const up = online ?? device?.state === "online";
  const state: Cell = up ? troubleOf(device) : { text: "offline", style: "red" };
  const dash: Cell = { text: "-", style: "dim" };
  const release = behaviour?.release ?? device?.release;
  const model = behaviour?.model ?? device?.model;
  return [
    { text: node, style: "bold" },
    ...behaviourCells(behaviour, nowMs, up, dash),
    device === undefined ? dash : { text: percent(device.offload_ratio) },
    device === undefined || device.agreement === null ? dash : { text: percent(device.agreement) },
    release === undefined ? dash : { text: String(release) },
    model === undefined ? dash : { text: model.slice(0, 8), style: "dim" },
    state,
  ];
}

function troubleOf(device: Device | undefined): Cell {
  if (device?.fault != null) return { text: device.fault, style: "red" };
  return device?.alarm ? { text: "drift", style: "red" } : { text: "online", style: "green" };
}

function behaviourCells(
  behaviour: Behaviour | undefined,
  nowMs: number,
  up: boolean,
  dash: Cell,
): Cell[] {
  if (behaviour === undefined) return [dash, dash, dash, dash];
  const name = behaviour.trusted ? behaviour.behaviour : `${behaviour.behaviour}?`;
  const style = !up ? "dim" : behaviour.trusted ? "cyan" : "yellow";
  return [
    { text: name, style },
    // A node whose clock runs ahead, as a simulated one does, is believed for what it has said.
    {
      text: duration(Math.max(nowMs, behaviour.time) - behaviour.since),
      style: up ? "bold" : "dim",
    },
    { text: behaviour.confidence.toFixed(2) },
    { text: behaviour.source, ...(behaviour.source === "teacher" ? { style: "yellow" } : {}) },
  ];
}

function drawTable(rows: readonly (readonly Cell[])[], screen: Screen): string[] {
  const widths = COLUMNS.map((column, i) =>
    Math.max(column.title.length, ...rows.map((row) => row[i]?.text.length ?? 0)),
  );
  let fits = 0;
  let used = 0;
  while (fits < widths.length && used + (widths[fits] ?? 0) <= screen.columns) {
    used += (widths[fits] ?? 0) + 2;
    fits++;
  }
  const line = (cells: readonly Cell[]): string =>
    cells
      .slice(0, fits)
      .map((cell, i) => {
        const gap = " ".repeat((widths[i] ?? 0) - cell.text.length);
        return COLUMNS[i]?.right ? gap + paint(cell, screen) : paint(cell, screen) + gap;
      })
      .join("  ")
      .trimEnd();
  const title = line(COLUMNS.map((column) => ({ text: column.title, style: "dim" as const })));
  return [title, ...rows.map(line)];
}

function paint(cell: Cell, screen: Screen): string {
  if (!screen.color || cell.style === undefined) return cell.text;
  return `\u001b[${STYLES[cell.style]}m${cell.text}\u001b[0m`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** The largest unit that says it: `42 s`, `7 min`, `3 h 05`. */
export function duration(ms: number): string {
  if (!(ms >= 0)) return "?";
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 100) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
}

/** Hours, minutes and seconds of the viewer's own day. */
export function clock(timeMs: number): string {
  return new Date(timeMs).toTimeString().slice(0, 8);
}
