/**
 * 25 kinds of tampered, stale or foreign releases, 50 of each: none is ever run.
 *
 * Through everything that stands between a node's antenna and its engine: signature, manifest,
 * chunks, hash, container, fit, self-test. The seed of a case is its number.
 */

import { describe, expect, it } from "vitest";
import { loadRelease, modelLoader } from "../device-sim/models.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeContainer } from "../src/model/container.ts";
import { POINTS_CONTAINER_VERSION } from "../src/model/container-layout.ts";
import { prng } from "../src/prng.ts";
import { acceptChunk, createAssembly, finishAssembly } from "../src/wire/assembly.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { openRelease } from "../src/wire/release.ts";
import { PUBLIC_KEY, signRelease } from "./node-world.ts";
import {
  type Attempt,
  BY_HOLDERS_OF_THE_KEY,
  BY_STRANGERS,
  CONTAINERS,
  deliver,
  RUNNING,
  RUNNING_SEQUENCE,
} from "./tampered-releases.ts";

const SEEDS = 50;
const SLOT_BYTES = 64 * 1024;
const RAM_BYTES = 64 * 1024;

const load = modelLoader(referenceEngine, nodeCrypto);
const running = load(RUNNING);

/** What becomes of a delivery: `runs`, or why not. */
function receive(delivery: Attempt): string {
  const { ramBytes = RAM_BYTES, slotBytes = SLOT_BYTES } = delivery;
  const opened = openRelease(delivery, {
    crypto: nodeCrypto,
    publicKeys: [PUBLIC_KEY],
    cohort: running.container.cohort,
    runningSequence: RUNNING_SEQUENCE,
    slotBytes,
    formatVersion: POINTS_CONTAINER_VERSION,
  });
  if (!opened.ok) return opened.outcome;
  const { manifest } = opened;
  const assembly = createAssembly(manifest);
  for (const chunk of delivery.chunks) {
    acceptChunk(assembly, { releaseSequence: manifest.sequence, ...chunk }, nodeCrypto);
  }
  const finished = finishAssembly(assembly, nodeCrypto);
  if (!finished.ok) return finished.outcome;
  const loaded = loadRelease(finished.container, manifest, running, ramBytes, {
    crypto: nodeCrypto,
    load,
  });
  return loaded.ok ? "runs" : loaded.outcome;
}

describe("tampered, stale and foreign releases", () => {
  it("are told from a good one, which runs", () => {
    for (const container of CONTAINERS) {
      expect(receive(deliver(signRelease(container, 12)))).toBe("runs");
    }
    expect(decodeContainer(CONTAINERS[0] as Uint8Array).cohort).toBe(running.container.cohort);
    expect(RUNNING_SEQUENCE + LIMITS.sequenceJump).toBeLessThan(0xffff_ffff - 0xffff_0000);
  });

  const kinds = [...BY_STRANGERS, ...BY_HOLDERS_OF_THE_KEY];
  it.each(kinds)(`%s: ${SEEDS} of ${SEEDS} refused`, (name, make, refusals) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      expect(refusals, `seed ${seed}`).toContain(receive(make(prng(seed, name))));
    }
  });

  it("were 1,250 in all", () => {
    expect(kinds.length * SEEDS).toBe(1250);
  });
});
