/**
 * Where a device's lines come from: a file, standard input, a pipe with a name, or a serial port.
 *
 * Pipes and ports are opened so that nothing waits for them in the threads that files are written by,
 * and a pipe also for writing, so that it does not end when the program on its other side does.
 */

import { closeSync, constants, createReadStream, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { isatty, ReadStream } from "node:tty";
import { EdgeError } from "../src/assert.ts";

export type SampleInput = {
  /** As it is called in errors. */
  readonly where: string;
  /** Samples come while they are measured; else they were written down before. */
  readonly live: boolean;
  readonly chunks: Readable;
};

/** @param from a path, or `-` for standard input. Throws `EdgeError` `input-unreadable`. */
export function openSampleInput(from: string): SampleInput {
  if (from === "-") return { where: "standard input", live: true, chunks: process.stdin };
  let file: number;
  try {
    file = openSync(from, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw unreadable(from, error instanceof Error ? error.message : String(error));
  }
  if (isatty(file)) return { where: from, live: true, chunks: new ReadStream(file) };
  const about = fstatSync(file);
  closeSync(file);
  if (about.isFIFO()) {
    const both = openSync(from, constants.O_RDWR | constants.O_NONBLOCK);
    const chunks = new Socket({ fd: both, readable: true, writable: false });
    return { where: from, live: true, chunks };
  }
  if (!about.isFile()) throw unreadable(from, "it is no file, pipe or serial port");
  return { where: from, live: false, chunks: createReadStream(from) };
}

function unreadable(where: string, message: string): EdgeError {
  return new EdgeError({
    code: "input-unreadable",
    message,
    where,
    hint: "Name a file of samples, a pipe or a serial port, or - for standard input.",
  });
}
