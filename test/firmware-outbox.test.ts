/** The firmware's outbox against the simulated node's: the same entries, in the same order. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  acknowledge,
  dueEntries,
  linkLost,
  markDurable,
  type Outbox,
  openOutbox,
  outboxSize,
  putEntry,
} from "../device-sim/outbox.ts";
import { ByteWriter } from "../src/bytes.ts";
import { below, chance, prng } from "../src/prng.ts";
import { buildHost, letter, runHost, withoutCompiler } from "./firmware-host.ts";

const absent = withoutCompiler("the outbox in C");

let folder: string;
let program: string;
beforeAll(() => {
  if (absent) return;
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-outbox-"));
  program = buildHost(folder, "outbox_host", ["node/bw_outbox.c", "node/bw_prng.c"]);
}, 60_000);
afterAll(() => {
  if (!absent) rmSync(folder, { recursive: true, force: true });
});

const EPOCH = 77;

/** Random operations given to both; what each step says of both is compared afterwards. */
function runLife(seed: number): { asked: Uint8Array; expected: number[]; outbox: Outbox } {
  const random = prng(seed, "outbox in C");
  const limits = {
    entries: 4 + below(random, 12),
    bytes: 300 + below(random, 900),
    inflight: 1 + below(random, 6),
    retryMs: 10_000,
    retryMsMax: 60_000,
  };
  const image = { epoch: EPOCH, nextSeq: 0, nextWindow: 0, dropped: 0, damagedBytes: 0 };
  const outbox = openOutbox({ ...image, entries: [] }, limits);
  const jitter = prng(seed, "jitter");
  const to = new ByteWriter().u8(letter("N")).u32(EPOCH).u16(limits.entries).u16(limits.bytes);
  to.u16(limits.inflight).u32(limits.retryMs).u32(limits.retryMsMax).u32(seed);
  const expected: number[] = [];
  let nowMs = 1000;
  for (let step = 0; step < 300; step++) {
    const what = below(random, 10);
    if (what < 4) {
      const kind = chance(random, 0.5) ? "report" : "offload";
      const length = chance(random, 0.02) ? limits.bytes + 1 : 30 + below(random, 200);
      putEntry(outbox, kind, new Uint8Array(length), 0);
      markDurable(outbox, outbox.nextSeq);
      to.u8(letter("P"))
        .u8(kind === "report" ? 0 : 1)
        .u16(length);
    } else if (what < 7) {
      nowMs += 1000 * below(random, 20);
      to.u8(letter("D")).u32(nowMs);
      expected.push(...dueEntries(outbox, nowMs, jitter).map(({ seq }) => seq), 0xffff_ffff);
    } else if (what < 9) {
      const seq = Math.max(0, outbox.nextSeq - 1 - below(random, 12));
      to.u8(letter("A")).u32(seq).u32(nowMs);
      expected.push(acknowledge(outbox, EPOCH, [seq], nowMs).length);
    } else if (chance(random, 0.2)) {
      linkLost(outbox);
      to.u8(letter("L"));
    }
    to.u8(letter("?"));
    const seqs = [...outbox.waiting.keys(), ...outbox.sent.keys()].sort((a, b) => a - b);
    expected.push(outbox.nextSeq, outbox.dropped, outboxSize(outbox), outbox.bytes, ...seqs);
  }
  return { asked: to.finish(), expected, outbox };
}

describe.skipIf(absent)("the outbox in C", () => {
  it("keeps, sends, sets aside and drops what the simulated node's does", () => {
    let dropped = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const { asked, expected, outbox } = runLife(seed);
      const answers = runHost(program, asked);
      const found: number[] = [];
      replayShapes(asked, answers, found);
      expect(found, `seed ${seed}`).toEqual(expected);
      dropped += outbox.dropped;
    }
    expect(dropped).toBeGreaterThan(500);
  }, 60_000);
});

/** Reads the answers in the shapes that the operations ask for. */
function replayShapes(
  asked: Uint8Array,
  answers: ReturnType<typeof runHost>,
  found: number[],
): void {
  const sizes = { N: 22, P: 3, D: 4, A: 8, L: 0, "?": 0 } as Record<string, number>;
  for (let at = 0; at < asked.length; ) {
    const operation = String.fromCharCode(asked[at] as number);
    at += 1 + (sizes[operation] as number);
    if (operation === "A") found.push(answers.u8());
    if (operation === "D") {
      for (let seq = -1; seq !== 0xffff_ffff; ) {
        seq = answers.u32();
        found.push(seq);
      }
    }
    if (operation === "?") {
      const head = [answers.u32(), answers.u32(), answers.u32(), answers.u32()];
      found.push(...head, ...Array.from({ length: head[2] as number }, () => answers.u32()));
    }
  }
  answers.done();
}
