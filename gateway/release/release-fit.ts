/**
 * What a release asks of a node, and whether a node has it, by what the node said of itself in its
 * hello: slot, RAM and container format. Pure.
 *
 * The node has the last word: it refuses what it cannot hold, whatever was thought of it here.
 */

import { containerVersion, decodeContainer, encodeContainer } from "../../src/model/container.ts";
import { POINTS_CONTAINER_VERSION } from "../../src/model/container-layout.ts";
import { modelRamBytes } from "../../src/model/encoder-cost.ts";
import { LIMITS } from "../../src/wire/limits.ts";
import type { UnfitReason } from "../../src/wire/messages.ts";
import type { NodeRow } from "../store/label-rows.ts";

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
  return {
    slotBytes: container.length,
    ramBytes: modelRamBytes(decoded),
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

/** The container, or the same without its operating points where a node that could then run it reads
 * none. */
export function readableBy(
  rows: readonly NodeRow[],
  container: Uint8Array,
  nowMs: number,
): Uint8Array {
  return readPoints(rows, container, nowMs).container;
}

/**
 * What `cohortFit` says of a student yet to be made, of the shape of this one; and whether every node
 * that could run it reads operating points. Throws `EdgeError` where the bytes are no container.
 */
export function candidateFit(
  rows: readonly NodeRow[],
  current: Uint8Array,
  nowMs: number,
): { readonly nobody: boolean; readonly text: string; readonly readsPoints: boolean } {
  const { cohort, container, readsPoints } = readPoints(rows, current, nowMs);
  return { ...cohortFit(rows, cohort, container), readsPoints };
}

/** A node that was silent for longer than a healthy one may be does not keep points from the others. */
function readPoints(rows: readonly NodeRow[], given: Uint8Array, nowMs: number) {
  const { points, ...decoded } = decodeContainer(given);
  const without = points === undefined ? given : encodeContainer(decoded);
  const { cohort } = decoded;
  const readsPoints = unfitNodes(rows, cohort, needsOf(without)).fit.every(
    ({ formatVersion, lastSeenMs }) =>
      formatVersion >= POINTS_CONTAINER_VERSION || nowMs - lastSeenMs > LIMITS.wakeMs,
  );
  return { cohort, container: readsPoints ? given : without, readsPoints };
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
