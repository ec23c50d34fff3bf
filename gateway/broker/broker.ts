/**
 * The embedded broker: Aedes behind the packet guard, on sockets of its own.
 *
 * The only file that knows aedes. Version 2.0.0-beta.1 is pinned rather than the stable 1.2.0, since
 * 1.2.0 refuses MQTT 5 and Home Assistant speaks nothing else from its release 2027.1 on; both were
 * run through this project's tests. Two repairs of 1.1.3 and 1.2.0 are not in the beta (advisories
 * GHSA-52qw-whmv-87c5, inherited names as client id or topic, and GHSA-5jvp-3p2v-5qgf, unbounded
 * QoS 2 handshakes): the packet guard refuses both before the broker sees them. Shared subscriptions
 * are not offered by it and not used by us.
 *
 * What it refuses to be: a broker for other programs. Who somebody is, is `authentication.ts`; what
 * they may, is `access.ts`; before anybody is let in, `rights-self-test.ts` tries both.
 */

import type { Duplex } from "node:stream";
import { Aedes, type AuthenticateError, type Client, type PublishPacket } from "aedes";
import { joinTopic } from "../../src/wire/join.ts";
import { LIMITS } from "../../src/wire/limits.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import { parseRequestTopic } from "../../src/wire/requests.ts";
import { parseDownTopic, type TopicBase } from "../../src/wire/topics.ts";
import {
  type AccessRules,
  accessRules,
  gatewayFilters,
  type Publishing,
} from "../access/access.ts";
import { Authentication, type Peer, type Session } from "../access/authentication.ts";
import { type Trial, testRights } from "../access/rights-self-test.ts";
import { type EdgeNode, edgeFilters } from "../sparkplug/sparkplug-names.ts";
import { Guest, type Identifying } from "./guest.ts";
import type { Link, LinkEvents, Log } from "./link.ts";
import { Hall, type Listener, type Visitor } from "./listeners.ts";
import { type ListenOptions, listenAll, refuseOpen } from "./open-listeners.ts";
import { GuardedConnection } from "./packet-guard.ts";
import { FORGETFUL } from "./repeat-filter.ts";

export type BrokerOptions = ListenOptions & {
  readonly base: TopicBase;
  readonly connectionsMax: number;
  readonly packetsPerSecond: number;
  readonly packetsBurst: number;
  /** Without it nobody has credentials, and the loopback needs none. */
  readonly authentication?: Authentication;
  /** The edge node that the gateway is to hosts of Sparkplug, where they are to be heard. */
  readonly edge?: EdgeNode | undefined;
  /** Other rules, for tests of the self-test. */
  readonly rules?: AccessRules;
};

/** A slow reader is dropped after this: until then it holds up every other reader, since deliveries
 * share one queue (moscajs/aedes#1060). The broker's own default is a minute. */
const DRAIN_MS = 2_000;
const CONNECT_MS = 5_000;
const CLOSE_MS = 1_000;
/** How soon a revocation ends a session. */
const REVIEW_MS = 200;
/** Who joins has this long to ask, and to read the answer. */
const JOIN_MS = 30_000;
/** CONNACK and DISCONNECT reason of MQTT 5, 3.14.2.1. */
const NOT_AUTHORIZED = 0x87;

/** @throws EdgeError `broker-open`, `broker-port`, `rights-self-test` */
export async function startBroker(options: BrokerOptions, events: LinkEvents): Promise<Link> {
  refuseOpen(options, events.log);
  const aedes = await createAedes(options);
  const doors = new Doors(aedes, options, events);
  const listeners: Listener[] = [];
  try {
    await testRights(options.base, doors.trial(), options.edge);
    await subscribeGateway(aedes, options, events);
    await listenAll(options, doors.hall, events.log, listeners);
    doors.takesRequests = true;
  } catch (error) {
    await closeAll(aedes, doors, listeners);
    throw error;
  }
  /** Messages on their way to readers. */
  let pending = 0;
  return {
    url: (listeners[0] as Listener).url,
    urls: listeners.map(({ url }) => url),
    isOpen: () => !aedes.closed,
    publish: (topic, payload, how) => {
      if (aedes.closed) return;
      const { correlationData, qos, retain } = how;
      const packet = {
        cmd: "publish",
        topic,
        payload: bufferOf(payload),
        dup: false,
        qos,
        retain,
        ...(correlationData && { properties: { correlationData: bufferOf(correlationData) } }),
      } as const;
      const down = parseDownTopic(options.base, topic);
      const done = (error?: Error): void => {
        pending--;
        if (error) events.log("warning", "publish failed", { topic, reason: error.message });
      };
      pending++;
      // A node's own topics have one reader: there is nobody to be found for them.
      if (down === undefined) aedes.publish(packet, done);
      else if (doors.listening.has(down.node))
        doors.listening.get(down.node)?.publish(packet, done);
      else done();
    },
    close: async () => {
      await until(() => pending === 0, CLOSE_MS);
      await closeAll(aedes, doors, listeners);
    },
  };
}

function createAedes(options: BrokerOptions): Promise<Aedes> {
  return Aedes.createBroker({
    concurrency: 100,
    connectTimeout: CONNECT_MS,
    drainTimeout: DRAIN_MS,
    maxTopicLevels: LIMITS.topicLevels,
    maximumPacketSize: LIMITS.packetBytes,
    // Offline queues are not bounded (moscajs/aedes#1087), so no session outlives its connection:
    // what must not be lost is in the nodes' outboxes and in our store.
    sessionExpiryIntervalLimit: 1,
    pendingSessionsLimit: options.connectionsMax,
    maxClientsIdLength: 128,
  });
}

/** Lets clients in, and lets them do what they may. */
class Doors {
  readonly hall: Hall;
  /** The nodes that hear their own topics now. */
  readonly listening = new Map<NodeId, Client>();
  /** Not while rights are tried: the self-test's operator asks for something, too. */
  takesRequests = false;
  readonly #aedes: Aedes;
  readonly #options: BrokerOptions;
  readonly #events: LinkEvents;
  readonly #authentication: Authentication;
  readonly #guests = new WeakMap<Client, Guest>();
  readonly #present = new Set<Client>();
  readonly #reviewing: NodeJS.Timeout;

  constructor(aedes: Aedes, options: BrokerOptions, events: LinkEvents) {
    const { log } = events;
    this.#aedes = aedes;
    this.#options = options;
    this.#events = events;
    this.#authentication =
      options.authentication ??
      new Authentication({ store: undefined, loopback: "anonymous", log });
    this.hall = new Hall({
      connectionsMax: options.connectionsMax,
      log,
      onStream: (stream, peer, visitor) =>
        this.attach(stream, peer, visitor, this.#authentication, log),
    });
    this.#setRules();
    this.#watchClients();
    this.#reviewing = setInterval(() => this.#review(), REVIEW_MS);
  }

  /** Hands a stream to the broker, behind the guard. */
  attach(stream: Duplex, peer: Peer, visitor: Visitor, identifying: Identifying, log: Log): void {
    const { packetsPerSecond, packetsBurst, base, edge } = this.#options;
    const { rules = accessRules(edge) } = this.#options;
    const guarded = new GuardedConnection(stream, {
      connectMs: CONNECT_MS,
      packetsPerSecond,
      packetsBurst,
      onRefused: (reason) =>
        log("warning", "connection closed by guard", { peer: peer.address, reason }),
    });
    const client = this.#aedes.handle(guarded);
    this.#guests.set(client, new Guest({ base, rules, identifying, log, peer, visitor }));
  }

  /** What the self-test needs to try the doors from inside. */
  trial(): Trial {
    return {
      identifying: this.#authentication,
      attach: (stream, peer, identifying) =>
        this.attach(stream, peer, { known: () => undefined }, identifying, () => undefined),
      publish: (topic) => this.#aedes.publish(emptyMessage(topic), () => undefined),
      listen: (onTopic) => {
        const take = (packet: { topic: string }, done: () => void): void => {
          onTopic(packet.topic);
          done();
        };
        this.#aedes.subscribe("#", take, () => undefined);
        return () => this.#aedes.unsubscribe("#", take, () => undefined);
      },
    };
  }

  close(): void {
    clearInterval(this.#reviewing);
    this.#review();
  }

  #setRules(): void {
    const aedes = this.#aedes;
    aedes.preConnect = (client, packet, done) => {
      (client as Client & { duplicates: Record<string, number> }).duplicates = FORGETFUL;
      // Asking for a session that outlives the connection is answered with one that does not.
      if (packet.protocolVersion !== 5) packet.clean = true;
      const { clientId, username: user, password, will } = packet;
      const claim = { clientId, user, password: password && bufferOf(password) };
      packet.clientId = this.#guest(client).claim(claim, will && publishingOf(will));
      done(null, true);
    };
    aedes.authenticate = (client, _user, password, done) => {
      const refuse = (code: number, reason: string): void =>
        done(Object.assign(new Error(reason), { returnCode: code }) as AuthenticateError, false);
      this.#guest(client)
        .admit(password)
        .then(
          (refusal) => {
            if (refusal === undefined) done(null, true);
            else refuse(refusal.code, refusal.reason);
          },
          (error: unknown) => {
            this.#events.log("error", "nobody can be let in", { reason: String(error) });
            refuse(3, "authentication failed");
          },
        );
    };
    aedes.authorizePublish = (client, packet, done) => {
      // A will whose client is gone by now was refused or allowed by the client's own rules before.
      if (client === null) return done(new Error("nobody's message"));
      const reason = this.#guest(client).mayPublish(publishingOf(packet));
      done(reason === undefined ? null : new Error(reason));
    };
    aedes.authorizeSubscribe = (client, subscription, done) => {
      const guest = this.#guest(client);
      if (!guest.maySubscribe(subscription.topic)) return done(null, null);
      const { node } = guest;
      if (node !== undefined && guest.isNodePlane(subscription.topic)) {
        this.listening.set(node, client);
      }
      done(null, subscription);
    };
    aedes.authorizeForward = (client, packet) => {
      const { topic, brokerCounter, properties } = packet;
      const subscription = properties?.subscriptionIdentifier as number | undefined;
      return this.#guest(client).mayHear(topic, brokerCounter, subscription) ? packet : null;
    };
    aedes.published = (packet, client, done) => {
      done();
      const session = client === null ? undefined : this.#guests.get(client)?.session;
      if (client === null || session === undefined) return;
      const { principal } = session;
      if (principal.role === "joining") void this.#join(client, session, packet.payload);
      else if (principal.role === "operator") this.#ask(principal.user, packet);
    };
  }

  #watchClients(): void {
    const aedes = this.#aedes;
    aedes.on("clientReady", (client) => {
      const { visitor, principal } = this.#guest(client);
      visitor.known();
      this.#present.add(client);
      // What it showed may have been taken away while the broker let it in.
      this.#endUnlessHolds(client);
      if (principal?.role !== "joining") return;
      const timer = setTimeout(() => client.close(), JOIN_MS);
      // The connections of the self-test have ended by then, and must not keep a stopped gateway up.
      timer.unref();
      client.conn.once("close", () => clearTimeout(timer));
    });
    aedes.on("unsubscribe", (filters, client) => this.#guest(client).unsubscribed(filters));
    aedes.on("clientDisconnect", (client) => {
      this.#present.delete(client);
      const { node } = this.#guest(client);
      // Not where a new connection of the same name has taken its place.
      if (node !== undefined && this.listening.get(node) === client) this.listening.delete(node);
    });
    aedes.on("clientError", (client, error) => {
      this.#events.log("debug", "client error", { client: client.id, reason: error.message });
    });
    aedes.on("connectionError", (_client, error) => {
      this.#events.log("debug", "connection error", { reason: error.message });
    });
  }

  #guest(client: Client): Guest {
    return this.#guests.get(client) as Guest;
  }

  /** The answer goes to who asked and through no queue: nobody else can be subscribed to it. */
  async #join(client: Client, session: Session, request: string | Buffer): Promise<void> {
    const { principal } = session;
    if (principal.role !== "joining") return;
    const response = await this.#authentication
      .join(session, bufferOf(request))
      .catch((error: unknown) => {
        this.#events.log("error", "nobody can join", { reason: String(error) });
        return { v: 1, status: "error", error: "unavailable" } as const;
      });
    const topic = joinTopic(this.#options.base, principal.clientId, "response");
    const payload = Buffer.from(JSON.stringify(response));
    client.publish({ ...emptyMessage(topic), payload, qos: 1 }, () => undefined);
    this.#review();
  }

  /** What an operator publishes is a request, if it is not that a Home Assistant is there. */
  #ask(user: string, packet: PublishPacket): void {
    const name = parseRequestTopic(this.#options.base, packet.topic);
    if (name === undefined || !this.takesRequests) return;
    const { responseTopic, correlationData } = packet.properties ?? {};
    const payload = bufferOf(packet.payload);
    this.#events.onRequest?.({ name, payload, user, responseTopic, correlationData });
  }

  /** Ends the sessions of those whose credentials have been taken away or replaced. */
  #review(): void {
    try {
      if (!this.#authentication.refresh()) return;
    } catch (error) {
      // Who is known stays as it was last read; a disk that works again is read again.
      this.#events.log("error", "changes of credentials cannot be read", { reason: String(error) });
      return;
    }
    for (const client of this.#present) this.#endUnlessHolds(client);
  }

  #endUnlessHolds(client: Client): void {
    if (this.#guest(client).holds()) return;
    this.#events.log("info", "session ended", {
      client: client.id,
      reason: "its credentials were taken away or replaced",
    });
    client.disconnect({ reasonCode: NOT_AUTHORIZED });
  }
}

function emptyMessage(topic: string) {
  const payload = Buffer.alloc(0);
  return { cmd: "publish", topic, payload, qos: 0, retain: false, dup: false } as const;
}

function publishingOf(packet: {
  readonly topic: string;
  readonly retain?: boolean;
  readonly payload: string | Buffer;
}): Publishing {
  const { topic, retain = false, payload } = packet;
  return { topic, retain, payloadBytes: payload.length };
}

async function subscribeGateway(
  aedes: Aedes,
  { base, edge }: BrokerOptions,
  events: LinkEvents,
): Promise<void> {
  const hosts = edge === undefined ? [] : edgeFilters(edge);
  for (const filter of [...gatewayFilters(base), ...hosts]) {
    await new Promise<void>((resolve) => {
      aedes.subscribe(
        filter,
        (packet, done) => {
          events.onMessage(packet.topic, bufferOf(packet.payload));
          done();
        },
        resolve,
      );
    });
  }
}

/** Open deliveries get a moment, then sockets are cut: a slow reader must not hold up an end. */
async function closeAll(aedes: Aedes, doors: Doors, listeners: readonly Listener[]): Promise<void> {
  doors.close();
  const closed = Promise.all([
    new Promise<void>((resolve) => aedes.close(() => resolve())),
    ...listeners.map((listener) => listener.close()),
  ]);
  const cut = setTimeout(() => doors.hall.cut(), CLOSE_MS);
  await closed;
  clearTimeout(cut);
}

function bufferOf(payload: Uint8Array | string): Buffer {
  return typeof payload === "string"
    ? Buffer.from(payload)
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
}

async function until(holds: () => boolean, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while (!holds() && performance.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
