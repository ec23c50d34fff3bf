/** What a command says to, in a test that runs it in its own process: nobody, unless chosen. */

import type { CommandIo } from "../cli/command.ts";

export function silentIo(chosen: Partial<CommandIo> = {}): CommandIo {
  return {
    print: () => undefined,
    printJson: () => undefined,
    note: () => undefined,
    progress: () => ({ update: () => undefined, done: () => undefined }),
    json: false,
    quiet: false,
    color: false,
    interactive: false,
    columns: () => 100,
    rows: () => 40,
    signal: new AbortController().signal,
    ...chosen,
  };
}
