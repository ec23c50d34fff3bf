/**
 * The seam between the node program and its network. Two sides: MQTT (`mqtt-link.ts`), and the
 * virtual network of tests, which loses, repeats and reorders.
 *
 * A link connects by itself, again and again, until it is closed. It promises nothing about what it
 * is given to publish: the outbox and the updater ask again.
 */

import type { DownKind, NodeId, UpKind } from "../src/wire/messages.ts";

export type LinkEvents = {
  /** Ready: what is published now goes out, and the node's own topics are subscribed to. */
  connected(): void;
  /** Only after `connected`. */
  disconnected(reason: string): void;
  /** An attempt to connect failed; another follows. */
  unreachable(reason: string): void;
  message(topic: DownKind, frame: Uint8Array): void;
};

export type Link = {
  publish(topic: UpKind, frame: Uint8Array): void;
  /** Says farewell where it can, and never connects again. */
  close(): Promise<void>;
};

export type OpenLink = (node: NodeId, events: LinkEvents) => Link;
