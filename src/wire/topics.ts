/**
 * The names on the wire: topics, node ids and model ids, made and read in one place.
 *
 * Two planes under one base. The node plane is binary and private; one access rule per node covers
 * it. The public plane is retained JSON for people. `docs/TOPICS.md` is the reference.
 *
 *     <base>/node/<id>/up/<kind>      node to gateway     hello report offload want outcome
 *     <base>/node/<id>/down/<kind>    gateway to node     ack verdict offer chunk setting point
 *     <base>/<id>/behaviour | event | availability | state | bout | budget | alert
 *     <base>/group/<name>/budget
 *     <base>/bridge/state | devices | info | event
 *
 * A node's last will, and its farewell, is a retained `{"state":"offline"}` on its own availability:
 * the one public topic that a node writes itself, so that it also holds where no gateway runs.
 *
 * `node`, `bridge`, `group` and `join` (see `join.ts`) are therefore no node's name. Nothing here
 * takes a wildcard for a name.
 */

import { EdgeError } from "../assert.ts";
import { bytesOfHex, hexOf } from "../bytes.ts";
import { LIMITS } from "./limits.ts";
import type { DownKind, ModelId, NodeId, UpKind } from "./messages.ts";

/** What stands before everything else: `bellwether`, `farm/north`, … */
export type TopicBase = string & { readonly __brand: "TopicBase" };

export const UP_KINDS = ["hello", "report", "offload", "want", "outcome"] as const;
export const DOWN_KINDS = ["ack", "verdict", "offer", "chunk", "setting", "point"] as const;
export const NODE_TOPICS = [
  "behaviour",
  "event",
  "availability",
  "state",
  "bout",
  "budget",
  "alert",
] as const;
export const BRIDGE_TOPICS = ["state", "devices", "info", "event"] as const;
export type NodeTopic = (typeof NODE_TOPICS)[number];
export type BridgeTopic = (typeof BRIDGE_TOPICS)[number];

/** What nodes leave behind as their last will, and say when they leave of their own accord. */
export const OFFLINE_JSON = '{"state":"offline"}';

export const DEFAULT_BASE = "bellwether" as TopicBase;

const RESERVED = ["node", "bridge", "join", "group"];
const GROUP_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;
const NODE_ID = /^[a-z0-9][a-z0-9_-]*$/;
const BASE_LEVEL = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
const MODEL_ID = /^[0-9a-f]{16}$/;

/** True for what `nodeId` accepts; for those who refuse in their own way, such as the broker. */
export function isNodeId(text: string): text is NodeId {
  return NODE_ID.test(text) && text.length <= LIMITS.nodeIdBytes && !RESERVED.includes(text);
}

/** A node's name from outside. Throws `EdgeError` `node-id`. */
export function nodeId(text: string, where = "node id"): NodeId {
  if (isNodeId(text)) return text;
  throw new EdgeError({
    code: "node-id",
    message: `${JSON.stringify(text.slice(0, 80))} is not a node's name`,
    where,
    hint:
      `Use 1 to ${LIMITS.nodeIdBytes} lower case letters, digits, dashes and underscores, ` +
      "a letter or digit first, and none of the reserved names node, bridge, group and join.",
  });
}

/** A model's name from text. Throws `EdgeError` `model-id`. */
export function modelId(text: string, where = "model id"): ModelId {
  if (MODEL_ID.test(text)) return text as ModelId;
  throw new EdgeError({
    code: "model-id",
    message: `${JSON.stringify(text.slice(0, 80))} is not a model's name`,
    where,
    hint: "It is 16 lower case hex digits: the first 8 bytes of the container's SHA-256.",
  });
}

/** A model's name from its 8 bytes, or from the whole SHA-256 that starts with them. */
export function modelIdOf(hash: Uint8Array): ModelId {
  return modelId(hexOf(hash.subarray(0, 8)));
}

/** The 8 bytes that a frame carries for a model. */
export function modelIdBytes(id: ModelId): Uint8Array {
  return bytesOfHex(id);
}

/** The configured base. Throws `EdgeError` `topic-base`. */
export function topicBase(text: string, where = "topic base"): TopicBase {
  const levels = text.split("/");
  const good =
    text.length <= LIMITS.baseBytes &&
    levels.length <= LIMITS.baseLevels &&
    levels.every((level) => BASE_LEVEL.test(level));
  if (good) return text as TopicBase;
  throw new EdgeError({
    code: "topic-base",
    message: `${JSON.stringify(text.slice(0, 80))} cannot stand before topics`,
    where,
    hint:
      `Use up to ${LIMITS.baseLevels} levels of letters, digits, dashes and underscores, ` +
      `at most ${LIMITS.baseBytes} characters in all, such as bellwether or farm/north.`,
  });
}

export function upTopic(base: TopicBase, node: NodeId, kind: UpKind): string {
  return `${base}/node/${node}/up/${kind}`;
}

export function downTopic(base: TopicBase, node: NodeId, kind: DownKind): string {
  return `${base}/node/${node}/down/${kind}`;
}

export function nodeTopic(base: TopicBase, node: NodeId, name: NodeTopic): string {
  return `${base}/${node}/${name}`;
}

/** What nodes may be put together under. */
export function isGroupName(text: string): boolean {
  return GROUP_NAME.test(text);
}

export function groupTopic(base: TopicBase, group: string, name: "budget"): string {
  return `${base}/group/${group}/${name}`;
}

export function bridgeTopic(base: TopicBase, name: BridgeTopic): string {
  return `${base}/bridge/${name}`;
}

/** Everything that any node sends: the gateway's subscription. */
export function upFilter(base: TopicBase): string {
  return `${base}/node/+/up/+`;
}

/** Everything for one node: that node's subscription. */
export function downFilter(base: TopicBase, node: NodeId): string {
  return `${base}/node/${node}/down/+`;
}

/** One public topic of every node. */
export function everyNodeFilter(base: TopicBase, name: NodeTopic): string {
  return `${base}/+/${name}`;
}

/** Who says what on the node plane; undefined for any other topic. */
export function parseUpTopic(
  base: TopicBase,
  topic: string,
): { readonly node: NodeId; readonly kind: UpKind } | undefined {
  return parseNodePlane(base, topic, "up", UP_KINDS);
}

/** Who is told what on the node plane; undefined for any other topic. */
export function parseDownTopic(
  base: TopicBase,
  topic: string,
): { readonly node: NodeId; readonly kind: DownKind } | undefined {
  return parseNodePlane(base, topic, "down", DOWN_KINDS);
}

export type PublicTopic =
  | { readonly plane: "node"; readonly node: NodeId; readonly name: NodeTopic }
  | { readonly plane: "bridge"; readonly name: BridgeTopic };

/** A topic of the public plane; undefined for any other. */
export function parsePublicTopic(base: TopicBase, topic: string): PublicTopic | undefined {
  const levels = levelsBelow(base, topic);
  if (levels?.length !== 2) return undefined;
  const [who, what] = levels as [string, string];
  if (who === "bridge") {
    const name = BRIDGE_TOPICS.find((known) => known === what);
    return name === undefined ? undefined : { plane: "bridge", name };
  }
  const name = NODE_TOPICS.find((known) => known === what);
  return name !== undefined && isNodeId(who) ? { plane: "node", node: who, name } : undefined;
}

/** Whose budget a topic tells; undefined for one that is no group's. */
export function parseGroupTopic(base: TopicBase, topic: string): string | undefined {
  const levels = levelsBelow(base, topic);
  if (levels?.length !== 3) return undefined;
  const [plane, group, name] = levels as [string, string, string];
  return plane === "group" && name === "budget" && isGroupName(group) ? group : undefined;
}

function parseNodePlane<K extends string>(
  base: TopicBase,
  topic: string,
  direction: "up" | "down",
  kinds: readonly K[],
): { readonly node: NodeId; readonly kind: K } | undefined {
  const levels = levelsBelow(base, topic);
  if (levels?.length !== 4) return undefined;
  const [plane, node, way, last] = levels as [string, string, string, string];
  const kind = kinds.find((known) => known === last);
  if (plane !== "node" || way !== direction || kind === undefined) return undefined;
  return isNodeId(node) ? { node, kind } : undefined;
}

function levelsBelow(base: TopicBase, topic: string): string[] | undefined {
  if (topic.length > LIMITS.topicBytes || !topic.startsWith(`${base}/`)) return undefined;
  return topic.slice(base.length + 1).split("/");
}
