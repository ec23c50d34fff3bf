/**
 * ChirpStack v4's events on MQTT, as far as we read them: its JSON is the Protocol Buffers mapping of
 * `integration.proto`, in which a field that has its default value is left out.
 *
 * Strict in what we use (a device's EUI, a port, a counter, base64), tolerant of everything else:
 * ChirpStack adds fields with each release, and they are no concern of ours.
 */

import { z } from "zod";
import { EdgeError } from "../../src/assert.ts";

export const EVENT_KINDS = ["up", "join", "ack", "txack", "status", "log"] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** An uplink through sixteen gateways is some 6 KiB. */
const EVENT_BYTES_MAX = 64 * 1024;
/** base64 of 242 bytes, and room. */
const DATA_CHARACTERS_MAX = 1024;

const devEui = z.string().regex(/^[0-9a-f]{16}$/, "16 lower case hex digits");
const deviceInfo = z.object({ applicationId: z.string().min(1).max(64), devEui });

const SCHEMAS = {
  up: z.object({
    deduplicationId: z.string().min(1).max(64),
    deviceInfo,
    devAddr: z
      .string()
      .regex(/^[0-9a-f]{8}$/)
      .default("00000000"),
    dr: z.int().min(0).max(15).default(0),
    fCnt: z.int().min(0).max(0xffff_ffff).default(0),
    fPort: z.int().min(0).max(255).default(0),
    data: z
      .base64()
      .max(DATA_CHARACTERS_MAX)
      .default("")
      .transform((text) => new Uint8Array(Buffer.from(text, "base64"))),
  }),
  join: z.object({ deviceInfo }),
  ack: z.object({ deviceInfo, acknowledged: z.boolean().default(false) }),
  txack: z.object({ deviceInfo }),
  status: z.object({ deviceInfo, batteryLevel: z.number().optional() }),
  log: z.object({
    deviceInfo,
    level: z.string().max(16).default("INFO"),
    code: z.string().max(64).default(""),
    description: z.string().max(1024).default(""),
  }),
} as const;

export type ChirpstackEvent = {
  [Kind in EventKind]: { readonly kind: Kind } & Readonly<z.infer<(typeof SCHEMAS)[Kind]>>;
}[EventKind];

/** Throws `EdgeError` `chirpstack-event` with the first field that is wrong. */
export function parseChirpstackEvent(kind: EventKind, payload: Uint8Array): ChirpstackEvent {
  if (payload.length > EVENT_BYTES_MAX) {
    throw refusal(kind, `${payload.length} bytes, at most ${EVENT_BYTES_MAX}`);
  }
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    throw refusal(kind, "no JSON");
  }
  const parsed = SCHEMAS[kind].safeParse(content);
  if (parsed.success) return { kind, ...parsed.data } as ChirpstackEvent;
  const [issue] = parsed.error.issues;
  throw refusal(kind, `${issue?.path.join(".") ?? ""}: ${issue?.message ?? ""}`);
}

function refusal(kind: EventKind, message: string): EdgeError {
  return new EdgeError({
    code: "chirpstack-event",
    message,
    where: `event/${kind}`,
    hint: "ChirpStack's MQTT integration must be set to JSON; see docs/LORAWAN.md.",
  });
}
