/**
 * Names of Sparkplug B: who the gateway is there, its topics, and what a host application may say on
 * our own broker. Pure. Eclipse Sparkplug Specification 3.0.0, section 4.
 */

import type { NodeId } from "../../src/wire/messages.ts";
import { isNodeId } from "../../src/wire/topics.ts";
import { COMMAND_BYTES_MAX } from "./sparkplug-payload.ts";

export type EdgeNode = {
  readonly group: string;
  readonly edgeNode: string;
  /** The host application without which nothing is told. */
  readonly primaryHost: string | undefined;
  /** Those that may say on our broker whether they are there, the primary one among them. */
  readonly hosts: readonly string[];
};

const NAMESPACE = "spBv1.0";
/** `{"online":true,"timestamp":1767225600000}` takes 41. */
export const STATE_BYTES_MAX = 256;

export function edgeTopic(
  { group, edgeNode }: EdgeNode,
  kind: "NBIRTH" | "NDEATH" | "NDATA" | "NCMD",
): string {
  return `${NAMESPACE}/${group}/${kind}/${edgeNode}`;
}

export function deviceTopic(
  { group, edgeNode }: EdgeNode,
  kind: "DBIRTH" | "DDEATH" | "DDATA",
  node: NodeId,
): string {
  return `${NAMESPACE}/${group}/${kind}/${edgeNode}/${node}`;
}

export function stateTopic(host: string): string {
  return `${NAMESPACE}/STATE/${host}`;
}

/** What the edge node listens to. Devices have nothing that can be written. */
export function edgeFilters(edge: EdgeNode): readonly string[] {
  const { primaryHost } = edge;
  return [edgeTopic(edge, "NCMD"), ...(primaryHost === undefined ? [] : [stateTopic(primaryHost)])];
}

export function isSparkplugTopic(topic: string): boolean {
  return topic.startsWith(`${NAMESPACE}/`);
}

/**
 * Whether a host application may say this: a command to our edge node or to one of its devices, or,
 * where it is in the list, whether it is there itself, which is retained.
 *
 * A command to a device is let pass and does nothing: refused, it would end the connection of a host
 * for somebody's attempt to write into a value.
 */
export function mayHostPublish(
  edge: EdgeNode,
  word: { readonly topic: string; readonly retain: boolean; readonly payloadBytes: number },
): boolean {
  const { topic, retain, payloadBytes } = word;
  if (edge.hosts.some((host) => topic === stateTopic(host))) return payloadBytes <= STATE_BYTES_MAX;
  if (retain || payloadBytes > COMMAND_BYTES_MAX) return false;
  const devices = `${NAMESPACE}/${edge.group}/DCMD/${edge.edgeNode}/`;
  if (topic.startsWith(devices)) return isNodeId(topic.slice(devices.length));
  return topic === edgeTopic(edge, "NCMD");
}
