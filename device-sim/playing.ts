/** Plays a signal that is at hand, a recording or an emulated animal, at the pace of the clock. */

import { type SensorSource, sensorOver } from "./sensor.ts";

export type SampleSink = {
  /** Whole rows of milli-g at the node's rate, and when the last of them was. */
  readonly samples: (startSample: number, millig: Int16Array, wallMs: number) => void;
};

export type RunningSource = {
  readonly stop: () => void;
  /** What was true of the samples `[start, end)`, where that is known: a class index. */
  readonly truth: (start: number, end: number) => number | undefined;
};

const PLAY_MS = 100;
/** After the process was asleep: no more than this is played at once, the rest is left out. */
const PLAY_SECONDS_MAX = 2;

/** Plays at the pace of the clock, or so many times as fast: the samples' own clock then runs ahead, as
 * that of a simulated herd does. */
export function play(source: SensorSource, speed: number, sink: SampleSink): RunningSource {
  const sensor = sensorOver(source, [], 0);
  const rateHz = sensor.rateHz * speed;
  const beganMs = Date.now();
  let played = 0;
  let startMs = performance.now();
  let leftOutMs = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) * rateHz) / 1000) - played;
    const most = Math.ceil(PLAY_SECONDS_MAX * rateHz);
    if (due > most) {
      const lateMs = ((due - most) * 1000) / rateHz;
      startMs += lateMs;
      leftOutMs += lateMs;
    }
    const count = Math.min(due, most);
    if (count < 1) return;
    played += count;
    const wallMs = beganMs + leftOutMs + (played * 1000) / sensor.rateHz;
    for (const run of sensor.next(count)) sink.samples(run.startSample, run.samples, wallMs);
  }, PLAY_MS);
  return {
    stop: () => clearInterval(timer),
    truth: (start, end) => sensor.truth(start, end),
  };
}
