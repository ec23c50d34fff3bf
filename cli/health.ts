/**
 * `bellwether health`: whether a gateway runs here and its broker answers now; for containers and
 * other supervisors, in a fraction of a second. What is wrong and why is `doctor`'s to say.
 */

import { once } from "node:events";
import { connect } from "node:net";
import path from "node:path";
import { readConfig } from "../gateway/config/config.ts";
import { DATA_OPTIONS } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { gatewayRuns } from "./doctor-gateway.ts";

/** MQTT 3.1.1, CONNECT without a client id, clean session (section 3.1). */
const CONNECT = Buffer.from("100c00044d5154540402000a0000", "hex");
const CONNACK = 0x20;
const ANSWER_MS = 3_000;

export const command: CommandSpec = {
  name: "health",
  summary: "whether a gateway runs here and answers; for containers",
  description:
    "Ends with 0 where a gateway holds the data directory and its broker answers a CONNECT, be it\n" +
    "with a refusal. With a broker of yours only the first is looked at.",
  options: DATA_OPTIONS,
  examples: ["bellwether health --config farm.yaml"],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const config = readConfig(input.text("config"), process.env);
  const directory = path.resolve(input.text("data-dir") ?? config.dataDirectory);
  const runs = gatewayRuns(directory);
  const { url, host, port } = config.broker;
  const answers = url !== undefined || (runs && (await brokerAnswers(hostToReach(host), port)));
  const healthy = runs && answers;
  if (io.json) io.printJson({ healthy, runs, answers });
  else if (healthy) io.print("healthy");
  else io.print(runs ? "the broker does not answer" : `no gateway runs on ${directory}`);
  return healthy ? EXIT.ok : EXIT.failed;
}

/** What listens everywhere is reached here. */
export function hostToReach(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  return host === "::" ? "::1" : host;
}

async function brokerAnswers(host: string, port: number): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  const socket = connect({ host, port });
  try {
    await once(socket, "connect", { signal });
    socket.write(CONNECT);
    const [answer] = (await once(socket, "data", { signal })) as [Buffer];
    return answer[0] === CONNACK;
  } catch {
    // Refused, silent or gone: it does not answer.
    return false;
  } finally {
    socket.destroy();
  }
}
