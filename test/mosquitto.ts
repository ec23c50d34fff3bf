/** The broker mosquitto, where it is installed: not in everybody's path, as Debian keeps it among the
 * system's programs. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { connectAsync } from "mqtt";
import { until } from "./gateway-kit.ts";

export const MOSQUITTO = ["mosquitto", "/usr/sbin/mosquitto"].find(
  (program) => spawnSync(program, ["-h"]).error === undefined,
);

/** On the loopback, when it listens. */
export async function startMosquitto(
  folder: string,
  port: number,
  more = "allow_anonymous true\n",
): Promise<ChildProcess> {
  const file = path.join(folder, "mosquitto.conf");
  // As root it would give up its rights, and with them this folder.
  writeFileSync(file, `listener ${port} 127.0.0.1\n${more}user root\n`);
  const broker = spawn(MOSQUITTO ?? "", ["-c", file], { stdio: "ignore" });
  await until("mosquitto listens", async () => {
    const probe = await connectAsync(`mqtt://127.0.0.1:${port}`, {
      reconnectPeriod: 0,
      connectTimeout: 500,
    }).catch((error: Error) => error);
    if (!(probe instanceof Error)) await probe.endAsync();
    return !(probe instanceof Error) || /not authori[sz]ed/i.test(probe.message);
  });
  return broker;
}

export async function stopMosquitto(broker: ChildProcess | undefined): Promise<void> {
  if (broker === undefined || broker.exitCode !== null) return;
  broker.kill("SIGTERM");
  await once(broker, "exit");
}
