/** What nodes tell a person while they run, and until when they run. */

import type { NodeObserver } from "../device-sim/node-runtime.ts";
import type { CommandIo } from "./command.ts";

/** What is worth a line: links, releases, and what went wrong. */
export function narrator(io: CommandIo): NodeObserver {
  const lastReason = new Map<string, string>();
  return {
    linked: (node, connected, reason) => {
      const before = lastReason.get(node);
      if (before === reason) return;
      lastReason.set(node, reason);
      if (!connected) io.note(`${node}: not connected: ${reason}`);
      else if (before !== undefined) io.note(`${node}: connected again`);
    },
    released: (node, news) => {
      io.note(`${node}: release ${news.releaseSequence} ${news.outcome}`);
    },
    log: (node, code, text) => {
      if (code !== "booted" && code !== "staging") io.note(`${node}: ${code}: ${text}`);
    },
  };
}

/** Resolves at Ctrl-C, and after so many seconds where they are given. */
export function ended(signal: AbortSignal, seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    let timer: NodeJS.Timeout | undefined;
    const end = (): void => {
      clearTimeout(timer);
      resolve();
    };
    if (seconds !== undefined) timer = setTimeout(end, seconds * 1000);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
