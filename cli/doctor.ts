/**
 * `bellwether doctor`: looks at everything that a gateway needs before it needs it, and says of each
 * thing that is amiss what to do. It changes nothing, and may be run beside a gateway.
 */

import path from "node:path";
import { type GatewayConfig, parseConfig, readConfig } from "../gateway/config/config.ts";
import { nodeDisk } from "../gateway/store/durable-file.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import {
  checkBroker,
  checkCertificates,
  checkDataDirectory,
  checkPorts,
  gatewayRuns,
} from "./doctor-gateway.ts";
import {
  checkClock,
  checkDisk,
  checkMemory,
  checkNode,
  checkOnnxRuntime,
  checkToolchain,
  problemOf,
} from "./doctor-machine.ts";
import { type Finding, ok } from "./finding.ts";
import { openProfile } from "./profile-folder.ts";

export const command: CommandSpec = {
  name: "doctor",
  summary: "look at everything that a gateway needs, and say what to do",
  description:
    "Looks at Node, the native libraries, memory, the clock, the disk, the settings, the data\n" +
    "directory, its databases and keys, certificates, ports and the broker. Changes nothing, and may\n" +
    "be run while a gateway runs. Ends with 1 where something would stop a gateway.",
  options: [
    { flags: "--config <file>", description: "the gateway's settings, YAML", kind: "text" },
    { flags: "--data-dir <dir>", description: "the gateway's data directory", kind: "text" },
  ],
  examples: ["bellwether doctor", "bellwether doctor --config farm.yaml --json"],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const findings = await examine(input.text("config"), input.text("data-dir"));
  const count = (status: Finding["status"]): number =>
    findings.filter((finding) => finding.status === status).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  if (io.json) io.printJson({ ok: problems === 0, problems, warnings, findings });
  else {
    for (const { check, status, found, todo } of findings) {
      io.print(`${status.padEnd(8)} ${check.padEnd(15)} ${found}`);
      if (todo !== undefined) io.print(`${" ".repeat(25)}${todo}`);
    }
    io.print(`${problems} would stop a gateway, ${warnings} to look at`);
  }
  return problems === 0 ? EXIT.ok : EXIT.failed;
}

/** Everything, in the order in which a start would stumble over it. */
async function examine(
  configFile: string | undefined,
  dataDirectory: string | undefined,
): Promise<Finding[]> {
  const { config, finding } = settingsOf(configFile, dataDirectory);
  const { folder } = openProfile(config.profile);
  const teacher = config.teacherFile ?? path.join(folder, "teacher.onnx");
  const runs = gatewayRuns(config.dataDirectory);
  return [
    checkNode(),
    checkMemory(),
    await checkOnnxRuntime(teacher),
    checkClock(config.dataDirectory),
    finding,
    ...checkDisk(config.dataDirectory, nodeDisk),
    ...checkDataDirectory(config.dataDirectory, runs),
    ...checkCertificates(config),
    ...(await checkPorts(config, runs)),
    ...(await checkBroker(config)),
    checkToolchain(),
  ];
}

/** Settings that are no good are a finding; the rest is then looked at with the defaults. */
function settingsOf(
  file: string | undefined,
  dataDirectory: string | undefined,
): { readonly config: GatewayConfig; readonly finding: Finding } {
  const moved = (config: GatewayConfig): GatewayConfig =>
    dataDirectory === undefined
      ? config
      : { ...config, dataDirectory: path.resolve(dataDirectory) };
  try {
    const config = readConfig(file, process.env);
    openProfile(config.profile);
    return { config: moved(config), finding: ok("settings", file ?? "defaults and environment") };
  } catch (error) {
    const config = moved(parseConfig("", "bellwether.yaml", {}));
    return { config, finding: problemOf("settings", error) };
  }
}
