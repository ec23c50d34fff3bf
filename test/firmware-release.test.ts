/**
 * Offers as the firmware reads them, against `openRelease`: the same outcome for each, and the same
 * numbers of those that are believed. What is spoilt here is signed all the same, as by somebody who
 * holds the key, since a broken signature ends the matter before anything is read.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { compile, FIRMWARE_FOLDER, findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { decodeContainer } from "../src/model/container.ts";
import { POINTS_CONTAINER_VERSION } from "../src/model/container-layout.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { type CborValue, decodeCbor, encodeCbor } from "../src/wire/cbor.ts";
import { encodeDown } from "../src/wire/frames.ts";
import { OUTCOMES } from "../src/wire/messages.ts";
import { chunkCount, openRelease, type ReleaseManifest } from "../src/wire/release.ts";
import { firmwareSources, SANITIZERS } from "./firmware-kit.ts";
import { PUBLIC_KEY, sampleContainer, signManifest, signRelease } from "./node-world.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's releases are skipped: they need gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-release-"));
const program = join(folder, "release");
afterAll(() => rmSync(folder, { recursive: true }));

const CONTAINER = sampleContainer(1);
const { cohort } = decodeContainer(CONTAINER);
const HIGHEST = 11;
const SLOT_BYTES = 64 * 1024;
const NO_OUTCOME = 255;

type Offer = { readonly manifest: Uint8Array; readonly signature: Uint8Array };

function decide(offers: readonly Offer[]): unknown[] {
  const context = Buffer.alloc(32 + 9);
  context.set(PUBLIC_KEY);
  context.writeUInt32LE(HIGHEST, 32);
  context.writeUInt32LE(SLOT_BYTES, 36);
  context[40] = cohort.length;
  const jobs = offers.map(({ manifest, signature }) => {
    const frame = encodeDown({ kind: "offer", manifest, signature });
    const body = Buffer.concat([context, Buffer.from(cohort), frame]);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(body.length);
    return Buffer.concat([head, body]);
  });
  const output = execFileSync(program, { input: Buffer.concat(jobs) });
  expect(output).toHaveLength(21 * offers.length);
  return offers.map((_, i) => {
    const answer = output.subarray(21 * i, 21 * (i + 1));
    const outcome = answer.readUInt8(0);
    if (outcome !== NO_OUTCOME) return OUTCOMES[outcome];
    return {
      sequence: answer.readUInt32LE(1),
      sizeBytes: answer.readUInt32LE(5),
      seed: answer.readUInt32LE(9),
      chunks: answer.readUInt16LE(13),
      purpose: answer.readUInt8(15),
      exits: answer.readUInt8(16),
      lastHash: answer.readUInt32LE(17),
    };
  });
}

function decideInTypeScript(offer: Offer): unknown {
  const opened = openRelease(offer, {
    crypto: nodeCrypto,
    publicKeys: [PUBLIC_KEY],
    cohort,
    runningSequence: HIGHEST,
    slotBytes: SLOT_BYTES,
    formatVersion: POINTS_CONTAINER_VERSION,
  });
  if (!opened.ok) return opened.outcome;
  const { sequence, sizeBytes, purpose, selfTest } = opened.manifest;
  return {
    sequence,
    sizeBytes,
    seed: selfTest.seed,
    chunks: chunkCount(opened.manifest),
    purpose: purpose === "release" ? 1 : 2,
    exits: selfTest.logitsHashes.length,
    lastHash: selfTest.logitsHashes.at(-1),
  };
}

function expectSame(offers: readonly Offer[]): Map<string, number> {
  const found = decide(offers);
  const expected = offers.map(decideInTypeScript);
  const counts = new Map<string, number>();
  found.forEach((answer, i) => {
    const bytes = Buffer.from(offers[i]?.manifest ?? []).toString("hex");
    expect([bytes, answer]).toEqual([bytes, expected[i]]);
    const name = typeof answer === "string" ? answer : "good";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  });
  return counts;
}

/** Signed, whatever it is. */
const signed = (manifest: Uint8Array): Offer => ({ manifest, signature: signManifest(manifest) });

describe.skipIf(!there)("the firmware's releases", () => {
  beforeAll(() => {
    const sources = ["bw_release.c", "bw_update_frames.c"].map((file) =>
      join(FIRMWARE_FOLDER, "node", file),
    );
    compile({
      target: "host",
      sources: [...firmwareSources("host/release_host.c", "crypto"), ...sources],
      output: program,
      flags: SANITIZERS,
    });
  });

  it("are read as in TypeScript at the bounds of every field, and refused beyond", () => {
    const honest = signRelease(CONTAINER, 12).manifest;
    const seeds = [0, 23, 24, 255, 256, 65535, 65536, 0xffff_ffff];
    const hashes = Array.from({ length: 9 }, (_, i) => i * 0x1c71_c71c);
    const changes: readonly Partial<ReleaseManifest>[] = [
      {},
      ...[0, 1, 2, 3, 4, 0xffff, 0x1_0000].map((formatVersion) => ({ formatVersion })),
      ...[0, 1, 10, 11, 12, 10_010, 10_011, 10_012, 0xffff_ffff, 2 ** 32].map((sequence) => ({
        sequence,
      })),
      { purpose: "rollback" },
      ...[
        "",
        "x",
        `${cohort}x`,
        cohort.slice(1),
        "y".repeat(64),
        "y".repeat(65),
        "\x1f",
        "\x7f",
      ].map((name) => ({ cohort: name })),
      ...[0, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER].map((createdMs) => ({ createdMs })),
      ...[511, 512, 1024, 1025].map((chunkBytes) => sized(honest.sizeBytes, chunkBytes)),
      ...[0, 1, 512, 513, SLOT_BYTES, SLOT_BYTES + 1, 1024 * 1024, 1024 * 1024 + 1].map((size) =>
        sized(size, 512),
      ),
      { sha256: new Uint8Array(32) },
      { sha256: honest.sha256.subarray(1) },
      { chunkHashes: honest.chunkHashes.subarray(1) },
      ...seeds.map((seed) => ({ selfTest: { ...honest.selfTest, seed } })),
      ...hashes.map((_, i) => ({ selfTest: { seed: 1, logitsHashes: hashes.slice(0, i + 1) } })),
      { selfTest: { seed: 1, logitsHashes: [] } },
      { selfTest: { seed: 2 ** 32, logitsHashes: [1] } },
      { selfTest: { seed: 1, logitsHashes: [2 ** 32] } },
    ];
    const counts = expectSame(
      changes.map((change) => signRelease(CONTAINER, 12, change)).map(offerOf),
    );
    expect([...counts.keys()].sort()).toEqual(
      [
        "bad-manifest",
        "good",
        "stale",
        "too-far",
        "too-large",
        "wrong-cohort",
        "wrong-format",
      ].sort(),
    );
  });

  it("are refused as in TypeScript when 3,000 are spoilt and signed again", () => {
    const { manifestBytes } = signRelease(CONTAINER, 12);
    const offers = Array.from({ length: 3000 }, (_, seed) =>
      signed(spoil(manifestBytes, prng(seed, "spoilt manifests"))),
    );
    const counts = expectSame(offers);
    expect(counts.get("bad-manifest")).toBeGreaterThan(1500);
    expect(counts.get("good")).toBeGreaterThan(100);
  });

  it("are refused by their signature first", () => {
    const { manifestBytes, signature } = signRelease(CONTAINER, 3);
    const other = signRelease(CONTAINER, 12).signature;
    const counts = expectSame([
      { manifest: manifestBytes, signature: other },
      { manifest: Uint8Array.of(0), signature },
      { manifest: manifestBytes, signature },
    ]);
    expect(counts).toEqual(
      new Map([
        ["bad-signature", 2],
        ["stale", 1],
      ]),
    );
  });
});

const offerOf = ({ manifestBytes, signature }: ReturnType<typeof signRelease>): Offer => ({
  manifest: manifestBytes,
  signature,
});

function sized(sizeBytes: number, chunkBytes: number): Partial<ReleaseManifest> {
  const chunks = Math.ceil(sizeBytes / chunkBytes);
  return { sizeBytes, chunkBytes, chunkHashes: new Uint8Array(8 * chunks) };
}

/** One of many small faults of encoding, or a value of another kind or size in some field. */
function spoil(manifest: Uint8Array, random: Prng): Uint8Array {
  const bytes = [...manifest];
  const at = below(random, bytes.length);
  switch (below(random, 6)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << below(random, 8));
      return Uint8Array.from(bytes);
    case 1:
      return Uint8Array.from(bytes.slice(0, at + 1));
    case 2:
      return Uint8Array.from([...bytes, below(random, 256)]);
    case 3:
      // A head in a longer form than it needs, or something that looks like it.
      bytes.splice(at, 1, ((bytes[at] ?? 0) & 0xe0) | (24 + below(random, 8)), bytes[at] ?? 0);
      return Uint8Array.from(bytes);
    case 4:
      bytes.splice(
        at,
        below(random, 9),
        ...Array.from({ length: below(random, 9) }, () => below(random, 256)),
      );
      return Uint8Array.from(bytes.length === 0 ? [0] : bytes);
    default: {
      const map = new Map(decodeCbor(manifest, "manifest") as Map<number, CborValue>);
      const key = 1 + below(random, 12);
      if (random.uint32() & 1) map.delete(key);
      else map.set(key, someValue(random));
      return encodeCbor(map);
    }
  }
}

function someValue(random: Prng): CborValue {
  const number = Math.floor(2 ** (below(random, 530) / 10)) - 1;
  const values: readonly CborValue[] = [
    number,
    number,
    number,
    "text",
    new Uint8Array(below(random, 70)),
    [number],
    new Map<number, CborValue>([
      [1, number],
      [2, [number]],
    ]),
  ];
  return values[below(random, values.length)] ?? 0;
}
