/** The gateway's settings for nodes behind LoRaWAN: where ChirpStack is, and which device is whom. */

import { z } from "zod";
import type { NodeId } from "../../src/wire/messages.ts";
import { isNodeId } from "../../src/wire/topics.ts";
import { OUTSIDE_BROKER } from "../broker/outside-broker.ts";

export const LorawanSchema = z
  .strictObject({
    /** ChirpStack's broker; without it there is no LoRaWAN. */
    ...OUTSIDE_BROKER,
    /** Its id in ChirpStack: a UUID, not the JoinEUI. */
    application: z
      .string()
      .regex(/^[0-9A-Za-z-]{0,64}$/, "must be the application's id in ChirpStack")
      .default(""),
    /** LoRaWAN's port for our payloads; 1 to 223 are free. */
    port: z.int().min(1).max(223).default(10),
    /** Nodes by device EUI. */
    devices: z
      .record(
        z.string().regex(/^[0-9a-f]{16}$/, "must be a device EUI: 16 lower case hex digits"),
        z.string().refine(isNodeId, "must be a node's name"),
      )
      .refine((all) => new Set(Object.values(all)).size === Object.keys(all).length, {
        message: "must give each device a node of its own",
      })
      .default({}),
  })
  .prefault({});

export type LorawanConfig = {
  readonly url: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly application: string;
  readonly port: number;
  readonly devices: ReadonlyMap<string, NodeId>;
};

/** @param beside makes a file's name absolute */
export function toLorawanConfig(
  settings: z.infer<typeof LorawanSchema>,
  beside: (name: string | undefined) => string | undefined,
): LorawanConfig {
  const { url, application, port, devices } = settings;
  return {
    url,
    passwordFile: beside(settings.password_file),
    caFile: beside(settings.ca_file),
    application,
    port,
    devices: new Map(Object.entries(devices) as [string, NodeId][]),
  };
}
