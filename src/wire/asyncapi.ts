/**
 * The topics as one AsyncAPI 3.0.0 document, made from the schemas that the gateway itself uses.
 *
 * It is written from the gateway's side, as AsyncAPI wants it: `send` is what the gateway tells. The
 * private plane is in it by name only: its frames are binary, and `docs/FORMATS.md` has their bytes.
 *
 * AsyncAPI 3.0.0, https://www.asyncapi.com/docs/reference/specification/v3.0.0; MQTT bindings 0.2.0.
 */

import {
  JOIN_TOPICS,
  type JsonSchema,
  type JsonTopic,
  PAYLOADS,
  PUBLIC_TOPICS,
  REQUEST_TOPICS,
  payloadSchema,
} from "./public-topics.ts";
import { PUBLIC_VERSION } from "./public.ts";
import { DEFAULT_BASE, DOWN_KINDS, UP_KINDS } from "./topics.ts";

const MQTT_BINDING_VERSION = "0.2.0";

type Parameter = { readonly description: string; readonly default?: string };

const PARAMETERS: Readonly<Record<string, Parameter>> = {
  base: {
    description: "What stands before everything else, as configured: up to three levels.",
    default: DEFAULT_BASE,
  },
  node: {
    description:
      "A node's name: 1 to 64 lower-case letters, digits, `-` and `_`, a letter or digit first; " +
      "`node`, `bridge`, `group` and `join` are reserved.",
  },
  group: { description: "A group's name, as in `behaviours.groups` of the gateway's settings." },
  client: { description: "The MQTT client id of the device that joins." },
};

type Plane = {
  readonly channel: string;
  readonly address: string;
  readonly kinds: readonly string[];
  readonly action: "send" | "receive";
  readonly qos: 0 | 1;
  readonly summary: string;
};

const PRIVATE_PLANE: readonly Plane[] = [
  {
    channel: "node-up",
    address: "{base}/node/{node}/up/{kind}",
    kinds: UP_KINDS,
    action: "receive",
    qos: 1,
    summary: "Private and binary: from a node to its gateway.",
  },
  {
    channel: "node-down",
    address: "{base}/node/{node}/down/{kind}",
    kinds: DOWN_KINDS,
    action: "send",
    qos: 0,
    summary: "Private and binary: from the gateway to one node.",
  },
];

const FRAME_DESCRIPTION =
  "A binary frame; its bytes are in [FORMATS.md](FORMATS.md#wire-frames). It may hold raw movement " +
  "of an animal or a person: the embedded broker gives it to nobody but the node and the gateway.";

/** The whole document. The same for the same sources: no time and no machine is in it. */
export function asyncApiDocument(): JsonSchema {
  const topics = [...PUBLIC_TOPICS, ...JOIN_TOPICS, ...REQUEST_TOPICS];
  const names = Object.keys(PAYLOADS);
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Bellwether",
      version: `${PUBLIC_VERSION}.0.0`,
      description:
        "What a gateway tells of its nodes over MQTT. [TOPICS.md](TOPICS.md) says what each field " +
        "means. Ignore fields that you do not know; times are milliseconds since 1970-01-01 UTC.",
    },
    defaultContentType: "application/json",
    servers: {
      local: {
        host: "127.0.0.1:1883",
        protocol: "mqtt",
        protocolVersion: "3.1.1",
        description: "The embedded broker, unless configured otherwise; it speaks MQTT 5 as well.",
      },
    },
    channels: {
      ...byName(topics, (topic) => [topic.channel, jsonChannel(topic)]),
      ...byName(PRIVATE_PLANE, (plane) => [plane.channel, frameChannel(plane)]),
    },
    operations: {
      ...byName(topics, (topic) => [operationName(topic), jsonOperation(topic)]),
      ...byName(PRIVATE_PLANE, (plane) => [operationName(plane), operation(plane, false)]),
    },
    components: {
      messages: { ...byName(names, (name) => [name, jsonMessage(name)]), frame: frameMessage() },
      schemas: byName(names, (name) => [name, payloadSchema(name)]),
    },
  };
}

function jsonChannel({ address, summary, payload }: JsonTopic): JsonSchema {
  return {
    address,
    summary,
    messages: { [payload]: { $ref: `#/components/messages/${payload}` } },
    parameters: parametersOf(address),
  };
}

function frameChannel({ address, summary, kinds }: Plane): JsonSchema {
  return {
    address,
    summary,
    description: FRAME_DESCRIPTION,
    messages: { frame: { $ref: "#/components/messages/frame" } },
    parameters: {
      ...parametersOf(address),
      kind: { description: "The kind of frame.", enum: [...kinds] },
    },
  };
}

function jsonOperation(topic: JsonTopic): JsonSchema {
  const { channel, payload } = topic;
  const isAsked = topic.action === "receive";
  const answer = isAsked ? channel.replace("request", "response") : undefined;
  return {
    ...operation(topic, topic.retained),
    messages: [{ $ref: `#/channels/${channel}/messages/${payload}` }],
    ...(answer !== undefined && {
      reply: {
        channel: { $ref: `#/channels/${answer}` },
        messages: [{ $ref: `#/channels/${answer}/messages/${answer}` }],
      },
    }),
  };
}

function operation(
  { action, channel, qos, summary }: Pick<JsonTopic, "action" | "channel" | "qos" | "summary">,
  retain: boolean,
): JsonSchema {
  return {
    action,
    channel: { $ref: `#/channels/${channel}` },
    summary,
    bindings: { mqtt: { qos, retain, bindingVersion: MQTT_BINDING_VERSION } },
  };
}

function jsonMessage(name: string): JsonSchema {
  return {
    name,
    contentType: "application/json",
    payload: { $ref: `#/components/schemas/${name}` },
  };
}

function frameMessage(): JsonSchema {
  return {
    name: "frame",
    contentType: "application/octet-stream",
    summary: "A binary frame of the private plane.",
    description: FRAME_DESCRIPTION,
  };
}

function operationName({ action, channel }: Pick<Plane, "action" | "channel">): string {
  return `${action === "send" ? "tell" : "hear"}-${channel}`;
}

/** Of those that this document explains; a channel with others explains them itself. */
function parametersOf(address: string): JsonSchema {
  const named = [...address.matchAll(/\{([a-z]+)\}/g)].map((match) => match[1] ?? "");
  return Object.fromEntries(
    named.flatMap((name) => {
      const parameter = PARAMETERS[name];
      return parameter === undefined ? [] : [[name, parameter]];
    }),
  );
}

function byName<T>(values: readonly T[], entry: (value: T) => [string, JsonSchema]): JsonSchema {
  return Object.fromEntries(values.map(entry));
}
