/** The gateway's settings for Sparkplug B: who it is there, and where. */

import { z } from "zod";
import { OUTSIDE_BROKER } from "../broker/outside-broker.ts";
import type { EdgeNode } from "./sparkplug-names.ts";

/** Levels of topics: no wildcards, no slashes, and as much as fits into a topic of ours. */
const name = z
  .string()
  .regex(/^[A-Za-z0-9 ._-]{1,32}$/, "must be 1 to 32 letters, digits, blanks, dots, _ and -");

export const SparkplugSchema = z
  .strictObject({
    /** Whether the gateway is an edge node of Sparkplug B. */
    enabled: z.boolean().default(false),
    group: name
      .refine((text) => text !== "STATE", "must not be STATE, which hosts have")
      .default("bellwether"),
    edge_node: name.default("gateway"),
    /** Births wait until this host application says that it is there. */
    primary_host: name.optional(),
    /** Host applications that may say so on our own broker; the primary one always may. */
    hosts: z.array(name).max(16).default([]),
    /** Another broker than the gateway's own, such as that of a plant. */
    ...OUTSIDE_BROKER,
  })
  .prefault({});

export type SparkplugConfig = EdgeNode & {
  readonly enabled: boolean;
  readonly url: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
};

/** @param beside makes a file's name absolute */
export function toSparkplugConfig(
  settings: z.infer<typeof SparkplugSchema>,
  beside: (name: string | undefined) => string | undefined,
): SparkplugConfig {
  const { enabled, group, edge_node: edgeNode, primary_host: primaryHost, hosts, url } = settings;
  const all = new Set([...hosts, ...(primaryHost === undefined ? [] : [primaryHost])]);
  return {
    enabled,
    group,
    edgeNode,
    primaryHost,
    hosts: [...all],
    url,
    passwordFile: beside(settings.password_file),
    caFile: beside(settings.ca_file),
  };
}
