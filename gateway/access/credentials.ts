/**
 * Who is known to a gateway, changed by people: from the command line on the data directory, or by an
 * operator's request to a gateway that runs. Both do it by these functions on a connection of their
 * own, and the broker takes note within a fraction of a second.
 */

import { EdgeError } from "../../src/assert.ts";
import { showJoinCode } from "../../src/wire/join.ts";
import { AccessStore, codeLabel, type Identity, type Role } from "./access-store.ts";
import { COST, freshJoinCode, hashSecret, keepSecret, makeSecret } from "./secrets.ts";

const MINUTE_MS = 60_000;
/** Time to walk to the barn; a week for collars that are posted. */
export const CODE_MINUTES = 15;
export const CODE_MINUTES_MAX = 7 * 24 * 60;
export const CODE_USES_MAX = 10_000;

export type CodeWish = {
  /** The only name that it is good for; undefined for any free one. */
  readonly node: string | undefined;
  readonly uses: number;
  /** That name's credentials are to be replaced. */
  readonly replaces: boolean;
  readonly minutes: number;
};

/** As people and programs are told it; the code is kept nowhere. */
export type OpenCode = {
  readonly code: string;
  readonly label: string;
  readonly node: string | null;
  readonly uses: number;
  /** Milliseconds since 1970. */
  readonly expires: number;
};

/** Does something with the list, on a connection of its own, and closes it. */
export async function withAccessStore<T>(
  directory: string,
  work: (store: AccessStore) => T | Promise<T>,
): Promise<T> {
  const store = new AccessStore(directory);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

/** Makes a join code. Throws `EdgeError` `code-uses` for one name and several uses. */
export async function openCode(
  store: AccessStore,
  wish: CodeWish,
  createdMs: number,
): Promise<OpenCode> {
  const { node = null, uses, replaces, minutes } = wish;
  if (node !== null && uses > 1) {
    throw new EdgeError({
      code: "code-uses",
      message: "a code for one name is good for one node",
      where: "uses",
      hint: "Leave the name out, or the number of uses.",
    });
  }
  const letters = freshJoinCode();
  const expiresMs = createdMs + minutes * MINUTE_MS;
  const hash = await hashSecret(letters, store.codeSalt, COST.code);
  store.putCode({ hash, node, replaces, uses, createdMs, expiresMs });
  return { code: showJoinCode(letters), label: codeLabel(hash), node, uses, expires: expiresMs };
}

/** Gives a name a new password in place of all that it had, and returns it: it is kept nowhere. */
export async function givePassword(
  store: AccessStore,
  name: string,
  role: Role,
  chosen?: string,
): Promise<string> {
  const password = chosen ?? makeSecret();
  const kept = await keepSecret(password, chosen === undefined ? "made" : "chosen");
  const nowMs = Date.now();
  const known = store.identity(name);
  store.put({
    name,
    role,
    secret: kept.scrypt,
    mosquitto: kept.mosquitto,
    certificate: null,
    createdMs: known?.createdMs ?? nowMs,
    changedMs: nowMs,
    joinHash: null,
    proven: true,
  });
  return password;
}

/** Takes a node's credentials away, or closes a code by its label. Throws `EdgeError`
 * `access-unknown`. */
export function revokeNode(
  store: AccessStore,
  name: string,
): { readonly codes: number; readonly node: boolean } {
  const codes = store.removeCodes(name);
  if (codes === 0) knownIdentity(store, name, ["node"]);
  return { codes, node: store.remove(name, ["node"]) };
}

/** Throws `EdgeError` `access-unknown` where nobody of these roles is called so. */
export function knownIdentity(store: AccessStore, name: string, roles: readonly Role[]): Identity {
  const found = store.identity(name);
  if (found !== undefined && roles.includes(found.role)) return found;
  throw new EdgeError({
    code: "access-unknown",
    message: `no ${roles.join(" or ")} is called ${name}`,
    where: store.file,
    hint: roles.includes("node")
      ? "`bellwether nodes list` shows who is known."
      : "`bellwether users list` shows who is known.",
  });
}

/** Throws `EdgeError` `access-name-taken`. */
export function freeName(store: AccessStore, name: string): string {
  const found = store.identity(name);
  if (found === undefined) return name;
  throw new EdgeError({
    code: "access-name-taken",
    message: `${name} is known already, as a ${found.role}`,
    where: store.file,
    hint: "Rotate its credentials, revoke them first, or take another name.",
  });
}

/** Nodes with credentials and codes that are open, as they are told. */
export function listNodes(store: AccessStore, nowMs: number) {
  const nodes = store.identities().filter(({ role }) => role === "node");
  const codes = store.codes().filter(({ expiresMs }) => expiresMs > nowMs);
  return {
    nodes: nodes.map(({ name, createdMs, changedMs, secret, certificate }) => ({
      node: name,
      created: createdMs,
      changed: changedMs,
      password: secret !== null,
      certificate,
    })),
    codes: codes.map(({ hash, node, uses, expiresMs }) => ({
      label: codeLabel(hash),
      node,
      uses,
      expires: expiresMs,
    })),
  };
}
