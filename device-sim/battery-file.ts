/**
 * What a machine's battery holds, from a file that says it in percent, such as
 * `/sys/class/power_supply/BAT0/capacity` on Linux or what a fuel gauge's program writes.
 */

import { closeSync, constants, openSync, readSync } from "node:fs";
import { EdgeError } from "../src/assert.ts";

/** A number of percent takes five bytes; a file that is something else is not read to its end. */
const BYTES_MAX = 64;
const LOOK_MS = 60_000;

export type BatteryFile = { readonly stop: () => void };

/**
 * Tells what the file says, now and each minute. What it no longer says later is said once as news and
 * the last word stands: a node goes on without.
 *
 * @throws EdgeError `battery-file` where it says nothing now
 */
export function followBatteryFile(
  file: string,
  tell: (percent: number) => void,
  news: (text: string) => void,
  lookMs = LOOK_MS,
): BatteryFile {
  let lost = false;
  tell(readBatteryFile(file));
  const timer = setInterval(() => {
    try {
      tell(readBatteryFile(file));
      lost = false;
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
      if (!lost) news(error.message);
      lost = true;
    }
  }, lookMs);
  return { stop: () => clearInterval(timer) };
}

/** 0 to 100. Throws `EdgeError` `battery-file`. */
function readBatteryFile(file: string): number {
  const refuse = (message: string): never => {
    throw new EdgeError({
      code: "battery-file",
      message,
      where: file,
      hint: "Name a file that holds one number from 0 to 100, such as /sys/class/power_supply/BAT0/capacity.",
    });
  };
  let text = "";
  try {
    text = beginningOf(file).trim();
  } catch (error) {
    refuse(error instanceof Error ? error.message : String(error));
  }
  const percent = text === "" ? Number.NaN : Number(text);
  if (percent >= 0 && percent <= 100) return Math.round(percent);
  return refuse(`${JSON.stringify(text)} is no percentage`);
}

/** Of a pipe what is in it: nobody is waited for. */
function beginningOf(file: string): string {
  const handle = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = Buffer.alloc(BYTES_MAX);
    return bytes.toString("utf8", 0, readSync(handle, bytes));
  } finally {
    closeSync(handle);
  }
}
