/**
 * The command line, `bellwether`: finds the subcommand, parses, runs, reports what went wrong.
 *
 * The only file that knows commander. A subcommand's module is loaded only when it is asked for, so
 * that `--help` does not wait for a training runtime.
 */

import { readFileSync } from "node:fs";
import { flushCompileCache } from "node:module";
import { Command, CommanderError, Option } from "commander";
import { EdgeError } from "../src/assert.ts";
import { type CommandSpec, commandInput, EXIT, type OptionSpec, parseOption } from "./command.ts";
import { terminalIo } from "./terminal.ts";

type CommandModule = { readonly command: CommandSpec };

/** The commands in the order in which a newcomer meets them. */
const COMMANDS: readonly {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
}[] = [
  {
    name: "demo",
    summary: "a gateway and a herd whose collars turn: the whole loop, live",
    load: () => import("./demo.ts"),
  },
  {
    name: "gateway",
    summary: "run a gateway: broker, teacher, label log, and the loop that re-distils",
    load: () => import("./gateway.ts"),
  },
  {
    name: "simulate",
    summary: "a herd of simulated nodes that joins any gateway",
    load: () => import("./simulate.ts"),
  },
  {
    name: "node",
    summary: "one device: samples from a file, a pipe or a serial port to a gateway",
    load: () => import("./node.ts"),
  },
  {
    name: "watch",
    summary: "show the behaviours of all nodes live, from any broker",
    load: () => import("./watch.ts"),
  },
  {
    name: "history",
    summary: "what a node or a group did on a day: bouts and time budget",
    load: () => import("./history.ts"),
  },
  {
    name: "nodes",
    summary: "let nodes join, list them, take their credentials away",
    load: () => import("./nodes.ts"),
  },
  {
    name: "users",
    summary: "readers of the public topics, and operators",
    load: () => import("./users.ts"),
  },
  {
    name: "certs",
    summary: "certificates for TLS: an authority, the gateway, and nodes that have one",
    load: () => import("./certs.ts"),
  },
  {
    name: "config",
    summary: "check a file of settings, show what counts, print schema and reference",
    load: () => import("./config.ts"),
  },
  {
    name: "schema",
    summary: "the topics for machines: an AsyncAPI document, JSON Schemas of the payloads",
    load: () => import("./schema.ts"),
  },
  {
    name: "doctor",
    summary: "look at everything that a gateway needs, and say what to do",
    load: () => import("./doctor.ts"),
  },
  {
    name: "health",
    summary: "whether a gateway runs here and answers; for containers",
    load: () => import("./health.ts"),
  },
  {
    name: "backup",
    summary: "a data directory as one file, while a gateway runs on it",
    load: () => import("./backup.ts"),
  },
  {
    name: "restore",
    summary: "a data directory from a backup; never over another one",
    load: () => import("./restore.ts"),
  },
  {
    name: "train",
    summary: "train a teacher and students from labelled recordings",
    load: () => import("./train.ts"),
  },
  {
    name: "distil",
    summary: "distil a student by hand from what a gateway has collected",
    load: () => import("./distil.ts"),
  },
  {
    name: "report",
    summary: "what offloading buys, and what audits say of a herd",
    load: () => import("./report.ts"),
  },
  {
    name: "data",
    summary: "import, pull and inspect recordings; fit the emulator",
    load: () => import("./data.ts"),
  },
  {
    name: "models",
    summary: "list and inspect models; push, hold and take back releases of a gateway",
    load: () => import("./models.ts"),
  },
  {
    name: "labels",
    summary: "label the windows that a gateway cannot vouch for",
    load: () => import("./labels.ts"),
  },
  {
    name: "export",
    summary: "a student as C source or ONNX file; history and labels as CSV or Parquet",
    load: () => import("./export.ts"),
  },
  {
    name: "completion",
    summary: "a script that lets bash, zsh or fish complete commands and options",
    load: async () => ({
      command: (await import("./completion.ts")).completionCommand(COMMANDS),
    }),
  },
];

/** After a start, by when everything that a command needs is loaded. */
const KEEP_COMPILED_MS = 10_000;

const EXIT_CODES = `
Exit codes
  0    done
  1    the work failed, or a check did not hold
  2    the command line, a file or a setting is wrong; the message says how to mend it
  3    a bug of bellwether's
  130  ended by Ctrl-C before the work was done`;

const EXAMPLES = `
Examples
  $ npm start                                  a herd, a gateway and a live view, in one process
  $ bellwether watch --broker mqtt://farm.local:1883
  $ bellwether help watch

Without a terminal all output is plain lines; NO_COLOR is respected.`;

async function main(argv: readonly string[]): Promise<number> {
  const io = terminalIo(argv);
  let code: number = EXIT.ok;
  const program = new Command("bellwether")
    .description(
      "An inference runtime for wearables with split computing:\n" +
        "early-exit students on the node, a teacher on the gateway, and a loop that re-distils.",
    )
    .version(packageVersion())
    .option("--json", "results as JSON, one value on the last line of standard output")
    .option("--quiet", "no progress and no news on standard error")
    .addHelpText("after", `${EXAMPLES}\n${EXIT_CODES}`)
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();

  const asked = argv.filter((argument) => !argument.startsWith("-"));
  for (const entry of COMMANDS) {
    const wanted = asked[0] === entry.name || (asked[0] === "help" && asked[1] === entry.name);
    if (!wanted) {
      program.command(entry.name).summary(entry.summary).description(entry.summary);
      continue;
    }
    const { command } = await entry.load();
    program.addCommand(
      toCommander(command, async (spec, parsed, args) => {
        code = await spec.run(commandInput(parsed, args), io);
      }),
    );
  }
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    return reportFailure(error);
  }
}

type Runnable = Extract<CommandSpec, { run: unknown }>;
type Run = (
  spec: Runnable,
  parsed: Readonly<Record<string, unknown>>,
  args: readonly (string | undefined)[],
) => Promise<void>;

function toCommander(spec: CommandSpec, run: Run): Command {
  const command = new Command(spec.name)
    .summary(spec.summary)
    // Where lines break is the terminal's business; an empty line is a paragraph.
    .description((spec.description ?? spec.summary).replace(/(?<!\n)\n(?!\n)/g, " "))
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  for (const argument of spec.arguments ?? []) {
    command.argument(argument.name, argument.description);
  }
  for (const option of spec.options) command.addOption(toOption(option));
  if (spec.examples.length > 0) {
    const examples = spec.examples.map((example) => `  $ ${example}`).join("\n");
    command.addHelpText("after", `\nExamples\n${examples}`);
  }
  if ("commands" in spec) {
    for (const inner of spec.commands) command.addCommand(toCommander(inner, run));
    return command;
  }
  command.action(async () => {
    await run(spec, command.optsWithGlobals(), command.args);
  });
  return command;
}

function toOption(spec: OptionSpec): Option {
  const option = new Option(spec.flags, spec.description);
  if (spec.default !== undefined) option.default(spec.default);
  if (spec.kind !== "flag") option.argParser((text: string) => parseOption(spec, text));
  return option;
}

/** Tells a person what went wrong, and a program by the exit code. */
function reportFailure(error: unknown): number {
  if (error instanceof CommanderError) {
    const harmless = ["commander.helpDisplayed", "commander.help", "commander.version"];
    return harmless.includes(error.code) && error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof EdgeError) {
    process.stderr.write(`bellwether: ${error.message}\n`);
    return EXIT.usage;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`bellwether: ${text}\n`);
  return EXIT.bug;
}

function packageVersion(): string {
  const text = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

// What was compiled is kept when a process ends by itself: one that runs for months, until the power
// goes, keeps it once it has begun.
setTimeout(flushCompileCache, KEEP_COMPILED_MS).unref();
process.exitCode = await main(process.argv.slice(2));
