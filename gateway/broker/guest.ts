/**
 * One client of the embedded broker, from its CONNECT to its end: who it is, what it may, what it has
 * asked for so far.
 *
 * It knows no broker: `broker.ts` asks it at every turn and does what it says. What is refused is told
 * to the log, with the reason, and to nobody else.
 */

import type { NodeId } from "../../src/wire/messages.ts";
import type { TopicBase } from "../../src/wire/topics.ts";
import type { AccessRules, Principal, Publishing } from "../access/access.ts";
import type {
  Authentication,
  Claim,
  Claimed,
  Peer,
  Refusal,
  Session,
} from "../access/authentication.ts";
import type { Log } from "./link.ts";
import type { Visitor } from "./listeners.ts";
import { RepeatFilter } from "./repeat-filter.ts";

/** Who says who somebody is; the self-test brings its own. */
export type Identifying = Pick<Authentication, "claim" | "prove" | "holds">;

export type GuestOptions = {
  readonly base: TopicBase;
  readonly rules: AccessRules;
  readonly identifying: Identifying;
  readonly log: Log;
  readonly peer: Peer;
  readonly visitor: Visitor;
};

/** Filters at once. A node has two; each is at most `LIMITS.topicBytes` long. */
const NODE_FILTERS_MAX = 20;
/** Of whoever reads: a Home Assistant asks for 80 to discover what there is, and for three a node. */
const READER_FILTERS_MAX = 8_192;

export class Guest {
  readonly peer: Peer;
  readonly visitor: Visitor;
  readonly #options: GuestOptions;
  readonly #repeats = new RepeatFilter();
  #claimed: Claimed | Refusal | undefined;
  #session: Session | undefined;
  #clientId = "";
  #hasPublished = false;
  /** It has used its node topics. */
  #actsAsNode = false;
  readonly #filters = new Set<string>();

  constructor(options: GuestOptions) {
    this.#options = options;
    this.peer = options.peer;
    this.visitor = options.visitor;
  }

  /** Undefined until it has shown who it is. */
  get session(): Session | undefined {
    return this.#session;
  }

  get principal(): Principal | undefined {
    return this.#session?.principal;
  }

  /** The node that it is, if it is one. */
  get node(): NodeId | undefined {
    const who = this.principal;
    return who?.role === "node" || who?.role === "local" ? who.node : undefined;
  }

  /** Whether what it has shown still counts. */
  holds(): boolean {
    return this.#session === undefined || this.#options.identifying.holds(this.#session);
  }

  /** Returns the id that the broker must know it by. */
  claim(claim: Claim, will: Publishing | undefined): string {
    this.#clientId = claim.clientId;
    const { identifying, rules, base } = this.#options;
    const claimed = identifying.claim(this.peer, claim);
    this.#claimed = claimed;
    if (!claimed.ok) return claim.clientId;
    // Refused now and not when it is to be carried out: by then nobody is left to be told.
    const reason = will === undefined ? undefined : rules.mayPublish(base, claimed.principal, will);
    if (reason !== undefined) {
      this.#claimed = { ok: false, code: 5, reason: `last will: ${reason}` };
    }
    return claimed.clientId;
  }

  /** Undefined when it may come in. */
  async admit(password: Uint8Array | undefined): Promise<Refusal | undefined> {
    const refusal = await this.#prove(password);
    if (refusal !== undefined) {
      const { reason } = refusal;
      const client = this.#clientId;
      this.#options.log("warning", "client refused", { peer: this.peer.address, client, reason });
    }
    return refusal;
  }

  async #prove(password: Uint8Array | undefined): Promise<Refusal | undefined> {
    const claimed = this.#claimed;
    if (claimed === undefined) return { ok: false, code: 3, reason: "it has claimed nothing" };
    if (!claimed.ok) return claimed;
    const proof = await this.#options.identifying.prove(claimed, this.peer, password);
    if ("ok" in proof) return proof;
    this.#session = proof;
    return undefined;
  }

  /** Undefined when allowed, else the reason. */
  mayPublish(publishing: Publishing): string | undefined {
    const reason = this.#whyNotPublish(publishing);
    if (reason === undefined) {
      this.#hasPublished = true;
      if (publishing.topic.startsWith(`${this.#options.base}/`)) this.#actsAsNode = true;
    } else this.#deny("publish", publishing.topic, reason);
    return reason;
  }

  maySubscribe(filter: string): boolean {
    const reason = this.#whyNotSubscribe(filter);
    if (reason !== undefined) {
      this.#deny("subscription", filter, reason);
      return false;
    }
    this.#filters.add(filter);
    if (this.isNodePlane(filter)) this.#actsAsNode = true;
    return true;
  }

  unsubscribed(filters: readonly string[]): void {
    for (const filter of filters) this.#filters.delete(filter);
  }

  isNodePlane(filter: string): boolean {
    return filter.startsWith(`${this.#options.base}/node/`);
  }

  /** @param packetNumber the broker's, to tell a repetition by overlapping subscriptions
   * @param subscription the client's, where it numbers them */
  mayHear(topic: string, packetNumber: number, subscription: number | undefined): boolean {
    const { base, rules } = this.#options;
    if (this.principal === undefined || !rules.mayHear(base, this.principal, topic)) return false;
    return !this.#repeats.isRepeated(packetNumber, subscription);
  }

  #whyNotPublish(publishing: Publishing): string | undefined {
    const { base, rules } = this.#options;
    if (this.principal === undefined) return "it has not shown who it is";
    // Each request makes a password and is written to disk.
    if (this.principal.role === "joining" && this.#hasPublished) return "it has asked already";
    return rules.mayPublish(base, this.principal, publishing);
  }

  #whyNotSubscribe(filter: string): string | undefined {
    const { base, rules } = this.#options;
    if (this.principal === undefined) return "it has not shown who it is";
    const { role } = this.principal;
    // An operator's requests are under our base as well, and make it no node.
    const reads = role === "local" ? !this.#actsAsNode : role === "reader" || role === "operator";
    const most = reads ? READER_FILTERS_MAX : NODE_FILTERS_MAX;
    if (this.#filters.size >= most && !this.#filters.has(filter)) return "too many subscriptions";
    return rules.maySubscribe(base, this.principal, filter, this.#actsAsNode);
  }

  #deny(what: string, topic: string, reason: string): void {
    this.#options.log("warning", `${what} denied`, { client: this.#clientId, topic, reason });
  }
}
