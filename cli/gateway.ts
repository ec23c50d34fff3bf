/**
 * `bellwether gateway`: the broker, the teacher, the store and the loop, until Ctrl-C.
 *
 * One line on standard output says where it listens; everything else is its log on standard error.
 */

import "./mqtt-numbers.ts";
import path from "node:path";
import type { Log } from "../gateway/broker/link.ts";
import { type GatewayConfig, readConfig } from "../gateway/config/config.ts";
import { CONFIG_TEMPLATE } from "../gateway/config/config-template.ts";
import { lineLog } from "../gateway/log-lines.ts";
import { type RunningGateway, startGateway } from "../gateway/run-gateway.ts";
import { supervisor } from "../gateway/supervisor-notice.ts";
import { trustAlways } from "../gateway/teacher/teacher.ts";
import { hopMs } from "../src/signal/profile.ts";
import { anchorRecordings } from "./anchor-recordings.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ENGINE_OPTION, engineOf } from "./engine-option.ts";
import { openGateway, openProfileTeacher } from "./open-gateway.ts";
import { openProfile } from "./profile-folder.ts";

export const command: CommandSpec = {
  name: "gateway",
  summary: "run a gateway: broker, teacher, label log, and the loop that re-distils",
  description:
    "Runs a gateway until Ctrl-C: an MQTT broker on 127.0.0.1, or a client of yours, the teacher\n" +
    "that answers what nodes offload, the log of its answers, and the loop that makes better\n" +
    "students of them. Every setting has a default: --show-config prints them all. A file goes\n" +
    "before the defaults, the environment (BELLWETHER_CONFIG_BROKER_PORT=1884) before the file,\n" +
    "and the options below before both.",
  options: [
    { flags: "--config <file>", description: "settings, YAML", kind: "text" },
    { flags: "--show-config", description: "print every setting and its default", kind: "flag" },
    { flags: "--data-dir <dir>", description: "what must survive is kept here", kind: "text" },
    { flags: "--host <address>", description: "where the broker listens", kind: "text" },
    {
      flags: "--port <number>",
      description: "its port; 0 takes a free one",
      kind: "number",
      low: 0,
      high: 65_535,
    },
    { flags: "--broker <url>", description: "use this broker instead of our own", kind: "text" },
    {
      flags: "--profile <name>",
      description: "cattle, people, …, or the folder that `train` wrote",
      kind: "text",
    },
    {
      flags: "--teacher <path>",
      description: "an ONNX file, or a TensorFlow.js model (model.json or a folder)",
      kind: "text",
    },
    {
      flags: "--student <kind>",
      description: "what the nodes were made with",
      kind: "text",
      choices: ["default", "plain"],
      default: "default",
    },
    ENGINE_OPTION,
    {
      flags: "--serve-only",
      description: "answer and keep soft labels, never distil",
      kind: "flag",
    },
    {
      flags: "--data <dir>",
      description: "where recordings are, for the anchor set",
      kind: "text",
    },
  ],
  examples: [
    "bellwether gateway",
    "bellwether gateway --show-config > farm.yaml",
    "bellwether gateway --config farm.yaml",
    "bellwether gateway --broker mqtt://farm.local:1883 --teacher my-teacher.onnx",
  ],
  run,
};

/** What stands between a start and the next. */
type Opened = { readonly gateway: RunningGateway; readonly stop: () => Promise<void> };

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  if (input.flag("show-config")) {
    io.print(CONFIG_TEMPLATE.trimEnd());
    return EXIT.ok;
  }
  const config = configOf(input);
  const log = lineLog(config.logLevel, io.note);
  const opened = config.loop.enabled
    ? await openLoop(input, config, log)
    : await openServing(config, log);
  const { gateway } = opened;
  log("info", "gateway started", {
    url: gateway.url,
    data: config.dataDirectory,
    loop: config.loop.enabled,
    nodes: gateway.nodes().length,
    soft_labels: gateway.counters().softLabels,
  });
  tellWhereAndHow(gateway, await gateway.beginOperator(), config, io);
  const watcher = supervisor(process.env, log);
  await watcher.ready(`listening on ${gateway.urls.join(" ")}`);
  await aborted(io.signal);
  log("info", "stopping", {});
  await watcher.stopping();
  await opened.stop();
  return EXIT.ok;
}

/** The operator's token is said here, once, and not in the log. */
function tellWhereAndHow(
  { url, urls, pageUrl }: RunningGateway,
  operatorToken: string | undefined,
  config: GatewayConfig,
  io: CommandIo,
): void {
  if (io.json) {
    const token = operatorToken === undefined ? {} : { operator_token: operatorToken };
    const page = pageUrl === undefined ? {} : { page: pageUrl };
    io.printJson({ url, urls, ...page, data_directory: config.dataDirectory, ...token });
    return;
  }
  io.print(`listening on ${urls.join(" ")}`);
  if (pageUrl !== undefined) io.print(`page ${pageUrl}`);
  if (operatorToken === undefined) return;
  io.print(`operator token ${operatorToken}`);
  io.note(
    "The password of the user `operator`, shown this once. Lost, it is replaced by " +
      "`bellwether users rotate operator`.",
  );
}

function openLoop(input: CommandInput, config: GatewayConfig, log: Log): Promise<Opened> {
  const home = openProfile(config.profile);
  return openGateway({
    config,
    log,
    home,
    student: input.text("student") === "plain" ? "plain" : "default",
    trigger: config.loop.trigger,
    engine: engineOf(input).name,
    anchorRecordings: () => anchorRecordings(input.text("data"), home, log),
  });
}

async function openServing(config: GatewayConfig, log: Log): Promise<Opened> {
  const home = openProfile(config.profile);
  const teacher = await openProfileTeacher(config, home);
  for (const assumption of teacher.assumptions) log("warning", "assumed", { assumption });
  try {
    const gateway = await startGateway(config, {
      teacher,
      trust: trustAlways,
      coarse: teacher.coarse,
      tail: teacher.tail,
      hopMs: hopMs(home.profile),
      log,
    });
    return {
      gateway,
      stop: async () => {
        await gateway.stop();
        await teacher.close();
      },
    };
  } catch (error) {
    await teacher.close();
    throw error;
  }
}

/** The file and the environment, then the command line. */
function configOf(input: CommandInput): GatewayConfig {
  const config = readConfig(input.text("config"), process.env);
  const directory = input.text("data-dir");
  const teacher = input.text("teacher");
  const url = input.text("broker");
  return {
    ...config,
    dataDirectory: directory === undefined ? config.dataDirectory : path.resolve(directory),
    profile: input.text("profile") ?? config.profile,
    teacherFile: teacher === undefined ? config.teacherFile : path.resolve(teacher),
    loop: { ...config.loop, enabled: config.loop.enabled && !input.flag("serve-only") },
    broker: {
      ...config.broker,
      url: url ?? config.broker.url,
      host: input.text("host") ?? config.broker.host,
      port: input.number("port") ?? config.broker.port,
    },
  };
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
