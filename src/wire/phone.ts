/**
 * What a gateway tells the page that makes a phone a node, before it is one (`/node/about.json`), the
 * link that leads there, and what a phone keeps of it.
 */

import { z } from "zod";

const KeySchema = z.string().regex(/^[0-9a-f]{64}$/);

/** Nothing in it is secret: whoever may open the page may know it. */
export const PhoneAboutSchema = z.object({
  v: z.literal(1),
  /** What stands before every topic. */
  base: z.string().min(1).max(64),
  /** `people`, `cattle`: what the students of this gateway are made for. */
  profile: z.string().min(1).max(64),
  /** Where MQTT over WebSocket is spoken, on the same machine; null where it is not. */
  websocket: z
    .object({ port: z.number().int().min(1).max(65_535), secure: z.boolean() })
    .nullable(),
  /** The public release key, 32 bytes as hex, for a phone that was let in without joining; null where
   * nothing is signed. */
  key: KeySchema.nullable(),
  /** Whether there are emulated signals to replay. */
  emulator: z.boolean(),
});
export type PhoneAbout = z.infer<typeof PhoneAboutSchema>;

/** What a phone keeps of its joining, in its own storage. */
export const PhoneCredentialsSchema = z.object({
  node: z.string().min(1).max(64),
  /** Null where the gateway lets its own machine in without. */
  password: z.string().min(1).max(128).nullable(),
  /** The public release key, 32 bytes as hex; null where nothing is signed. */
  key: KeySchema.nullable(),
});
export type PhoneCredentials = z.infer<typeof PhoneCredentialsSchema>;

/** Where the page is. Behind `#`, which browsers keep to themselves, stand a join code and a name. */
export const PHONE_PATH = "/node";

/** `https://farm.local:8811/node#code=K7QM-3XPA&name=phone-1` */
export function phoneLink(
  origin: string,
  code: string | undefined,
  node: string | undefined,
): string {
  const parts = [
    ...(code === undefined ? [] : [`code=${encodeURIComponent(code)}`]),
    ...(node === undefined ? [] : [`name=${encodeURIComponent(node)}`]),
  ];
  return `${origin}${PHONE_PATH}${parts.length === 0 ? "" : `#${parts.join("&")}`}`;
}

/** What a link says, as far as it says it; nothing of it is believed. */
export function readPhoneLink(hash: string): {
  readonly code: string | undefined;
  readonly node: string | undefined;
} {
  const said = new Map<string, string>();
  for (const part of hash.replace(/^#/, "").slice(0, 256).split("&")) {
    const [name = "", value = ""] = part.split("=");
    said.set(name, decoded(value));
  }
  return { code: said.get("code") || undefined, node: said.get("name") || undefined };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
}
