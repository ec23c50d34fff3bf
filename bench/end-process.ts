/** The end of a program that a benchmark started. */

import type { ChildProcess } from "node:child_process";

/** Asks it to end and waits until it has; one that has ended already is left alone. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
