/**
 * Makes the golden vectors of an encoder: `npx node test/make-golden-encoder.ts` writes
 * `test/golden/encoder.json`. As those of students, and in a file of their own. A change of that file is
 * a change of what codes mean.
 */

import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Engine } from "../src/engine/engine.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { encodeContainer } from "../src/model/container.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { packCodes } from "../src/wire/codes.ts";
import { containerWithEncoder, ENCODER_SPEC } from "./encoder-samples.ts";
import { goldenWindows } from "./make-golden.ts";
import { COLLAR_SPEC } from "./student-samples.ts";

export const GOLDEN_ENCODER = fileURLToPath(new URL("golden/encoder.json", import.meta.url));
export const GOLDEN_ENCODER_SEED = 20_261_127;

export function goldenEncoder(engine: Engine) {
  const container = containerWithEncoder(COLLAR_SPEC, ENCODER_SPEC, GOLDEN_ENCODER_SEED);
  const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
  const loaded = engine.load(container);
  const codes = goldenWindows(COLLAR_SPEC).map((window) => {
    loaded.begin(window);
    return Buffer.from(packCodes(loaded.encode(), ENCODER_SPEC.codeBits)).toString("hex");
  });
  return {
    madeBy: "npx node test/make-golden-encoder.ts",
    containerSha256: sha256(encodeContainer(container)),
    encoderSha256: container.encoder && sha256(encodeEncoder(container.encoder)),
    selfTest: { seed: GOLDEN_ENCODER_SEED, hashes: selfTestHashes(loaded, GOLDEN_ENCODER_SEED) },
    codes,
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(GOLDEN_ENCODER, `${JSON.stringify(goldenEncoder(referenceEngine), null, 2)}\n`);
}
