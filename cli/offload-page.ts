/** The report on offloading: three drawings and two tables as one HTML page that needs nothing else. */

import type { GateFigures } from "../bench/gate.ts";
import { type Filter, SHARES } from "../bench/gate-curves.ts";
import type { Interval } from "../bench/subject-bootstrap.ts";
import { escapeText, offloadChart } from "./offload-chart.ts";
import { energyChart, energyNote, energyText, type ReportEnergy } from "./offload-energy.ts";
import { SHARE_MOST, seriesOf, titleOf } from "./offload-series.ts";

const NAMES: Readonly<Record<Filter, string>> = {
  ours: "ours",
  oursAudited: "ours with audits",
  random: "random",
  threshold: "fixed threshold",
  margin: "margin",
  groundlight: "threshold + audit (Groundlight)",
  sedna: "entropy (Sedna)",
  sednaOnOurs: "entropy on ours",
  oracle: "oracle",
};

/** Accuracy against the share of windows offloaded. */
export function shareChart(figures: GateFigures): string {
  return offloadChart({
    title: `${titleOf(figures)}: accuracy by share of windows offloaded`,
    across: {
      label: "share of windows that the teacher answers, %",
      scale: "linear",
      ticks: SHARES.filter((share) => share <= SHARE_MOST).map((at) => ({ at, text: String(at) })),
    },
    upLabel: "accuracy, %",
    series: seriesOf(figures, (share) => share),
    level: { y: figures.teacher.mean, name: "teacher alone" },
  });
}

/** Accuracy against bytes that a node sends a day: reports always, and a frame for each offload. */
export function bytesChart(figures: GateFigures): string {
  const kilobytes = (share: number): number => bytesPerDay(figures, share) / 1000;
  const ticks = [0, 2, 5, 10, 20, SHARE_MOST].map((share) => {
    const at = kilobytes(share);
    return { at, text: at < 10 ? at.toFixed(1) : at.toFixed(0) };
  });
  return offloadChart({
    title: `${titleOf(figures)}: accuracy by bytes a node sends a day`,
    across: {
      label: "kB a day in frames, logarithmic; the left end is reports alone",
      scale: "log",
      ticks,
    },
    upLabel: "accuracy, %",
    series: seriesOf(figures, kilobytes),
    level: {
      y: figures.teacher.mean,
      name: `teacher, ${megabytes(bytesPerDay(figures, 100))} MB a day`,
    },
  });
}

/** @param share percent of the windows, offloaded whole in int8 */
export function bytesPerDay(figures: GateFigures, share: number): number {
  const { frameBytes, windowsPerNodeDay } = figures;
  return windowsPerNodeDay * (frameBytes.report + (share / 100) * frameBytes.offload);
}

export function offloadPage(figures: GateFigures, energy: ReportEnergy, command: string): string {
  const filters = Object.keys(NAMES) as Filter[];
  const accuracy = SHARES.map((share) => [
    `${share} %`,
    `${megabytes(bytesPerDay(figures, share))}`,
    energyText(energy, share),
    ...filters.map((filter) => percent(figures.at[String(share)]?.[filter])),
  ]);
  const others = Object.keys(figures.lead["10"] ?? {}) as (keyof (typeof figures.lead)[string])[];
  const leads = SHARES.filter((share) => share < 100).map((share) => [
    `${share} %`,
    ...others.map((other) => signed(figures.lead[String(share)]?.[other])),
    signed(figures.leadOnOurs[String(share)]),
    signed(figures.overTeacher[String(share)]),
  ]);
  const how =
    figures.source === "given"
      ? "The models were given: whether they had seen these subjects is not known here."
      : "Neither teacher, student nor calibration had seen the subjects that were tested.";
  const leadTitles = [...others.map((other) => NAMES[other]), NAMES.sednaOnOurs, "teacher alone"];
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeText(titleOf(figures))}: what offloading buys</title>
<style>
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#667;--line:#d5d9df;--paper:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaee;--soft:#9aa3b2;--line:#3a414d;--paper:#14171c}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);
max-width:60rem;margin:2rem auto;padding:0 1rem}
svg{width:100%;height:auto;display:block;margin:1.2rem 0}
.t{overflow-x:auto}table{border-collapse:collapse;font-size:13px;width:100%}
td,th{padding:.3rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;white-space:normal;vertical-align:bottom}td:first-child,th:first-child{text-align:left}
p,li{max-width:46rem}code{font-size:13px}.s{color:var(--soft)}
</style>
<h1>What offloading buys</h1>
<p>${escapeText(titleOf(figures))}: ${figures.subjects} subjects, ${figures.folds} folds,
${figures.seeds} seeds. Shaded and in tables: 95 % intervals by a bootstrap over subjects and seeds.</p>
<p>${how}</p>
${shareChart(figures)}
${bytesChart(figures)}
${energyChart(figures, energy)}
<h2>Accuracy, %</h2>
${table(["offloaded", "MB a day", "mJ a day", ...filters.map((filter) => NAMES[filter])], accuracy)}
<h2>Ours less the others, points</h2>
${table(["offloaded", ...leadTitles], leads)}
<h2>How it was measured</h2>
<ul>
<li><b>ours</b>: the shipped gate, with its filter over windows and its use of the verdicts that it has paid
for; the others rank windows by the last exit's probabilities, ties as if drawn by chance.</li>
<li><b>entropy (Sedna)</b> is the filter of maximum entropy; <b>fixed threshold</b> is the largest
probability; <b>threshold + audit</b> pays for one audit in a hundred sure windows, as
<b>ours with audits</b> does. The <b>oracle</b> knows the truth.</li>
<li>Bytes are those of our frames: ${figures.frameBytes.report.toFixed(1)} for a window's part of a report,
${figures.frameBytes.offload} for an offloaded window, ${Math.round(figures.windowsPerNodeDay)} windows a day.
Topics and transport come on top.</li>
<li>${escapeText(energyNote(energy))}</li>
</ul>
<p class="s"><code>${escapeText(command)}</code></p>
</html>
`;
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: "td" | "th"): string =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeText(cell)}</${tag}>`).join("")}</tr>`;
  const body = rows.map((row) => line(row, "td")).join("\n");
  return `<div class="t"><table>\n${line(titles, "th")}\n${body}\n</table></div>`;
}

function percent(interval: Interval | undefined): string {
  return interval === undefined ? "" : (100 * interval.mean).toFixed(2);
}

function signed(interval: Interval | undefined): string {
  if (interval === undefined) return "";
  const points = (value: number): string =>
    `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;
  return `${points(interval.mean)} (${points(interval.low)} to ${points(interval.high)})`;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(2);
}
