/**
 * How passwords and join codes are made, and what is kept of them: never themselves.
 *
 * Kept is scrypt (RFC 7914), with a cost that follows what there is to guess. A secret that we made
 * has 192 random bits, which nobody guesses however cheap a guess is; its cost is low, so that a herd
 * of ten thousand that comes back after an outage is known again within seconds. What a person chose,
 * and a join code of 40 bits, costs as much as a login may take.
 *
 *     scrypt$<log2 N>$<salt, base64url>$<hash, base64url>        r 8, p 1, 32 bytes
 *     $7$<iterations>$<salt, base64>$<hash, base64>              the same secret, for Mosquitto
 */

import { pbkdf2, randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { assert } from "../../src/assert.ts";
import { JOIN_CODE_LETTERS, makeJoinCode } from "../../src/wire/join.ts";

/** 1.4 ms, 27 ms and 65 ms on a server's core; three to five times that on a Raspberry Pi 4. */
export const COST = { made: 10, code: 14, chosen: 15 } as const;

/** Mosquitto's own number for what we made; for what a person chose, as OWASP would have it for
 * SHA-512 within what a broker can spare. */
const MOSQUITTO_ITERATIONS = { made: 101, chosen: 100_000 } as const;

const BLOCK_SIZE = 8;
const HASH_BYTES = 32;
const SALT_BYTES = 16;
/** 24 bytes are 32 characters, without padding. */
const SECRET_BYTES = 24;
const MOSQUITTO_SALT_BYTES = 12;
const MOSQUITTO_HASH_BYTES = 64;

/** What is kept of one secret. */
export type KeptSecret = {
  readonly scrypt: string;
  /** A line's worth for Mosquitto's password file, which knows PBKDF2 only. */
  readonly mosquitto: string;
};

/** 32 letters, digits, dashes and underscores; 192 random bits. */
export function makeSecret(): string {
  return randomBytes(SECRET_BYTES).toString("base64url");
}

/** A fresh join code in its canonical form. */
export function freshJoinCode(): string {
  return makeJoinCode(randomBytes(JOIN_CODE_LETTERS));
}

export function makeSalt(): Uint8Array {
  return randomBytes(SALT_BYTES);
}

/** @param origin whether we made it, or a person chose it */
export async function keepSecret(secret: string, origin: "made" | "chosen"): Promise<KeptSecret> {
  const mosquittoSalt = randomBytes(MOSQUITTO_SALT_BYTES);
  const iterations = MOSQUITTO_ITERATIONS[origin];
  const [kept, mosquitto] = await Promise.all([
    hashSecret(secret, makeSalt(), COST[origin]),
    promisify(pbkdf2)(secret, mosquittoSalt, iterations, MOSQUITTO_HASH_BYTES, "sha512"),
  ]);
  return {
    scrypt: kept,
    mosquitto: `$7$${iterations}$${mosquittoSalt.toString("base64")}$${mosquitto.toString("base64")}`,
  };
}

/** The same text for the same secret and salt, so that a join code can be looked up by it. */
export async function hashSecret(
  secret: string | Uint8Array,
  salt: Uint8Array,
  cost: number,
): Promise<string> {
  const hash = await stretch(secret, salt, cost);
  return `scrypt$${cost}$${Buffer.from(salt).toString("base64url")}$${hash.toString("base64url")}`;
}

/** Takes as long whether it holds or not. */
export async function holdsSecret(kept: string, secret: Uint8Array): Promise<boolean> {
  const [form, cost, salt, hash] = kept.split("$");
  assert(form === "scrypt" && hash !== undefined, "kept secrets are of the one form we write");
  const tried = await stretch(secret, Buffer.from(salt ?? "", "base64url"), Number(cost));
  return timingSafeEqual(tried, Buffer.from(hash, "base64url"));
}

function stretch(secret: string | Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> {
  const parameters = { N: 2 ** cost, r: BLOCK_SIZE, p: 1, maxmem: 256 * BLOCK_SIZE * 2 ** cost };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, HASH_BYTES, parameters, (error, hash) => {
      if (error) reject(error);
      else resolve(hash);
    });
  });
}
