/**
 * Performs the gateway's effects on MQTT, on disk and on the teacher, and brings back what happened.
 *
 * Everything that decides is in `gateway.ts`; everything here is short. Events that come while one is
 * being worked on (a commit that is done at once) wait their turn.
 */

import { unreachable } from "../src/assert.ts";
import { chunkOf } from "../src/wire/assembly.ts";
import { encodeDown } from "../src/wire/frames.ts";
import type { ModelId, NodeId } from "../src/wire/messages.ts";
import { bridgeTopic, downTopic } from "../src/wire/topics.ts";
import type { Link } from "./broker/link.ts";
import type { GatewayConfig } from "./config/config.ts";
import { stepGateway } from "./gateway.ts";
import type { GatewayDependencies } from "./gateway-dependencies.ts";
import type { GatewayEffect, GatewayEvent, GatewayNews, GatewayState } from "./gateway-state.ts";
import { countEvent, metricsText, newMetrics } from "./http/prometheus.ts";
import { ChunkServer } from "./release/chunk-server.ts";
import type { NodeRow } from "./store/label-rows.ts";
import type { StoreThread } from "./store/store-thread.ts";
import { StoreWriter } from "./store/store-writer.ts";
import { TeacherQueue } from "./teacher/teacher-queue.ts";

const TICK_MS = 500;
/** Nodes get this long to come back after a start, so that what waited is answered to somebody. */
const RETURN_MS = 10_000;

export class Performer {
  readonly queue: TeacherQueue;
  readonly #metrics = newMetrics();
  readonly #dependencies: GatewayDependencies;
  readonly #state: GatewayState;
  readonly #store: StoreThread;
  readonly #writer: StoreWriter;
  readonly #chunks: ChunkServer;
  readonly #events: GatewayEvent[] = [];
  readonly #listeners: ((news: GatewayNews) => void)[] = [];
  #working = false;
  #link: Link | undefined;
  #ticking: NodeJS.Timeout | undefined;
  #answeringAll: NodeJS.Timeout | undefined;
  /** Nodes whose offloads waited in the store when we started, and that have not come back. */
  #unanswered = new Set<NodeId>();
  /** The release that is being pulled: its bytes are read and hashed once. */
  #container: { readonly sequence: number; readonly bytes: Uint8Array } | undefined;

  constructor(
    config: GatewayConfig,
    dependencies: GatewayDependencies,
    store: StoreThread,
    state: GatewayState,
  ) {
    this.#dependencies = dependencies;
    this.#state = state;
    this.#store = store;
    this.#writer = new StoreWriter({
      commit: (rows) => store.commit(rows),
      onStored: (rows, stored) => this.happen({ kind: "stored", rows, stored }),
      onFailed: (message) => this.happen({ kind: "store-failed", message }),
    });
    this.#chunks = new ChunkServer({
      bytesPerSecond: config.releases.chunkBytesPerSecond,
      chunk: (sequence, index) => this.#chunk(sequence, index),
      send: (node, releaseSequence, index, bytes) =>
        this.perform({
          kind: "send",
          node,
          message: { kind: "chunk", releaseSequence, index, bytes },
        }),
    });
    this.queue = new TeacherQueue({
      teacher: dependencies.teacher,
      trust: dependencies.trust,
      coarse: dependencies.coarse,
      coarseTrust: dependencies.coarseTrust,
      tail: dependencies.tail,
      tailTrust: dependencies.tailTrust,
      ...config.teacherQueue,
      fetch: (node, afterId, limit) => store.reader.waiting(node, afterId, limit),
      onAnswer: (item, probabilities, trusted) =>
        this.happen({ kind: "answered", item, probabilities, trusted }),
      onFailure: (error, windows) =>
        dependencies.log("error", "teacher failed, its windows wait", {
          windows,
          reason: error.message,
        }),
    });
  }

  /** Everything retained is told as soon as the link is open; what waits from before is answered. */
  begin(link: Link): void {
    this.#link = link;
    if (link.isOpen()) this.happen({ kind: "link", open: true });
    this.#unanswered = new Set(this.#store.reader.waitingNodes());
    this.#answeringAll = setTimeout(() => {
      for (const node of this.#unanswered) this.#resume(node);
    }, RETURN_MS);
    this.#ticking = setInterval(() => this.happen({ kind: "tick" }), TICK_MS);
  }

  connected(open: boolean): void {
    // Before `begin` there is nowhere to tell anything.
    if (this.#link !== undefined) this.happen({ kind: "link", open });
  }

  /** Besides who drives the loop. */
  listen(hear: (news: GatewayNews) => void): void {
    this.#listeners.push(hear);
  }

  happen(event: GatewayEvent): void {
    this.#events.push(event);
    if (this.#working) return;
    this.#working = true;
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) {
        const uptimeMs = performance.now();
        countEvent(this.#metrics, this.#state, next, uptimeMs);
        for (const effect of stepGateway(this.#state, next, Date.now(), uptimeMs))
          this.perform(effect);
      }
    } finally {
      this.#working = false;
    }
  }

  /** For Prometheus. */
  metrics(): string {
    return metricsText(this.#metrics, this.#state, this.queue.size);
  }

  perform(effect: GatewayEffect): void {
    const { base } = this.#state.settings;
    switch (effect.kind) {
      case "store":
        return this.#writer.add(effect.row);
      case "teach":
        return this.queue.push(effect.item);
      case "send": {
        const topic = downTopic(base, effect.node, effect.message.kind);
        const frame = encodeDown(effect.message);
        return this.#link?.publish(topic, frame, { qos: 0, retain: false });
      }
      case "offer":
        return this.#offer(effect);
      case "chunks":
        return this.#chunks.want(effect.node, effect.sequence, effect.indices);
      case "tell": {
        const { topic, json, qos, retain } = effect;
        return this.#link?.publish(topic, json, { qos, retain });
      }
      case "save-rollout":
        return this.#saveRollout(effect);
      case "roll-back":
        return this.#dependencies.rollBack?.(effect.rollout, effect.reason);
      case "news":
        if (effect.news.kind === "hello") this.#greet(effect.news.row);
        for (const hear of this.#listeners) hear(effect.news);
        return this.#dependencies.onNews?.(effect.news);
      case "log":
        return this.#dependencies.log(effect.level, effect.message, effect.fields);
      default:
        return unreachable(effect);
    }
  }

  /** Stores what has been received, says goodbye, closes the link. */
  async end(): Promise<void> {
    clearInterval(this.#ticking);
    clearTimeout(this.#answeringAll);
    this.#chunks.stop();
    await this.queue.stop();
    await this.#writer.drain();
    const { base } = this.#state.settings;
    const json = JSON.stringify({ state: "offline" });
    this.#link?.publish(bridgeTopic(base, "state"), json, { qos: 1, retain: true });
    await this.#link?.close();
    // What came in while the link was closing is acknowledged to nobody, but is kept.
    await this.#writer.drain();
  }

  /** A node that runs what we have never made is served all the same: its windows are good. */
  #greet(row: NodeRow): void {
    this.#resume(row.node);
    const { registry, log } = this.#dependencies;
    if (registry === undefined || registry.container(row.modelId) !== undefined) return;
    log("warning", "node runs a model that is not in the registry", {
      node: row.node,
      model: row.modelId,
      hint: "it was made for another gateway; its answers may mean other classes",
    });
  }

  #resume(node: NodeId): void {
    if (this.#unanswered.delete(node)) this.queue.resume(node);
  }

  #offer({ node, sequence }: Extract<GatewayEffect, { kind: "offer" }>): void {
    const release = this.#dependencies.registry?.release(sequence);
    if (release === undefined) return;
    const { manifestBytes: manifest, signature } = release;
    this.perform({ kind: "send", node, message: { kind: "offer", manifest, signature } });
  }

  #chunk(sequence: number, index: number): Uint8Array | undefined {
    const { registry } = this.#dependencies;
    const manifest = registry?.release(sequence)?.manifest;
    if (registry === undefined || manifest === undefined) return undefined;
    if (this.#container?.sequence !== sequence) {
      const bytes = registry.container(manifest.modelId);
      if (bytes === undefined) return undefined;
      this.#container = { sequence, bytes };
    }
    return chunkOf(this.#container.bytes, manifest, index);
  }

  #saveRollout(effect: Extract<GatewayEffect, { kind: "save-rollout" }>): void {
    const { rollout, modelId } = effect;
    this.#dependencies.registry?.saveCohortState(rollout.cohort, rolloutJson(rollout, modelId));
  }
}

/** What the registry keeps of a cohort, for the next start. */
function rolloutJson(
  rollout: Extract<GatewayEffect, { kind: "save-rollout" }>["rollout"],
  modelId: ModelId,
): string {
  return JSON.stringify({ rollout, modelId });
}
