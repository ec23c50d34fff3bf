/**
 * Asks the broker, before it listens, whether its rights hold: forged clients try what they must not.
 *
 * Rules that are right in their file are worth nothing where a broker does not ask them, as after an
 * update that renames a hook. So the whole way is tried, from the bytes of a CONNECT to the delivery,
 * on streams in memory. One thing that passes and must not, or one that must pass and does not (or
 * the test would see nothing at all), and the gateway does not start.
 */

import { Duplex } from "node:stream";
import { EdgeError } from "../../src/assert.ts";
import { joinTopic } from "../../src/wire/join.ts";
import {
  bridgeTopic,
  downFilter,
  downTopic,
  nodeId,
  nodeTopic,
  type TopicBase,
  upTopic,
} from "../../src/wire/topics.ts";
import type { Identifying } from "../broker/guest.ts";
import { deviceTopic, type EdgeNode, edgeTopic, stateTopic } from "../sparkplug/sparkplug-names.ts";
import type { Principal } from "./access.ts";
import type { Peer } from "./authentication.ts";

/** The broker from inside. */
export type Trial = {
  readonly identifying: Identifying;
  readonly attach: (stream: Duplex, peer: Peer, identifying: Identifying) => void;
  readonly publish: (topic: string) => void;
  /** Hears everything that gets through, until the returned function is called. */
  readonly listen: (onTopic: (topic: string) => void) => () => void;
};

const STRANGER: Peer = { address: "192.0.2.1", loopback: false };
const NEIGHBOUR: Peer = { address: "127.0.0.1", loopback: true };
const OWN = nodeId("self-test-one");
const OTHER = nodeId("self-test-two");
/** What the broker does not do within this time it does not do: a Pi that is just starting up is busy
 * with other things. */
const PATIENCE_MS = 10_000;
/** Deliveries overtake each other by a turn or two of the event loop. */
const SETTLE_MS = 10;

const PACKET = { connack: 2, publish: 3, puback: 4, suback: 9 } as const;

/** Throws `EdgeError` `rights-self-test` with everything that does not hold. */
export async function testRights(base: TopicBase, trial: Trial, edge?: EdgeNode): Promise<void> {
  // One after the other: what the second publishes itself, the first would take for a leak.
  const problems = [
    ...(await tryPublishing([...publishingAttempts(base), ...hostAttempts(edge)], trial)),
    ...(await tryStrangers(trial)),
    ...(await trySubscribing(base, trial)),
    ...(await tryHearing(base, trial)),
  ];
  if (problems.length === 0) return;
  throw new EdgeError({
    code: "rights-self-test",
    message: problems.join("; "),
    where: "the broker's rights",
    hint: "This is a fault of the program or of its broker: do not run this version.",
  });
}

/** Who is not known does not come in. */
async function tryStrangers(trial: Trial): Promise<string[]> {
  const nobody = new Probe(trial, STRANGER, trial.identifying);
  const unknown = new Probe(trial, STRANGER, trial.identifying);
  const codes = await Promise.all([
    nobody.connect("self-test"),
    unknown.connect("self-test", "self-test-nobody"),
  ]);
  nobody.end();
  unknown.end();
  return [
    ...(codes[0] === 0 ? ["a stranger without credentials was let in"] : []),
    ...(codes[1] === 0 ? ["an unknown user was let in"] : []),
  ];
}

type Attempt = { readonly who: Principal; readonly topic: string; readonly passes: boolean };

function publishingAttempts(base: TopicBase): readonly Attempt[] {
  const node: Principal = { role: "node", node: OWN };
  const reader: Principal = { role: "reader", user: "self-test" };
  const operator: Principal = { role: "operator", user: "self-test" };
  const joining: Principal = { role: "joining", clientId: OWN };
  const no = (who: Principal, topic: string): Attempt => ({ who, topic, passes: false });
  return [
    { who: node, topic: upTopic(base, OWN, "outcome"), passes: true },
    no(node, upTopic(base, OTHER, "outcome")),
    no(node, downTopic(base, OTHER, "setting")),
    no(node, nodeTopic(base, OTHER, "availability")),
    no(node, bridgeTopic(base, "state")),
    no(node, `${base}/bridge/request/self-test`),
    no(node, "$SYS/self-test"),
    no(reader, nodeTopic(base, OTHER, "behaviour")),
    no(reader, `${base}/bridge/request/self-test-reader`),
    { who: operator, topic: `${base}/bridge/request/self-test-operator`, passes: true },
    no(operator, upTopic(base, OTHER, "report")),
    no(operator, downTopic(base, OTHER, "offer")),
    no(joining, upTopic(base, OWN, "hello")),
    no(joining, joinTopic(base, OTHER, "request")),
    no({ role: "local", node: undefined }, upTopic(base, OTHER, "want")),
  ];
}

/** Who is a host of Sparkplug may command our edge node, and be nobody's edge node. */
function hostAttempts(edge: EdgeNode | undefined): readonly Attempt[] {
  if (edge === undefined) return [];
  const node: Principal = { role: "node", node: OWN };
  const reader: Principal = { role: "reader", user: "self-test" };
  const no = (who: Principal, topic: string): Attempt => ({ who, topic, passes: false });
  return [
    { who: reader, topic: edgeTopic(edge, "NCMD"), passes: true },
    no(reader, edgeTopic({ ...edge, edgeNode: `${edge.edgeNode}-other` }, "NCMD")),
    no(reader, edgeTopic(edge, "NBIRTH")),
    no(reader, deviceTopic(edge, "DDATA", OTHER)),
    no(reader, stateTopic("self-test")),
    no(node, edgeTopic(edge, "NDEATH")),
    no(node, deviceTopic(edge, "DBIRTH", OWN)),
  ];
}

async function tryPublishing(attempts: readonly Attempt[], trial: Trial): Promise<string[]> {
  const heard = new Set<string>();
  const stop = trial.listen((topic) => heard.add(topic));
  const probes = await Promise.all(
    attempts.map(async ({ who, topic }) => {
      const probe = await connectAs(trial, who);
      await probe.publish(topic);
      return probe;
    }),
  );
  // The broker acknowledges first and delivers then.
  await until(() => attempts.every(({ topic, passes }) => !passes || heard.has(topic)));
  await settle();
  stop();
  for (const probe of probes) probe.end();
  return attempts
    .filter(({ topic, passes }) => heard.has(topic) !== passes)
    .map(
      ({ who, topic, passes }) => `${who.role} ${passes ? "cannot" : "can"} publish on ${topic}`,
    );
}

async function trySubscribing(base: TopicBase, trial: Trial): Promise<string[]> {
  const node: Principal = { role: "node", node: OWN };
  const reader: Principal = { role: "reader", user: "self-test" };
  const joining: Principal = { role: "joining", clientId: OWN };
  const local: Principal = { role: "local", node: OWN };
  const no = (who: Principal, topic: string): Attempt => ({ who, topic, passes: false });
  const attempts: readonly Attempt[] = [
    { who: node, topic: downFilter(base, OWN), passes: true },
    ...["#", `${base}/#`, `${base}/node/+/down/+`, downFilter(base, OTHER), "$SYS/#"].map((topic) =>
      no(node, topic),
    ),
    { who: reader, topic: `${base}/#`, passes: true },
    no(reader, downFilter(base, OTHER)),
    no(reader, `${base}/join/#`),
    no(reader, "$SYS/#"),
    { who: joining, topic: joinTopic(base, OWN, "response"), passes: true },
    no(joining, joinTopic(base, OTHER, "response")),
    no(joining, `${base}/#`),
    no(local, downFilter(base, OTHER)),
  ];
  const problems = await Promise.all(
    attempts.map(async ({ who, topic, passes }) => {
      const probe = await connectAs(trial, who);
      const granted = await probe.subscribe(topic);
      probe.end();
      if (granted === passes) return [];
      return [`${who.role} ${passes ? "cannot" : "can"} subscribe to ${topic}`];
    }),
  );
  return problems.flat();
}

/** Who hears everything hears nothing that is private. */
async function tryHearing(base: TopicBase, trial: Trial): Promise<string[]> {
  const reader = await connectAs(trial, { role: "reader", user: "self-test" });
  await reader.subscribe("#");
  const secret = [
    downTopic(base, OTHER, "verdict"),
    upTopic(base, OTHER, "offload"),
    joinTopic(base, OTHER, "response"),
    `${base}/bridge/response/self-test`,
    "$SYS/self-test",
  ];
  for (const topic of secret) trial.publish(topic);
  const open = nodeTopic(base, OTHER, "event");
  trial.publish(open);
  const opened = await reader.hears(open);
  await settle();
  const leaked = secret.filter((topic) => reader.heard.has(topic));
  reader.end();
  return [
    ...(opened ? [] : [`a reader does not hear ${open}`]),
    ...leaked.map((topic) => `a reader hears ${topic}`),
  ];
}

/** A client that the broker takes for whom it is told. */
async function connectAs(trial: Trial, principal: Principal): Promise<Probe> {
  Probe.count++;
  const clientId = `/self-test-${Probe.count}`;
  const probe = new Probe(trial, NEIGHBOUR, {
    claim: () => ({ ok: true, principal, clientId, by: "nothing" }),
    prove: () => Promise.resolve({ principal }),
    holds: () => true,
  });
  await probe.connect(clientId);
  return probe;
}

/** A client of MQTT 3.1.1 that speaks just enough to try something. */
class Probe {
  static count = 0;
  readonly heard = new Set<string>();
  readonly #answers: { readonly type: number; readonly body: Buffer }[] = [];
  readonly #stream: Duplex;
  #bytes = Buffer.alloc(0);
  #woken: () => void = () => undefined;

  constructor(trial: Trial, peer: Peer, identifying: Identifying) {
    const [near, far] = streamPair();
    this.#stream = near;
    near.on("data", (chunk: Buffer) => this.#take(chunk));
    near.on("close", () => this.#woken());
    near.on("error", () => undefined);
    trial.attach(far, peer, identifying);
  }

  /** The return code; undefined where there is no answer. */
  async connect(clientId: string, user?: string): Promise<number | undefined> {
    const named = user === undefined ? [] : [...text(user), ...text("self-test")];
    const flags = user === undefined ? 0x02 : 0xc2;
    this.#send(0x10, [...text("MQTT"), 4, flags, 0, 60, ...text(clientId), ...named]);
    return (await this.#answer(PACKET.connack))?.[1];
  }

  /** Returns when it was acknowledged, or the connection closed. */
  async publish(topic: string): Promise<void> {
    this.#send(0x32, [...text(topic), 0, 1]);
    await this.#answer(PACKET.puback);
  }

  async subscribe(filter: string): Promise<boolean> {
    this.#send(0x82, [0, 1, ...text(filter), 0]);
    const granted = (await this.#answer(PACKET.suback))?.[2];
    return granted !== undefined && granted < 0x80;
  }

  async hears(topic: string): Promise<boolean> {
    await this.#until(() => this.heard.has(topic));
    return this.heard.has(topic);
  }

  end(): void {
    this.#stream.destroy();
  }

  async #answer(type: number): Promise<Buffer | undefined> {
    const find = () => this.#answers.find((answer) => answer.type === type);
    await this.#until(() => find() !== undefined);
    return find()?.body;
  }

  async #until(holds: () => boolean): Promise<void> {
    const endMs = performance.now() + PATIENCE_MS;
    while (!holds() && !this.#stream.destroyed && performance.now() < endMs) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, endMs - performance.now());
        this.#woken = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #send(first: number, body: readonly number[]): void {
    // No packet of this test is longer than 127 bytes and a topic: two bytes of length do.
    const length =
      body.length < 128 ? [body.length] : [0x80 | (body.length & 0x7f), body.length >> 7];
    this.#stream.write(Uint8Array.from([first, ...length, ...body]));
  }

  #take(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    for (;;) {
      const [first, low = 0, high = 0] = this.#bytes;
      const wide = low >= 0x80;
      const start = wide ? 3 : 2;
      const end = start + (wide ? (low & 0x7f) + (high << 7) : low);
      if (first === undefined || this.#bytes.length < Math.max(start, end)) break;
      const body = this.#bytes.subarray(start, end);
      this.#answers.push({ type: first >> 4, body });
      if (first >> 4 === PACKET.publish) {
        this.heard.add(body.toString("utf8", 2, 2 + body.readUInt16BE(0)));
      }
      this.#bytes = this.#bytes.subarray(end);
    }
    this.#woken();
  }
}

function text(value: string): number[] {
  const bytes = Buffer.from(value);
  return [bytes.length >> 8, bytes.length & 0xff, ...bytes];
}

/** Two ends of a line that is not there. */
function streamPair(): [Duplex, Duplex] {
  const end = (other: () => Duplex): Duplex =>
    new Duplex({
      read: () => undefined,
      write: (chunk: Uint8Array, _encoding, done) => {
        if (!other().destroyed) other().push(chunk);
        done();
      },
      destroy: (error, done) => {
        if (!other().destroyed) other().destroy();
        done(error);
      },
    });
  const near: Duplex = end(() => far);
  const far: Duplex = end(() => near);
  return [near, far];
}

async function until(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + PATIENCE_MS;
  while (!holds() && performance.now() < endMs) await settle();
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}
