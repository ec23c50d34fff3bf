/** What a window costs on the link, in bytes of our own frames: MQTT's topic and the transport under
 * it come on top. */
import { reportBytes } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";

export type FrameBytes = {
  /** One offloaded window, whole and in int8. */
  readonly offload: number;
  /** A window's part of a full report. */
  readonly report: number;
};

export function frameBytes(shape: {
  readonly windowSamples: number;
  readonly channels: number;
}): FrameBytes {
  const { reportEntries } = LIMITS;
  return {
    offload: offloadBytes("int8", shape),
    report: reportBytes(reportEntries) / reportEntries,
  };
}
