import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  acknowledge,
  dueEntries,
  linkLost,
  markDurable,
  OUTBOX_LIMITS,
  type Outbox,
  openOutbox,
  outboxSize,
  putEntry,
} from "../device-sim/outbox.ts";
import type { OutboxEntry, OutboxImage } from "../device-sim/storage.ts";
import { prng } from "../src/prng.ts";

const EMPTY: OutboxImage = {
  epoch: 7,
  nextSeq: 0,
  nextWindow: 0,
  dropped: 0,
  entries: [],
  damagedBytes: 0,
};

function outboxOf(limits: Partial<typeof OUTBOX_LIMITS> = {}, image = EMPTY): Outbox {
  return openOutbox(image, { ...OUTBOX_LIMITS, ...limits });
}

function put(outbox: Outbox, kind: OutboxEntry["kind"] = "report", bytes = 10): number {
  const seq = outbox.nextSeq;
  putEntry(outbox, kind, new Uint8Array(bytes), 0);
  return seq;
}

const seqsOf = (entries: readonly OutboxEntry[]): number[] => entries.map(({ seq }) => seq);

describe("outbox", () => {
  it("sends nothing that a power cut could still take", () => {
    const outbox = outboxOf();
    put(outbox);
    put(outbox);
    expect(dueEntries(outbox, 0, prng(1))).toEqual([]);
    markDurable(outbox, 0);
    expect(seqsOf(dueEntries(outbox, 0, prng(1)))).toEqual([0]);
  });

  it("keeps an entry until its own (epoch, seq) is acknowledged", () => {
    const outbox = outboxOf();
    put(outbox);
    put(outbox);
    markDurable(outbox, 1);
    dueEntries(outbox, 0, prng(1));
    expect(acknowledge(outbox, 8, [0, 1], 1)).toEqual([]);
    expect(outboxSize(outbox)).toBe(2);
    expect(acknowledge(outbox, 7, [1, 1, 99], 1)).toEqual([{ kind: "remove", seqs: [1] }]);
    expect(outboxSize(outbox)).toBe(1);
    expect(acknowledge(outbox, 7, [1], 2)).toEqual([]);
  });

  it("sends at most so many at once, and again with growing waits", () => {
    const outbox = outboxOf({ inflight: 2, retryMs: 100, retryMsMax: 1000 });
    for (let i = 0; i < 5; i++) put(outbox);
    markDurable(outbox, 4);
    const random = prng(1);
    expect(seqsOf(dueEntries(outbox, 0, random))).toEqual([0, 1]);
    expect(dueEntries(outbox, 80, random)).toEqual([]);
    expect(seqsOf(dueEntries(outbox, 120, random))).toEqual([0, 1]);
    expect(dueEntries(outbox, 260, random)).toEqual([]);
    expect(seqsOf(dueEntries(outbox, 400, random))).toEqual([0, 1]);
    acknowledge(outbox, 7, [0], 401);
    expect(seqsOf(dueEntries(outbox, 401, random))).toEqual([2]);
  });

  it("lets the others pass an entry that the gateway will not take", () => {
    const outbox = outboxOf({ inflight: 1, retryMs: 100, retryMsMax: 100 });
    for (let i = 0; i < 3; i++) put(outbox);
    markDurable(outbox, 2);
    const random = prng(3);
    const taken: number[] = [];
    for (let ms = 0; ms < 3000; ms += 50) {
      for (const { seq } of dueEntries(outbox, ms, random)) {
        // A gateway that is alive: it acknowledges a number now and then, but never 0.
        if (seq !== 0) {
          taken.push(seq);
          acknowledge(outbox, 7, [seq], ms);
        } else if (taken.length === 0) outbox.lastAckMs = ms + 1;
      }
    }
    expect(taken).toEqual([1, 2]);
    expect(outboxSize(outbox)).toBe(1);
  });

  it("begins again with the oldest when a connection was lost", () => {
    const outbox = outboxOf({ inflight: 2 });
    for (let i = 0; i < 4; i++) put(outbox);
    markDurable(outbox, 3);
    dueEntries(outbox, 0, prng(1));
    acknowledge(outbox, 7, [1], 0);
    linkLost(outbox);
    expect(seqsOf(dueEntries(outbox, 1, prng(1)))).toEqual([0, 2]);
  });

  it("drops the oldest offloads first, then the oldest reports, and counts", () => {
    const outbox = outboxOf({ entries: 4 });
    put(outbox, "report");
    put(outbox, "offload");
    put(outbox, "offload");
    put(outbox, "report");
    const drops = () => putEntry(outbox, "report", new Uint8Array(1), 0)[0];
    expect(drops()).toEqual({ kind: "drop", seqs: [1], dropped: 1 });
    expect(drops()).toEqual({ kind: "drop", seqs: [2], dropped: 2 });
    expect(drops()).toEqual({ kind: "drop", seqs: [0], dropped: 3 });
    expect(outbox.dropped).toBe(3);
  });

  it("refuses an entry larger than itself without giving up the others", () => {
    const outbox = outboxOf({ bytes: 100 });
    put(outbox, "report", 90);
    const records = putEntry(outbox, "offload", new Uint8Array(101), 0);
    expect(records).toEqual([{ kind: "drop", seqs: [], dropped: 1 }]);
    expect(outboxSize(outbox)).toBe(1);
  });
});

type Step =
  | { readonly do: "put"; readonly kind: OutboxEntry["kind"]; readonly bytes: number }
  | { readonly do: "send" | "lose" | "restart" | "durable" }
  | { readonly do: "ack"; readonly pick: number };

const steps = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant("put" as const),
        kind: fc.constantFrom("report" as const, "offload" as const),
        bytes: fc.integer({ min: 1, max: 60 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("durable" as const) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("send" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("lose" as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({ do: fc.constant("ack" as const), pick: fc.nat({ max: 40 }) }),
    },
  ),
  { maxLength: 80 },
);

/** The simplest outbox there is: what was put, what has survived, what was acknowledged. */
function runAgainstModel(script: readonly Step[]): void {
  const limits = { entries: 12, bytes: 400, inflight: 3, retryMs: 10, retryMsMax: 40 };
  let outbox = outboxOf(limits);
  /** What a store would hold, by the records that the outbox gave it. */
  const stored = new Map<number, OutboxEntry>();
  const acked = new Set<number>();
  const given = new Set<number>();
  const sent = new Set<number>();
  let dropped = 0;
  let durable = -1;
  let nowMs = 0;
  const random = prng(5);
  for (const step of script) {
    nowMs += 7;
    if (step.do === "put") {
      const seq = outbox.nextSeq;
      expect(sent.has(seq)).toBe(false);
      for (const record of putEntry(outbox, step.kind, new Uint8Array(step.bytes), 0)) {
        if (record.kind === "put") stored.set(record.entry.seq, record.entry);
        else for (const gone of record.seqs) stored.delete(gone);
        if (record.kind === "drop") dropped = record.dropped;
      }
      given.add(seq);
    } else if (step.do === "durable") {
      durable = outbox.nextSeq - 1;
      markDurable(outbox, durable);
    } else if (step.do === "send") {
      for (const { seq } of dueEntries(outbox, nowMs, random)) {
        expect(acked.has(seq)).toBe(false);
        expect(seq).toBeLessThanOrEqual(durable);
        sent.add(seq);
      }
      expect(outbox.sent.size).toBeLessThanOrEqual(limits.inflight);
    } else if (step.do === "lose") {
      linkLost(outbox);
    } else if (step.do === "ack") {
      const seq = [...sent][step.pick % Math.max(1, sent.size)];
      if (seq === undefined) continue;
      for (const record of acknowledge(outbox, 7, [seq], nowMs)) {
        if (record.kind === "remove") for (const gone of record.seqs) stored.delete(gone);
      }
      acked.add(seq);
    } else {
      // A cut: what was not durable is gone, and its numbers may come again, for nobody saw them.
      for (const seq of stored.keys()) if (seq > durable) stored.delete(seq);
      for (const seq of given) if (seq > durable) given.delete(seq);
      const entries = [...stored.values()].sort((a, b) => a.seq - b.seq);
      outbox = outboxOf(limits, { ...EMPTY, entries, nextSeq: durable + 1, dropped });
    }
    expect(outboxSize(outbox)).toBe(stored.size);
    expect(outboxSize(outbox)).toBeLessThanOrEqual(limits.entries);
    expect(outbox.bytes).toBeLessThanOrEqual(limits.bytes);
  }
  // Nothing was lost silently: whatever was put is owed, acknowledged, or counted as dropped.
  const owed = [...given].filter((seq) => !stored.has(seq) && !acked.has(seq)).length;
  expect(owed).toBeLessThanOrEqual(dropped);
}

describe("outbox under any order of events", () => {
  it("loses nothing silently, repeats no number that was sent, and stays in its limits", () => {
    fc.assert(fc.property(steps, runAgainstModel), { numRuns: 400 });
  });
});
