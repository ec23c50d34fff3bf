/**
 * `bellwether gateway`: the broker, the teacher and the store, until Ctrl-C.
 *
 * One line on standard output says where it listens; everything else is its log on standard error.
 */

import { existsSync } from "node:fs";
import path from "node:path";
import { type GatewayConfig, parseConfig, readConfig } from "../gateway/config.ts";
import { lineLog } from "../gateway/log-lines.ts";
import { probeOnnxRuntime } from "../gateway/onnx-probe.ts";
import type { OpenTeacher } from "../gateway/onnx-teacher.ts";
import { startGateway } from "../gateway/run-gateway.ts";
import { trustAlways } from "../gateway/teacher.ts";
import { openTeacherThread } from "../gateway/teacher-thread.ts";
import { EdgeError } from "../src/assert.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";

export const command: CommandSpec = {
  name: "gateway",
  summary: "run a gateway: broker, teacher, label log",
  description:
    "Runs a gateway until Ctrl-C: an MQTT broker on 127.0.0.1, or a client of yours, the teacher\n" +
    "that answers what nodes offload, and the log of its answers. Every setting has a default;\n" +
    "a YAML file, environment variables (BELLWETHER_CONFIG_BROKER_PORT=1884) and the options\n" +
    "below go before it, in that order. docs/OPERATIONS.md lists the settings.",
  options: [
    { flags: "--config <file>", description: "settings, YAML", kind: "text" },
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
    { flags: "--profile <name>", description: "cattle, people, …", kind: "text" },
    {
      flags: "--teacher <path>",
      description: "an ONNX file, or a TensorFlow.js model (model.json or a folder)",
      kind: "text",
    },
  ],
  examples: [
    "bellwether gateway",
    "bellwether gateway --config farm.yaml",
    "bellwether gateway --broker mqtt://farm.local:1883 --teacher my-teacher.onnx",
  ],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const config = configOf(input);
  const log = lineLog(config.logLevel, io.note);
  const teacher = await openTeacher(config);
  for (const assumption of teacher.assumptions) log("warning", "assumed", { assumption });
  try {
    const gateway = await startGateway(config, { teacher, trust: trustAlways, log });
    log("info", "gateway started", {
      url: gateway.url,
      data: config.dataDirectory,
      teacher: teacher.id,
      nodes: gateway.nodes().length,
      soft_labels: gateway.counters().softLabels,
    });
    if (io.json) io.printJson({ url: gateway.url, data_directory: config.dataDirectory });
    else io.print(`listening on ${gateway.url}`);
    await aborted(io.signal);
    log("info", "stopping", {});
    await gateway.stop();
  } finally {
    await teacher.close();
  }
  return EXIT.ok;
}

/** The file and the environment, then the command line. */
function configOf(input: CommandInput): GatewayConfig {
  const file = input.text("config");
  const config =
    file === undefined
      ? parseConfig("{}", "bellwether.yaml", process.env)
      : readConfig(file, process.env);
  const directory = input.text("data-dir");
  const teacher = input.text("teacher");
  const url = input.text("broker");
  return {
    ...config,
    dataDirectory: directory === undefined ? config.dataDirectory : path.resolve(directory),
    profile: input.text("profile") ?? config.profile,
    teacherFile: teacher === undefined ? config.teacherFile : path.resolve(teacher),
    broker: {
      ...config.broker,
      url: url ?? config.broker.url,
      host: input.text("host") ?? config.broker.host,
      port: input.number("port") ?? config.broker.port,
    },
  };
}

/** The configured teacher, or the profile's own. */
async function openTeacher(config: GatewayConfig): Promise<OpenTeacher> {
  const profile = shippedProfile(config.profile);
  const shipped = new URL(`../profiles/${profile.name}/teacher.onnx`, import.meta.url).pathname;
  const file = config.teacherFile ?? shipped;
  if (!existsSync(file)) {
    throw new EdgeError({
      code: "teacher-missing",
      message: "there is no such teacher",
      where: file,
      hint: "Name an ONNX file or a TensorFlow.js model with --teacher or teacher.file.",
    });
  }
  // A runtime built for a newer processor kills its process: better a child's than ours.
  if (file.endsWith(".onnx")) await probeOnnxRuntime(file);
  return openTeacherThread(file, profile);
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
