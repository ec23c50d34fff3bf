/**
 * Joins the gateway's link and hosts of Sparkplug, so that the gateway need not know that anybody
 * speaks it. It decides nothing: `sparkplug.ts` does.
 *
 * On a broker of somebody else the edge node is a client of its own, with its death as last will. On
 * our own there is no session that could break without the broker: it is this process, and dies with
 * it. There the gateway publishes as it publishes everything, and says its death when it stops.
 */

import path from "node:path";
import { unreachable } from "../../src/assert.ts";
import { connectBroker } from "../broker/external-broker.ts";
import type { Link, LinkEvents } from "../broker/link.ts";
import { nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";
import {
  createSparkplug,
  edgeDeath,
  type SparkplugEvent,
  type SparkplugSettings,
  stepSparkplug,
} from "./sparkplug.ts";
import { edgeFilters, isSparkplugTopic } from "./sparkplug-names.ts";

export type SparkplugOptions = SparkplugSettings & {
  readonly dataDirectory: string;
  /** A broker of somebody else; undefined for our own, which is `link`. */
  readonly broker:
    | {
        readonly url: string;
        readonly passwordFile: string | undefined;
        readonly caFile: string | undefined;
      }
    | undefined;
};

export type SparkplugLink<L extends Link> = {
  readonly link: L;
  /** Takes what hosts say on our own broker; false for everything else. */
  readonly take: (topic: string, payload: Uint8Array) => boolean;
};

/** What carries an edge node's messages. */
type Session = Pick<Link, "publish" | "close"> & { readonly reopen: () => void };

const FILE = "sparkplug-bdseq";
const TICK_MS = 250;
const NUMBERS = 256;

export function withSparkplug<L extends Link>(
  link: L,
  options: SparkplugOptions,
  events: Pick<LinkEvents, "log">,
): SparkplugLink<L> {
  const state = createSparkplug(options, Date.now());
  const step = (event: SparkplugEvent): void => {
    for (const effect of stepSparkplug(state, event, Date.now())) {
      switch (effect.kind) {
        case "publish":
          session.publish(effect.topic, effect.payload, { qos: effect.qos, retain: false });
          break;
        case "reopen":
          session.reopen();
          break;
        case "log":
          events.log(effect.level, effect.text);
          break;
        default:
          unreachable(effect);
      }
    }
  };
  const session = openSession(link, options, events, step);
  const ticking = setInterval(() => step({ kind: "tick" }), TICK_MS);
  return {
    take: (topic, payload) => {
      if (!isSparkplugTopic(topic)) return false;
      step({ kind: "heard", topic, payload });
      return true;
    },
    link: {
      ...link,
      publish: (topic, payload, how) => {
        if (typeof payload === "string") step({ kind: "told", topic, json: payload });
        link.publish(topic, payload, how);
      },
      close: async () => {
        clearInterval(ticking);
        step({ kind: "end" });
        await session.close();
        await link.close();
      },
    },
  };
}

function openSession(
  link: Link,
  options: SparkplugOptions,
  events: Pick<LinkEvents, "log">,
  step: (event: SparkplugEvent) => void,
): Session {
  const file = path.join(options.dataDirectory, FILE);
  let bdSeq = readNumber(file);
  const next = (): number => {
    bdSeq = (bdSeq + 1) % NUMBERS;
    return bdSeq;
  };
  // Written once a session has come about: a broker that is away costs a disk nothing.
  const opened = (): void => {
    writeDurably(nodeDisk, file, Buffer.from(`${bdSeq}\n`));
    step({ kind: "opened", bdSeq });
  };
  if (options.broker !== undefined) {
    return connectBroker(
      {
        ...options.broker,
        base: options.base,
        filters: edgeFilters(options),
        will: () => ({ ...edgeDeath(options, next(), Date.now()), qos: 1, retain: false }),
      },
      {
        onMessage: (topic, payload) => step({ kind: "heard", topic, payload }),
        onConnection: (open) => (open ? opened() : step({ kind: "closed" })),
        log: events.log,
      },
    );
  }
  const open = (): void => {
    next();
    opened();
  };
  // By then what there is to say has been told once.
  const opening = setTimeout(open, TICK_MS);
  return {
    publish: (topic, payload, how) => link.publish(topic, payload, how),
    reopen: open,
    close: () => {
      clearTimeout(opening);
      return Promise.resolve();
    },
  };
}

/** That of the last session; one less than the first where there was none. */
function readNumber(file: string): number {
  const text = Buffer.from(readIfThere(file) ?? []).toString();
  const number = Number.parseInt(text, 10);
  return number >= 0 && number < NUMBERS ? number : NUMBERS - 1;
}
