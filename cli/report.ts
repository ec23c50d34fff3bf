/** `bellwether report`: what offloading buys, from recordings or from what a gateway has counted. */

import type { CommandSpec } from "./command.ts";
import { AUDITS_COMMAND } from "./report-audits.ts";
import { OFFLOAD_COMMAND } from "./report-offload.ts";

export const command: CommandSpec = {
  name: "report",
  summary: "what offloading buys, and what audits say of a herd",
  options: [],
  examples: [
    "bellwether report offload --dataset cows",
    "bellwether report audits --data-dir bellwether-data",
  ],
  commands: [OFFLOAD_COMMAND, AUDITS_COMMAND],
};
