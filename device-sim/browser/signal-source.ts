/**
 * Where a phone's samples come from: its own accelerometer, or an emulated animal or person,
 * which runs as fast as real time and says what was true meanwhile.
 */

import { EdgeError } from "../../src/assert.ts";
import { createEmulator } from "../../src/signal/emulator.ts";
import { parseEmulatorParameters } from "../../src/signal/emulator-parameters.ts";
import { emulatorSource } from "../emulator-sensor.ts";
import { type Sensor, sensorOver } from "../sensor.ts";
import { listenToMotion, platform } from "./motion-sensor.ts";
import { createMotionStream, signOf } from "./motion-stream.ts";

export type SampleSink = {
  /** Whole rows of milli-g at the node's rate, and when the last of them was. */
  readonly samples: (startSample: number, millig: Int16Array, wallMs: number) => void;
  readonly problem: (text: string) => void;
};

export type RunningSource = {
  readonly stop: () => void;
  /** What was true of the samples `[start, end)`, where that is known: a class index. */
  readonly truth: (start: number, end: number) => number | undefined;
};

export async function startSensor(rateHz: number, sink: SampleSink): Promise<RunningSource> {
  const stream = createMotionStream(rateHz, signOf(platform()));
  const stop = await listenToMotion({
    reading: (reading) => {
      const run = stream.take(reading);
      if (run === undefined) return;
      const agoMs = performance.now() - run.endMs;
      sink.samples(run.startSample, run.millig, Date.now() - Math.max(0, agoMs));
    },
    problem: sink.problem,
  });
  return { stop, truth: () => undefined };
}

/** Throws `EdgeError` `no-emulator`, `emulator-parameters`. */
export async function startEmulator(
  rateHz: number,
  classes: readonly string[],
  sink: SampleSink,
): Promise<RunningSource> {
  const answer = await fetch("/node/emulator.json");
  if (!answer.ok) throw mismatch("the gateway has no emulated signals for this profile");
  const parameters = parseEmulatorParameters(await answer.text(), "/node/emulator.json");
  const [seed = 1] = crypto.getRandomValues(new Uint32Array(1));
  const emulator = createEmulator(parameters, { seed, boutScale: BOUT_SCALE });
  if (emulator.rateHz !== rateHz) throw mismatch(`the emulator gives ${emulator.rateHz} Hz`);
  return playSensor(sensorOver(emulatorSource(emulator, classes), [], seed), sink);
}

/** So that somebody who looks sees more than one behaviour. */
const BOUT_SCALE = 0.25;

function mismatch(message: string): EdgeError {
  return new EdgeError({
    code: "no-emulator",
    message,
    where: "/node/emulator.json",
    hint: "Take the phone's own signal.",
  });
}

const PLAY_MS = 100;
/** After a page was asleep: no more than this is played at once, the rest is left out. */
const PLAY_SECONDS_MAX = 2;

/** Plays a sensor at the pace of the clock. */
export function playSensor(sensor: Sensor, sink: SampleSink): RunningSource {
  const { rateHz } = sensor;
  let played = 0;
  let startMs = performance.now();
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startMs) * rateHz) / 1000) - played;
    const most = Math.ceil(PLAY_SECONDS_MAX * rateHz);
    if (due > most) startMs += ((due - most) * 1000) / rateHz;
    const count = Math.min(due, most);
    if (count < 1) return;
    played += count;
    for (const run of sensor.next(count)) sink.samples(run.startSample, run.samples, Date.now());
  }, PLAY_MS);
  return {
    stop: () => clearInterval(timer),
    truth: (start, end) => sensor.truth(start, end),
  };
}
