/**
 * The terminal as a command sees it: two streams, colour or none, Ctrl-C as an abort signal.
 *
 * The first Ctrl-C asks the work to end cleanly, the second ends the process at once. Writing into a
 * pipe whose reader has gone (`| head`) ends the program quietly, as other tools do.
 */

import type { CommandIo } from "./command.ts";
import { EXIT } from "./command.ts";
import { makeProgress } from "./progress.ts";

export function terminalIo(argv: readonly string[]): CommandIo {
  const json = argv.includes("--json");
  const quiet = argv.includes("--quiet");
  const interactive = process.stdout.isTTY === true && process.env.TERM !== "dumb";
  const noColor = (process.env.NO_COLOR ?? "") !== "";
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(EXIT.ok);
    throw error;
  });
  return {
    print: (line) => void process.stdout.write(`${line}\n`),
    printJson: (value) => void process.stdout.write(`${JSON.stringify(value)}\n`),
    note: (line) => void (quiet || process.stderr.write(`${line}\n`)),
    progress: (title) =>
      makeProgress(
        title,
        {
          write: (text) => void process.stderr.write(text),
          isTerminal: process.stderr.isTTY === true && process.env.TERM !== "dumb",
          columns: () => process.stderr.columns ?? 80,
          nowMs: () => performance.now(),
        },
        quiet,
      ),
    json,
    quiet,
    color: interactive && !noColor,
    interactive: interactive && !json,
    columns: () => process.stdout.columns ?? 100,
    rows: () => process.stdout.rows ?? 40,
    signal: interruptSignal(),
  };
}

function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const interrupt = (): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  return controller.signal;
}
