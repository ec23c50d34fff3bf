/** A wire tap between a firmware node and its broker: everything passes as it comes, and is read. */

import { once } from "node:events";
import { connect, createServer } from "node:net";
import { decodeDown, decodeUp } from "../src/wire/frames.ts";
import type { DownMessage, UpMessage } from "../src/wire/messages.ts";
import { parseDownTopic, parseUpTopic, type TopicBase } from "../src/wire/topics.ts";
import { packetReader } from "./firmware-broker.ts";

export type Tap = {
  readonly port: number;
  /** What the node said, and what it was told. */
  readonly up: readonly UpMessage[];
  readonly down: readonly DownMessage[];
  close(): Promise<void>;
};

/** To whatever listens on the broker's port whenever the node connects. */
export async function startTap(base: TopicBase, brokerPort: number): Promise<Tap> {
  const up: UpMessage[] = [];
  const down: DownMessage[] = [];
  const server = createServer((node) => {
    const broker = connect(brokerPort, "127.0.0.1").setNoDelay(true);
    node.setNoDelay(true);
    for (const socket of [node, broker]) {
      socket.on("error", () => undefined);
      socket.on("close", () => {
        node.destroy();
        broker.destroy();
      });
    }
    node.on(
      "data",
      packetReader(({ topic, payload }) => {
        const parsed = parseUpTopic(base, topic);
        if (parsed !== undefined) up.push(decodeUp(parsed.kind, payload));
      }),
    );
    broker.on(
      "data",
      packetReader(({ topic, payload }) => {
        const parsed = parseDownTopic(base, topic);
        if (parsed !== undefined) down.push(decodeDown(parsed.kind, payload));
      }),
    );
    node.pipe(broker);
    broker.pipe(node);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    up,
    down,
    close: async () => {
      server.close();
    },
  };
}
