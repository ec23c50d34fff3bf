/** Releases in the container's later formats, with an encoder and operating points, taken by C. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { referenceEngine } from "../src/engine/reference.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import {
  ENCODER_CONTAINER_VERSION,
  POINTS_CONTAINER_VERSION,
} from "../src/model/container-layout.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import { withoutCompiler } from "./firmware-host.ts";
import { buildUpdateHost } from "./firmware-update-host.ts";
import { connected, install, outcomes, withHost } from "./firmware-update-steps.ts";
import { sampleContainer, signRelease } from "./node-world.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";

const absent = withoutCompiler("the firmware's updates");
const folder = mkdtempSync(join(tmpdir(), "bellwether-update-formats-"));
const program = join(folder, "update");
afterAll(() => rmSync(folder, { recursive: true }));

const BETTER = sampleContainer(2);

describe.skipIf(absent)("a release for firmware in a later format", () => {
  beforeAll(() => buildUpdateHost(program), 60_000);

  it("may have an encoder, whose codes are in the last exit's hash", () =>
    withHost(program, async (host) => {
      const plain = decodeContainer(BETTER);
      const { windowSamples, channels } = plain.student;
      const encoder = randomEncoder({ ...ENCODER_SPEC, windowSamples, channels }, 4);
      const container = encodeContainer({ ...plain, encoder });
      const formatVersion = ENCODER_CONTAINER_VERSION;
      await connected(host);
      const status = await install(host, signRelease(container, 7, { formatVersion }));
      expect(outcomes(status.sent)).toEqual(["7 activated", "7 confirmed"]);
      const seed = 9;
      const logitsHashes = selfTestHashes(referenceEngine.load(plain), seed);
      const selfTest = { seed, logitsHashes };
      const other = signRelease(container, 8, { formatVersion, selfTest });
      host.offer(other);
      host.chunksOf(other);
      host.step();
      expect(outcomes((await host.status()).sent)).toEqual(["8 self-test-failed"]);
    }));

  it("may have operating points, and then its codes a hash of their own", () =>
    withHost(program, async (host) => {
      const plain = decodeContainer(BETTER);
      const { windowSamples, channels } = plain.student;
      const encoder = randomEncoder({ ...ENCODER_SPEC, windowSamples, channels }, 4);
      const points = encodePoints({ ...gateOf(plain), operatingPoints: OPERATING_POINTS });
      if (points === undefined) throw new Error("a section");
      const formatVersion = POINTS_CONTAINER_VERSION;
      await connected(host);
      for (const [sequence, more] of [
        [7, { points }],
        [8, { points, encoder }],
      ] as const) {
        const made = encodeContainer({ ...plain, ...more });
        const status = await install(host, signRelease(made, sequence, { formatVersion }));
        expect(outcomes(status.sent)).toEqual([`${sequence} activated`, `${sequence} confirmed`]);
      }
      const other = randomEncoder({ ...ENCODER_SPEC, windowSamples, channels }, 5);
      const seed = 9;
      const hashesOf = (container: Container) =>
        selfTestHashes(referenceEngine.load(container), seed);
      const container = encodeContainer({ ...plain, points, encoder });
      const wrong = [
        hashesOf({ ...plain, points, encoder: other }),
        hashesOf({ ...plain, points }),
        hashesOf({ ...plain, encoder }),
      ];
      for (const [i, logitsHashes] of wrong.entries()) {
        const selfTest = { seed, logitsHashes };
        const release = signRelease(container, 9 + i, { formatVersion, selfTest });
        host.offer(release);
        host.chunksOf(release);
        host.step();
        const { sent } = await host.status();
        expect(outcomes(sent)).toEqual([`${9 + i} self-test-failed`]);
      }
      // Points that were made for another gate.
      const foreign = encodePoints({ ...gateOf(plain), operatingPoints: OPERATING_POINTS });
      foreign?.set([1], 1);
      const bytes = encodeContainer({ ...plain, points: (foreign ?? points).subarray(0, 14) });
      const release = signRelease(bytes, 12, { formatVersion });
      host.offer(release);
      host.chunksOf(release);
      host.step();
      expect(outcomes((await host.status()).sent)).toEqual(["12 bad-container"]);
    }));
});
