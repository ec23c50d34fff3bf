/**
 * What a node knows, and what follows when it comes to run another model.
 *
 * The gate's state is kept beside the name of the model that it belongs to:
 *
 *      0 model 8B   8 state, as `gate-state-bytes.ts` writes it   .. CRC-32 u32
 */

import { EdgeError } from "../src/assert.ts";
import { ByteReader, ByteWriter } from "../src/bytes.ts";
import {
  carryGateState,
  type GateState,
  initialGateState,
  withinBucket,
} from "../src/gate/gate-state.ts";
import { decodeGateState, encodeGateState } from "../src/gate/gate-state-bytes.ts";
import { modelIdBytes, modelIdOf } from "../src/wire/topics.ts";
import { crc32 } from "./crc32.ts";
import type { Model } from "./models.ts";
import type { NodeEffect, NodeSettings, NodeTools, Now } from "./node-types.ts";
import type { Outbox } from "./outbox.ts";
import type { Reporter } from "./reporting.ts";
import type { Updater, UpdaterContext } from "./updater.ts";
import type { Windowing } from "./windowing.ts";

const MODEL_ID_BYTES = 8;

export type Node = {
  readonly settings: NodeSettings;
  readonly tools: NodeTools;
  readonly outbox: Outbox;
  readonly updater: Updater;
  readonly reporter: Reporter;
  windowing: Windowing;
  gate: GateState;
  connected: boolean;
  /** As last measured; full until then. */
  batteryPercent: number;
  /** Doubts offloaded since the start, in any form. */
  doubts: number;
  /** Windows of this epoch so far: the index of the next one. */
  nextWindow: number;
};

export function contextOf(node: Node, now: Now, effects: NodeEffect[]): UpdaterContext {
  const { settings, tools, connected, outbox } = node;
  return { settings, tools, now, connected, nextSeq: outbox.nextSeq, effects };
}

export function shapeOf(model: Model): Windowing["shape"] {
  const { student, hopSamples, inputMilligPerStep, rateCentihertz } = model.container;
  const { windowSamples, channels } = student;
  return { windowSamples, hopSamples, channels, inputMilligPerStep, rateHz: rateCentihertz / 100 };
}

/** A budget that a restart refills is no budget; a state that cannot be read starts afresh. */
export function restoreGate(saved: Uint8Array | null, model: Model): GateState {
  const fresh = initialGateState(model.gate);
  const bytes = saved === null ? undefined : withoutCrc(saved);
  if (bytes === undefined || bytes.length < MODEL_ID_BYTES) return fresh;
  try {
    const state = decodeGateState(bytes.subarray(MODEL_ID_BYTES));
    const same = modelIdOf(bytes) === model.modelId;
    return same ? withinBucket(model.gate, state) : carryGateState(model.gate, state);
  } catch (error) {
    if (error instanceof EdgeError) return fresh;
    throw error;
  }
}

/**
 * What a node writes while it lives says that its bucket is empty: tokens that it spends until it
 * writes again would be there once more after a cut of the power, at each cut. Only a node that is
 * stopped in good order writes what it has, and takes it back from storage when it starts.
 */
export function saveGate(node: Node, effects: NodeEffect[], levelQ8 = 0): void {
  const to = new ByteWriter().bytes(modelIdBytes(node.updater.running.model.modelId));
  to.bytes(encodeGateState({ ...node.gate, levelQ8 }));
  const bytes = to.u32(crc32(to.finish())).finish();
  effects.push({ kind: "flash", write: { region: "gate", bytes } });
}

/** Undefined for bytes that were not written whole. */
function withoutCrc(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4) return undefined;
  const content = bytes.subarray(0, bytes.length - 4);
  const found = new ByteReader(bytes.subarray(content.length), "gate record").u32();
  return found === crc32(content) ? content : undefined;
}
