/**
 * Performs what the node program asks for: on a link, on storage, and towards whoever watches.
 *
 * It decides nothing. Events that come while one is being worked on wait their turn, so that the
 * program sees one at a time.
 */

import type { NodeId } from "../src/wire/messages.ts";
import type { Link, OpenLink } from "./link.ts";
import { bootNode, stepNode } from "./node.ts";
import type { Node } from "./node-state.ts";
import type {
  Decided,
  NodeEffect,
  NodeEvent,
  NodeLogCode,
  NodeSettings,
  NodeTools,
  Now,
  ReleaseNews,
  Told,
} from "./node-types.ts";
import { outboxSize } from "./outbox.ts";
import type { NodeStorage, OutboxStore } from "./storage.ts";

/** Who watches a node from outside: measurements, a live view. Every part may be left out. */
export type NodeObserver = {
  decided?(node: NodeId, decided: Decided): void;
  told?(node: NodeId, verdict: Told): void;
  released?(node: NodeId, news: ReleaseNews): void;
  linked?(node: NodeId, connected: boolean, reason: string): void;
  log?(node: NodeId, code: NodeLogCode | "storage-failing", text: string): void;
};

export type NodeOptions = {
  readonly id: NodeId;
  /** Bytes of the container that the node is made with. */
  readonly factory: Uint8Array;
  readonly settings: NodeSettings;
  readonly tools: NodeTools;
  readonly storage: NodeStorage;
  /** Undefined for a node that is never connected. */
  readonly openLink: OpenLink | undefined;
  readonly clock: () => Now;
  /** Draws the epoch of a new outbox, 1..2^32-1. */
  readonly newEpoch: () => number;
  readonly observer: NodeObserver;
};

export type NodeStatus = {
  readonly node: NodeId;
  readonly connected: boolean;
  readonly windows: number;
  readonly epoch: number;
  /** Entries that are owed to the gateway, and entries that were dropped. */
  readonly outbox: number;
  readonly dropped: number;
  readonly releaseSequence: number;
  readonly modelId: string;
  readonly onTrial: boolean;
};

export type NodeRuntime = {
  readonly id: NodeId;
  /** What happens now; `at` where it happened at another moment than the clock's. */
  step(event: NodeEvent, at?: Now): void;
  status(): NodeStatus;
  /** Resolves when storage has taken everything so far, and no slot is being read. */
  settled(): Promise<void>;
  /** Switches the node off in good order. */
  stop(): Promise<void>;
};

export async function startNode(options: NodeOptions): Promise<NodeRuntime> {
  const { storage, newEpoch } = options;
  const flash = await storage.flash.load();
  const waiting: NodeEvent[] = [];
  let runtime: Runtime | undefined;
  const happen = (event: NodeEvent): void => {
    if (runtime === undefined) waiting.push(event);
    else runtime.step(event);
  };
  const store = await storage.openOutbox({
    newEpoch,
    listener: {
      durable: (seq) => happen({ kind: "durable", seq }),
      failing: (reason) => options.observer.log?.(options.id, "storage-failing", reason),
    },
  });
  const { factory, settings, tools, clock } = options;
  const boot = { factory, outbox: store.image, flash };
  const { node, effects } = bootNode(boot, settings, tools, clock());
  runtime = new Runtime(options, node, store);
  runtime.perform(effects);
  for (const event of waiting) runtime.step(event);
  runtime.connect();
  return runtime;
}

class Runtime implements NodeRuntime {
  readonly id: NodeId;
  readonly #options: NodeOptions;
  readonly #node: Node;
  readonly #store: OutboxStore;
  readonly #events: { readonly event: NodeEvent; readonly at: Now | undefined }[] = [];
  readonly #flashWork = new Set<Promise<void>>();
  #busy = false;
  #stopped = false;
  #link: Link | undefined;

  constructor(options: NodeOptions, node: Node, store: OutboxStore) {
    this.id = options.id;
    this.#options = options;
    this.#node = node;
    this.#store = store;
  }

  connect(): void {
    const { openLink, observer } = this.#options;
    this.#link = openLink?.(this.id, {
      connected: () => {
        observer.linked?.(this.id, true, "connected");
        this.step({ kind: "connected" });
      },
      disconnected: (reason) => {
        observer.linked?.(this.id, false, reason);
        this.step({ kind: "disconnected" });
      },
      unreachable: (reason) => observer.linked?.(this.id, false, reason),
      message: (topic, frame) => this.step({ kind: "message", topic, frame }),
    });
  }

  step(event: NodeEvent, at?: Now): void {
    if (this.#stopped) return;
    this.#events.push({ event, at });
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        this.perform(stepNode(this.#node, next.event, next.at ?? this.#options.clock()));
      }
    } finally {
      this.#busy = false;
    }
  }

  perform(effects: readonly NodeEffect[]): void {
    const { observer } = this.#options;
    for (const effect of effects) {
      switch (effect.kind) {
        case "publish":
          this.#link?.publish(effect.topic, effect.frame);
          break;
        case "outbox":
          this.#store.append(effect.record);
          break;
        case "flash":
          this.#write(effect);
          break;
        case "read-slot":
          this.#read(effect);
          break;
        case "decided":
          observer.decided?.(this.id, effect);
          break;
        case "verdict":
          observer.told?.(this.id, effect);
          break;
        case "release":
          observer.released?.(this.id, effect);
          break;
        case "log":
          observer.log?.(this.id, effect.code, effect.text);
          break;
      }
    }
  }

  status(): NodeStatus {
    const { connected, nextWindow, outbox, updater } = this.#node;
    return {
      node: this.id,
      connected,
      windows: nextWindow,
      epoch: outbox.epoch,
      outbox: outboxSize(outbox),
      dropped: outbox.dropped,
      releaseSequence: updater.running.sequence,
      modelId: updater.running.model.modelId,
      onTrial: updater.trial !== undefined,
    };
  }

  async settled(): Promise<void> {
    while (this.#flashWork.size > 0) await Promise.all(this.#flashWork);
    await this.#store.flush();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.step({ kind: "stopping" });
    await this.settled();
    this.#stopped = true;
    await this.#link?.close();
    await this.#store.close();
  }

  #write({ write }: Extract<NodeEffect, { kind: "flash" }>): void {
    this.#track(
      this.#options.storage.flash.write(write).catch((error: unknown) => {
        this.step({ kind: "flash-failed", write: write.region, reason: reasonOf(error) });
      }),
    );
  }

  #read({ slot, ticket }: Extract<NodeEffect, { kind: "read-slot" }>): void {
    this.#track(
      this.#options.storage.flash.read(slot).then(
        (image) => this.step({ kind: "slot-read", ticket, image }),
        (error: unknown) => {
          this.step({ kind: "flash-failed", write: "image", reason: reasonOf(error) });
        },
      ),
    );
  }

  #track(work: Promise<void>): void {
    this.#flashWork.add(work);
    void work.finally(() => this.#flashWork.delete(work));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
