/**
 * Log lines: a time, a level, words for people, and fields that can be searched for.
 *
 *     2026-01-31T06:00:00.000Z info  hello node=collar-1 cohort=cattle
 *
 * What a stranger chose (a client id, a reason) is quoted where it holds anything but plain letters,
 * so that one line stays one line.
 */

import type { Log, LogLevel } from "./link.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warning", "error"];
const PLAIN = /^[\w./:+@-]+$/;
const VALUE_MAX = 300;

/** A log that hands each line, without its end, to `write`. */
export function lineLog(level: LogLevel, write: (line: string) => void, now = Date.now): Log {
  const least = LEVELS.indexOf(level);
  return (lineLevel, message, fields = {}) => {
    if (LEVELS.indexOf(lineLevel) < least) return;
    const time = new Date(now()).toISOString();
    const texts = Object.entries(fields).map(([name, value]) => `${name}=${quoted(value)}`);
    write([time, lineLevel.padEnd(7), message, ...texts].join(" "));
  };
}

function quoted(value: string | number | boolean): string {
  const text = String(value).slice(0, VALUE_MAX);
  return PLAIN.test(text) ? text : JSON.stringify(text);
}
