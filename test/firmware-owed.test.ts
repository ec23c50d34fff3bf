/**
 * What a firmware node owes its gateway, through lost links and power cuts at any word of flash:
 * nothing under two names, nothing twice under one, and lost is only what was still being gathered.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeProvision } from "../deploy/firmware/tools/provision.ts";
import { below, chance, type Prng, prng } from "../src/prng.ts";
import { decodeUp } from "../src/wire/frames.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { DEFAULT_BASE, parseUpTopic } from "../src/wire/topics.ts";
import { packetReader } from "./firmware-broker.ts";
import { buildNodeHost, withoutCompiler } from "./firmware-host.ts";
import { type After, NodeScript, noisyRows, SCRIPT_PROVISION } from "./firmware-node-script.ts";

const absent = withoutCompiler("what the node in C owes");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-owed-"));
  program = buildNodeHost(folder);
}, 120_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

const HOP = 25;
/** Longer than the keep-alive. */
const SILENCE_MS = 20_000;
/** Answers that a report gathers while nobody listens. */
const GATHERED = 8;

type Owed = Extract<UpMessage, { kind: "report" | "offload" }>;

/** Everything said in these steps, in that order. */
function saidIn(steps: readonly After[]): UpMessage[] {
  const said: UpMessage[] = [];
  for (const { sent } of steps) {
    packetReader(({ topic, payload }) => {
      const kind = parseUpTopic(DEFAULT_BASE, topic)?.kind;
      if (kind !== undefined) said.push(decodeUp(kind, payload));
    })(Buffer.from(sent));
  }
  return said;
}

function owedIn(steps: readonly After[]): Owed[] {
  return saidIn(steps).filter(
    (message): message is Owed => message.kind === "report" || message.kind === "offload",
  );
}

/** One life: joins, loses the link, and answers windows that nobody hears of. */
function addLife(script: NodeScript, life: number, windows: number, cut: () => void): void {
  const startMs = life * 1_000_000;
  script
    .boot(startMs)
    .join(startMs)
    .tick(startMs + SILENCE_MS);
  cut();
  const random = prng(life, "signal");
  for (let i = 0; i <= windows; i++) {
    script.sensor(startMs + SILENCE_MS + 10 * i, noisyRows(HOP * i, HOP, random));
  }
  script.cutAt(0, 0);
}

/** The last life: joins and is acknowledged until it owes nothing. Returns the order of arrival. */
function settle(script: NodeScript, life: number): Owed[] {
  let nowMs = life * 1_000_000;
  let from = script.steps;
  script.boot(nowMs).join(nowMs);
  const arrived: Owed[] = [];
  for (let quiet = 0; quiet < 2; ) {
    const fresh = owedIn(script.run().slice(from));
    from = script.steps;
    quiet = fresh.length === 0 ? quiet + 1 : 0;
    arrived.push(...fresh);
    for (const { epoch, seq } of fresh) script.tell(nowMs, { kind: "ack", epoch, seqs: [seq] });
    nowMs += 1000;
    script.tick(nowMs);
  }
  return arrived;
}

/** The windows of each epoch in the order of arrival. */
function windowsByEpoch(arrived: readonly Owed[]): Map<number, number[]> {
  const windows = new Map<number, number[]>();
  for (const message of arrived) {
    if (message.kind !== "report") continue;
    const indices = message.entries.map(({ windowIndex }) => windowIndex);
    windows.set(message.epoch, [...(windows.get(message.epoch) ?? []), ...indices]);
  }
  return windows;
}

/** Lives with power cuts; what each of them came to. */
function livesOf(script: NodeScript, random: Prng): { epoch: number; windows: number }[] {
  const starts: number[] = [];
  const lives = 4;
  for (let life = 1; life <= lives; life++) {
    starts.push(script.steps);
    addLife(script, life, 12 + below(random, 24), () => {
      if (chance(random, 0.7)) script.cutAt(1 + below(random, 400), below(random, 3));
    });
  }
  const all = script.run();
  return starts.map((start, i) => {
    const steps = all.slice(start, starts[i + 1] ?? all.length);
    const hello = saidIn(steps).find((message) => message.kind === "hello");
    return {
      epoch: hello?.kind === "hello" ? hello.epoch : 0,
      windows: Math.max(...steps.map(({ windows }) => windows)),
    };
  });
}

describe.skipIf(absent)("what the node in C owes", () => {
  it("arrives once it is heard, in order, but for what the cut caught in the making", () => {
    let delivered = 0;
    let made = 0;
    let offloadedInReports = 0;
    for (let seed = 1; seed <= 24; seed++) {
      const random = prng(seed, "owed");
      const script = new NodeScript(program);
      const lives = livesOf(script, random);
      const arrived = settle(script, 9);
      const names = arrived.map(({ epoch, seq }) => `${epoch}:${seq}`);
      expect(new Set(names).size, `seed ${seed}: each once`).toBe(names.length);
      const windows = windowsByEpoch(arrived);
      for (const { epoch, windows: answered } of lives) {
        const indices = windows.get(epoch) ?? [];
        // In order, without a gap, and complete but for the last report.
        expect(indices, `seed ${seed}`).toEqual(indices.map((_, i) => i));
        expect(indices.length, `seed ${seed}`).toBeGreaterThan(answered - GATHERED - 1);
        delivered += indices.length;
        made += answered;
      }
      const offloads = new Set(
        arrived.flatMap((m) => (m.kind === "offload" ? [`${m.epoch}:${m.windowIndex}`] : [])),
      );
      for (const message of arrived) {
        if (message.kind !== "report") continue;
        for (const { windowIndex, offloaded } of message.entries) {
          if (!offloaded) continue;
          offloadedInReports += 1;
          expect(offloads.has(`${message.epoch}:${windowIndex}`)).toBe(true);
        }
      }
    }
    expect(delivered).toBeGreaterThan(0.7 * made);
    expect(offloadedInReports).toBeGreaterThan(100);
  }, 120_000);

  it("arrives from flash also where a frame is larger than half of what a board spares in RAM", () => {
    const auditAll = { kind: "setting", auditChanceQ16: 65_535, burstWindows: 0 } as const;
    // Windows of 150 bytes are frames of 196.
    for (const [bytes, offloads] of [
      [8192, true],
      [300, true],
      [180, false],
    ] as const) {
      const script = new NodeScript(program).outbox(8192);
      script.boot().join().tell(1, auditAll).tick(SILENCE_MS);
      const random = prng(1, "large");
      for (let i = 0; i <= 30; i++)
        script.sensor(SILENCE_MS + 10 * i, noisyRows(HOP * i, HOP, random));
      script.outbox(bytes);
      const arrived = settle(script, 2);
      const what = `outbox of ${bytes} bytes`;
      expect(
        arrived.some(({ kind }) => kind === "offload"),
        what,
      ).toBe(offloads);
      const windows = [...windowsByEpoch(arrived).values()].flat();
      expect(windows.length, what).toBeGreaterThan(30 - GATHERED);
      // What no longer fits is lost and counted, and does not close the way.
      const from = script.steps;
      for (let i = 0; i <= 8; i++) {
        script.sensor(2_050_000 + 10 * i, noisyRows(HOP * i, HOP, random));
      }
      const reports = owedIn(script.run().slice(from)).filter(({ kind }) => kind === "report");
      const [first] = reports;
      expect(first?.kind === "report" && first.dropped > 0, what).toBe(!offloads);
    }
  }, 60_000);

  it("is not said again once it was acknowledged, in this life or the next", () => {
    const script = new NodeScript(program);
    addLife(script, 1, 40, () => undefined);
    const first = settle(script, 2);
    expect(first.length).toBeGreaterThan(4);
    expect(settle(script, 3)).toEqual([]);
  }, 60_000);

  it("gives way when flash is full, oldest first, and says how much was lost", () => {
    const script = new NodeScript(program);
    addLife(script, 1, 900, () => undefined);
    const arrived = settle(script, 2);
    const [indices = []] = windowsByEpoch(arrived).values();
    const first = indices[0] ?? 0;
    expect(first).toBeGreaterThan(100);
    expect(indices).toEqual(indices.map((_, i) => first + i));
    expect(indices.at(-1)).toBeGreaterThan(890 - GATHERED);
    const last = arrived.filter((message) => message.kind === "report").at(-1);
    expect(last?.dropped).toBeGreaterThan(20);
  }, 60_000);

  it("goes on in flash after a cut in the middle of what it hands out", () => {
    for (let seed = 1; seed <= 8; seed++) {
      const random = prng(seed, "handing out");
      const script = new NodeScript(program);
      addLife(script, 1, 40, () => undefined);
      let from = script.steps;
      script.boot(2_000_000).join(2_000_000);
      const heard = owedIn(script.run().slice(from));
      script.cutAt(1 + below(random, 40), below(random, 3));
      // The power goes while the node notes what was acknowledged.
      for (const { epoch, seq } of heard)
        script.tell(2_000_000, { kind: "ack", epoch, seqs: [seq] });
      script.cutAt(0, 0);
      from = script.steps;
      const rest = settle(script, 3);
      const names = new Set([...heard, ...rest].map(({ epoch, seq }) => `${epoch}:${seq}`));
      const whole = new NodeScript(program);
      addLife(whole, 1, 40, () => undefined);
      expect(names.size, `seed ${seed}`).toBe(settle(whole, 3).length);
    }
  }, 120_000);

  it("offloads nothing more while as many as it was told are owed, in RAM or in flash", () => {
    const block = encodeProvision({ ...SCRIPT_PROVISION, settings: { offloadsOwedMax: 3 } });
    const auditAll = { kind: "setting", auditChanceQ16: 65_535, burstWindows: 0 } as const;
    const random = prng(8, "owed at most");
    const feed = (script: NodeScript, startMs: number, from = 0): void => {
      for (let i = 0; i <= 30; i++) {
        script.sensor(startMs + 10 * i, noisyRows(HOP * (from + i), HOP, random));
      }
    };
    const offloadsOf = (script: NodeScript, from: number): string[] => {
      const owed = owedIn(script.run().slice(from)).filter(({ kind }) => kind === "offload");
      return [...new Set(owed.map(({ epoch, seq }) => `${epoch} ${seq}`))];
    };
    const free = new NodeScript(program).boot().join().tell(1, auditAll);
    feed(free, 10);
    expect(offloadsOf(free, 0).length).toBeGreaterThan(3);

    const script = new NodeScript(program).boot(0, block).join().tell(1, auditAll);
    feed(script, 10);
    const first = offloadsOf(script, 0);
    expect(first).toHaveLength(3);
    // Nobody answers, and it goes to flash; the power fails, and another life finds it there.
    script.tick(SILENCE_MS).boot(1_000_000, block);
    const again = script.steps;
    script.join(1_000_000).tell(1_000_001, auditAll);
    feed(script, 1_000_010);
    expect(offloadsOf(script, again)).toEqual(first);
    // All is answered, sixteen at a time: what waits would hold up what is new.
    const epochs = saidIn(script.run()).flatMap((one) => (one.kind === "hello" ? one.epoch : []));
    const seqs = Array.from({ length: 99 }, (_, i) => i);
    for (let round = 0; round < 8; round++) {
      for (const epoch of epochs) script.tell(1_001_000, { kind: "ack", epoch, seqs });
    }
    const answered = script.steps;
    feed(script, 1_001_010, 31);
    const next = offloadsOf(script, answered);
    // The gate has spent its tokens on what could not be sent; it gets a new one now and then.
    expect(next.length).toBeGreaterThan(0);
    expect(next.some((id) => first.includes(id))).toBe(false);
  }, 60_000);
});
