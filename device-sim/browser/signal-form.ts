/** The part of the page that chooses where the signal comes from, starts it and shows it. */

import type { PhoneAbout } from "../../src/wire/phone.ts";
import type { RunningSource } from "../playing.ts";
import type { Phone } from "./phone-node.ts";
import { element, sentenceOf, show, showProblem, write } from "./phone-view.ts";
import type { CsvAnswers } from "./recording-file.ts";
import { keepAwake } from "./screen-lock.ts";
import { type PhoneSink, startEmulator, startRecording, startSensor } from "./signal-source.ts";
import { SignalTrace } from "./signal-trace.ts";

type Truth = RunningSource["truth"];

/** @param onTruth is told where to ask what is true, whenever that changes */
export function runSignal(phone: Phone, about: PhoneAbout, onTruth: (truth: Truth) => void): void {
  const trace = new SignalTrace(element<HTMLCanvasElement>("trace"), phone.profile.rateHz);
  const button = element<HTMLButtonElement>("start");
  const awake = element<HTMLInputElement>("awake");
  show("emulator-choice", about.emulator);
  let running: RunningSource | undefined;
  const lock = keepAwake((text) => write("fact-screen", text));
  /** Samples of every source so far: the next source's begin behind them, with a jump between. */
  let before = 0;
  let last = 0;
  const sink: PhoneSink = {
    samples: (startSample, millig, wallMs) => {
      const start = before + startSample;
      last = start + millig.length / 3;
      trace.take(millig);
      phone.samples(start, millig, wallMs);
    },
    problem: showProblem,
  };
  const begin = async (): Promise<void> => {
    before = last + 1;
    const shift = before;
    running = await startChosen(phone, sink);
    const { truth } = running;
    onTruth((start, end) => (start < shift ? undefined : truth(start - shift, end - shift)));
    write("start", "Stop");
    lock.want(awake.checked);
  };
  const end = (): void => {
    running?.stop();
    running = undefined;
    write("start", "Start");
    lock.want(false);
  };
  element("signal-form").addEventListener("submit", (event) => {
    event.preventDefault();
    showProblem("");
    if (running !== undefined) return end();
    button.disabled = true;
    begin()
      .catch((error: unknown) => showProblem(sentenceOf(error)))
      .finally(() => {
        button.disabled = false;
      });
  });
  element("signal-form").addEventListener("change", () => {
    if (running !== undefined) lock.want(awake.checked);
    showChoices();
  });
  showChoices();
}

/** Only the questions that what is chosen asks. */
function showChoices(): void {
  const files = chosenFiles();
  const isFile = chosen() === "file";
  show("file-choice", isFile);
  show(
    "csv-choice",
    isFile && files.length > 0 && files.every(({ name }) => !/\.(i16|json)$/.test(name)),
  );
  show("speed-choice", chosen() !== "sensor");
}

function startChosen(phone: Phone, sink: PhoneSink): Promise<RunningSource> {
  switch (chosen()) {
    case "emulator":
      return startEmulator(phone.profile, speed(), sink);
    case "file":
      return startRecording(chosenFiles(), csvAnswers(), phone.profile, speed(), sink);
    default:
      return startSensor(phone.profile.rateHz, sink);
  }
}

function speed(): number {
  return Number(element<HTMLSelectElement>("speed").value);
}

function chosenFiles(): readonly File[] {
  return [...(element<HTMLInputElement>("file").files ?? [])];
}

function csvAnswers(): CsvAnswers {
  const rate = element<HTMLInputElement>("rate").value;
  const units = element<HTMLSelectElement>("units").value;
  return {
    columns: element<HTMLInputElement>("columns").value,
    units: units === "m/s2" || units === "mg" ? units : "g",
    rateHz: rate === "" ? undefined : Number(rate),
  };
}

function chosen(): FormDataEntryValue | null {
  return new FormData(element<HTMLFormElement>("signal-form")).get("signal");
}
