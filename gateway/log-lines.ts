/**
 * Log lines: a time, a level, words for people, and fields that can be searched for.
 *
 *     2026-01-31T06:00:00.000Z info    hello node=collar-1 cohort=cattle
 *
 * What a stranger chose (a client id, a reason) is quoted where it holds anything but plain letters,
 * so that one line stays one line; and of one kind of warning only so many lines are written in a
 * minute, so that nobody can fill a disk by connecting. How many were left out is told.
 */

import type { Log, LogLevel } from "./broker/link.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];
const PLAIN = /^[\w./:+@-]+$/;
const VALUE_MAX = 300;
/** Lines of one message in a minute. A herd that comes back after an outage says hello in chorus. */
const LINES_MAX = 60;
const MINUTE_MS = 60_000;

type Minute = { readonly startMs: number; lines: number };

/** A log that hands each line, without its end, to `write`. */
export function lineLog(level: LogLevel, write: (line: string) => void, now = Date.now): Log {
  const least = LEVELS.indexOf(level);
  // By message: these are our own words, so there are few.
  const minutes = new Map<string, Minute>();
  return (lineLevel, message, fields = {}) => {
    if (LEVELS.indexOf(lineLevel) < least) return;
    const nowMs = now();
    const prefix = `${new Date(nowMs).toISOString()} ${lineLevel.padEnd(7)} ${message}`;
    let minute = minutes.get(message);
    if (minute === undefined || nowMs - minute.startMs >= MINUTE_MS) {
      const left = (minute?.lines ?? 0) - LINES_MAX;
      if (left > 0) write(`${prefix} left_out=${left}`);
      minute = { startMs: nowMs, lines: 0 };
      minutes.set(message, minute);
    }
    minute.lines++;
    if (minute.lines > LINES_MAX) return;
    const texts = Object.entries(fields).map(([name, value]) => `${name}=${quoted(value)}`);
    write([prefix, ...texts].join(" "));
  };
}

function quoted(value: string | number | boolean): string {
  const text = String(value).slice(0, VALUE_MAX);
  return PLAIN.test(text) ? text : JSON.stringify(text);
}
