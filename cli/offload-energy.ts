/** Accuracy against a node's energy of a day, on one link, for the report on offloading. */

import type { GateFigures } from "../bench/gate.ts";
import { SHARES } from "../bench/gate-curves.ts";
import { energyAtShare, type NodeDay } from "../bench/node-day.ts";
import { TARGETS, type TargetName } from "../src/cost/targets.ts";
import type { DayEnergy } from "../src/link/energy-day.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { LINK_UNCERTAINTY } from "../src/link/radio-constants.ts";
import { linkText } from "./link-option.ts";
import { offloadChart } from "./offload-chart.ts";
import { SHARE_MOST, seriesOf, titleOf } from "./offload-series.ts";

export type ReportEnergy = {
  /** As people name it: `BLE`, `LoRaWAN DR5`. */
  readonly link: string;
  readonly target: TargetName;
  /** By share of the windows, in percent; what the duty cycle cuts says so by `carried`. */
  readonly byShare: Readonly<Record<string, DayEnergy>>;
};

/** @throws EdgeError `does-not-fit` */
export function reportEnergy(
  day: NodeDay,
  link: LinkProfile,
  asked: { readonly dataRate: number; readonly target: TargetName | undefined },
): ReportEnergy {
  const target = asked.target ?? link.target;
  const byShare = SHARES.map((share) => {
    return [String(share), energyAtShare(day, link, share / 100, target)] as const;
  });
  return {
    link: linkText(link.name, asked.dataRate),
    target,
    byShare: Object.fromEntries(byShare),
  };
}

/** Shares that the link carries whole, in percent. */
export function carriedShares({ byShare }: ReportEnergy): number[] {
  return SHARES.filter((share) => (byShare[String(share)]?.carried ?? 0) >= 1);
}

/** Drawn is only what the link carries. */
export function energyChart(figures: GateFigures, energy: ReportEnergy): string {
  const millijoules = (share: number): number =>
    energy.byShare[String(share)]?.totalMillijoule ?? Number.NaN;
  const shares = carriedShares(energy).filter((share) => share <= SHARE_MOST);
  const drawn = shares.length > 0 ? shares : [SHARES[0]];
  const ticks = ticksOf(drawn.map((share) => ({ share, at: millijoules(share) })));
  return offloadChart({
    title: `${titleOf(figures)}: accuracy by energy of a day on ${energy.link}`,
    across: {
      label: "mJ a day, logarithmic; the left end offloads nothing",
      scale: "log",
      ticks: ticks.map((at) => ({ at, text: wholeText(at) })),
    },
    upLabel: "accuracy, %",
    series: seriesOf(figures, millijoules, drawn),
    level: { y: figures.teacher.mean, name: teacherName(energy) },
  });
}

/** Not so near each other that their texts meet. */
function ticksOf(points: readonly { readonly share: number; readonly at: number }[]): number[] {
  const [first, last] = [points[0]?.at ?? 1, points.at(-1)?.at ?? 1];
  const apart = (last / first) ** 0.12;
  const ticks: number[] = [];
  for (const { at } of points) {
    const before = ticks.at(-1);
    if (before === undefined || at >= before * apart) ticks.push(at);
  }
  return ticks;
}

function teacherName({ byShare }: ReportEnergy): string {
  const all = byShare["100"];
  if (all === undefined || all.carried < 1) return "teacher, not carried";
  return `teacher, ${wholeText(all.totalMillijoule)} mJ`;
}

/** For the table: the energy, and how much of it gets through where that is not all. */
export function energyText(energy: ReportEnergy, share: number): string {
  const day = energy.byShare[String(share)];
  if (day === undefined) return "";
  const part = day.carried < 1 ? ` (${Math.round(100 * day.carried)} % carried)` : "";
  return wholeText(day.totalMillijoule) + part;
}

/** How it was worked out, for the page. */
export function energyNote(energy: ReportEnergy): string {
  const carried = carriedShares(energy);
  const most = carried.at(-1);
  const limit =
    most === 100
      ? ""
      : most === undefined
        ? " Not even the reports get through by the duty cycle."
        : ` The duty cycle carries ${most} % of the windows and not the next share of the table.`;
  return (
    `Energy is an estimate, ±${100 * LINK_UNCERTAINTY} % at best, from data sheets: the student ` +
    `through every exit on ${TARGETS[energy.target].name}, reports, windows in int8, answers and ` +
    `rest, on ${energy.link}.${limit}`
  );
}

function wholeText(value: number): string {
  return Math.round(value).toLocaleString("en");
}
