/**
 * Releases of any size in chunks and pages of any size, through the firmware's flash: chunks come in
 * any order, resets and torn writes in between, over what another release has left in the slot.
 *
 * What is received here is noise: it is known to be put together right when the node, having checked
 * its SHA-256, says that it is no container.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { below, type Prng, prng, shuffle } from "../src/prng.ts";
import { encodeManifest, type ReleaseManifest } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { buildUpdateHost, type Torn, UpdateHost } from "./firmware-update-host.ts";
import { type SignedRelease, sampleContainer, signManifest, signRelease } from "./node-world.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's assembly is skipped: it needs gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-assembly-"));
const program = join(folder, "update");
afterAll(() => rmSync(folder, { recursive: true }));

const FACTORY = sampleContainer(1);
const LIKE = signRelease(FACTORY, 1).manifest;
const SLOT_BYTES = 8192;

/** Signed, and right about its bytes, whatever they are. */
function releaseOf(container: Uint8Array, sequence: number, chunkBytes: number): SignedRelease {
  const sha256 = nodeCrypto.sha256(container);
  const chunks = Math.ceil(container.length / chunkBytes);
  const chunkHashes = Buffer.concat(
    Array.from({ length: chunks }, (_, i) =>
      nodeCrypto.sha256(container.subarray(i * chunkBytes, (i + 1) * chunkBytes)).subarray(0, 8),
    ),
  );
  const manifest: ReleaseManifest = {
    ...LIKE,
    sequence,
    modelId: modelIdOf(sha256),
    sizeBytes: container.length,
    chunkBytes,
    sha256,
    chunkHashes,
  };
  const manifestBytes = encodeManifest(manifest);
  return { manifest, manifestBytes, signature: signManifest(manifestBytes), container };
}

/** Noise, parts of which the slot may hold already. */
function noise(random: Prng, length: number, former: Uint8Array): Uint8Array {
  const bytes = Uint8Array.from({ length }, () => below(random, 256));
  // A stretch of erased flash is nothing special to an image.
  bytes.fill(0xff, below(random, length), below(random, length));
  const kept = below(random, Math.min(length, former.length) + 1);
  bytes.set(former.subarray(0, kept));
  return bytes;
}

/** Chunks in any order, some twice, with the power cut now and then; then all once more. */
function deliver(host: UpdateHost, release: SignedRelease, random: Prng): void {
  const chunks = Math.ceil(release.container.length / release.manifest.chunkBytes);
  for (let round = 0; round < 3; round++) {
    const order = Array.from({ length: chunks }, (_, i) => i);
    shuffle(random, order);
    if (round < 2) host.cutAt(1 + below(random, 600), below(random, 3) as Torn);
    for (const index of order)
      if (below(random, 4) > 0 || round === 2) host.chunkOf(release, index);
    if (round === 2) return;
    host.cutAt(0);
    host.boot();
    host.connect();
  }
}

describe.skipIf(!there)("a release in firmware's flash", () => {
  beforeAll(() => buildUpdateHost(program), 60_000);

  for (const pageBytes of [512, 1024, 4096]) {
    it(`is put together in pages of ${pageBytes} bytes, whatever the chunks`, async () => {
      const host = new UpdateHost(program);
      try {
        const random = prng(pageBytes, "assembly");
        host.make(FACTORY, { pageBytes, slotBytes: SLOT_BYTES });
        host.boot();
        host.connect();
        let former: Uint8Array = new Uint8Array(0);
        for (let sequence = 1; sequence <= 60; sequence++) {
          const chunkBytes = 512 + 16 * below(random, 33);
          const container = noise(random, 1 + below(random, SLOT_BYTES), former);
          const release = releaseOf(container, sequence, chunkBytes);
          host.offer(release);
          deliver(host, release, random);
          await host.status();
          host.step();
          const status = await host.status();
          const told = status.sent.map((sent) => (sent.kind === "outcome" ? sent.outcome : "want"));
          const name = `release ${sequence}, ${container.length} bytes by ${chunkBytes}`;
          expect([name, status.staging, ...told]).toEqual([name, false, "bad-container"]);
          expect(status).toMatchObject({ sequence: 0, floor: sequence });
          former = container;
        }
      } finally {
        await host.close();
      }
    });
  }
});
