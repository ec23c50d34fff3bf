/** The guard on its own: what passes, what does not, and that pieces and lies change nothing. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkPacket } from "../gateway/broker/packet-check.ts";
import { type Guarded, PacketGuard } from "../gateway/broker/packet-guard.ts";
import { LIMITS } from "../src/wire/limits.ts";
import {
  connectPacket,
  goodPackets,
  packet,
  publishPacket,
  subscribePacket,
  text,
  unsubscribePacket,
  type Version,
  varint,
} from "./mqtt-bytes.ts";

const VERSIONS = [3, 4, 5] as const;

function connected(version: Version = 4): PacketGuard {
  const guard = new PacketGuard();
  expect(guard.feed(connectPacket(version)).ok).toBe(true);
  return guard;
}

function reasonOf(result: Guarded): string {
  return result.ok ? "passed" : result.reason;
}

describe("well-formed packets", () => {
  for (const version of VERSIONS) {
    it.each(Object.entries(goodPackets(version)))(
      `pass in version ${version}: %s`,
      (name, bytes) => {
        const guard = name.startsWith("connect") ? new PacketGuard() : connected(version);
        const result = guard.feed(bytes);
        expect(reasonOf(result)).toBe("passed");
        expect(result.ok && result.packets).toEqual([bytes]);
      },
    );
  }

  it("pass whole, however the network cut them", () => {
    const stream = Object.entries(goodPackets(5))
      .filter(([name]) => name !== "connect with everything")
      .map(([, bytes]) => bytes);
    const all = Uint8Array.from(stream.flatMap((bytes) => [...bytes]));
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
        const guard = new PacketGuard();
        const passed: Uint8Array[] = [];
        let offset = 0;
        for (let i = 0; offset < all.length; i++) {
          const size = sizes[i % sizes.length] as number;
          const result = guard.feed(all.slice(offset, offset + size));
          expect(reasonOf(result)).toBe("passed");
          if (result.ok) passed.push(...result.packets);
          offset += size;
        }
        expect(passed).toEqual(stream);
      }),
      { numRuns: 200 },
    );
  });
});

describe("published attacks on MQTT brokers", () => {
  const deep = Array.from({ length: 150 }, () => "x").join("/");
  const attacks: readonly [string, Uint8Array, boolean][] = [
    // [name, bytes, whether they come behind a good CONNECT]
    [
      "a CONNECT that made a parser read out of range (moscajs/aedes#612)",
      Uint8Array.from(Buffer.from("101000044d5154540502003c0321001400006202d301e0020020", "hex")),
      false,
    ],
    ["bytes that are no MQTT (moscajs/aedes#324)", Buffer.from("GET / HTTP/1.1\r\n\r\n"), false],
    [
      "a TLS ClientHello on the plain port (CVE-2016-10523)",
      Uint8Array.from(Buffer.from("16030100c8010000c40303", "hex")),
      false,
    ],
    ["a SUBSCRIBE without filters (CVE-2019-5432)", packet(0x82, [0, 1]), true],
    ["a SUBSCRIBE with a cut filter (CVE-2019-5432)", packet(0x82, [0, 1, 0, 9, 97]), true],
    ["__proto__ as client id (GHSA-52qw-whmv-87c5)", connectPacket(4, { id: "__proto__" }), false],
    [
      "constructor as client id (GHSA-52qw-whmv-87c5)",
      connectPacket(4, { id: "constructor" }),
      false,
    ],
    ["__proto__ as filter (GHSA-52qw-whmv-87c5)", subscribePacket(["__proto__"]), true],
    ["toString as topic level", publishPacket("a/toString"), true],
    ["150 topic levels in PUBLISH", publishPacket(deep), true],
    ["150 topic levels in SUBSCRIBE", subscribePacket([deep]), true],
    ["150 topic levels in UNSUBSCRIBE", unsubscribePacket(deep), true],
    [
      "150 topic levels in the will",
      connectPacket(4, { flags: 6, after: [...text(deep), ...text("x")] }),
      false,
    ],
    ["a second CONNECT", connectPacket(4), true],
    ["PUBLISH before CONNECT", publishPacket("a/b"), false],
    ["a CONNECT of 5 KiB", connectPacket(4, { id: "x".repeat(5_000) }), false],
    [
      "256 MB announced (moscajs/aedes#831)",
      Uint8Array.from([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 97]),
      true,
    ],
    ["a length of five bytes", Uint8Array.from([0x30, 0xff, 0xff, 0xff, 0xff, 1]), true],
    ["quality of service 3", packet(0x36, [...text("a"), 0, 1]), true],
    ["a filter with misplaced #", subscribePacket(["a/#/b"]), true],
    ["a filter with misplaced +", subscribePacket(["a+/b"]), true],
    ["a wildcard in PUBLISH", publishPacket("a/+"), true],
    ["NUL in a topic", publishPacket("a\u0000b"), true],
    ["a line end in a client id", connectPacket(4, { id: "a\nb" }), false],
    ["ill-formed UTF-8 in a client id", connectPacket(4, { id: Buffer.from([0xc3, 0x28]) }), false],
    ["a surrogate in a topic", publishPacket(Buffer.from([0xed, 0xa0, 0x80])), true],
    ["overlong UTF-8 in a filter", subscribePacket([Buffer.from([0xc0, 0xaf])]), true],
    ["reserved flags of SUBSCRIBE", packet(0x80, [0, 1, ...text("a"), 0]), true],
    ["packet id 0", packet(0x32, [...text("a"), 0, 0]), true],
    ["a CONNACK from a client", packet(0x20, [0, 0]), true],
    ["513 filters", subscribePacket(Array.from({ length: 513 }, (_, i) => `f${i}`)), true],
  ];

  it.each(attacks)("are refused: %s", (_name, bytes, behindConnect) => {
    const guard = behindConnect ? connected() : new PacketGuard();
    expect(reasonOf(guard.feed(bytes))).not.toBe("passed");
    // Once refused, nothing passes any more.
    expect(guard.feed(packet(0xc0, [])).ok).toBe(false);
  });

  it("refuse the 33rd half-open QoS 2 handshake (GHSA-5jvp-3p2v-5qgf), and not the 33rd whole one", () => {
    const publish = (id: number): Uint8Array => packet(0x34, [...text("a"), 1, id]);
    const release = (id: number): Uint8Array => packet(0x62, [1, id]);
    const patient = connected();
    for (let id = 1; id <= 100; id++) {
      expect(patient.feed(publish(id)).ok).toBe(true);
      expect(patient.feed(release(id)).ok).toBe(true);
    }
    const greedy = connected();
    for (let id = 1; id <= 32; id++) expect(greedy.feed(publish(id)).ok).toBe(true);
    expect(greedy.feed(publish(33)).ok).toBe(false);
  });

  it("keep nothing of a packet whose announced length is over the limit", () => {
    const guard = connected();
    const over = LIMITS.packetBytes - 4 + 1;
    expect(reasonOf(guard.feed(Uint8Array.from([0x30, ...varint(over)])))).toContain("at most");
    const atLimit = connected();
    expect(atLimit.feed(Uint8Array.from([0x30, ...varint(over - 1)])).ok).toBe(true);
  });
});

describe("version 5 properties", () => {
  const connectWith = (properties: readonly number[]): Guarded =>
    new PacketGuard().feed(
      connectPacket(5, { properties: [...varint(properties.length), ...properties] }),
    );

  it("pass when they are whole and known", () => {
    const pair = [0x26, ...text("key"), ...text("value")];
    expect(connectWith([0x11, 0, 0, 0, 60, 0x21, 0, 10, ...pair, ...pair]).ok).toBe(true);
  });

  it.each([
    ["one that comes twice", [0x21, 0, 10, 0x21, 0, 10]],
    ["one that nobody knows", [0x7e, 0]],
    ["one that is cut", [0x11, 0, 0]],
    ["one that clients do not send", [0x12, ...text("assigned")]],
    ["40 user properties", Array.from({ length: 40 }, () => [0x26, 0, 0, 0, 0]).flat()],
  ])("are refused: %s", (_name, properties) => {
    expect(connectWith(properties).ok).toBe(false);
  });
});

describe("anything", () => {
  /** Bit, byte, truncation, extension, length lie, splice. */
  const mutated = (
    bytes: Uint8Array,
    other: Uint8Array,
    kind: number,
    at: number,
    value: number,
  ) => {
    const copy = Uint8Array.from(bytes);
    const place = at % Math.max(1, copy.length);
    switch (kind) {
      case 0:
        copy[place] = (copy[place] as number) ^ (1 << (value & 7));
        return copy;
      case 1:
        copy[place] = value;
        return copy;
      case 2:
        return copy.subarray(0, place);
      case 3:
        return Uint8Array.from([...copy, value, value]);
      case 4:
        copy[1] = value;
        return copy;
      default:
        return Uint8Array.from([...copy.subarray(0, place), ...other.subarray(value % 8)]);
    }
  };

  it("never makes the guard throw, and what passes is a whole packet within limits", () => {
    const kinds = VERSIONS.flatMap((version) =>
      Object.values(goodPackets(version)).map((bytes) => ({ version, bytes })),
    );
    const pick = fc.integer({ min: 0, max: kinds.length - 1 });
    const byte = fc.integer({ min: 0, max: 255 });
    const mutation = fc.tuple(fc.integer({ min: 0, max: 5 }), fc.nat(200), byte);
    fc.assert(
      fc.property(pick, pick, fc.array(mutation, { maxLength: 4 }), (first, second, mutations) => {
        const { version, bytes } = kinds[first] as (typeof kinds)[number];
        const other = (kinds[second] as (typeof kinds)[number]).bytes;
        let changed = bytes;
        for (const [kind, at, value] of mutations) {
          changed = mutated(changed, other, kind, at, value);
        }
        const guard = new PacketGuard();
        guard.feed(connectPacket(version));
        const result = guard.feed(changed);
        if (!result.ok) return;
        for (const passed of result.packets) {
          expect(passed.length).toBeLessThanOrEqual(LIMITS.packetBytes);
          // One packet, whole, by its own word.
          expect(lengthOf(passed)).toBe(passed.length);
        }
      }),
      { numRuns: 20_000 },
    );
  });

  it("checks any body without throwing", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 255 }),
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom(0, 3, 4, 5),
        (first, body, protocol) => {
          expect(typeof checkPacket(first, body, protocol).ok).toBe("boolean");
        },
      ),
      { numRuns: 20_000 },
    );
  });
});

/** Header and body, by the packet's own word. */
function lengthOf(bytes: Uint8Array): number {
  let length = 0;
  for (let i = 1; i < 5; i++) {
    const byte = bytes[i] as number;
    length += (byte & 0x7f) << (7 * (i - 1));
    if (byte < 0x80) return length + 1 + i;
  }
  return -1;
}
