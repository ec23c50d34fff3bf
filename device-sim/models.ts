/**
 * From the bytes of a container to something that answers windows, or to the reason why not.
 *
 * Whatever came over the air is refused here as a value, never as a crash: a container that cannot
 * be decoded, that is made for other nodes or needs more memory, or whose bits differ from what the
 * release promises.
 */

import { EdgeError } from "../src/assert.ts";
import { sameBytes } from "../src/bytes.ts";
import type { Engine, LoadedStudent } from "../src/engine/engine.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { codeShape, type QuantizedEncoder } from "../src/model/encoder.ts";
import { modelRamBytes } from "../src/model/encoder-cost.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { encoderIdOf } from "../src/wire/offload-frame.ts";
import type { EncoderId, ModelId, ReleaseOutcome } from "../src/wire/messages.ts";
import type { Crypto, ReleaseManifest } from "../src/wire/release.ts";
import { modelIdOf } from "../src/wire/topics.ts";

export type Model = {
  readonly modelId: ModelId;
  readonly container: Container;
  readonly gate: GateParameters;
  readonly student: LoadedStudent;
  /** Undefined where the container has none. */
  readonly encoder: ModelEncoder | undefined;
};

/** What makes codes, by which name, and how many bytes of them. */
export type ModelEncoder = {
  readonly id: EncoderId;
  readonly encoder: QuantizedEncoder;
  readonly codeBits: number;
  readonly codeBytes: number;
};

/** What is needed to bring a model to run. */
export type ModelTools = {
  readonly crypto: Crypto;
  /** A container's bytes to a model; throws `EdgeError`. See `modelLoader`. */
  readonly load: (bytes: Uint8Array) => Model;
};

export type LoadOutcome =
  | { readonly ok: true; readonly model: Model }
  | { readonly ok: false; readonly outcome: ReleaseOutcome; readonly reason: string };

/** Models that one process keeps: the running and the next release of a few cohorts. */
const KEPT_MODELS = 8;

/**
 * A loader for all nodes of one process. Nodes with the same bytes share one loaded student: a node
 * answers a window from beginning to end before any other does, so its buffers are never in use
 * twice.
 */
export function modelLoader(engine: Engine, crypto: Crypto): (bytes: Uint8Array) => Model {
  const kept = new Map<ModelId, Model>();
  return (bytes) => {
    const modelId = modelIdOf(crypto.sha256(bytes));
    const model = kept.get(modelId) ?? loadModel(bytes.slice(), modelId, engine, crypto);
    kept.delete(modelId);
    kept.set(modelId, model);
    const [oldest] = kept.keys();
    if (kept.size > KEPT_MODELS && oldest !== undefined) kept.delete(oldest);
    return model;
  };
}

/** Decodes and loads. Throws `EdgeError` on bytes that are no container of this version. */
function loadModel(
  bytes: Uint8Array,
  modelId: ModelId,
  engine: Engine,
  crypto: Pick<Crypto, "sha256">,
): Model {
  const container = decodeContainer(bytes);
  const gate = gateOf(container);
  const encoder = container.encoder && modelEncoder(container.encoder, crypto);
  return { modelId, container, gate, student: engine.load(container), encoder };
}

function modelEncoder(encoder: QuantizedEncoder, crypto: Pick<Crypto, "sha256">): ModelEncoder {
  const id = encoderIdOf(crypto.sha256(encodeEncoder(encoder)));
  const { bits, bytes } = codeShape(encoder);
  return { id, encoder, codeBits: bits, codeBytes: bytes };
}

/** Loads what a signed release brought, for a node that runs `running`. */
export function loadRelease(
  image: Uint8Array,
  manifest: ReleaseManifest,
  running: Model,
  ramBytes: number,
  tools: ModelTools,
): LoadOutcome {
  const bytes = image.subarray(0, manifest.sizeBytes);
  if (!sameBytes(tools.crypto.sha256(bytes), manifest.sha256)) {
    return refused("wrong-hash", "the bytes in flash are not those that were signed");
  }
  let model: Model;
  try {
    model = tools.load(bytes);
  } catch (error) {
    if (error instanceof EdgeError) return refused("bad-container", error.message);
    throw error;
  }
  const misfit = misfitOf(model.container, manifest, running.container);
  if (misfit !== undefined) return refused("wrong-cohort", misfit);
  const needed = modelRamBytes(model.container);
  if (needed > ramBytes) {
    return refused("too-large", `needs ${needed} bytes of memory, there are ${ramBytes}`);
  }
  return passesSelfTest(model, manifest)
    ? { ok: true, model }
    : refused("self-test-failed", "this node's logits differ from those in the release");
}

/**
 * Bit for bit: the hash of each exit's logits over the windows that the release names by a seed.
 */
export function passesSelfTest(model: Model, manifest: ReleaseManifest): boolean {
  const expected = manifest.selfTest.logitsHashes;
  const found = selfTestHashes(model.student, manifest.selfTest.seed);
  return found.length === expected.length && found.every((hash, i) => hash === expected[i]);
}

/** A node has one sensor: rate, axes and window are not a release's to change. */
function misfitOf(next: Container, manifest: ReleaseManifest, now: Container): string | undefined {
  if (next.cohort !== manifest.cohort || next.cohort !== now.cohort) {
    return `for ${next.cohort}, this node is ${now.cohort}`;
  }
  const shape = (c: Container): string =>
    `${c.student.windowSamples}x${c.student.channels} at ${c.rateCentihertz} cHz`;
  return shape(next) === shape(now) ? undefined : `${shape(next)}, this node has ${shape(now)}`;
}

function refused(outcome: ReleaseOutcome, reason: string): LoadOutcome {
  return { ok: false, outcome, reason };
}
