/**
 * The lines by which a device tells its accelerometer's readings, from a file, a pipe or a serial
 * port. Pure. One sample a line, either of
 *
 *     t,x,y,z                                  separated by commas, semicolons, tabs or blanks
 *     {"t":1200,"x":-12,"y":3,"z":998}         other keys are left aside
 *
 * `t` is in milliseconds on any clock that runs evenly, such as the device's uptime. Empty lines,
 * those that begin with `#`, and a first line of names are no samples. A line that cannot be read is
 * counted and left out, for a serial port begins in the middle of one and loses bytes at times; but
 * many in a row are not this protocol.
 */

import { EdgeError } from "../src/assert.ts";
import { AXES } from "../src/signal/recordings.ts";

export type LineSample = {
  readonly timeMs: number;
  /** `[axis]`, in the unit of the device */
  readonly acceleration: readonly number[];
};

export type SampleLines = {
  /** Bytes as they come to the samples that they complete. Throws `EdgeError` `sample-lines`. */
  take(bytes: Uint8Array): LineSample[];
  /** A last line without an end. */
  finish(): LineSample[];
  /** Lines so far that could not be read. */
  readonly unread: number;
};

/** A sample takes some 30 characters, with other keys beside it some 200. */
const LINE_CHARACTERS_MAX = 1_024;
const UNREAD_IN_A_ROW_MAX = 50;

/** @param where names the source in errors */
export function createSampleLines(where: string): SampleLines {
  const decoder = new TextDecoder();
  let rest = "";
  let line = 0;
  let unread = 0;
  let unreadInARow = 0;

  const readLine = (text: string): LineSample | undefined => {
    line += 1;
    const trimmed = text.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return undefined;
    const sample = trimmed.startsWith("{") ? fromJson(trimmed) : fromFields(trimmed);
    if (sample !== undefined) {
      unreadInARow = 0;
      return sample;
    }
    if (line === 1) return undefined;
    unread += 1;
    unreadInARow += 1;
    if (unreadInARow >= UNREAD_IN_A_ROW_MAX) throw noSamples(where, line, trimmed);
    return undefined;
  };
  const readLines = (lines: readonly string[]): LineSample[] =>
    lines.flatMap((text) => readLine(text) ?? []);

  return {
    take(bytes) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      // What has no line ends, such as a port at another speed, must not fill the memory.
      if (rest.length > LINE_CHARACTERS_MAX) {
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
  };
}

function fromFields(text: string): LineSample | undefined {
  const fields = text.split(/[,;\t ]+/);
  return fields.length === 1 + AXES && !fields.includes("")
    ? sampleOf(fields.map(Number))
    : undefined;
}

function fromJson(text: string): LineSample | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { t, x, y, z } = value as Readonly<Record<string, unknown>>;
  return sampleOf([t, x, y, z].map((one) => (typeof one === "number" ? one : Number.NaN)));
}

function sampleOf(values: readonly number[]): LineSample | undefined {
  const [timeMs = Number.NaN, ...acceleration] = values;
  return values.every(Number.isFinite) ? { timeMs, acceleration } : undefined;
}

function noSamples(where: string, line: number, text: string): EdgeError {
  return new EdgeError({
    code: "sample-lines",
    message: `${UNREAD_IN_A_ROW_MAX} lines in a row are no samples, the last ${JSON.stringify(text.slice(0, 40))}`,
    where: `${where}:${line}`,
    hint: "Write t,x,y,z in each line, t in milliseconds. Does a serial port run at another speed (stty)?",
  });
}
