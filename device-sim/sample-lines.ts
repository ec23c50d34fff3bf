/**
 * The lines by which a device tells its accelerometer's readings, from a file, a pipe or a serial
 * port. Pure. One sample a line, either of
 *
 *     t,x,y,z                                  separated by commas, semicolons, tabs or blanks
 *     t,x,y,z,battery                          with what the battery holds, in percent
 *     {"t":1200,"x":-12,"y":3,"z":998}         and "battery"; other keys are left aside
 *
 * `t` is in milliseconds on any clock that runs evenly, such as the device's uptime. Empty lines,
 * those that begin with `#`, and a first line of names are no samples. A line that cannot be read is
 * counted and left out, for a serial port begins in the middle of one and loses bytes at times; but
 * many in a row are not this protocol. What is wrong with the first is kept: who wrote it looks there.
 */

import { EdgeError } from "../src/assert.ts";
import { AXES } from "../src/signal/recordings.ts";

export type LineSample = {
  readonly timeMs: number;
  /** `[axis]`, in the unit of the device */
  readonly acceleration: readonly number[];
  /** 0 to 100, where the line says it. */
  readonly batteryPercent?: number;
};

export type SampleLinesOptions = {
  /** Names the source in errors. */
  readonly where: string;
  readonly milligPerUnit: number;
  /** Hears of the first line that cannot be read. */
  readonly onUnread?: (problem: string) => void;
};

export type SampleLines = {
  /** Bytes as they come to the samples that they complete. Throws `EdgeError` `sample-lines`. */
  take(bytes: Uint8Array): LineSample[];
  /** A last line without an end. */
  finish(): LineSample[];
  /** Lines so far that could not be read. */
  readonly unread: number;
  /** What is wrong with the first of them, and where: `line 7: z is no number: "NaN"`. */
  readonly firstUnread: string | undefined;
};

/** What a line may say. */
export const LINE_LIMITS = {
  /** A sample takes some 30 characters, with other keys beside it some 200. */
  characters: 1_024,
  unreadInARow: 50,
  /** No accelerometer that is worn measures more: most end at 16 g, those for impacts at 200. What is
   * beyond 32 g is cut off there, as by a sensor of that range. */
  millig: 200_000,
  /** As far as a date reaches, and milliseconds are counted exactly. */
  timeMs: 8.64e15,
  batteryPercent: 100,
} as const;

const NAMES = ["t", "x", "y", "z", "battery"] as const;
const SHOWN_CHARACTERS = 40;

export function createSampleLines(options: SampleLinesOptions): SampleLines {
  const { where, milligPerUnit, onUnread } = options;
  const decoder = new TextDecoder();
  let rest = "";
  let line = 0;
  let unread = 0;
  let unreadInARow = 0;
  let firstUnread: string | undefined;

  const readLine = (text: string): LineSample | undefined => {
    line += 1;
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return undefined;
    const read = trimmed.startsWith("{") ? fromJson(trimmed) : fromFields(trimmed);
    const sample = typeof read === "string" ? read : sampleOf(read, milligPerUnit);
    if (typeof sample !== "string") {
      unreadInARow = 0;
      return sample;
    }
    if (line === 1) return undefined;
    unread += 1;
    unreadInARow += 1;
    if (firstUnread === undefined) {
      firstUnread = `line ${line}: ${sample}`;
      onUnread?.(firstUnread);
    }
    if (unreadInARow >= LINE_LIMITS.unreadInARow) throw noSamples(where, line, sample);
    return undefined;
  };
  const readLines = (lines: readonly string[]): LineSample[] =>
    lines.flatMap((text) => readLine(text) ?? []);

  return {
    take(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      // What has no line ends, such as a port at another speed, must not fill the memory.
      if (rest.length > LINE_LIMITS.characters) {
        lines.push(rest);
        rest = "";
      }
      return readLines(lines);
    },
    finish() {
      const last = rest + decoder.decode();
      rest = "";
      return last === "" ? [] : readLines([last]);
    },
    get unread() {
      return unread;
    },
    get firstUnread() {
      return firstUnread;
    },
  };
}

/** What was told of each name, a battery only where it is told; or what is wrong. */
type Told = readonly unknown[] | string;

function fromFields(text: string): Told {
  const fields = text.split(/ *[,;\t] *| +/);
  if (fields.length === 1 + AXES || fields.length === NAMES.length) {
    return fields.map((field) =>
      field === "" || Number.isNaN(Number(field)) ? field : Number(field),
    );
  }
  const values = fields.length === 1 ? "one value" : `${fields.length} values`;
  return `${values} in place of t,x,y,z: ${shown(text)}`;
}

function fromJson(text: string): Told {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `no whole JSON object: ${shown(text)}`;
  }
  const { t, x, y, z, battery } = value as Readonly<Record<string, unknown>>;
  // A device that does not know its battery may say so by null.
  return battery === undefined || battery === null ? [t, x, y, z] : [t, x, y, z, battery];
}

/** The sample, or what is wrong with the first value that is no such. */
function sampleOf(told: readonly unknown[], milligPerUnit: number): LineSample | string {
  for (const [i, value] of told.entries()) {
    const name = NAMES[i] as (typeof NAMES)[number];
    if (value === undefined) return `${name} is missing`;
    if (typeof value !== "number" || !Number.isFinite(value)) {
      return `${name} is no number: ${typeof value === "number" ? value : shown(value)}`;
    }
    const wrong = outOfRange(name, value, milligPerUnit);
    if (wrong !== undefined) return `${name} is ${value}, ${wrong}`;
  }
  const [timeMs, x, y, z, battery] = told as readonly number[];
  return {
    timeMs: timeMs as number,
    acceleration: [x as number, y as number, z as number],
    ...(battery !== undefined && { batteryPercent: Math.round(battery) }),
  };
}

function outOfRange(
  name: (typeof NAMES)[number],
  value: number,
  milligPerUnit: number,
): string | undefined {
  switch (name) {
    case "t":
      return Math.abs(value) <= LINE_LIMITS.timeMs ? undefined : "no time in milliseconds";
    case "battery":
      return value >= 0 && value <= LINE_LIMITS.batteryPercent ? undefined : "no percentage";
    default: {
      const most = LINE_LIMITS.millig;
      if (Math.abs(value) * milligPerUnit <= most) return undefined;
      return `more than the ${most / 1000} g that an accelerometer measures`;
    }
  }
}

function shown(value: unknown): string {
  return JSON.stringify(value).slice(0, SHOWN_CHARACTERS);
}

function noSamples(where: string, line: number, problem: string): EdgeError {
  return new EdgeError({
    code: "sample-lines",
    message: `${LINE_LIMITS.unreadInARow} lines in a row are no samples, the last: ${problem}`,
    where: `${where}:${line}`,
    hint: "Write t,x,y,z in each line, t in milliseconds, the others in --units. Does a serial port run at another speed (stty)?",
  });
}
