/**
 * Offloads on their way through the teacher: in micro-batches, fairly, bounded.
 *
 * Nodes take turns, so that one that offloads everything delays itself and not the others. Only so
 * many windows wait in memory; what is beyond that stays in the store, where it is already, and is
 * fetched when its node's turn comes. That is also how what was stored before a restart is answered.
 */

import { assert } from "../../src/assert.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import type { WaitingOffload } from "../store/label-rows.ts";
import { codesOf, whyUnanswerable } from "./answerable.ts";
import {
  type Tail,
  type Teacher,
  type TeacherAnswer,
  type TeacherTrust,
  type TrustWhenAsked,
  trustAlways,
} from "./teacher.ts";

export type TeacherQueueOptions = {
  readonly teacher: Teacher;
  readonly trust: TeacherTrust;
  /** Answers codes; without one those stay in the store. */
  readonly tail?: Tail | undefined;
  /** Answers windows in 2 bits; without one those stay in the store too. */
  readonly coarse?: Teacher | undefined;
  readonly coarseTrust?: TrustWhenAsked | undefined;
  /** By the tail's own features. */
  readonly tailTrust?: TrustWhenAsked | undefined;
  /** Windows in one call of the teacher, at most. */
  readonly batchSize: number;
  /** How long the first window of a batch waits for more. */
  readonly waitMs: number;
  /** Windows kept in memory, of one node and of all. */
  readonly nodeQueueMax: number;
  readonly queueMax: number;
  /** A node's stored unanswered offloads above an id, oldest first. */
  readonly fetch: (node: NodeId, afterId: number, limit: number) => readonly WaitingOffload[];
  readonly onAnswer: (item: WaitingOffload, probabilities: Float32Array, trusted: boolean) => void;
  /** The teacher failed on a batch: its windows stay in the store, unanswered. */
  readonly onFailure: (error: Error, windows: number) => void;
};

type NodeQueue = {
  readonly items: WaitingOffload[];
  /** Highest id that was ever put into `items`. */
  lastId: number;
  /** There is more in the store above `lastId`. */
  backlog: boolean;
};

/** After a failed batch the teacher is left alone for a while; one bad moment is not a hot loop. */
const RETRY_MS = 1_000;

export class TeacherQueue {
  readonly #options: TeacherQueueOptions;
  /** In the order of turns: who was served goes to the end. */
  readonly #nodes = new Map<NodeId, NodeQueue>();
  #size = 0;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: TeacherQueueOptions) {
    assert(options.batchSize > 0 && options.queueMax >= options.batchSize, "a batch fits");
    this.#options = options;
  }

  /** Windows in memory. */
  get size(): number {
    return this.#size;
  }

  /** A stored offload. */
  push(item: WaitingOffload): void {
    const queue = this.#queueOf(item.node);
    const isFull =
      this.#size >= this.#options.queueMax || queue.items.length >= this.#options.nodeQueueMax;
    if (queue.backlog || isFull) {
      queue.backlog = true;
    } else {
      this.#take(queue, item);
    }
    this.#schedule();
  }

  /** This node has unanswered offloads in the store. */
  resume(node: NodeId): void {
    this.#queueOf(node).backlog = true;
    this.#schedule();
  }

  /** Lets the running batch finish. What is in memory is in the store as well. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #queueOf(node: NodeId): NodeQueue {
    let queue = this.#nodes.get(node);
    if (queue === undefined) {
      queue = { items: [], lastId: 0, backlog: false };
      this.#nodes.set(node, queue);
    }
    return queue;
  }

  #take(queue: NodeQueue, item: WaitingOffload): void {
    queue.items.push(item);
    queue.lastId = item.offloadId;
    this.#size++;
  }

  #schedule(delayMs = this.#size >= this.#options.batchSize ? 0 : this.#options.waitMs): void {
    if (this.#stopped || this.#running !== undefined) return;
    if (this.#timer !== undefined) {
      if (delayMs > 0) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        if (this.#hasWork()) this.#schedule();
      });
    }, delayMs);
  }

  #hasWork(): boolean {
    if (this.#size > 0) return true;
    for (const queue of this.#nodes.values()) if (queue.backlog) return true;
    return false;
  }

  async #run(): Promise<void> {
    const batch = this.#nextBatch();
    if (batch.length === 0) return;
    try {
      await this.#answer(batch);
    } catch (error) {
      this.#putBack(batch);
      this.#options.onFailure(error as Error, batch.length);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** One window of each node in turn, until the batch is full or nothing is left. All of a batch
   * go to the same model, in the same step size, since the teacher takes one for all. */
  #nextBatch(): WaitingOffload[] {
    const batch: WaitingOffload[] = [];
    for (const [node, queue] of [...this.#nodes]) {
      if (queue.items.length === 0 && queue.backlog) this.#refill(node, queue);
      if (queue.items.length === 0) this.#nodes.delete(node);
    }
    for (let served = true; served && batch.length < this.#options.batchSize; ) {
      served = false;
      for (const [node, queue] of [...this.#nodes]) {
        if (batch.length >= this.#options.batchSize) break;
        const [first] = queue.items;
        const [head] = batch;
        if (first === undefined || (head !== undefined && !goTogether(head, first))) continue;
        queue.items.shift();
        this.#size--;
        batch.push(first);
        served = true;
        this.#nodes.delete(node);
        this.#nodes.set(node, queue);
      }
    }
    return batch;
  }

  #refill(node: NodeId, queue: NodeQueue): void {
    const limit = this.#options.nodeQueueMax;
    const items = this.#options.fetch(node, queue.lastId, limit);
    for (const item of items) {
      // Codes that waited for a tail of before are for no tail of now.
      if (whyUnanswerable(this.#options, item.offload) === undefined) this.#take(queue, item);
      else queue.lastId = item.offloadId;
    }
    queue.backlog = items.length === limit;
  }

  #putBack(batch: readonly WaitingOffload[]): void {
    for (const item of [...batch].reverse()) {
      this.#queueOf(item.node).items.unshift(item);
      this.#size++;
    }
  }

  async #answer(batch: readonly WaitingOffload[]): Promise<void> {
    const { teacher, coarse, onAnswer } = this.#options;
    const encoding = batch[0]?.offload.encoding;
    const isCoarse = encoding === "companded2";
    const model = isCoarse ? coarse : teacher;
    assert(model !== undefined, "windows in 2 bits are queued where they are answered");
    const answer = await (encoding === "features"
      ? this.#askTail(batch)
      : this.#askTeacher(model, batch));
    const trusts = await this.#trustOf(encoding);
    const classes = teacher.classes.length;
    const features = (answer.features?.length ?? 0) / batch.length;
    batch.forEach((item, index) => {
      const row = answer.probabilities.slice(index * classes, (index + 1) * classes);
      const known = answer.features?.subarray(index * features, (index + 1) * features) ?? null;
      onAnswer(item, row, trusts(row, known));
    });
  }

  async #trustOf(
    encoding: WaitingOffload["offload"]["encoding"] | undefined,
  ): Promise<TeacherTrust> {
    const { trust, coarseTrust, tailTrust } = this.#options;
    if (encoding !== "features" && encoding !== "companded2") return trust;
    const asked = encoding === "features" ? tailTrust : coarseTrust;
    return (await asked?.()) ?? trustAlways;
  }

  #askTeacher(teacher: Teacher, batch: readonly WaitingOffload[]): Promise<TeacherAnswer> {
    const length = teacher.windowSamples * teacher.channels;
    const windows = new Int8Array(batch.length * length);
    let step = 0;
    batch.forEach(({ offload }, index) => {
      assert(offload.encoding !== "features", "a batch of windows");
      windows.set(offload.window, index * length);
      step = offload.inputMilligPerStep;
    });
    return teacher.predict(windows, batch.length, step);
  }

  #askTail(batch: readonly WaitingOffload[]): Promise<TeacherAnswer> {
    const { tail } = this.#options;
    assert(tail !== undefined, "codes are queued where there is a tail");
    const length = tail.codeTime * tail.codeChannels;
    const codes = new Uint8Array(batch.length * length);
    batch.forEach(({ offload }, index) => {
      assert(offload.encoding === "features", "a batch of codes");
      codes.set(codesOf(tail, offload), index * length);
    });
    return tail.predict(codes, batch.length);
  }
}

function goTogether(a: WaitingOffload, b: WaitingOffload): boolean {
  const [one, other] = [a.offload, b.offload];
  if (one.encoding === "features" || other.encoding === "features") {
    return one.encoding === other.encoding;
  }
  const isCoarse = (encoding: string): boolean => encoding === "companded2";
  return (
    isCoarse(one.encoding) === isCoarse(other.encoding) &&
    one.inputMilligPerStep === other.inputMilligPerStep
  );
}
