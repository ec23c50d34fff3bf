/**
 * Whatever nodes send, in whatever order: the gateway's logic goes on, and what it tells is what is
 * written down of its topics. Frames are well formed, since others are refused before they get here;
 * nothing else about them is likely.
 */

import fc from "fast-check";
import { expect, it } from "vitest";
import { stepGateway } from "../gateway/gateway.ts";
import type { GatewayEffect, GatewayEvent, GatewayState } from "../gateway/gateway-state.ts";
import type { StoredRow, StoreRow } from "../gateway/store/label-rows.ts";
import { encodeUp } from "../src/wire/frames.ts";
import type { ModelId, UpMessage } from "../src/wire/messages.ts";
import { PAYLOADS, PUBLIC_TOPICS } from "../src/wire/public-topics.ts";
import { nodeId, upTopic } from "../src/wire/topics.ts";
import { base, cattle, MODEL, offloadOf } from "./gateway-kit.ts";
import { made } from "./gateway-steps.ts";
import { anyUp } from "./wire-samples.ts";

const NODES = ["a", "b"].map((name) => nodeId(name));
const MODELS = [MODEL, "fedcba9876543210" as ModelId];

/** A few lives, numbers and models, so that messages meet; windows that the teacher takes. */
function near(message: UpMessage, small: number): UpMessage {
  const modelId = MODELS[small % 2] as ModelId;
  const epoch = 1 + (small % 2);
  switch (message.kind) {
    case "hello":
      return { ...message, epoch, modelId, cohort: "cattle" };
    case "report": {
      const entries = message.entries.map((entry, i) => ({
        ...entry,
        classIndex: entry.classIndex % cattle.classes.length,
        windowIndex: (small % 30) + i,
      }));
      return { ...message, epoch, modelId, seq: small % 40, entries };
    }
    case "offload": {
      const { reason, chanceQ16, timeMs, confidenceQ8 } = message;
      const classIndex = message.classIndex % cattle.classes.length;
      const head = { reason, chanceQ16, timeMs, confidenceQ8, classIndex };
      return { ...offloadOf(small % 40), ...head, epoch, modelId, windowIndex: small % 30 };
    }
    default:
      return { ...message, modelId };
  }
}

/** What is new by the keys under which a store keeps it. */
class Keys {
  readonly #seen = new Set<string>();

  isNew(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }

  store(row: StoreRow): StoredRow {
    const nothing = { fresh: true, offloadId: 0, freshEntries: 0 };
    if (row.kind === "report") {
      const { epoch, seq, entries } = row.report;
      const fresh = this.isNew(`${row.node}/${epoch}/${seq}`);
      const isNew = entries.map(({ windowIndex }) =>
        this.isNew(`${row.node}/${epoch}/w${windowIndex}`),
      );
      return { fresh, offloadId: 0, freshEntries: isNew.filter(Boolean).length };
    }
    if (row.kind === "offload") {
      const { epoch, seq } = row.offload;
      return { ...nothing, fresh: this.isNew(`${row.node}/${epoch}/${seq}`), offloadId: 1 + seq };
    }
    return nothing;
  }
}

function checkTold(effect: Extract<GatewayEffect, { kind: "tell" }>): void {
  const name = effect.topic.split("/").slice(1);
  const found = PUBLIC_TOPICS.find(({ address }) => {
    const parts = address.split("/").slice(1);
    return (
      parts.length === name.length &&
      parts.every((part, i) => part === name[i] || (part.startsWith("{") && name[i] !== "bridge"))
    );
  });
  const schema = PAYLOADS[found?.payload ?? ""];
  // Others are plain words, or Home Assistant's.
  if (schema === undefined || effect.json === "") return;
  const told = schema.safeParse(JSON.parse(effect.json));
  expect(told.error?.message, `${effect.topic} ${effect.json}`).toBeUndefined();
}

it("goes on, and tells what is written down", () => {
  const step = fc.record({
    message: anyUp,
    small: fc.nat(1000),
    node: fc.constantFrom(...NODES),
    laterMs: fc.constantFrom(1, 700, 60_000, 3_600_000, 90_000_000),
    probabilities: fc.constantFrom([1, 0, 0], [0.2, 0.5, 0.3], [0, 0, 1]),
    trusted: fc.boolean(),
    link: fc.constantFrom("same", "same", "same", "down", "up"),
  });
  const property = fc.property(fc.array(step, { minLength: 10, maxLength: 60 }), (steps) => {
    const state: GatewayState = made();
    const keys = new Keys();
    let nowMs = Date.UTC(2026, 0, 5);
    const waiting: GatewayEvent[] = [];
    const take = (event: GatewayEvent): void => {
      for (const effect of stepGateway(state, event, nowMs, nowMs)) {
        if (effect.kind === "tell") checkTold(effect);
        if (effect.kind === "teach") {
          const { probabilities, trusted } = steps[nowMs % steps.length] ?? steps[0]!;
          const answer = { item: effect.item, probabilities: Float32Array.from(probabilities) };
          waiting.push({ kind: "answered", ...answer, trusted });
        }
        if (effect.kind === "store") {
          const { row } = effect;
          take({ kind: "stored", rows: [row], stored: [keys.store(row)] });
        }
      }
    };
    for (const { message, small, node, laterMs, link } of steps) {
      nowMs += laterMs;
      const sent = near(message, small);
      const topic = upTopic(base, node, sent.kind);
      take({ kind: "message", topic, payload: encodeUp(sent) });
      // The teacher answers when it comes to it: every third time what has waited.
      if (small % 3 === 0) for (const event of waiting.splice(0)) take(event);
      if (link !== "same") take({ kind: "link", open: link === "up" });
      take({ kind: "tick" });
    }
    expect(state.nodes.size).toBeLessThanOrEqual(NODES.length);
    for (const { row, verdicts } of state.nodes.values()) {
      expect(row.agreed).toBeLessThanOrEqual(row.trusted);
      expect(row.trusted).toBeLessThanOrEqual(row.offloads);
      expect(verdicts.size).toBeLessThanOrEqual(256);
    }
  });
  fc.assert(property, { numRuns: 100 });
}, 60_000);
