/** What a window costs on the link, in bytes of our own frames, by encoding some: MQTT's topic and
 * the transport under it come on top. */
import { encodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { NO_MODEL } from "../src/wire/messages.ts";
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
  const entry = {
    ...{ windowIndex: 0, timeMs: 0, classIndex: 0, confidenceQ8: 0, exit: 0, offloaded: false },
  };
  const common = { epoch: 0, seq: 0, modelId: NO_MODEL };
  const report = encodeUp({
    ...{ kind: "report", ...common, driftQ8: 0, alarm: false, batteryPercent: 0, dropped: 0 },
    entries: Array.from({ length: LIMITS.reportEntries }, () => entry),
  });
  return { offload: offloadBytes("int8", shape), report: report.length / LIMITS.reportEntries };
}
