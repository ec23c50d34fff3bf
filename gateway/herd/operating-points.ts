/**
 * Which share of windows is wanted of which node, and that nodes are told so. Pure.
 *
 * An operator's word for a node goes before the settings, a node's own before its group's, and those
 * before all nodes'. A node keeps the share itself; it is told at each hello, and again while its
 * reports say another point than the model that it runs has for that share. So nothing depends on a
 * message having arrived.
 */

import { gateOf } from "../../src/gate/gate-bytes.ts";
import type { GateParameters } from "../../src/gate/gate-parameters.ts";
import { pointAt } from "../../src/gate/operating-points.ts";
import { decodeContainer } from "../../src/model/container.ts";
import { POINTS_CONTAINER_VERSION } from "../../src/model/container-layout.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { GatewayEffect, NodeState } from "../gateway-state.ts";
import type { Report } from "../store/label-rows.ts";
import { rounded } from "../telling/tell-behaviours.ts";
import type { ModelShares, PointDesk } from "./point-state.ts";

/** Reports of before a move may still be on their way; a lost message is said again after this. */
const AGAIN_MS = 60_000;

/** What the settings say of a node: by its own name, by that of a group it is in, or of all. */
export function settledShares(
  {
    percent,
    percentOf,
  }: { readonly percent: number; readonly percentOf: Readonly<Record<string, number>> },
  groups: ReadonlyMap<string, readonly NodeId[]>,
): PointDesk["settled"] {
  const ofGroup = new Map(
    [...groups].flatMap(([group, nodes]) => {
      const share = percentOf[group];
      return share === undefined ? [] : nodes.map((node) => [node, share] as const);
    }),
  );
  return (node) => Math.round(655.35 * (percentOf[node] ?? ofGroup.get(node) ?? percent));
}

/** Throws `EdgeError` for bytes that are no container. */
export function sharesOf(container: Uint8Array): ModelShares {
  const gate: GateParameters = gateOf(decodeContainer(container));
  return {
    share: gate.offload.targetShareQ16 / 65535,
    mostShare: mostShareOf(gate.bucket),
    points: gate.operatingPoints,
  };
}

/** What is wanted, Q16; 0 for the gate as it was released. */
export function wantedShareQ16({ settled, chosen }: PointDesk, node: NodeId): number {
  return chosen.get(node) ?? settled(node);
}

/** At its hello. A node that nobody ever moved, and nobody wants to, is told nothing. */
export function moveOnHello(desk: PointDesk, node: NodeState, uptimeMs: number): GatewayEffect[] {
  const shareQ16 = wantedShareQ16(desk, node.row.node);
  return shareQ16 === 0 && (node.operatingPoint ?? 0) === 0 ? [] : move(desk, node, uptimeMs);
}

/** By an operator's word, at once. Nothing for a node that would not understand it. */
export function move(desk: PointDesk, node: NodeState, uptimeMs: number): GatewayEffect[] {
  if (node.row.formatVersion < POINTS_CONTAINER_VERSION) return [];
  node.movedUptimeMs = uptimeMs;
  const shareQ16 = wantedShareQ16(desk, node.row.node);
  const message = { kind: "point", shareQ16 } as const;
  return [{ kind: "send", node: node.row.node, message }];
}

/** Takes in where a node is, by the newest report of the model that it runs, and has it moved where it
 * should not be. */
export function followPoint(
  desk: PointDesk,
  node: NodeState,
  { modelId, operatingPoint }: Report,
  uptimeMs: number,
): GatewayEffect[] {
  node.operatingPoint = operatingPoint;
  const model = desk.models.get(modelId);
  if (model === undefined || uptimeMs - node.movedUptimeMs < AGAIN_MS) return [];
  const wanted = pointAt(model.points, wantedShareQ16(desk, node.row.node));
  return wanted === operatingPoint ? [] : move(desk, node, uptimeMs);
}

/** Offloads as if these windows had been answered by the gate as it was released, which is what a
 * release is judged by: a node that was told to offload more, or less, does. */
export function offloadsAsReleased(
  desk: PointDesk,
  { modelId, operatingPoint, entries }: Report,
): number {
  const offloads = entries.filter((entry) => entry.offloaded).length;
  const model = desk.models.get(modelId);
  const point = model?.points[operatingPoint - 1];
  if (model === undefined || point === undefined) return offloads;
  return Math.max(0, offloads + entries.length * (model.mostShare - mostShareOf(point)));
}

/** As people are told. */
export function tellPoint(
  desk: PointDesk,
  { row, operatingPoint }: NodeState,
): {
  readonly operating_point: number | null;
  readonly operating_share: number | null;
  readonly wanted_share: number;
} {
  const model = desk.models.get(row.modelId);
  const at = operatingPoint === null ? undefined : model?.points[operatingPoint - 1];
  const share = at === undefined ? model?.share : at.targetShareQ16 / 65535;
  return {
    operating_point: operatingPoint,
    operating_share: operatingPoint === null || share === undefined ? null : rounded(share),
    wanted_share: rounded(wantedShareQ16(desk, row.node) / 65535),
  };
}

function mostShareOf({ windowsPerTokenQ8 }: { readonly windowsPerTokenQ8: number }): number {
  return Math.min(1, 256 / windowsPerTokenQ8);
}
