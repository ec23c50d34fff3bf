/** Makes releases: a container, hashed, self-tested by the reference engine, and signed. */

import type { Engine } from "../../src/engine/engine.ts";
import { containerVersion, decodeContainer } from "../../src/model/container.ts";
import { selfTestHashes } from "../../src/model/self-test.ts";
import {
  encodeManifest,
  manifestOf,
  type ReleaseManifest,
  signedBytes,
} from "../../src/wire/release.ts";
import type { SignedRelease } from "./registry.ts";
import { gatewayCrypto, type ReleaseKeys } from "./release-keys.ts";

export type ReleaseStatement = {
  readonly container: Uint8Array;
  readonly sequence: number;
  readonly purpose: ReleaseManifest["purpose"];
  readonly createdMs: number;
};

/** @throws EdgeError of `decodeContainer`, where the bytes are no container */
export function signRelease(
  statement: ReleaseStatement,
  engine: Engine,
  keys: ReleaseKeys,
): SignedRelease {
  const { container, sequence, purpose, createdMs } = statement;
  const decoded = decodeContainer(container);
  // Any seed will do; one that differs by release lets nobody prepare for a single one.
  const seed = sequence;
  const manifest = manifestOf(
    container,
    {
      formatVersion: containerVersion(decoded),
      sequence,
      purpose,
      cohort: decoded.cohort,
      createdMs,
      selfTest: { seed, logitsHashes: selfTestHashes(engine.load(decoded), seed) },
    },
    gatewayCrypto,
  );
  const manifestBytes = encodeManifest(manifest);
  return { manifest, manifestBytes, signature: keys.sign(signedBytes(manifestBytes)) };
}
