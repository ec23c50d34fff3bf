/** What every drawing of the report on offloading has: which filters as which lines, and a title. */

import type { GateFigures } from "../bench/gate.ts";
import { type Filter, SHARES } from "../bench/gate-curves.ts";
import type { Interval } from "../bench/subject-bootstrap.ts";
import type { ChartSeries } from "./offload-chart.ts";

/** Those that are drawn, the most wanted last and on top; the tables have all. Colours of Okabe and
 * Ito (2008), told apart by colour-blind people too. */
const DRAWN: readonly (Omit<ChartSeries, "points" | "band"> & { readonly filter: Filter })[] = [
  { filter: "oracle", name: "oracle", colour: "#999999", dash: "1 4" },
  { filter: "random", name: "random", colour: "#8a8f98", dash: "6 4" },
  { filter: "threshold", name: "fixed threshold", colour: "#56b4e9" },
  { filter: "groundlight", name: "threshold + audit", colour: "#009e73", dash: "8 3" },
  { filter: "sedna", name: "entropy (Sedna)", colour: "#e69f00" },
  { filter: "ours", name: "ours", colour: "#d55e00", bold: true },
];
/** Beyond these nobody would offload. */
export const SHARE_MOST = 50;

/** Every drawn filter at these shares, in percent. */
export function seriesOf(
  figures: GateFigures,
  across: (share: number) => number,
  shares: readonly number[] = SHARES.filter((share) => share <= SHARE_MOST),
): ChartSeries[] {
  const at = (share: number, filter: Filter): Interval =>
    figures.at[String(share)]?.[filter] as Interval;
  return DRAWN.map(({ filter, ...drawn }) => ({
    ...drawn,
    points: shares.map((share) => ({ x: across(share), y: at(share, filter).mean })),
    ...(filter === "ours" && {
      band: shares.map((share) => {
        const { low, high } = at(share, filter);
        return { x: across(share), low, high };
      }),
    }),
  }));
}

export function titleOf({ dataset, student, rotate }: GateFigures): string {
  const which = student === "plain" ? ", plain student" : "";
  return `${dataset}${which}${rotate === null ? "" : `, collars turned ${rotate}`}`;
}
