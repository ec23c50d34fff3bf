/**
 * Where a device's lines come from: a file, standard input, a pipe with a name, or a serial port.
 *
 * A port that goes away, as those on USB do when somebody pulls the plug, is waited for.
 *
 * Pipes and ports are opened so that nothing waits for them in the threads that files are written by,
 * and a pipe also for writing, so that it does not end when the program on its other side does.
 */

import { closeSync, constants, createReadStream, fstatSync, openSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";
import { isatty, ReadStream } from "node:tty";
import { EdgeError } from "../src/assert.ts";

export type SampleInput = {
  /** As it is called in errors. */
  readonly where: string;
  /** Samples come while they are measured; else they were written down before. */
  readonly live: boolean;
  /** Until its end, or until it is aborted. News are of a port that went and came back. */
  readonly chunks: (signal: AbortSignal, news: (text: string) => void) => AsyncIterable<Uint8Array>;
};

const LINE_END = new Uint8Array([0x0a]);
const PORT_LOOK_MS = 1_000;

/** @param from a path, or `-` for standard input. Throws `EdgeError` `input-unreadable`. */
export function openSampleInput(from: string): SampleInput {
  if (from === "-") return { where: "standard input", live: true, chunks: once(process.stdin) };
  const file = open(from);
  if (isatty(file)) {
    const first = new ReadStream(file);
    return { where: from, live: true, chunks: (...asked) => portChunks(from, first, ...asked) };
  }
  const about = fstatSync(file);
  closeSync(file);
  if (about.isFIFO()) {
    const both = openSync(from, constants.O_RDWR | constants.O_NONBLOCK);
    const pipe = new Socket({ fd: both, readable: true, writable: false });
    return { where: from, live: true, chunks: once(pipe) };
  }
  if (!about.isFile()) throw unreadable(from, "it is no file, pipe or serial port");
  return { where: from, live: false, chunks: once(createReadStream(from)) };
}

function open(from: string): number {
  try {
    return openSync(from, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    throw unreadable(from, error instanceof Error ? error.message : String(error));
  }
}

function once(stream: Readable): SampleInput["chunks"] {
  return (signal) => {
    endWith(stream, signal);
    return stream;
  };
}

function endWith(stream: Readable, signal: AbortSignal): void {
  if (signal.aborted) stream.destroy();
  else signal.addEventListener("abort", () => stream.destroy(), { once: true });
}

/** Each time that it comes back a new line begins: what was cut off is none. */
async function* portChunks(
  from: string,
  first: ReadStream,
  signal: AbortSignal,
  news: (text: string) => void,
): AsyncGenerator<Uint8Array> {
  let port: ReadStream | undefined = first;
  while (port !== undefined) {
    endWith(port, signal);
    let reason = "it was closed";
    try {
      for await (const chunk of port) yield chunk as Uint8Array;
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
    }
    if (signal.aborted) return;
    news(`${from} went away (${reason}): waiting for it`);
    port = await reopened(from, signal);
    if (port !== undefined) news(`${from} is back`);
    yield LINE_END;
  }
}

/** Undefined when it is aborted. */
async function reopened(from: string, signal: AbortSignal): Promise<ReadStream | undefined> {
  while (!signal.aborted) {
    await wait(PORT_LOOK_MS, undefined, { signal }).catch(() => undefined);
    try {
      const file = open(from);
      if (isatty(file)) return new ReadStream(file);
      closeSync(file);
    } catch (error) {
      if (!(error instanceof EdgeError)) throw error;
    }
  }
  return undefined;
}

function unreadable(where: string, message: string): EdgeError {
  return new EdgeError({
    code: "input-unreadable",
    message,
    where,
    hint: "Name a file of samples, a pipe or a serial port, or - for standard input.",
  });
}
