/**
 * A broker of one connection, by hand: what a firmware node says arrives as messages, and what is
 * said to it is known to have been taken once its PUBACK is there.
 *
 * It stores every report and offload under (epoch, seq), as a gateway would, and acknowledges them.
 */

import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import type { DownMessage, NodeId, UpMessage } from "../src/wire/messages.ts";
import { downTopic, parseUpTopic, type TopicBase } from "../src/wire/topics.ts";
import { packet, text } from "./mqtt-bytes.ts";

type Stored = Extract<UpMessage, { kind: "report" | "offload" }>;

export type HandBroker = {
  readonly port: number;
  /** Everything that came, repetitions included. */
  readonly received: readonly UpMessage[];
  /** What a gateway would have stored, by epoch and sequence number. */
  readonly stored: ReadonlyMap<string, Stored>;
  /** CONNECT packets that came. */
  connects(): number;
  /** Whether reports and offloads are acknowledged. */
  acknowledges: boolean;
  /** Called with what was not seen before. */
  onMessage: (message: UpMessage) => void;
  /** Resolves when the node has taken it. */
  deliver(message: DownMessage): Promise<void>;
  /** Ends the connection; the node comes back. */
  hangUp(): void;
  close(): Promise<void>;
};

export async function startHandBroker(base: TopicBase, node: NodeId): Promise<HandBroker> {
  const received: UpMessage[] = [];
  const stored = new Map<string, Stored>();
  const waiting = new Map<number, () => void>();
  let socket: Socket | undefined;
  let connects = 0;
  let packetId = 0;

  const send = (message: DownMessage): number => {
    packetId = (packetId % 65535) + 1;
    const id = [packetId >> 8, packetId & 255];
    const topic = text(downTopic(base, node, message.kind));
    socket?.write(packet(0x32, [...topic, ...id, ...encodeDown(message)]));
    return packetId;
  };

  const take = (message: UpMessage): void => {
    received.push(message);
    if (message.kind === "report" || message.kind === "offload") {
      const { epoch, seq } = message;
      stored.set(`${epoch}:${seq}`, copyOf(message));
      if (broker.acknowledges) send({ kind: "ack", epoch, seqs: [seq] });
    }
    broker.onMessage(message);
  };

  const server = createServer((connected) => {
    socket = connected.setNoDelay(true).on("error", () => undefined);
    let held = Buffer.alloc(0);
    connected.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes]);
      for (let next = firstPacket(held); next !== undefined; next = firstPacket(held)) {
        held = held.subarray(next.end);
        const { head, body } = next;
        const reply = replyTo(head, body);
        if (reply !== undefined) connected.write(reply);
        if (head === CONNECT) connects += 1;
        if (head === PUBACK) {
          const id = body.readUInt16BE(0);
          waiting.get(id)?.();
          waiting.delete(id);
        }
        const published = publishedIn(head, body);
        const parsed = published && parseUpTopic(base, published.topic);
        if (parsed?.node === node) take(decodeUp(parsed.kind, published?.payload ?? body));
      }
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const broker: HandBroker = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    received,
    stored,
    connects: () => connects,
    acknowledges: true,
    onMessage: () => undefined,
    deliver: (message) => new Promise((resolve) => waiting.set(send(message), resolve)),
    hangUp: () => socket?.destroy(),
    close: async () => {
      socket?.destroy();
      server.close();
      await once(server, "close");
    },
  };
  return broker;
}

const CONNECT = 0x10;
const PUBACK = 0x40;

function replyTo(head: number, body: Buffer): Uint8Array | undefined {
  if (head === CONNECT) return packet(0x20, [0, 0]);
  if (head === 0x82) return packet(0x90, [...body.subarray(0, 2), 1]);
  if (head === 0xc0) return packet(0xd0, []);
  if (head !== 0x32) return undefined;
  const end = 2 + body.readUInt16BE(0);
  return packet(PUBACK, [...body.subarray(end, end + 2)]);
}

type Packet = { readonly head: number; readonly body: Buffer; readonly end: number };

function firstPacket(bytes: Buffer): Packet | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length && at < 5; at++) {
    const byte = bytes[at] as number;
    length |= (byte & 127) << (7 * (at - 1));
    if (byte > 127) continue;
    const end = at + 1 + length;
    if (bytes.length < end) return undefined;
    return { head: bytes[0] as number, body: bytes.subarray(at + 1, end), end };
  }
  return undefined;
}

export type Published = { readonly topic: string; readonly payload: Uint8Array };

/** Takes the bytes of one direction, and calls back for each PUBLISH in them. */
export function packetReader(onPublish: (published: Published) => void): (bytes: Buffer) => void {
  let held = Buffer.alloc(0);
  return (bytes) => {
    held = Buffer.concat([held, bytes]);
    for (let next = firstPacket(held); next !== undefined; next = firstPacket(held)) {
      held = held.subarray(next.end);
      const published = publishedIn(next.head, next.body);
      if (published !== undefined) onPublish(published);
    }
  };
}

function publishedIn(head: number, body: Buffer): Published | undefined {
  if (head >> 4 !== 3) return undefined;
  const end = 2 + body.readUInt16BE(0);
  const payload = Uint8Array.from(body.subarray(end + ((head & 6) > 0 ? 2 : 0)));
  return { topic: body.subarray(2, end).toString(), payload };
}

function copyOf(message: Stored): Stored {
  if (message.kind !== "offload" || message.encoding === "features") return message;
  return { ...message, window: message.window.slice() };
}
