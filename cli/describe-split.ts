/** Where a window's work may be cut between node and gateway, as a table for people. */

import type { TargetName } from "../src/cost/targets.ts";
import { TARGETS } from "../src/cost/targets.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { LINK_UNCERTAINTY } from "../src/link/radio-constants.ts";
import { type Cut, cheapestCut, splitPoints } from "../src/link/split-points.ts";
import { decodeContainer } from "../src/model/container.ts";

export type SplitDescription = {
  readonly target: string;
  readonly link: string;
  readonly offloadShare: number;
  readonly uncertainty: { readonly processor: number; readonly link: number };
  readonly cuts: readonly Cut[];
  /** The names of the cuts that cost a node least where the gateway answers every window, and where it
   * answers doubts; null where the link carries none. */
  readonly cheapest: { readonly every: string | null; readonly doubts: string | null };
};

/** Throws `EdgeError` for bytes that are no container. */
export function describeSplit(
  bytes: Uint8Array,
  on: { readonly target: TargetName; readonly profile: LinkProfile; readonly dataRate: number },
  offloadShare: number,
): SplitDescription {
  const container = decodeContainer(bytes);
  const { target, profile } = on;
  const cuts = splitPoints({ container, target, profile, offloadShare });
  return {
    target: TARGETS[target].name,
    link: profile.packets === undefined ? profile.name : `${profile.name} DR${on.dataRate}`,
    offloadShare,
    uncertainty: { processor: TARGETS[target].uncertainty, link: LINK_UNCERTAINTY },
    cuts,
    cheapest: {
      every: cheapestCut(cuts, "every")?.name ?? null,
      doubts: cheapestCut(cuts, "doubts")?.name ?? null,
    },
  };
}

const COLUMNS = [
  ...["a window is cut", "instructions", "node ms", "node uJ", "bytes", "link uJ"],
  ...["on air ms", "sum uJ", "carried"],
];

export function splitLines(split: SplitDescription): string[] {
  const { every, doubts } = split.cheapest;
  const rows = [COLUMNS, ...split.cuts.map((cut) => rowOf(cut, [every, doubts]))];
  const widths = COLUMNS.map((_, c) => Math.max(...rows.map((row) => (row[c] ?? "").length)));
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  return [
    `${split.target}, ${split.link}; for each window, estimated: the processor within ` +
      `${percent(split.uncertainty.processor)}, the radio within ${percent(split.uncertainty.link)}`,
    "",
    ...rows.map((row) =>
      row
        .map((cell, c) => padded(cell, widths[c] ?? 0, c))
        .join("  ")
        .trimEnd(),
    ),
    "",
    `Doubts are ${percent(split.offloadShare)} of windows. "no": the link does not carry it. Carried: the`,
    "share of windows that the duty cycle lets through. (A stage's map): no node sends it; it knows what",
    "the student knows. Putting a window into fewer bits is not counted, nor is the gateway's work.",
    `* cheapest for the node where the gateway answers every window: ${every ?? "none is carried"}`,
    `* and where it answers doubts: ${doubts ?? "none is carried"}`,
  ];
}

function padded(cell: string, width: number, column: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

function rowOf(cut: Cut, cheapest: readonly (string | null)[]): string[] {
  const { name, offered, node, link } = cut;
  const total = cut.totalMicrojoules;
  const carried = cut.carriedShare;
  return [
    `${cheapest.includes(name) ? "* " : "  "}${offered ? name : `(${name})`}`,
    String(node.instructions),
    short(node.milliseconds),
    short(node.microjoules),
    cut.bytes < 100 ? cut.bytes.toFixed(1) : String(Math.round(cut.bytes)),
    link === null ? "no" : short(link.microjoules),
    link === null ? "" : short(link.airtimeMs),
    total === null ? "" : short(total),
    carried === null ? "" : `${(100 * carried).toFixed(carried < 0.1 ? 1 : 0)} %`,
  ];
}

/** Three digits, and no exponent that nobody reads. */
function short(value: number): string {
  if (value === 0) return "0";
  return value >= 100 ? String(Math.round(value)) : value.toPrecision(3);
}
