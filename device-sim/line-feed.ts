/**
 * A device's lines to samples in its node: as they come, or at the pace of their own count where they
 * were written down before.
 *
 * Samples that come live are of now: neither the device's clock nor its number of samples is trusted
 * for the time of day. Written samples are played like a recording; what is missing among them is not
 * waited for.
 */

import { setTimeout as wait } from "node:timers/promises";
import type { SampleRun } from "../src/signal/faults.ts";
import { AXES } from "../src/signal/recordings.ts";
import { EdgeError } from "../src/assert.ts";
import type { LineSensor } from "./line-sensor.ts";
import type { SampleSink } from "./playing.ts";
import type { LineSample, SampleLines } from "./sample-lines.ts";

export type LineFeed = {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly lines: SampleLines;
  readonly sensor: LineSensor;
  /** Seconds of samples a second; undefined where they come live. */
  readonly speed: number | undefined;
  /** Of the samples that are handed over. */
  readonly rateHz: number;
  readonly signal: AbortSignal;
  /** What the lines say of the device's battery, before the samples that follow. */
  readonly battery: (percent: number) => void;
};

/** Resolves with the number of samples, at the end of the lines and when it is aborted. Throws
 * `EdgeError` as lines and sensor do, and what `chunks` throws. */
export async function feedLines(feed: LineFeed, sink: SampleSink): Promise<number> {
  const { chunks, lines, sensor, speed, rateHz, signal, battery } = feed;
  const takeRun = speed === undefined ? takeLive : paced(speed, rateHz, signal);
  let told: number | undefined;
  let count = 0;
  const take = async (samples: readonly LineSample[]): Promise<void> => {
    count += samples.length;
    for (const { percent, group } of byBattery(samples, told)) {
      if (percent !== undefined && percent !== told) battery(percent);
      told = percent;
      for (const run of sensor.take(group)) await takeRun(run, sink);
    }
  };
  try {
    for await (const chunk of chunks) {
      await take(lines.take(chunk));
      if (signal.aborted) return count;
    }
    await take(lines.finish());
  } catch (error) {
    if (!signal.aborted) throw withUnread(error, lines);
  }
  return count;
}

type OfBattery = { readonly percent: number | undefined; readonly group: readonly LineSample[] };

/** In groups within which the battery stays as it was told last. */
function byBattery(samples: readonly LineSample[], before: number | undefined): OfBattery[] {
  const groups: { percent: number | undefined; group: LineSample[] }[] = [];
  let percent = before;
  for (const sample of samples) {
    const last = groups.at(-1);
    percent = sample.batteryPercent ?? percent;
    if (last === undefined || last.percent !== percent) groups.push({ percent, group: [sample] });
    else last.group.push(sample);
  }
  return groups;
}

/** Times tell another rate also where lines between them are left out: then those are to be mended. */
function withUnread(error: unknown, { unread, firstUnread }: SampleLines): unknown {
  const isOfLines = error instanceof EdgeError && error.code === "recording-rate";
  if (!isOfLines || firstUnread === undefined) return error;
  return new EdgeError({
    code: "sample-lines",
    message: `${unread} lines are no samples, and what is left is of another rate`,
    where: `${error.where}, ${firstUnread}`,
    hint: "Mend those lines first. Write t,x,y,z in each, t in milliseconds.",
  });
}

type Take = (run: SampleRun, sink: SampleSink) => Promise<void>;

const takeLive: Take = async ({ startSample, samples }, sink) => {
  sink.samples(startSample, samples, Date.now());
};

/** In blocks of a quarter of a second, each when its last sample is due. */
const BLOCKS_A_SECOND = 4;

function paced(speed: number, rateHz: number, signal: AbortSignal): Take {
  const beganMs = Date.now();
  const startMs = performance.now();
  const blockRows = Math.max(1, Math.floor(rateHz / BLOCKS_A_SECOND));
  let playedRows = 0;
  return async ({ startSample, samples }, sink) => {
    const rows = samples.length / AXES;
    for (let from = 0; from < rows; from += blockRows) {
      const to = Math.min(rows, from + blockRows);
      playedRows += to - from;
      const signalMs = (playedRows * 1000) / rateHz;
      const dueMs = startMs + signalMs / speed - performance.now();
      // Shorter waits are not kept by timers, and are made good by the next.
      if (dueMs > 1) await wait(dueMs, undefined, { signal });
      sink.samples(
        startSample + from,
        samples.subarray(from * AXES, to * AXES),
        beganMs + signalMs,
      );
    }
  };
}
