/**
 * Checks passwords without holding anybody up: hashing runs beside the event loop, two at a time, and
 * who has been right once is known again at once.
 *
 * What is remembered of a right password is an HMAC under a key that lives in this process only, and
 * it is good for as long as what is kept of the password stays the same.
 */

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { holdsSecret } from "./secrets.ts";

/** Node's pool has four threads, and files need some of them. */
const AT_ONCE = 2;
/** Of one name: more can only be guesses. */
const AT_ONCE_OF_NAME = 4;

export type PasswordAnswer = "right" | "wrong" | "busy";

export class PasswordCheck {
  readonly #key = randomBytes(32);
  readonly #right = new Map<string, { readonly kept: string; readonly mac: Buffer }>();
  readonly #checking = new Map<string, number>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** True when this very password was right before. Costs microseconds. */
  isRemembered(name: string, kept: string, password: Uint8Array): boolean {
    const known = this.#right.get(name);
    return known?.kept === kept && timingSafeEqual(known.mac, this.#mac(password));
  }

  /** @param still asked when its turn has come: a flood of guesses is not worked off for nothing */
  async check(
    name: string,
    kept: string,
    password: Uint8Array,
    still: () => boolean,
  ): Promise<PasswordAnswer> {
    const checking = this.#checking.get(name) ?? 0;
    if (checking >= AT_ONCE_OF_NAME) return "busy";
    this.#checking.set(name, checking + 1);
    try {
      const isRight = await this.inTurn(async () => still() && (await holdsSecret(kept, password)));
      if (isRight) this.#right.set(name, { kept, mac: this.#mac(password) });
      return isRight ? "right" : "wrong";
    } finally {
      const left = (this.#checking.get(name) ?? 1) - 1;
      if (left > 0) this.#checking.set(name, left);
      else this.#checking.delete(name);
    }
  }

  forget(name: string): void {
    this.#right.delete(name);
  }

  /** Runs work that hashes when there is room for it, first come first served. */
  async inTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= AT_ONCE) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  #mac(password: Uint8Array): Buffer {
    return createHmac("sha256", this.#key).update(password).digest();
  }
}
