/**
 * Where a phone's samples come from: its own accelerometer, an emulated animal or person, or a
 * recording that somebody has chosen. What is not the phone's own may run faster than real time, and
 * says what was true meanwhile where that is known.
 */

import { EdgeError } from "../../src/assert.ts";
import { createEmulator } from "../../src/signal/emulator.ts";
import { parseEmulatorParameters } from "../../src/signal/emulator-parameters.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { emulatorSource } from "../emulator-sensor.ts";
import { play, type RunningSource, type SampleSink } from "../playing.ts";
import { listenToMotion, platform } from "./motion-sensor.ts";
import { createMotionStream, signOf } from "./motion-stream.ts";
import { type CsvAnswers, readRecording, recordingSource } from "./recording-file.ts";

/** A page also has somebody to tell why nothing comes. */
export type PhoneSink = SampleSink & { readonly problem: (text: string) => void };

export async function startSensor(rateHz: number, sink: PhoneSink): Promise<RunningSource> {
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

/**
 * @param speed seconds of signal a second
 * @throws EdgeError `no-emulator`, `emulator-parameters`
 */
export async function startEmulator(
  { rateHz, classes }: Pick<Profile, "rateHz" | "classes">,
  speed: number,
  sink: SampleSink,
): Promise<RunningSource> {
  const answer = await fetch("/node/emulator.json");
  if (!answer.ok) throw mismatch("the gateway has no emulated signals for this profile");
  const parameters = parseEmulatorParameters(await answer.text(), "/node/emulator.json");
  const [seed = 1] = crypto.getRandomValues(new Uint32Array(1));
  const emulator = createEmulator(parameters, { seed, boutScale: BOUT_SCALE });
  if (emulator.rateHz !== rateHz) throw mismatch(`the emulator gives ${emulator.rateHz} Hz`);
  return play(emulatorSource(emulator, classes), speed, sink);
}

/** Throws `EdgeError` of the importers, and `replay-empty`. */
export async function startRecording(
  files: readonly File[],
  answers: CsvAnswers,
  node: Omit<Profile, "labelClass">,
  speed: number,
  sink: SampleSink,
): Promise<RunningSource> {
  return play(recordingSource(await readRecording(files, answers), node), speed, sink);
}

/** So that somebody who looks sees more than one behaviour. */
const BOUT_SCALE = 0.25;

function mismatch(message: string): EdgeError {
  return new EdgeError({
    code: "no-emulator",
    message,
    where: "/node/emulator.json",
    hint: "Take the phone's own signal, or a recording.",
  });
}
