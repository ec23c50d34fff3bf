/** The bytes between node and gateway: they come back, they are what they were, nothing else gets in. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import {
  decodeDown,
  decodeUp,
  encodeDown,
  encodeUp,
  FRAME_TYPES,
  reportBytes,
} from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import type { DownMessage, UpMessage } from "../src/wire/messages.ts";
import { DOWN_KINDS, UP_KINDS } from "../src/wire/topics.ts";
import { codeOf } from "./edge-code.ts";
import { anyDown, anyUp, GOLDEN_DOWN, GOLDEN_FEATURES, GOLDEN_UP } from "./wire-samples.ts";

const GOLDEN: Record<string, string> = JSON.parse(
  readFileSync(new URL("golden/frames.json", import.meta.url), "utf8"),
).frames;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text = ""): Uint8Array => Uint8Array.from(Buffer.from(text, "hex"));
const encode = (message: UpMessage | DownMessage): Uint8Array =>
  isUp(message) ? encodeUp(message) : encodeDown(message);
const decode = (kind: UpMessage["kind"] | DownMessage["kind"], bytes: Uint8Array): unknown =>
  (UP_KINDS as readonly string[]).includes(kind)
    ? decodeUp(kind as UpMessage["kind"], bytes)
    : decodeDown(kind as DownMessage["kind"], bytes);
function isUp(message: UpMessage | DownMessage): message is UpMessage {
  return (UP_KINDS as readonly string[]).includes(message.kind);
}
describe("frames", () => {
  it("come back as they went, whatever a node says", () => {
    fc.assert(
      fc.property(anyUp, (message) => {
        expect(decodeUp(message.kind, encodeUp(message))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it("come back as they went, whatever a gateway says", () => {
    fc.assert(
      fc.property(anyDown, (message) => {
        expect(decodeDown(message.kind, encodeDown(message))).toEqual(message);
      }),
      { numRuns: 500 },
    );
  });

  it.each([...GOLDEN_UP, ...GOLDEN_DOWN])(
    "of $kind have the bytes that are written down",
    (message) => {
      expect(hex(encode(message))).toBe(GOLDEN[message.kind]);
      expect(decode(message.kind, unhex(GOLDEN[message.kind]))).toEqual(message);
    },
  );

  it("of reports take what is said before they are written", () => {
    const property = fc.property(anyUp, (message) => {
      if (message.kind !== "report") return;
      expect(encodeUp(message)).toHaveLength(reportBytes(message.entries.length));
    });
    fc.assert(property, { seed: 2, numRuns: 500 });
  });

  it("have a golden example of every kind", () => {
    expect(Object.keys(GOLDEN).sort()).toEqual([...UP_KINDS, ...DOWN_KINDS].sort());
    expect(Object.keys(FRAME_TYPES).sort()).toEqual([...UP_KINDS, ...DOWN_KINDS].sort());
  });

  it.each([...GOLDEN_UP, ...GOLDEN_DOWN])(
    "of $kind are refused at every cut and with a byte too many",
    (message) => {
      const bytes = encode(message);
      for (let length = 0; length < bytes.length; length++) {
        expect(codeOf(() => decode(message.kind, bytes.subarray(0, length)))).toBe("truncated");
      }
      const longer = new Uint8Array(bytes.length + 1);
      longer.set(bytes);
      expect(codeOf(() => decode(message.kind, longer))).toBe("trailing-bytes");
    },
  );

  it("of another version or of another topic are refused before anything else is read", () => {
    for (const message of [...GOLDEN_UP, ...GOLDEN_DOWN]) {
      const bytes = encode(message);
      bytes[0] = 2;
      expect(codeOf(() => decode(message.kind, bytes))).toBe("frame-version");
      bytes[0] = 1;
      bytes[1] = 0x7f;
      expect(codeOf(() => decode(message.kind, bytes))).toBe("frame-type");
    }
  });

  it("longer than any message are refused unread", () => {
    const endless = new Uint8Array(LIMITS.frameBytes + 1);
    for (const kind of [...UP_KINDS, ...DOWN_KINDS]) {
      expect(codeOf(() => decode(kind, endless))).toBe("frame-oversized");
    }
  });

  it("survive 100,000 mutations: a message within its limits, or an EdgeError", {
    timeout: 120_000,
  }, () => {
    const random = prng(20_261, "mutated frames");
    const seeds = [...GOLDEN_UP, ...GOLDEN_DOWN, GOLDEN_FEATURES].map((m) => {
      return { kind: m.kind, bytes: encode(m) };
    });
    let refused = 0;
    for (let round = 0; round < 100_000; round++) {
      const { kind, bytes } = seeds[below(random, seeds.length)] as (typeof seeds)[number];
      const other = seeds[below(random, seeds.length)] as (typeof seeds)[number];
      const mutated = mutate(bytes, other.bytes, random);
      try {
        decode(kind, mutated);
      } catch (error) {
        // Anything but an EdgeError is a bug, and so is one that does not name the byte.
        if (!(error instanceof EdgeError)) throw error;
        if (!/byte \d+$|frame$/.test(error.where)) throw error;
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(50_000);
  });
});

describe("impossible values", () => {
  /** A frame, the place of one byte in it, and the value that cannot be. */
  const cases: readonly [string, string, number, readonly number[]][] = [
    ["hello", "epoch 0", 2, [0, 0, 0, 0]],
    ["hello", "container format 0", 18, [0, 0]],
    ["hello", "no slot", 20, [0, 0, 0, 0]],
    ["hello", "a silence of 49 days", 28, [255, 255, 255, 255]],
    ["hello", "an empty cohort", 32, [0]],
    ["report", "epoch 0", 2, [0, 0, 0, 0]],
    ["report", "an unknown flag", 22, [0x40]],
    ["report", "operating point 17", 22, [0x22]],
    ["report", "a battery at 101 %", 23, [101]],
    ["report", "class 64", 29 + 10, [64]],
    ["report", "exit 8", 29 + 12, [8]],
    ["offload", "epoch 0", 2, [0, 0, 0, 0]],
    ["offload", "an unknown reason", 28, [4]],
    ["offload", "class 64", 29, [64]],
    ["offload", "exit 8", 31, [8]],
    ["offload", "chance 0", 32, [0, 0]],
    ["offload", "no samples", 34, [0, 0]],
    ["offload", "1,025 samples", 34, [1, 4]],
    ["offload", "9 channels", 36, [9]],
    ["offload", "an unknown encoding", 37, [4]],
    ["offload", "a step of 0 micro-g", 38, [0, 0, 0, 0]],
    ["offload", "a rate of 0", 42, [0, 0, 0, 0]],
    ["offload", "a rate of a megahertz", 42, [0, 225, 245, 5]],
    ["want", "release 0", 2, [0, 0, 0, 0]],
    ["want", "first chunk 2,048", 14, [0, 8]],
    ["want", "a bitmap of 257 bytes", 16, [1, 1]],
    ["want", "a want that wants nothing", 18, [0, 0]],
    ["outcome", "release 0", 2, [0, 0, 0, 0]],
    ["outcome", "an unknown outcome", 14, [200]],
    ["ack", "epoch 0", 2, [0, 0, 0, 0]],
    ["ack", "nothing acknowledged", 6, [0, 0]],
    ["ack", "257 at once", 6, [1, 1]],
    ["verdict", "class 3 of 3", 14, [3]],
    ["verdict", "an unknown flag", 15, [2]],
    ["verdict", "65 classes", 16, [65]],
    ["offer", "an empty manifest", 66, [0, 0]],
    ["chunk", "release 0", 2, [0, 0, 0, 0]],
    ["chunk", "chunk 2,048", 6, [0, 8]],
    ["chunk", "an empty chunk", 8, [0, 0]],
    ["chunk", "1,025 bytes", 8, [1, 4]],
    ["setting", "1,001 windows", 4, [233, 3]],
  ];
  it.each(cases)("%s: %s is refused", (kind, _, offset, values) => {
    const bytes = unhex(GOLDEN[kind]);
    bytes.set(values, offset);
    expect(codeOf(() => decode(kind as UpMessage["kind"], bytes))).toBe("out-of-range");
  });
});

/** One of six ways in which bytes go wrong: a bit, a byte, a cut, an addition, a lie about a length,
 * a splice of two frames. */
function mutate(bytes: Uint8Array, other: Uint8Array, random: ReturnType<typeof prng>): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const place = below(random, copy.length);
  switch (below(random, 6)) {
    case 0:
      copy[place] = (copy[place] ?? 0) ^ (1 << below(random, 8));
      return copy;
    case 1:
      copy[place] = below(random, 256);
      return copy;
    case 2:
      return copy.subarray(0, place);
    case 3:
      return Uint8Array.of(...copy, ...other.subarray(0, 1 + below(random, 8)));
    case 4:
      copy.fill(below(random, 2) * 255, place, place + 1 + below(random, 4));
      return copy;
    default:
      return Uint8Array.of(
        ...copy.subarray(0, place),
        ...other.subarray(below(random, other.length)),
      );
  }
}
