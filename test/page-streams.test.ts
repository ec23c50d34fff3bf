/** Streams of changes to pages, over real sockets: who reads slowly costs no memory. */

import { connect, type Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, it } from "vitest";
import { EventStreams } from "../gateway/http/http-events.ts";
import { type HttpListener, listenHttp } from "../gateway/http/http-listener.ts";
import { boardRoutes } from "../gateway/http/http-routes.ts";
import { HTTP_LIMITS } from "../gateway/http/http-rules.ts";
import { Board } from "../gateway/telling/board.ts";
import { bridgeTopic, nodeId, nodeTopic } from "../src/wire/topics.ts";
import { behaviourOf, deviceOf } from "./board-kit.ts";
import { base, until } from "./gateway-kit.ts";

const NODES = 2_000;
const sockets: Socket[] = [];
let listener: HttpListener | undefined;

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await listener?.close();
});

async function open(now?: () => number) {
  const board = new Board(base);
  const streams = new EventStreams(board, now);
  const routes = boardRoutes([], board, streams, () => ({ degraded: null }));
  const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
  listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
  return { board, streams, port: Number(new URL(listener.url).port) };
}

/** Somebody who asks for the stream and reads none of it, or as much as `onText` takes. */
function reader(port: number, onText?: (text: string) => void): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  sockets.push(socket);
  socket.write("GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n");
  if (onText === undefined) socket.pause();
  else socket.on("data", (bytes: Buffer) => onText(bytes.toString()));
  return socket;
}

function tellAll(board: Board, sequence: number, nodes = NODES): void {
  for (let i = 0; i < nodes; i++) {
    const node = `collar-${i}`;
    const value = behaviourOf(node, { sequence, behaviour: sequence % 2 ? "grazing" : "resting" });
    board.take(nodeTopic(base, nodeId(node), "behaviour"), JSON.stringify(value));
  }
}

/** After collecting what nobody holds. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

it("sixty who never read cost no more memory the longer they wait, and are let go", async () => {
  let nowMs = 0;
  const { board, streams, port } = await open(() => nowMs);
  const devices = Array.from({ length: NODES }, (_, i) => deviceOf(`collar-${i}`));
  board.take(bridgeTopic(base, "devices"), JSON.stringify({ v: 1, devices }));
  tellAll(board, 0);
  for (let i = 0; i < 60; i++) reader(port);
  await until("all streams", () => streams.size === 60);
  let before = Number.POSITIVE_INFINITY;
  for (let round = 1; round <= 40; round++) {
    tellAll(board, round);
    nowMs += 250;
    streams.tell();
    if (round === 2) before = heldBytes();
    expect(streams.waiting).toBeLessThanOrEqual(60 * HTTP_LIMITS.streamChanges);
    await new Promise((resolve) => setImmediate(resolve));
  }
  // A round is more than half a megabyte of text a reader: kept for all, more than a gigabyte.
  expect((heldBytes() - before) / 2 ** 20).toBeLessThan(10);
  nowMs += HTTP_LIMITS.streamStuckMs + 1;
  streams.tell();
  await until("all are let go", () => streams.size === 0);
});

it("one who reads gets the whole board, then only what has changed, then heartbeats", async () => {
  let nowMs = 0;
  const { board, streams, port } = await open(() => nowMs);
  let text = "";
  board.take(nodeTopic(base, nodeId("a"), "behaviour"), JSON.stringify(behaviourOf("a")));
  reader(port, (more) => {
    text += more;
  });
  await until("the board", () => text.includes("event: board"));
  expect(text).toContain('"node":"a"');
  text = "";
  board.take(nodeTopic(base, nodeId("b"), "behaviour"), JSON.stringify(behaviourOf("b")));
  streams.tell();
  await until("the change", () => text.includes("event: changes"));
  expect(text).toContain('"node":"b"');
  expect(text).not.toContain('"node":"a"');
  nowMs += HTTP_LIMITS.heartbeatMs;
  streams.tell();
  await until("a heartbeat", () => text.includes("event: heartbeat"));
});

it("one who is behind by more than may wait starts from the whole board again", async () => {
  const nodes = HTTP_LIMITS.streamChanges + 1;
  const { board, streams, port } = await open();
  const devices = Array.from({ length: nodes }, (_, i) => deviceOf(`collar-${i}`));
  board.take(bridgeTopic(base, "devices"), JSON.stringify({ v: 1, devices }));
  let text = "";
  reader(port, (more) => {
    text += more;
  });
  // Whole, with the end of its chunk.
  await until("the board", () => text.includes("event: board") && text.endsWith("\n\n\r\n"));
  text = "";
  tellAll(board, 1, nodes);
  streams.tell();
  expect(streams.waiting).toBe(0);
  await until("an event", () => text.includes("event: "));
  expect(/^event: (\w+)/m.exec(text)?.[1]).toBe("board");
});

it("has room for so many, and tells the next to come back later", async () => {
  const { streams, port } = await open();
  for (let i = 0; i < HTTP_LIMITS.connectionsOfPlace - 1; i++) reader(port);
  await until("all streams", () => streams.size === HTTP_LIMITS.connectionsOfPlace - 1);
  reader(port);
  // One place has no more connections than this.
  const late = reader(port, () => undefined);
  await until("the one too many is sent away", () => late.destroyed || late.closed);
  expect(streams.size).toBe(HTTP_LIMITS.connectionsOfPlace);
});
