/** The broker mosquitto, where it is installed: not in everybody's path, as Debian keeps it among the
 * system's programs. */

import { spawnSync } from "node:child_process";

export const MOSQUITTO = ["mosquitto", "/usr/sbin/mosquitto"].find(
  (program) => spawnSync(program, ["-h"]).error === undefined,
);
