/**
 * `bellwether report audits`: how well the students of a herd agree with the teacher on windows that
 * mostly nobody looked at, what offloading mends, and what it costs a node.
 *
 * It reads the store of a gateway, running or not, and changes nothing.
 */

import { auditOf, cohortAudits } from "../gateway/telling/tell-audits.ts";
import type { Audit } from "../src/wire/public.ts";
import { costText, offloadingCost } from "./audits-cost.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { readStore, STORE_OPTION } from "./label-store.ts";
import {
  DATA_RATE_OPTION,
  dataRateOption,
  ENERGY_LINK_OPTION,
  energyLinkOf,
  linkText,
} from "./link-option.ts";

export const AUDITS_COMMAND: CommandSpec = {
  name: "audits",
  summary: "agreement with the teacher by audits, per node and cohort",
  description:
    "What a gateway's audits say of all windows of the model that each node runs, with 95 %\n" +
    "intervals: how often the student agrees with the teacher, what offloads mended, what is left\n" +
    "wrong, and how many times better than chance the gate finds what to mend. The same figures are\n" +
    "in the topics bridge/devices and bridge/info. Beside them stands what share a node offloads, and\n" +
    "what that makes in bytes and, estimated, in its energy of a day on --link: the live points of\n" +
    "the curves of `report offload`. The gateway may run meanwhile.",
  options: [STORE_OPTION, ENERGY_LINK_OPTION, DATA_RATE_OPTION],
  examples: ["bellwether report audits", "bellwether report audits --data-dir /var/lib/b --json"],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const nodes = readStore(input.text("data-dir") ?? "bellwether-data", (reader) => reader.nodes());
  const link = energyLinkOf(input);
  const cohorts = cohortAudits(nodes);
  const rows = nodes.map(({ node, cohort, modelId, counts }) => {
    const offloading = offloadingCost(cohort, counts, link);
    return { node, cohort, model: modelId, audit: auditOf(counts), offloading };
  });
  if (io.json) {
    io.printJson({ nodes: rows, cohorts });
    return EXIT.ok;
  }
  const groups = cohorts.map(({ cohort, nodes: count, audit }) => ({
    name: `${cohort}, ${count} nodes`,
    audit,
  }));
  const named = [...rows.map(({ node, audit }) => ({ name: node, audit })), ...groups];
  if (named.length === 0) io.print("no node has been heard yet");
  const width = Math.max(0, ...named.map(({ name }) => name.length));
  for (const { name, audit } of named) io.print(`${name.padEnd(width)}  ${auditText(audit)}`);
  const on = linkText(link.name, dataRateOption(input));
  for (const { node, offloading } of rows) {
    io.print(`${node.padEnd(width)}  ${costText(offloading, on)}`);
  }
  return EXIT.ok;
}

function auditText(audit: Audit | null): string {
  if (audit === null) return "no trusted audit yet";
  const percent = (share: number): string => (100 * share).toFixed(1);
  return (
    `agrees on ${percent(audit.agreement)} % (${percent(audit.agreement_low)} to ` +
    `${percent(audit.agreement_high)}) of ${audit.windows} windows, mended ` +
    `${percent(audit.mended)}, left ${percent(audit.left)} (${percent(audit.left_low)} to ` +
    `${percent(audit.left_high)}); ${audit.audits} audits` +
    (audit.lift === null ? "" : `, lift ${audit.lift.toFixed(1)}`)
  );
}
