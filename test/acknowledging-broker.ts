/** A broker beside a gateway's side of the protocol that does nothing but acknowledge. */

import { startBroker } from "../gateway/broker/broker.ts";
import type { Link } from "../gateway/broker/link.ts";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import type { NodeId, UpMessage } from "../src/wire/messages.ts";
import { DEFAULT_BASE, downTopic, parseUpTopic } from "../src/wire/topics.ts";

export type Received = { readonly node: NodeId; readonly message: UpMessage };

/** On a free port; `received` grows. */
export async function acknowledgingBroker(): Promise<{
  readonly link: Link;
  readonly received: Received[];
}> {
  const received: Received[] = [];
  const link = await startBroker(
    {
      host: "127.0.0.1",
      port: 0,
      base: DEFAULT_BASE,
      connectionsMax: 100,
      packetsPerSecond: 1000,
      packetsBurst: 1000,
    },
    {
      onMessage: (topic: string, payload: Uint8Array) => {
        const up = parseUpTopic(DEFAULT_BASE, topic);
        if (up === undefined) return;
        const message = decodeUp(up.kind, payload) as UpMessage;
        received.push({ node: up.node, message });
        if (message.kind !== "report" && message.kind !== "offload") return;
        const ack = encodeDown({ kind: "ack", epoch: message.epoch, seqs: [message.seq] });
        link.publish(downTopic(DEFAULT_BASE, up.node, "ack"), ack, { qos: 0, retain: false });
      },
      onConnection: () => {},
      log: () => {},
    },
  );
  return { link, received };
}
