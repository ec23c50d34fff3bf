/**
 * What a subcommand is, told without the library that parses command lines.
 *
 * Each file `cli/<command>.ts` exports one `command`. `main.ts` alone knows commander: it turns the
 * specification into a parser and hands the command what was asked (`CommandInput`) and where to
 * write (`CommandIo`). A command throws `EdgeError` for bad input and returns an exit code.
 */

import { assert, EdgeError } from "../src/assert.ts";
import type { Progress } from "./progress.ts";

export const EXIT = {
  /** Done. */
  ok: 0,
  /** The work was understood and failed, or a check did not hold. */
  failed: 1,
  /** The command line, a file or a setting was wrong; the message says which and how to mend it. */
  usage: 2,
  /** A bug of ours. */
  bug: 3,
  /** Ended by Ctrl-C before the work was done. */
  interrupted: 130,
} as const;

export type OptionSpec = {
  /** As commander writes it: `--nodes <count>`, `--data <dir>`, `--fresh`. */
  readonly flags: string;
  readonly description: string;
  /** `flag` has no value, `list` is comma-separated, `number` is checked against low and high. */
  readonly kind: "text" | "number" | "flag" | "list";
  readonly default?: string | number;
  readonly choices?: readonly string[];
  readonly low?: number;
  readonly high?: number;
};

export type CommandSpec = {
  readonly name: string;
  /** One line, without a full stop, for the list of commands. */
  readonly summary: string;
  /** What else there is to say in its own `--help`. */
  readonly description?: string;
  /** `<dir>` is required, `[file]` is not. */
  readonly arguments?: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly OptionSpec[];
  readonly examples: readonly string[];
} & (
  | { readonly run: (input: CommandInput, io: CommandIo) => Promise<number> }
  /** A group, such as `data pull` and `data import`. */
  | { readonly commands: readonly CommandSpec[] }
);

/** What was asked, by the long name of the option without dashes: `data`, `hop-ms`. */
export type CommandInput = {
  readonly arguments: readonly (string | undefined)[];
  readonly text: (name: string) => string | undefined;
  readonly number: (name: string) => number | undefined;
  readonly flag: (name: string) => boolean;
  /** Empty where the option was not given. */
  readonly list: (name: string) => readonly string[];
};

/** Where a command writes, and how. */
export type CommandIo = {
  /** The result, and nothing else, goes to standard output. One call is one line. */
  readonly print: (line: string) => void;
  /** One JSON value on one line of standard output. */
  readonly printJson: (value: unknown) => void;
  /** News for a person on standard error; silent with `--quiet`. */
  readonly note: (line: string) => void;
  /** Progress of long work on standard error. */
  readonly progress: (title: string) => Progress;
  readonly json: boolean;
  readonly quiet: boolean;
  /** False for `NO_COLOR`, `TERM=dumb`, and where standard output is no terminal. */
  readonly color: boolean;
  /** Standard output is a terminal: tables may be redrawn in place. */
  readonly interactive: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  /** Aborts at Ctrl-C and SIGTERM. Long work ends cleanly then; a second Ctrl-C ends it at once. */
  readonly signal: AbortSignal;
};

/** Reads parsed values by name, whatever parsed them. */
export function commandInput(
  values: Readonly<Record<string, unknown>>,
  args: readonly (string | undefined)[],
): CommandInput {
  const value = (name: string): unknown => values[camelCase(name)];
  return {
    arguments: args,
    text: (name) => {
      const found = value(name);
      assert(found === undefined || typeof found === "string", `--${name} is a text`);
      return found;
    },
    number: (name) => {
      const found = value(name);
      assert(found === undefined || typeof found === "number", `--${name} is a number`);
      return found;
    },
    flag: (name) => value(name) === true,
    list: (name) => {
      const found = value(name) ?? [];
      assert(Array.isArray(found), `--${name} is a list`);
      return found.map(String);
    },
  };
}

/** The value of an option from its text. Throws `EdgeError` `usage`. */
export function parseOption(option: OptionSpec, text: string): string | number | string[] {
  const wrong = (message: string, hint: string): never => {
    throw new EdgeError({ code: "usage", message, where: option.flags, hint });
  };
  if (option.kind === "list") {
    const items = text.split(",").map((item) => item.trim());
    if (items.includes("")) wrong(`${JSON.stringify(text)} has an empty item`, "Write a,b,c.");
    return items;
  }
  if (option.kind === "text") {
    if (option.choices !== undefined && !option.choices.includes(text)) {
      wrong(`${JSON.stringify(text)} is no choice`, `Choose one of ${option.choices.join(", ")}.`);
    }
    return text;
  }
  const number = text.trim() === "" ? Number.NaN : Number(text);
  const low = option.low ?? Number.NEGATIVE_INFINITY;
  const high = option.high ?? Number.POSITIVE_INFINITY;
  if (!Number.isFinite(number) || number < low || number > high) {
    wrong(`${JSON.stringify(text)} is no number from ${low} to ${high}`, "Give a number in range.");
  }
  return number;
}

function camelCase(name: string): string {
  return name.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
