/**
 * What a release asks of a node, and whether a node has it, by what the node said of itself in its
 * hello: slot, RAM and container format. Pure.
 *
 * The node has the last word: it refuses what it cannot hold, whatever was thought of it here.
 */

import { containerVersion, decodeContainer } from "../src/model/container.ts";
import { encoderRamBytes } from "../src/model/encoder-cost.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { UnfitReason } from "../src/wire/messages.ts";
import type { NodeRow } from "./label-rows.ts";

export type ReleaseNeeds = {
  /** The container, as it is kept in a slot. */
  readonly slotBytes: number;
  /** The buffers of a window that goes through all exits, and through an encoder where there is one. */
  readonly ramBytes: number;
  readonly formatVersion: number;
};

/** Throws `EdgeError` where the bytes are no container. */
export function needsOf(container: Uint8Array): ReleaseNeeds {
  const decoded = decodeContainer(container);
  const { student, encoder } = decoded;
  const ramBytes = Math.max(...studentCost(student).map((exit) => exit.ramBytes));
  return {
    slotBytes: container.length,
    ramBytes: ramBytes + (encoder === undefined ? 0 : encoderRamBytes(encoder)),
    formatVersion: containerVersion(decoded),
  };
}

/** Undefined where the node has what it takes. */
export function unfitReason(
  node: Pick<NodeRow, "slotBytes" | "ramBytes" | "formatVersion">,
  needs: ReleaseNeeds,
): UnfitReason | undefined {
  if (node.formatVersion < needs.formatVersion) return "wrong-format";
  const holds = node.slotBytes >= needs.slotBytes && node.ramBytes >= needs.ramBytes;
  return holds ? undefined : "too-large";
}

/** Of the nodes of a cohort those that cannot hold a release: for people, before it is made. */
export function unfitNodes<Row extends NodeRow>(
  rows: readonly Row[],
  cohort: string,
  needs: ReleaseNeeds,
): { readonly unfit: readonly Row[]; readonly fit: readonly Row[] } {
  const ours = rows.filter((row) => row.cohort === cohort);
  return {
    unfit: ours.filter((row) => unfitReason(row, needs) !== undefined),
    fit: ours.filter((row) => unfitReason(row, needs) === undefined),
  };
}

/** Whether a cohort can hold a container: what it needs and who lacks it, where somebody does. Throws
 * `EdgeError` where the bytes are no container. */
export function cohortFit(
  rows: readonly NodeRow[],
  cohort: string,
  container: Uint8Array,
): { readonly nobody: boolean; readonly text: string } {
  const needs = needsOf(container);
  const { fit, unfit } = unfitNodes(rows, cohort, needs);
  if (unfit.length === 0) return { nobody: false, text: "" };
  return { nobody: fit.length === 0, text: needsText(needs, unfit) };
}

/** In words: what it needs, and who does not have it. */
export function needsText(needs: ReleaseNeeds, unfit: readonly NodeRow[]): string {
  const { slotBytes, ramBytes, formatVersion } = needs;
  const some = unfit.slice(0, 5).map(({ node }) => node);
  const more = unfit.length > some.length ? ` and ${unfit.length - some.length} more` : "";
  return (
    `it needs a slot of ${slotBytes} bytes, ${ramBytes} bytes of RAM and format ${formatVersion}, ` +
    `which ${some.join(", ")}${more} cannot give`
  );
}
