/**
 * Whether a tail knows this kind of code: the novelty test of `teacher-trust.ts` in the tail's own
 * features. Of the two that a window must pass the other asks the window's raw statistics, and codes
 * have none left. What that misses the node sees, which sends windows and no codes while it drifts.
 */

import type { Engine } from "../src/engine/engine.ts";
import type { Container } from "../src/model/container.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import type { Augmentation } from "../src/signal/augment.ts";
import { encoderIdOf } from "../src/wire/offload-frame.ts";
import type { AnchorSet } from "./anchor.ts";
import { gatewayCrypto } from "./release-keys.ts";
import type { Tail, Teacher, TeacherTrust } from "./teacher.ts";
import { fitTeacherTrust, trustOf } from "./teacher-trust.ts";

/**
 * Fits the test on the anchor set, seen through the container's encoder in all views of the training.
 * Undefined where the tail reads another encoder, or gives no features: its answers then rest on the
 * node's own alarm alone.
 */
export async function fitTailTrust(
  tail: Tail,
  container: Container,
  fit: {
    readonly teacher: Teacher;
    readonly anchor: AnchorSet;
    readonly augmentation: Augmentation;
    readonly engine: Engine;
    readonly seed: number;
  },
): Promise<TeacherTrust | undefined> {
  const { encoder } = container;
  if (encoder === undefined) return undefined;
  if (encoderIdOf(gatewayCrypto.sha256(encodeEncoder(encoder))) !== tail.encoder) return undefined;
  const loaded = fit.engine.load(container);
  const { windowSamples, channels } = fit.teacher;
  const length = windowSamples * channels;
  const encoded: Teacher = {
    ...fit.teacher,
    predict: (windows, count) => {
      const codes = new Uint8Array(count * tail.codeTime * tail.codeChannels);
      for (let w = 0; w < count; w++) {
        loaded.begin(windows.subarray(w * length, (w + 1) * length));
        codes.set(loaded.encode(), w * tail.codeTime * tail.codeChannels);
      }
      return tail.predict(codes, count);
    },
  };
  const model = await fitTeacherTrust(encoded, fit.anchor, fit.augmentation, fit.seed);
  const [features, statistics] = model.parts;
  // One part alone would be the statistics.
  if (features === undefined || statistics === undefined) return undefined;
  return trustOf({ width: features.width, parts: [features] });
}
