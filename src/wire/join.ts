/**
 * How a device that speaks only MQTT joins a gateway: two topics and two small JSON objects.
 *
 * It connects with the user `join` and a join code as its password, with the name that it would like
 * as its client id, publishes a request on a topic of its own, and is answered on another with a
 * user and a password that are its own from then on. `docs/TOPICS.md` shows it byte by byte.
 *
 *     <base>/join/<client id>/request     device to gateway    {"v":1}
 *     <base>/join/<client id>/response    gateway to device    {"v":1,"status":"ok","node":…}
 */

import type { TopicBase } from "./topics.ts";

/** The user name of a device that has only a code. No node and no person is called so. */
export const JOIN_USER = "join";

/** A request says nothing yet: who asks is the client id, and what it may is the code's. */
export const JOIN_REQUEST_BYTES_MAX = 256;

export type JoinResponse =
  | {
      readonly v: 1;
      readonly status: "ok";
      /** What it is called from now on: its MQTT client id, and its user name. */
      readonly node: string;
      readonly password: string;
      /** The gateway's public release key, 32 bytes as hex; null where it releases nothing. */
      readonly key: string | null;
    }
  | {
      readonly v: 1;
      readonly status: "error";
      /** `name-taken`, `code-used`, `bad-request`, `unavailable`. */
      readonly error: string;
    };

/** The bounds of its texts, in characters. */
export const JOIN_BOUNDS = { node: 64, password: 128, error: 64 } as const;
export const RELEASE_KEY = /^[0-9a-f]{64}$/;

/**
 * A response from its JSON, or undefined for what is none. Written by hand, since the library that
 * reads everything else by `join-schema.ts` would be a fifth of a small node's memory; a test holds
 * the two against each other.
 */
export function readJoinResponse(text: string): JoinResponse | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { v, status, node, password, key, error } = value as Readonly<Record<string, unknown>>;
  if (v !== 1) return undefined;
  if (status === "error") {
    return isText(error, JOIN_BOUNDS.error) ? { v, status, error } : undefined;
  }
  if (status !== "ok" || !isText(node, JOIN_BOUNDS.node)) return undefined;
  if (!isText(password, JOIN_BOUNDS.password)) return undefined;
  if (key !== null && !(typeof key === "string" && RELEASE_KEY.test(key))) return undefined;
  return { v, status, node, password, key };
}

function isText(value: unknown, charactersMax: number): value is string {
  return typeof value === "string" && value.length >= 1 && value.length <= charactersMax;
}

export type JoinStep = "request" | "response";

export function joinTopic(base: TopicBase, clientId: string, step: JoinStep): string {
  return `${base}/join/${clientId}/${step}`;
}

/** Whether a topic or a filter can reach the joining plane of this base. */
export function isJoinTopic(base: TopicBase, topic: string): boolean {
  return topic === `${base}/join` || topic.startsWith(`${base}/join/`);
}

/** A join code has no letters that are taken for digits (Crockford's base 32), and what people type
 * instead is understood: lower case, blanks, dashes, O for 0, I and L for 1. */
export const JOIN_CODE_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** 40 bits: with 20 guesses a minute, one in 38 million a day for each open code. */
export const JOIN_CODE_LETTERS = 8;

const CODE = new RegExp(`^[${JOIN_CODE_ALPHABET}]{${JOIN_CODE_LETTERS}}$`);

/** `k7qm-3xpa` as `K7QM3XPA`; undefined for what cannot be a code. */
export function readJoinCode(text: string): string | undefined {
  const letters = text.toUpperCase().replace(/[\s-]/g, "").replace(/O/g, "0").replace(/[IL]/g, "1");
  return CODE.test(letters) ? letters : undefined;
}

/** As it is shown: `K7QM-3XPA`. */
export function showJoinCode(letters: string): string {
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
}

/** A code from random bytes, one a letter. */
export function makeJoinCode(random: Uint8Array): string {
  return [...random.subarray(0, JOIN_CODE_LETTERS)]
    .map((byte) => JOIN_CODE_ALPHABET[byte % JOIN_CODE_ALPHABET.length])
    .join("");
}
