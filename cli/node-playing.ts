/** How `bellwether node` brings samples to its device: lines as they come, or a recording again. */

import { randomInt } from "node:crypto";
import type { Device } from "../device-sim/device.ts";
import { feedLines } from "../device-sim/line-feed.ts";
import { createLineSensor } from "../device-sim/line-sensor.ts";
import { createSampleLines } from "../device-sim/sample-lines.ts";
import { MILLIG_PER_UNIT } from "../recordings/recording-builder.ts";
import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { CommandInput, CommandIo } from "./command.ts";
import { unitsOf } from "./node-options.ts";
import type { SampleInput } from "./sample-input.ts";

export type Played = { readonly unreadLines: number; readonly gaps: number };

/** Throws `EdgeError` `no-samples` where there were none until the end, and those of `feedLines`. */
export async function readLines(
  { device, source }: { readonly device: Device; readonly source: SampleInput },
  input: CommandInput,
  io: CommandIo,
  end: Promise<void>,
): Promise<Played> {
  const { rateHz, windowSamples } = device.shape;
  const { where, live, chunks } = source;
  const milligPerUnit = MILLIG_PER_UNIT[unitsOf(input)];
  const { id } = device.runtime;
  const news = (text: string): void => io.note(`${id}: ${text}`);
  const lines = createSampleLines({
    ...{ where, milligPerUnit },
    onUnread: (problem) => news(`${where} ${problem}; such lines are left out`),
  });
  const fromHz = input.number("rate") ?? rateHz;
  const sensor = createLineSensor({ fromHz, rateHz, milligPerUnit, where });
  const stopping = new AbortController();
  const { signal } = stopping;
  void end.then(() => stopping.abort());
  const speed = input.number("speed") ?? (live ? undefined : 1);
  const isTold = input.text("battery-file") !== undefined;
  const battery = (percent: number): void => {
    if (!isTold) device.runtime.step({ kind: "battery", percent });
  };
  const feed = { chunks: chunks(signal, news), lines, sensor, speed, rateHz, signal, battery };
  const count = await feedLines(feed, device);
  if (!signal.aborted) {
    if (count === 0) throw noSamples(where, lines.firstUnread);
    const seconds = count / fromHz;
    const windowSeconds = windowSamples / rateHz;
    if (seconds < windowSeconds) {
      news(`${count} samples are ${seconds.toFixed(1)} s, and a window is ${windowSeconds} s`);
    }
  }
  return { unreadLines: lines.unread, gaps: sensor.gaps };
}

function noSamples(where: string, firstUnread: string | undefined): EdgeError {
  return new EdgeError({
    code: "no-samples",
    message: `there is no sample in it${firstUnread === undefined ? "" : `; ${firstUnread}`}`,
    where,
    hint: "Write a line for each sample: t,x,y,z, with t in milliseconds.",
  });
}

/** Loaded only here: recordings are read by schemas, which take memory. */
export async function replay(
  { device, profile }: { readonly device: Device; readonly profile: Profile },
  input: CommandInput,
  end: Promise<void>,
): Promise<Played> {
  const { replaySource } = await import("../device-sim/replay-sensor.ts");
  const { readRecordings } = await import("../recordings/read.ts");
  const { play } = await import("../device-sim/playing.ts");
  const subjects = input.list("subjects");
  const recordings = await readRecordings(input.text("recording") ?? "");
  const source = replaySource(recordings, profile, {
    ...(subjects.length > 0 && { subjects }),
    order: "recorded",
    seed: randomInt(2 ** 32),
  });
  const playing = play(source, input.number("speed") ?? 1, device);
  await end;
  playing.stop();
  return { unreadLines: 0, gaps: 0 };
}
