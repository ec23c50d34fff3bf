/**
 * Whether a tail knows this kind of code: the novelty test of `teacher-trust.ts` in the tail's own
 * features. Of the two that a window must pass the other asks the window's raw statistics, and codes
 * have none left. What that misses the node sees, which sends windows and no codes while it drifts.
 */

import type { Engine } from "../../src/engine/engine.ts";
import type { Container } from "../../src/model/container.ts";
import { encodeEncoder } from "../../src/model/encoder-bytes.ts";
import type { Augmentation } from "../../src/signal/augment.ts";
import { decodeCompanded, encodeCompanded } from "../../src/wire/companded.ts";
import { encoderIdOf } from "../../src/wire/offload-frame.ts";
import type { AnchorSet } from "../distil/anchor.ts";
import { gatewayCrypto } from "../release/release-keys.ts";
import type { Tail, Teacher, TeacherAnswer, TeacherTrust, TrustWhenAsked } from "./teacher.ts";
import { fitTeacherTrust, trustOf } from "./teacher-trust.ts";

export type TrustFit = {
  readonly teacher: Teacher;
  readonly anchor: AnchorSet;
  readonly augmentation: Augmentation;
  readonly engine: Engine;
  readonly seed: number;
};

/**
 * Fits the test on the anchor set, seen through the container's encoder in all views of the training.
 * Undefined where the tail reads another encoder, or gives no features: its answers then rest on the
 * node's own alarm alone.
 */
export async function fitTailTrust(
  tail: Tail,
  container: Container,
  fit: TrustFit,
): Promise<TeacherTrust | undefined> {
  const { encoder } = container;
  if (encoder === undefined) return undefined;
  if (encoderIdOf(gatewayCrypto.sha256(encodeEncoder(encoder))) !== tail.encoder) return undefined;
  const loaded = fit.engine.load(container);
  const size = tail.codeTime * tail.codeChannels;
  return featuresTrust(fit, (windows) => {
    const codes = new Uint8Array(windows.length * size);
    windows.forEach((window, w) => {
      loaded.begin(window);
      codes.set(loaded.encode(), w * size);
    });
    return tail.predict(codes, windows.length);
  });
}

/** The same for a teacher of windows in 2 bits, which leave little of raw statistics either. */
export function fitCoarseTrust(coarse: Teacher, fit: TrustFit): Promise<TeacherTrust | undefined> {
  const { windowSamples, channels } = coarse;
  const length = windowSamples * channels;
  return featuresTrust(fit, (windows, step) => {
    const left = new Int8Array(windows.length * length);
    windows.forEach((window, w) => {
      const packed = encodeCompanded(window, channels, 2);
      left.set(decodeCompanded(packed, windowSamples, channels, 2), w * length);
    });
    return coarse.predict(left, windows.length, step);
  });
}

/** Fits when it is first asked, once: a fit takes the seconds and the megabytes of a start, and most
 * gateways are sent whole windows alone. One that fails is tried again. */
export function fitWhenAsked(
  makeTest: () => Promise<TeacherTrust | undefined>,
  onFitted: (trust: TeacherTrust | undefined) => void,
): TrustWhenAsked {
  let fitting: Promise<TeacherTrust | undefined> | undefined;
  const begin = async (): Promise<TeacherTrust | undefined> => {
    try {
      const trust = await makeTest();
      onFitted(trust);
      return trust;
    } catch (error) {
      fitting = undefined;
      throw error;
    }
  };
  return () => {
    fitting ??= begin();
    return fitting;
  };
}

async function featuresTrust(
  fit: TrustFit,
  answer: (windows: readonly Int8Array[], inputMilligPerStep: number) => Promise<TeacherAnswer>,
): Promise<TeacherTrust | undefined> {
  const length = fit.teacher.windowSamples * fit.teacher.channels;
  const seen: Teacher = {
    ...fit.teacher,
    predict: (windows, count, step) => {
      const each = Array.from({ length: count }, (_, w) =>
        windows.subarray(w * length, (w + 1) * length),
      );
      return answer(each, step);
    },
  };
  const model = await fitTeacherTrust(seen, fit.anchor, fit.augmentation, fit.seed);
  const [features, statistics] = model.parts;
  // One part alone would be the statistics.
  if (features === undefined || statistics === undefined) return undefined;
  return trustOf({ width: features.width, parts: [features] });
}
