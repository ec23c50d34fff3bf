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
import type { LineSensor } from "./line-sensor.ts";
import type { SampleSink } from "./playing.ts";
import type { SampleLines } from "./sample-lines.ts";

export type LineFeed = {
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly lines: SampleLines;
  readonly sensor: LineSensor;
  /** Seconds of samples a second; undefined where they come live. */
  readonly speed: number | undefined;
  /** Of the samples that are handed over. */
  readonly rateHz: number;
  readonly signal: AbortSignal;
};

/** Resolves at the end of the lines, and when it is aborted. Throws `EdgeError` as lines and sensor
 * do, and what `chunks` throws. */
export async function feedLines(feed: LineFeed, sink: SampleSink): Promise<void> {
  const { chunks, lines, sensor, speed, rateHz, signal } = feed;
  const take = speed === undefined ? takeLive : paced(speed, rateHz, signal);
  try {
    for await (const chunk of chunks) {
      for (const run of sensor.take(lines.take(chunk))) await take(run, sink);
      if (signal.aborted) return;
    }
    for (const run of sensor.take(lines.finish())) await take(run, sink);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
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
