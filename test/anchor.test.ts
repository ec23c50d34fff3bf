import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AnchorSet,
  decodeAnchor,
  encodeAnchor,
  loadAnchor,
  makeAnchor,
  saveAnchor,
} from "../gateway/distil/anchor.ts";
import { gatewayCrypto } from "../gateway/release/release-keys.ts";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

const cattle = shippedProfile("cattle");

/** Two subjects, three classes, four bouts each of ten windows. */
function windows(): WindowSet {
  const random = prng(3);
  const count = 2 * 3 * 4 * 10;
  return {
    count,
    windowSamples: 50,
    channels: 3,
    samples: Int8Array.from({ length: count * 150 }, () => below(random, 256) - 128),
    labels: Uint8Array.from({ length: count }, (_, i) => Math.floor(i / 40) % 3),
    subjects: Array.from({ length: count }, (_, i) => (i < count / 2 ? "1217" : "3321")),
    bouts: Int32Array.from({ length: count }, (_, i) => Math.floor(i / 10)),
  };
}

describe("the anchor set", () => {
  test("holds out whole bouts of every subject and class", () => {
    const { replay, heldOut } = makeAnchor(windows(), cattle, { seed: 1 });
    expect(replay.count + heldOut.count).toBe(240);
    expect(heldOut.count).toBeGreaterThan(40);
    const held = new Set(heldOut.bouts);
    expect(replay.bouts.some((bout) => held.has(bout))).toBe(false);
    for (const part of [replay, heldOut]) {
      expect(new Set(part.subjects).size).toBe(2);
      expect(new Set(part.labels).size).toBe(3);
    }
  });

  test("is thinned evenly to its limit", () => {
    const { replay, heldOut } = makeAnchor(windows(), cattle, { seed: 1, windowsMost: 60 });
    expect(replay.count + heldOut.count).toBeLessThanOrEqual(60);
    expect(replay.count).toBeGreaterThan(heldOut.count);
  });

  test("comes back from disk as it was", () => {
    const folder = mkdtempSync(path.join(tmpdir(), "anchor-"));
    const file = path.join(folder, "anchor.bin");
    const anchor = makeAnchor(windows(), cattle, { seed: 1 });
    saveAnchor(file, anchor, gatewayCrypto);
    expect(loadAnchor(file, cattle, gatewayCrypto)).toEqual(anchor);
    const other = shippedProfile("people");
    expect(() => loadAnchor(file, other, gatewayCrypto)).toThrow(/anchor-profile/);
    const none = path.join(folder, "none.bin");
    expect(() => loadAnchor(none, cattle, gatewayCrypto)).toThrow(/anchor-missing/);
    rmSync(folder, { recursive: true });
  });

  test("is refused when a single bit is wrong or a byte is missing", () => {
    const tiny: AnchorSet = makeAnchor(windows(), cattle, { seed: 1, windowsMost: 24 });
    const bytes = encodeAnchor(tiny, gatewayCrypto);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(7), fc.boolean(), (at, bit, cut) => {
        const damaged = cut
          ? bytes.slice(0, at)
          : bytes.map((byte, i) => (i === at ? byte ^ (1 << bit) : byte));
        expect(() => decodeAnchor(damaged, "test", gatewayCrypto)).toThrow(EdgeError);
      }),
      { numRuns: 300 },
    );
  });
});
