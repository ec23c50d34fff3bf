/** Which nodes are in alarm, by their own word or by their cohort's, and since when. */

import type { NodeId } from "../../src/wire/messages.ts";
import type { BridgeEvent } from "../../src/wire/public.ts";
import type { GatewayNews } from "../gateway-state.ts";

export class LoopAlarms {
  readonly #since = new Map<NodeId, number>();

  get since(): ReadonlyMap<NodeId, number> {
    return this.#since;
  }

  raise(node: NodeId, sinceMs: number): void {
    if (!this.#since.has(node)) this.#since.set(node, sinceMs);
  }

  /** Takes in news; what is to be told of it, where something is. */
  hear(news: GatewayNews, nowMs: number): Omit<BridgeEvent, "v" | "time"> | undefined {
    if (news.kind === "outcome" && news.outcome === "activated") this.#since.delete(news.node);
    if (news.kind === "cohort-shift") for (const node of news.nodes) this.raise(node, nowMs);
    if (news.kind !== "drift") return undefined;
    const { node } = news;
    // A broken sensor has nothing to teach.
    if (!news.sound) this.#since.delete(node);
    if (!news.sound || !news.alarm || this.#since.has(node)) return undefined;
    this.raise(node, nowMs);
    const message = `${node}: its windows look unlike anything it was trained on`;
    return { type: "drift-alarm", node, message };
  }

  /** Those that the nodes themselves have taken back need no further collection. */
  keep(alarmed: readonly NodeId[]): void {
    for (const node of this.#since.keys()) if (!alarmed.includes(node)) this.#since.delete(node);
  }
}
