/**
 * Opens who is known here for a running gateway, and makes the one who operates it, once.
 */

import path from "node:path";
import type { Log } from "../broker/link.ts";
import { readIfThere } from "../store/durable-file.ts";
import { AccessStore } from "./access-store.ts";
import { Authentication } from "./authentication.ts";
import { keepSecret, makeSecret } from "./secrets.ts";

export const OPERATOR = "operator";

export type OpenAccess = {
  readonly authentication: Authentication;
  /** Makes the user `operator` and returns its password; undefined where that was done before. Asked
   * for by whoever can tell somebody: a token that nobody sees would be lost. */
  readonly beginOperator: () => Promise<string | undefined>;
  readonly close: () => void;
};

export type AccessSettings = {
  readonly dataDirectory: string;
  readonly loopback: "anonymous" | "closed";
};

/** @throws EdgeError as `AccessStore` does */
export function openAccess(settings: AccessSettings, log: Log): OpenAccess {
  const { dataDirectory, loopback } = settings;
  const store = new AccessStore(dataDirectory);
  return {
    authentication: new Authentication({
      store,
      loopback,
      log,
      releaseKey: () => publicReleaseKey(dataDirectory),
    }),
    beginOperator: () => beginOperator(store),
    close: () => store.close(),
  };
}

/** Undefined where the gateway has been started before. */
async function beginOperator(store: AccessStore): Promise<string | undefined> {
  if (store.hasStarted) return undefined;
  const token = makeSecret();
  const kept = await keepSecret(token, "made");
  const nowMs = Date.now();
  const isFirst = store.begin({
    name: OPERATOR,
    role: "operator",
    secret: kept.scrypt,
    mosquitto: kept.mosquitto,
    certificate: null,
    createdMs: nowMs,
    changedMs: nowMs,
    joinHash: null,
    proven: false,
  });
  return isFirst ? token : undefined;
}

/** As hex; null where this gateway signs nothing. */
export function publicReleaseKey(dataDirectory: string): string | null {
  const file = readIfThere(path.join(dataDirectory, "keys", "release-key.pub"));
  const text = file === undefined ? "" : Buffer.from(file).toString().trim();
  return /^[0-9a-f]{64}$/.test(text) ? text : null;
}
