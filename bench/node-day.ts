/**
 * What a day costs a node that offloads some share of its windows, on one link: for curves of
 * accuracy against energy. Every window runs through every exit, which other systems' filters need
 * and ours mostly does not; so what is said of ours is a little too much.
 */
import { EdgeError } from "../src/assert.ts";
import { estimateOn } from "../src/cost/student-on-target.ts";
import { TARGET_NAMES, type TargetName } from "../src/cost/targets.ts";
import { type DayEnergy, energyOfDay } from "../src/link/energy-day.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { ACK_BYTES, VERDICT_HEADER_BYTES } from "../src/link/offload-day.ts";
import type { Container } from "../src/model/container.ts";
import { encodeUp } from "../src/wire/frames.ts";
import { NO_MODEL, type ReportEntry } from "../src/wire/messages.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { packetsOf } from "./link-packets.ts";

/** Windows in one report; LoRaWAN's are rare. */
const REPORT_WINDOWS = { ble: 24, wifi: 24, lorawan: 64 } as const;
/** So many are looked at for the size of reports. */
const WINDOWS_MOST = 4096;

export type NodeDay = {
  readonly windows: number;
  readonly hopMs: number;
  readonly classes: number;
  readonly offloadBytes: number;
  /** Behaviours as they follow each other: a report's size goes by how often they change. */
  readonly behaviours: readonly number[];
  /** Of one window through all exits. */
  readonly inferenceMicrojoules: Readonly<Record<TargetName, number>>;
};

/** @param behaviours a class per window, in an order that a node could have met */
export function nodeDayOf(
  container: Container,
  containerBytes: number,
  behaviours: ArrayLike<number>,
): NodeDay {
  const { student, rateCentihertz, hopSamples } = container;
  const hopMs = (100_000 * hopSamples) / rateCentihertz;
  const inference = TARGET_NAMES.map((target) => {
    const { exits } = estimateOn(target, student, containerBytes);
    return [target, exits.at(-1)?.microjoules ?? 0] as const;
  });
  return {
    windows: 86_400_000 / hopMs,
    hopMs,
    classes: student.classes,
    offloadBytes: offloadBytes("int8", student),
    behaviours: Array.from(behaviours).slice(0, WINDOWS_MOST),
    inferenceMicrojoules: Object.fromEntries(inference) as Record<TargetName, number>,
  };
}

/**
 * @param share of the windows, 0..1, each whole in int8
 * @param target what runs the student in place of the link's own processor
 * @throws EdgeError `does-not-fit` where the link takes no window at all
 */
export function energyAtShare(
  day: NodeDay,
  link: LinkProfile,
  share: number,
  target: TargetName = link.target,
): DayEnergy {
  const packets = packetsOf(link, new Uint8Array(day.offloadBytes), "offload");
  if (packets === undefined) {
    throw new EdgeError({
      code: "does-not-fit",
      message: `a window of ${day.offloadBytes} bytes takes more payloads than a message may`,
      where: `link ${link.name}`,
      hint: "Give a faster --data-rate, or another --link.",
    });
  }
  const each = REPORT_WINDOWS[link.name];
  const frames = reportsOf(day, each);
  const reportsPerDay = day.windows / each;
  const offloadsPerDay = share * day.windows;
  return energyOfDay(link, {
    windows: day.windows,
    inferenceMicrojoules: day.inferenceMicrojoules[target],
    up: [
      { perDay: offloadsPerDay, packets },
      ...frames.map((frame) => ({
        perDay: reportsPerDay / frames.length,
        packets: packetsOf(link, frame, "report") ?? [],
      })),
    ],
    down: [
      { perDay: offloadsPerDay + reportsPerDay, bytes: ACK_BYTES },
      { perDay: offloadsPerDay, bytes: VERDICT_HEADER_BYTES + day.classes },
    ],
  });
}

/** Whole reports, or one of what there is. */
function reportsOf({ behaviours, hopMs }: NodeDay, each: number): readonly Uint8Array[] {
  const entries = behaviours.map((classIndex, i): ReportEntry => {
    const timeMs = 1_767_225_600_000 + Math.round(i * hopMs);
    const rest = { confidenceQ8: 230, exit: 0, offloaded: false };
    return { windowIndex: 50_000 + i, timeMs, classIndex, ...rest };
  });
  const head = { kind: "report", epoch: 1, seq: 5000, modelId: NO_MODEL } as const;
  const rest = { driftQ8: 100, alarm: false, operatingPoint: 0, batteryPercent: 80, dropped: 0 };
  const count = Math.max(1, Math.floor(entries.length / each));
  return Array.from({ length: count }, (_, i) =>
    encodeUp({ ...head, ...rest, entries: entries.slice(i * each, (i + 1) * each) }),
  );
}
