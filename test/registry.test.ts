import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Registry, type SignedRelease } from "../gateway/release/registry.ts";
import {
  gatewayCrypto,
  type ReleaseKeys,
  temporaryReleaseKeys,
} from "../gateway/release/release-keys.ts";
import { type Disk, nodeDisk } from "../gateway/store/durable-file.ts";
import { encodeManifest, manifestOf, signedBytes } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";

let directory: string;
const keys = temporaryReleaseKeys();

beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), "registry-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function open(disk: Disk = nodeDisk, signer: ReleaseKeys = keys): Registry {
  return new Registry({ directory, publicKey: signer.publicKey, crypto: gatewayCrypto, disk });
}

const containerOf = (content: number) => new Uint8Array(3000).fill(content);

function releaseOf(content: number, sequence: number, signer: ReleaseKeys = keys): SignedRelease {
  const statement = {
    formatVersion: 1,
    sequence,
    purpose: "release" as const,
    cohort: "cattle/10.00Hz/50x3",
    createdMs: 1_700_000_000_000,
    selfTest: { seed: 1, logitsHashes: [1, 2] },
  };
  const manifest = manifestOf(containerOf(content), statement, gatewayCrypto);
  const manifestBytes = encodeManifest(manifest);
  return { manifest, manifestBytes, signature: signer.sign(signedBytes(manifestBytes)) };
}

/** Publishes two models and saves a rollout: every kind of write, in the order of the loop. */
function work(registry: Registry): void {
  for (const content of [1, 2]) {
    registry.putModel(containerOf(content), Uint8Array.of(content));
    const sequence = registry.nextSequence();
    registry.putRelease(releaseOf(content, sequence));
    registry.saveCohortState("cattle/10.00Hz/50x3", JSON.stringify({ sequence }));
  }
}

/** A disk whose n-th operation does not happen, or only in part, and after it nothing does. */
function cutAt(operation: number): Disk & { readonly count: () => number } {
  let count = 0;
  const step = <A extends unknown[]>(act: (...args: A) => void, half?: (...args: A) => void) => {
    return (...args: A): void => {
      count++;
      if (count > operation) throw new Error("power cut");
      if (count === operation) {
        half?.(...args);
        throw new Error("power cut");
      }
      act(...args);
    };
  };
  return {
    makeFolder: step(nodeDisk.makeFolder),
    writeFlushed: step(nodeDisk.writeFlushed, (file, bytes) => {
      writeFileSync(file, bytes.subarray(0, bytes.length >> 1));
    }),
    rename: step(nodeDisk.rename),
    flushFolder: step(nodeDisk.flushFolder),
    remove: step(nodeDisk.remove),
    count: () => count,
  };
}

describe("the registry", () => {
  test("gives back what was put, also after it is opened anew", () => {
    work(open());
    const registry = open();
    expect(registry.setAside).toEqual([]);
    expect(registry.releases().map((release) => release.manifest.sequence)).toEqual([1, 2]);
    const { modelId } = registry.releases()[1]?.manifest ?? releaseOf(2, 2).manifest;
    expect(registry.container(modelId)).toEqual(Buffer.from(containerOf(2)));
    expect(registry.student(modelId)).toEqual(Buffer.from([2]));
    expect(registry.cohortState("cattle/10.00Hz/50x3")).toBe('{"sequence":2}');
    expect(registry.nextSequence()).toBe(3);
    expect(registry.nextSequence(70)).toBe(71);
  });

  test("refuses a number that is not above the last, and a release without its model", () => {
    const registry = open();
    work(registry);
    expect(() => registry.putRelease(releaseOf(1, 2))).toThrow(/release-sequence/);
    expect(() => registry.putRelease(releaseOf(9, 3))).toThrow(/release-without-model/);
  });

  test("is whole after a cut at any operation", () => {
    const counting = cutAt(Number.POSITIVE_INFINITY);
    work(open(counting));
    const operations = counting.count();
    expect(operations).toBeGreaterThan(25);
    for (let cut = 1; cut <= operations; cut++) {
      rmSync(directory, { recursive: true, force: true });
      const held: number[] = [];
      try {
        const registry = open(cutAt(cut));
        for (const content of [1, 2]) {
          registry.putModel(containerOf(content), Uint8Array.of(content));
          const sequence = registry.nextSequence();
          registry.putRelease(releaseOf(content, sequence));
          held.push(sequence);
        }
      } catch (error) {
        expect((error as Error).message).toBe("power cut");
      }
      const after = open();
      expect(after.setAside).toEqual([]);
      const sequences = after.releases().map((release) => release.manifest.sequence);
      // What was reported as done is there; what was not may be there, and then wholly.
      expect(sequences).toEqual(expect.arrayContaining(held));
      for (const { manifest } of after.releases()) {
        expect(after.container(manifest.modelId)).toBeDefined();
        expect(after.student(manifest.modelId)).toBeDefined();
      }
      work(after);
    }
  });

  test("sets damaged, foreign and orphaned releases aside and serves the rest", () => {
    work(open());
    const file = path.join(directory, "releases", "00000002.signed");
    const good = readFileSync(file);
    for (const damage of [
      good.subarray(0, 10),
      Buffer.concat([good, Buffer.from([0])]),
      good.map((byte, i) => (i === 20 ? byte ^ 1 : byte)),
    ]) {
      writeFileSync(file, damage);
      const registry = open();
      expect(registry.setAside).toHaveLength(1);
      expect(registry.releases().map((release) => release.manifest.sequence)).toEqual([1]);
      writeFileSync(file, good);
    }
    expect(open(nodeDisk, temporaryReleaseKeys()).setAside).toHaveLength(2);
  });

  test("does not serve a container whose bytes are not the named ones", () => {
    const registry = open();
    work(registry);
    const modelId = modelIdOf(gatewayCrypto.sha256(containerOf(1)));
    writeFileSync(path.join(directory, "models", `${modelId}.bwm`), "something else");
    expect(registry.container(modelId)).toBeUndefined();
    expect(open().setAside[0]?.reason).toMatch(/missing or damaged/);
  });
});
