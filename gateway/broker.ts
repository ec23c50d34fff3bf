/**
 * The embedded broker: Aedes behind the packet guard, on a socket of its own.
 *
 * The only file that knows aedes. Version 2.0.0-beta.1 is pinned rather than the stable 1.2.0, since
 * 1.2.0 refuses MQTT 5 and Home Assistant speaks nothing else from its release 2027.1 on; both were
 * run through this project's tests. Two repairs of 1.1.3 and 1.2.0 are not in the beta (advisories
 * GHSA-52qw-whmv-87c5, inherited names as client id or topic, and GHSA-5jvp-3p2v-5qgf, unbounded
 * QoS 2 handshakes): the packet guard refuses both before the broker sees them. Shared subscriptions
 * are not offered by it and not used by us.
 *
 * What it refuses to be: a broker for other programs. See `access.ts`.
 */

import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type Client } from "aedes";
import { EdgeError } from "../src/assert.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { parseDownTopic, type TopicBase } from "../src/wire/topics.ts";
import { gatewayFilters, mayHear, mayPublish, maySubscribe } from "./access.ts";
import type { Link, LinkEvents } from "./link.ts";
import { GuardedConnection } from "./packet-guard.ts";
import { FORGETFUL, RepeatFilter } from "./repeat-filter.ts";

export type BrokerOptions = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly base: TopicBase;
  readonly connectionsMax: number;
  readonly packetsPerSecond: number;
  readonly packetsBurst: number;
};

/** A slow reader is dropped after this: until then it holds up every other reader, since deliveries
 * share one queue (moscajs/aedes#1060). The broker's own default is a minute. */
const DRAIN_MS = 2_000;
const CONNECT_MS = 5_000;
/** Connections that have not said who they are. */
const STRANGERS_MAX = 256;
const SUBSCRIPTIONS_MAX = 20;
const TCP_KEEPALIVE_MS = 30_000;
const CLOSE_MS = 1_000;

export async function startBroker(options: BrokerOptions, events: LinkEvents): Promise<Link> {
  if (!isLoopback(options.host)) {
    throw new EdgeError({
      code: "broker-open",
      message: `the embedded broker knows no passwords and would be open to ${options.host}`,
      where: "broker.host",
      hint:
        "Use 127.0.0.1, or run a broker with users and TLS (Mosquitto, EMQX) and name it in " +
        "broker.url.",
    });
  }
  const aedes = await Aedes.createBroker({
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
  const server = createServer();
  const sockets = new Set<Socket>();
  const nodes = obeyAccessRules(aedes, options.base, events);
  acceptConnections(server, aedes, sockets, options, events);
  const port = await listen(server, options);
  /** Messages on their way to readers. */
  let pending = 0;
  await subscribeGateway(aedes, options.base, events);
  return {
    url: `mqtt://${options.host.includes(":") ? `[${options.host}]` : options.host}:${port}`,
    isOpen: () => !aedes.closed,
    publish: (topic, payload, how) => {
      if (aedes.closed) return;
      const packet = {
        cmd: "publish",
        topic,
        payload: bufferOf(payload),
        dup: false,
        ...how,
      } as const;
      const down = parseDownTopic(options.base, topic);
      const done = (error?: Error): void => {
        pending--;
        if (error) events.log("warning", "publish failed", { topic, reason: error.message });
      };
      pending++;
      // A node's own topics have one reader: there is nobody to be found for them.
      if (down === undefined) aedes.publish(packet, done);
      else if (nodes.has(down.node)) nodes.get(down.node)?.publish(packet, done);
      else done();
    },
    close: async () => {
      await until(() => pending === 0, CLOSE_MS);
      await closeAll(aedes, server, sockets);
    },
  };
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function acceptConnections(
  server: Server,
  aedes: Aedes,
  sockets: Set<Socket>,
  options: BrokerOptions,
  events: LinkEvents,
): void {
  let strangers = 0;
  const known = new WeakSet<Client>();
  aedes.on("clientReady", (client) => {
    known.add(client);
    strangers--;
  });
  server.maxConnections = options.connectionsMax;
  server.on("drop", () => {
    events.log("warning", "connection refused", { reason: "too many connections" });
  });
  server.on("connection", (socket) => {
    if (strangers >= STRANGERS_MAX) {
      socket.destroy();
      return;
    }
    strangers++;
    sockets.add(socket);
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    const guarded = new GuardedConnection(socket, {
      connectMs: CONNECT_MS,
      packetsPerSecond: options.packetsPerSecond,
      packetsBurst: options.packetsBurst,
      onRefused: (reason) => events.log("warning", "connection closed by guard", { peer, reason }),
    });
    const client = aedes.handle(guarded);
    guarded.on("close", () => {
      sockets.delete(socket);
      if (!known.has(client)) strangers--;
    });
  });
}

/** Returns the nodes that hear their own topics now, by their names. */
function obeyAccessRules(
  aedes: Aedes,
  base: TopicBase,
  events: LinkEvents,
): ReadonlyMap<string, Client> {
  const listening = new Map<string, Client>();
  const nodes = new WeakSet<Client>();
  const subscriptions = new WeakMap<Client, number>();
  const deny = (client: Client, what: string, topic: string, reason: string): void => {
    events.log("warning", `${what} denied`, { client: client.id, topic, reason });
  };

  const repeats = new WeakMap<Client, RepeatFilter>();
  aedes.preConnect = (client, packet, done) => {
    (client as Client & { duplicates: Record<string, number> }).duplicates = FORGETFUL;
    repeats.set(client, new RepeatFilter());
    // Asking for a session that outlives the connection is answered with one that does not.
    if (packet.protocolVersion !== 5) packet.clean = true;
    done(null, true);
  };
  aedes.authorizePublish = (client, packet, done) => {
    // A will whose client is gone by now was refused or allowed by the client's own rules before.
    if (client === null) return done(new Error("nobody's message"));
    const reason = mayPublish(base, client.id, {
      topic: packet.topic,
      retain: packet.retain,
      payloadBytes: packet.payload.length,
    });
    if (reason === undefined) {
      nodes.add(client);
      return done(null);
    }
    deny(client, "publish", packet.topic, reason);
    done(new Error(reason));
  };
  aedes.authorizeSubscribe = (client, subscription, done) => {
    const held = subscriptions.get(client) ?? 0;
    const reason =
      held >= SUBSCRIPTIONS_MAX
        ? "too many subscriptions"
        : maySubscribe(base, client.id, subscription.topic, nodes.has(client));
    if (reason !== undefined) {
      deny(client, "subscription", subscription.topic, reason);
      return done(null, null);
    }
    subscriptions.set(client, held + 1);
    if (subscription.topic.startsWith(`${base}/node/`)) {
      nodes.add(client);
      listening.set(client.id, client);
    }
    done(null, subscription);
  };
  aedes.authorizeForward = (client, packet) => {
    if (!mayHear(base, client.id, packet.topic)) return null;
    const isRepeated = repeats.get(client)?.isRepeated(packet.brokerCounter) ?? false;
    return isRepeated ? null : packet;
  };
  aedes.on("clientError", (client, error) => {
    events.log("debug", "client error", { client: client.id, reason: error.message });
  });
  aedes.on("connectionError", (_client, error) => {
    events.log("debug", "connection error", { reason: error.message });
  });
  aedes.on("clientDisconnect", (client) => {
    // Not where a new connection of the same name has taken its place.
    if (listening.get(client.id) === client) listening.delete(client.id);
  });
  return listening;
}

async function subscribeGateway(aedes: Aedes, base: TopicBase, events: LinkEvents): Promise<void> {
  for (const filter of gatewayFilters(base)) {
    await new Promise<void>((resolve) => {
      aedes.subscribe(
        filter,
        (packet, done) => {
          events.onMessage(packet.topic, payloadBytes(packet.payload));
          done();
        },
        resolve,
      );
    });
  }
}

function listen(server: Server, options: BrokerOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new EdgeError({
          code: "broker-port",
          message:
            error.code === "EADDRINUSE"
              ? `port ${options.port} is in use`
              : `cannot listen: ${error.message}`,
          where: `broker.port ${options.port}`,
          hint: "Another broker or gateway may run already; choose another broker.port, or 0.",
        }),
      );
    });
    server.listen(options.port, options.host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : options.port);
    });
  });
}

/** Open deliveries get a moment, then sockets are cut: a slow reader must not hold up an end. */
async function closeAll(aedes: Aedes, server: Server, sockets: Set<Socket>): Promise<void> {
  const closed = Promise.all([
    new Promise<void>((resolve) => aedes.close(() => resolve())),
    new Promise<void>((resolve) => server.close(() => resolve())),
  ]);
  const cut = setTimeout(() => {
    for (const socket of sockets) socket.destroy();
  }, CLOSE_MS);
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

function payloadBytes(payload: string | Buffer): Uint8Array {
  return typeof payload === "string" ? Buffer.from(payload) : payload;
}
