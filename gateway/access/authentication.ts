/**
 * Who a client of the embedded broker is: by certificate, by user and password, by a join code, or,
 * on the loopback, without anything.
 *
 * A client id is bound to its identity, so that nobody can take another's session over by naming its
 * id: a node's is its own name, a reader's gets its user before it, that of a client without
 * credentials a slash. Wrong tries cost the address that they come from; nothing here waits for a hash
 * on the event loop. It decides who somebody is and nothing else: rights are in `access.ts`.
 */

import { isIPv6 } from "node:net";
import { JOIN_USER, type JoinResponse, readJoinCode } from "../../src/wire/join.ts";
import { isNodeId } from "../../src/wire/topics.ts";
import type { Log } from "../broker/link.ts";
import type { Principal } from "./access.ts";
import type { AccessStore, Identity } from "./access-store.ts";
import { GuessLimit } from "./guess-limit.ts";
import { PasswordCheck } from "./password-check.ts";
import { COST, hashSecret, keepSecret, makeSecret } from "./secrets.ts";

/** The other end of a connection, as far as the network tells. */
export type Peer = {
  readonly address: string;
  /** On this machine, and not behind a proxy on it. */
  readonly loopback: boolean;
  /** A client certificate that our authority has signed. */
  readonly certificate?: { readonly name: string; readonly fingerprint: string } | undefined;
};

/** What a CONNECT packet says. */
export type Claim = {
  readonly clientId: string;
  readonly user: string | undefined;
  readonly password: Uint8Array | undefined;
};

/** CONNACK return codes of MQTT 3.1.1, 3.2.2.3. */
export type RefusalCode = 2 | 3 | 4 | 5;
export type Refusal = { readonly ok: false; readonly code: RefusalCode; readonly reason: string };

/** Who a client says it is; still to be shown. */
export type Claimed = {
  readonly ok: true;
  readonly principal: Principal;
  /** What the broker knows the connection by. */
  readonly clientId: string;
  readonly by: "nothing" | "certificate" | "password" | "code";
};

/** Who a client is, and what that rests on. */
export type Session = {
  readonly principal: Principal;
  readonly identity?: Identity;
  readonly codeHash?: string;
};

export type AuthenticationOptions = {
  /** Undefined: nobody has credentials, as in a test of the bare broker. */
  readonly store: AccessStore | undefined;
  readonly loopback: "anonymous" | "closed";
  readonly log: Log;
  /** Handed to nodes that join: what their releases are signed with, as hex. */
  readonly releaseKey?: () => string | null;
  readonly now?: () => number;
};

const GUESSES_OF_USER = { burst: 5, perTryMs: 10_000 };
const GUESSES_OF_ADDRESS = { burst: 60, perTryMs: 1_000 };
/** Twenty wrong codes a minute from everywhere, five in a row from one address. */
const CODES_OF_ADDRESS = { burst: 5, perTryMs: 30_000 };
const CODES_OF_ALL = { burst: 20, perTryMs: 3_000 };
const EVERYBODY = "everybody";

export class Authentication {
  readonly #options: AuthenticationOptions;
  readonly #now: () => number;
  readonly #passwords = new PasswordCheck();
  readonly #guesses = {
    ofUser: new GuessLimit(GUESSES_OF_USER),
    ofAddress: new GuessLimit(GUESSES_OF_ADDRESS),
    codesOfAddress: new GuessLimit(CODES_OF_ADDRESS),
    codesOfAll: new GuessLimit(CODES_OF_ALL),
  };
  /** Have connected with what they were given when they joined; written down at the next refresh. */
  readonly #proven = new Set<string>();
  #changed = false;
  #lastCode = { letters: "", hash: "" };

  constructor(options: AuthenticationOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  /** Who somebody says they are. Nothing is checked that takes time. */
  claim(peer: Peer, claim: Claim): Claimed | Refusal {
    this.#readAgain();
    const { certificate } = peer;
    if (certificate !== undefined && claim.user !== JOIN_USER) {
      if (claim.user !== undefined && claim.user !== certificate.name) {
        return refuse(5, "the user is not the certificate's");
      }
      return this.#claimName(certificate.name, claim.clientId, "certificate");
    }
    if (claim.user === undefined) return this.#claimNothing(peer, claim.clientId);
    if (claim.user === JOIN_USER) return claimToJoin(claim.clientId);
    return this.#claimName(claim.user, claim.clientId, "password");
  }

  /** Whether they are. The session, or why not. */
  async prove(
    claimed: Claimed,
    peer: Peer,
    password: Uint8Array | undefined,
  ): Promise<Session | Refusal> {
    const { principal } = claimed;
    switch (claimed.by) {
      case "nothing":
        return { principal };
      case "certificate":
        return this.#proveCertificate(principal, peer);
      case "password":
        return this.#provePassword(principal, peer, password ?? new Uint8Array());
      case "code":
        return this.#proveCode(principal, peer, password ?? new Uint8Array());
    }
  }

  /** Whether what a session rests on is still so. */
  holds(session: Session): boolean {
    const { store, loopback } = this.#options;
    const { principal, identity, codeHash } = session;
    if (principal.role === "local") {
      const taken = principal.node !== undefined && store?.identity(principal.node) !== undefined;
      return loopback === "anonymous" && !taken;
    }
    if (principal.role === "joining") {
      const code = codeHash === undefined ? undefined : store?.code(codeHash);
      return code !== undefined && code.expiresMs > this.#now();
    }
    const known = identity === undefined ? undefined : store?.identity(identity.name);
    return (
      known !== undefined &&
      known.role === identity?.role &&
      known.secret === identity.secret &&
      known.certificate === identity.certificate
    );
  }

  /** Answers a device that has shown a code: with credentials of its own, or with why not. */
  async join(session: Session, request: Uint8Array): Promise<JoinResponse> {
    const { store, log, releaseKey } = this.#options;
    const { principal, codeHash } = session;
    if (store === undefined || codeHash === undefined || principal.role !== "joining") {
      return { v: 1, status: "error", error: "bad-request" };
    }
    if (!isRequest(request)) return { v: 1, status: "error", error: "bad-request" };
    const password = makeSecret();
    const kept = await this.#passwords.inTurn(() => keepSecret(password, "made"));
    // Whoever has connected with its credentials has had its answer.
    this.#writeProven(store);
    const result = store.redeem(codeHash, principal.clientId, kept, this.#now());
    if (!result.ok) {
      log("warning", "join refused", { client: principal.clientId, reason: result.error });
      return { v: 1, status: "error", error: result.error };
    }
    this.#changed = true;
    this.#passwords.forget(result.node);
    log("info", "node joined", { node: result.node, replaced: result.replaced });
    const key = releaseKey?.() ?? null;
    return { v: 1, status: "ok", node: result.node, password, key };
  }

  /** Takes note of what the command line has changed, and writes down what was learned. True where
   * sessions must be looked at. */
  refresh(): boolean {
    const { store } = this.#options;
    if (store === undefined) return false;
    this.#writeProven(store);
    store.sweepCodes(this.#now());
    const changed = store.refresh() || this.#changed;
    this.#changed = false;
    return changed;
  }

  /** Whoever was added a moment ago is known by now; if the disk fails, who was known before is. */
  #readAgain(): void {
    const { store, log } = this.#options;
    try {
      if (store?.refresh() === true) this.#changed = true;
    } catch (error) {
      log("error", "changes of credentials cannot be read", { reason: (error as Error).message });
    }
  }

  #writeProven(store: AccessStore): void {
    if (this.#proven.size === 0) return;
    store.markProven(this.#proven);
    this.#proven.clear();
  }

  #claimNothing(peer: Peer, clientId: string): Claimed | Refusal {
    if (!peer.loopback) return refuse(5, "without credentials only the loopback is open");
    if (this.#options.loopback !== "anonymous") return refuse(5, "credentials are needed");
    if (this.#options.store?.identity(clientId) !== undefined) {
      return refuse(5, "this name has credentials, which are needed");
    }
    const node = isNodeId(clientId) ? clientId : undefined;
    // Without an id the broker makes one, and tells a client of MQTT 5 which.
    const bound = clientId === "" ? "" : `/${clientId}`;
    return { ok: true, principal: { role: "local", node }, clientId: bound, by: "nothing" };
  }

  #claimName(name: string, clientId: string, by: "certificate" | "password"): Claimed | Refusal {
    const identity = this.#options.store?.identity(name);
    // Names are no secret: they stand in public topics.
    if (identity === undefined) return refuse(by === "password" ? 4 : 5, "nobody is known so");
    if (identity.role !== "node") {
      const principal = { role: identity.role, user: name } as const;
      // As above: two programs of one person that name none must not be the same client.
      const bound = clientId === "" ? "" : `${name}/${clientId}`;
      return { ok: true, principal, clientId: bound, by };
    }
    if (!isNodeId(name)) return refuse(2, "this is no node's name");
    if (clientId !== name) return refuse(2, "a node's client id is its name");
    return { ok: true, principal: { role: "node", node: name }, clientId, by };
  }

  #proveCertificate(principal: Principal, peer: Peer): Session | Refusal {
    const identity = this.#identityOf(principal);
    const { certificate } = peer;
    const isKnown =
      certificate !== undefined &&
      identity?.name === certificate.name &&
      (identity.certificate === "any" || identity.certificate === certificate.fingerprint);
    if (!isKnown || identity === undefined) return refuse(5, "another certificate counts");
    return { principal, identity };
  }

  async #provePassword(
    principal: Principal,
    peer: Peer,
    password: Uint8Array,
  ): Promise<Session | Refusal> {
    const identity = this.#identityOf(principal);
    if (identity?.secret == null) return refuse(4, "no password counts for this name");
    const refusal = await this.#checkPassword(identity.name, identity.secret, peer, password);
    if (refusal !== undefined) return refusal;
    const session = { principal, identity };
    // It may have been taken away while it was checked.
    if (!this.holds(session)) return refuse(4, "the credentials have been taken away");
    if (identity.joinHash !== null && !identity.proven) this.#proven.add(identity.name);
    return session;
  }

  /**
   * A password that was right before needs no hash, and is not held up by what others behind the same
   * address get wrong. It is held up by wrong tries at its own name: or the memory of a right one
   * would answer any number of guesses.
   */
  async #checkPassword(
    name: string,
    kept: string,
    peer: Peer,
    password: Uint8Array,
  ): Promise<Refusal | undefined> {
    const address = networkOf(peer.address);
    const user = `${address} ${name}`;
    const { ofUser, ofAddress } = this.#guesses;
    if (!ofUser.allows(user, this.#now())) return refuse(5, "too many wrong passwords");
    if (this.#passwords.isRemembered(name, kept, password)) return undefined;
    const mayTry = (): boolean =>
      ofUser.allows(user, this.#now()) && ofAddress.allows(address, this.#now());
    if (!mayTry()) return refuse(5, "too many wrong passwords");
    const answer = await this.#passwords.check(name, kept, password, mayTry);
    if (answer === "right") return undefined;
    if (answer === "busy") return refuse(3, "too many tries at once");
    ofUser.wrong(user, this.#now());
    ofAddress.wrong(address, this.#now());
    return refuse(4, "wrong password");
  }

  async #proveCode(
    principal: Principal,
    peer: Peer,
    password: Uint8Array,
  ): Promise<Session | Refusal> {
    const { store } = this.#options;
    const address = networkOf(peer.address);
    const { codesOfAddress, codesOfAll } = this.#guesses;
    const mayTry = (): boolean =>
      codesOfAddress.allows(address, this.#now()) && codesOfAll.allows(EVERYBODY, this.#now());
    const letters = readJoinCode(Buffer.from(password).toString("latin1"));
    const codeHash = await this.#passwords.inTurn(async () => {
      if (store === undefined || !mayTry()) return undefined;
      return letters === undefined ? "" : this.#codeHash(letters, store);
    });
    if (codeHash === undefined) return refuse(5, "too many wrong join codes");
    const session = { principal, codeHash };
    if (this.holds(session)) return session;
    codesOfAddress.wrong(address, this.#now());
    codesOfAll.wrong(EVERYBODY, this.#now());
    return refuse(4, "wrong join code, or its time is over");
  }

  /** A code for a whole herd is hashed once, not once for each of it. Only good codes are kept, and
   * only where tries are limited already. */
  async #codeHash(letters: string, store: AccessStore): Promise<string> {
    const { letters: known, hash: kept } = this.#lastCode;
    if (known === letters && store.code(kept) !== undefined) return kept;
    const hash = await hashSecret(letters, store.codeSalt, COST.code);
    if (store.code(hash) !== undefined) this.#lastCode = { letters, hash };
    return hash;
  }

  #identityOf(principal: Principal): Identity | undefined {
    const { store } = this.#options;
    if (principal.role === "node") return store?.identity(principal.node);
    return "user" in principal ? store?.identity(principal.user) : undefined;
  }
}

function claimToJoin(clientId: string): Claimed | Refusal {
  if (!isNodeId(clientId)) return refuse(2, "the client id of who joins is the name it would have");
  return {
    ok: true,
    principal: { role: "joining", clientId },
    clientId: `join/${makeSecret()}`,
    by: "code",
  };
}

function isRequest(request: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(Buffer.from(request).toString());
    return typeof value === "object" && value !== null && "v" in value && value.v === 1;
  } catch {
    return false;
  }
}

/** What counts as one place: whoever has an address of version 6 has 2^64 of them. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:/, "");
  if (!isIPv6(plain)) return plain;
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(":").length;
  return [...groups, ...Array<string>(missing).fill("0")].slice(0, 4).join(":");
}

function refuse(code: RefusalCode, reason: string): Refusal {
  return { ok: false, code, reason };
}
