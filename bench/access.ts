/**
 * What credentials cost a gateway: logins of a herd that comes back, with and without remembered
 * passwords; connections a second over plain MQTT and over TLS; joins by a code; a flood of guesses.
 *
 * Clients are in the same process and share its processors, so connections a second are a lower
 * bound. `--nodes` says how many there are (10,000), `--clients` how many connect for real (500).
 */

import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { connect as connectTls } from "node:tls";
import { AccessStore } from "../gateway/access/access-store.ts";
import { Authentication, type Peer } from "../gateway/access/authentication.ts";
import { openAuthority, tlsFiles, writeServer } from "../gateway/access/certificate-files.ts";
import { issueServer } from "../gateway/access/certificates.ts";
import {
  COST,
  freshJoinCode,
  hashSecret,
  keepSecret,
  makeSecret,
} from "../gateway/access/secrets.ts";
import { startBroker } from "../gateway/broker/broker.ts";
import { ServerCertificates } from "../gateway/broker/tls-listener.ts";
import { DEFAULT_BASE } from "../src/wire/topics.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";

const FAR: Peer = { address: "192.0.2.7", loopback: false };
/** As many as the broker lets in from one place before they have shown who they are. */
const AT_ONCE = 128;
const quiet = (): void => undefined;

type Known = { readonly name: string; readonly password: string };

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const nodes = Number(options.extra.nodes ?? (options.quick ? 100 : 10_000));
  const clients = Math.min(nodes, Number(options.extra.clients ?? (options.quick ? 20 : 500)));
  const folder = mkdtempSync(path.join(tmpdir(), "bellwether-access-"));
  const store = new AccessStore(folder);
  try {
    options.progress(`${nodes} nodes get credentials`);
    const known = await addNodes(store, nodes);
    const authentication = new Authentication({ store, loopback: "closed", log: quiet });
    options.progress("they come back");
    const first = await timed(known, (node) => logIn(authentication, node));
    const again = await timed(known, (node) => logIn(authentication, node));
    options.progress("others join, and guess");
    const joined = await joinMany(store, authentication, Math.ceil(clients / 5));
    const guessed = await guess(authentication, known[0] as Known, nodes);
    options.progress("they connect");
    const broker = await connectMany(folder, store, known.slice(0, clients));
    const rows = [
      ["what", "how many", "seconds", "a second", "event loop held up, at most ms"],
      ...[
        ["logins, nobody remembered", first],
        ["logins, remembered", again],
        ["joins by one code", joined],
        ["guesses at one name", guessed],
        ["connections, plain", broker.plain],
        ["connections, TLS", broker.tls],
      ].map(([what, t]) => rowOf(what as string, t as Timed)),
    ];
    return {
      ok:
        first.failed + again.failed + joined.failed + broker.plain.failed + broker.tls.failed === 0,
      lines: [...table(rows), `a broker with its rights' self-test starts in ${broker.startMs} ms`],
      figures: { nodes, clients, first, again, joined, guessed, ...broker },
    };
  } finally {
    store.close();
    rmSync(folder, { recursive: true });
  }
}

export type Timed = {
  readonly count: number;
  readonly failed: number;
  readonly seconds: number;
  readonly heldUpMaxMs: number;
};

function rowOf(what: string, { count, seconds, heldUpMaxMs }: Timed): string[] {
  return [
    what,
    String(count),
    seconds.toFixed(2),
    String(Math.round(count / seconds)),
    heldUpMaxMs.toFixed(1),
  ];
}

/** Does something for each, `AT_ONCE` at a time. */
async function timed<T>(items: readonly T[], work: (item: T) => Promise<boolean>): Promise<Timed> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startMs = performance.now();
  let failed = 0;
  for (let from = 0; from < items.length; from += AT_ONCE) {
    const results = await Promise.all(items.slice(from, from + AT_ONCE).map(work));
    await new Promise((resolve) => setImmediate(resolve));
    failed += results.filter((good) => !good).length;
  }
  const seconds = (performance.now() - startMs) / 1000;
  delay.disable();
  return { count: items.length, failed, seconds, heldUpMaxMs: delay.max / 1e6 };
}

/** All have one password and one hash: making ten thousand is not what is measured. */
async function addNodes(store: AccessStore, count: number): Promise<readonly Known[]> {
  const password = makeSecret();
  const kept = await keepSecret(password, "made");
  const nowMs = Date.now();
  const names = Array.from({ length: count }, (_, index) => `node-${index}`);
  store.putAll(
    names.map((name) => ({
      name,
      role: "node",
      secret: kept.scrypt,
      mosquitto: kept.mosquitto,
      certificate: null,
      createdMs: nowMs,
      changedMs: nowMs,
      joinHash: null,
      proven: true,
    })),
  );
  return names.map((name) => ({ name, password }));
}

async function logIn(authentication: Authentication, { name, password }: Known): Promise<boolean> {
  const bytes = Buffer.from(password);
  const claimed = authentication.claim(FAR, { clientId: name, user: name, password: bytes });
  if (!claimed.ok) return false;
  return !("ok" in (await authentication.prove(claimed, FAR, bytes)));
}

async function joinMany(
  store: AccessStore,
  authentication: Authentication,
  count: number,
): Promise<Timed> {
  const code = freshJoinCode();
  const hash = await hashSecret(code, store.codeSalt, COST.code);
  const createdMs = Date.now();
  const expiresMs = createdMs + 600_000;
  store.putCode({ hash, node: null, replaces: false, uses: count, createdMs, expiresMs });
  const names = Array.from({ length: count }, (_, index) => `joined-${index}`);
  return timed(names, async (clientId) => {
    const password = Buffer.from(code);
    const claimed = authentication.claim(FAR, { clientId, user: "join", password });
    if (!claimed.ok) return false;
    const session = await authentication.prove(claimed, FAR, password);
    if ("ok" in session) return false;
    return (await authentication.join(session, Buffer.from('{"v":1}'))).status === "ok";
  });
}

/** From one address, at one name: nearly all are refused unlooked at. */
async function guess(authentication: Authentication, { name }: Known, count: number) {
  const peer = { ...FAR, address: "198.51.100.1" };
  const guesses = Array.from({ length: count }, (_, index) => Buffer.from(`guess ${index}`));
  return timed(guesses, async (password) => {
    const claimed = authentication.claim(peer, { clientId: name, user: name, password });
    return claimed.ok && "ok" in (await authentication.prove(claimed, peer, password));
  });
}

async function connectMany(folder: string, store: AccessStore, known: readonly Known[]) {
  const files = tlsFiles(folder);
  const authority = openAuthority(files, "bench", Date.now());
  writeServer(files, issueServer(authority, ["localhost", "127.0.0.1"], Date.now()));
  const brought = { certificateFile: undefined, keyFile: undefined, clientCaFile: undefined };
  const certificates = new ServerCertificates(
    { dataDirectory: folder, clientCertificates: "off", ...brought },
    quiet,
  );
  const authentication = new Authentication({ store, loopback: "closed", log: quiet });
  const startMs = performance.now();
  const link = await startBroker(
    {
      host: "127.0.0.1",
      port: 0,
      tls: { host: "127.0.0.1", port: 0, certificates },
      base: DEFAULT_BASE,
      connectionsMax: 10_000,
      packetsPerSecond: 1_000,
      packetsBurst: 1_000,
      authentication,
    },
    { onMessage: quiet, onConnection: quiet, log: quiet },
  );
  const tookMs = Math.round(performance.now() - startMs);
  const [plainPort, tlsPort] = link.urls.map((url) => Number(new URL(url).port));
  const ca = authority.certificate.toString();
  const plain = await timed(known, (node) =>
    connectAs(createConnection(plainPort ?? 0, "127.0.0.1"), node),
  );
  const tls = await timed(known, (node) =>
    connectAs(connectTls({ port: tlsPort ?? 0, host: "127.0.0.1", ca }), node),
  );
  await link.close();
  return { plain, tls, startMs: tookMs };
}

/** CONNECT, CONNACK, and gone: just what coming in costs. */
function connectAs(socket: Socket, { name, password }: Known): Promise<boolean> {
  const text = (value: string): number[] => [0, value.length, ...Buffer.from(value)];
  const body = [...text("MQTT"), 4, 0xc2, 0, 60, ...text(name), ...text(name), ...text(password)];
  return new Promise((resolve) => {
    socket.on("error", () => resolve(false));
    socket.once("data", (answer: Buffer) => {
      socket.destroy();
      resolve(answer[3] === 0);
    });
    socket.write(Uint8Array.from([0x10, body.length, ...body]));
  });
}
