/**
 * The JSON topics as a table: where each stands, what its payload is, and how it is sent.
 *
 * What `docs/TOPICS.md` tells people, for programs: JSON Schemas and the AsyncAPI document
 * (`asyncapi.ts`) are made from it. It sends nothing; a test holds it against a running gateway.
 */

import { z } from "zod";
import { assert } from "../assert.ts";
import { JoinResponseSchema } from "./join-schema.ts";
import {
  AlertSchema,
  AvailabilitySchema,
  BehaviourSchema,
  BoutEventSchema,
  BridgeEventSchema,
  BridgeInfoSchema,
  BudgetSchema,
  DevicesSchema,
  EventSchema,
  GroupBudgetSchema,
  NodeStateSchema,
  PUBLIC_VERSION,
} from "./public.ts";
import {
  REQUEST_NAMES,
  REQUESTS,
  type RequestName,
  requestTopic,
  responseSchema,
  responseTopic,
} from "./requests.ts";
import type { TopicBase } from "./topics.ts";

export type JsonSchema = { readonly [key: string]: unknown };

export type JsonTopic = {
  /** Its channel's name in the AsyncAPI document. */
  readonly channel: string;
  /** With `{base}`, `{node}` or `{group}` where a name stands. */
  readonly address: string;
  /** A name in `PAYLOADS`. */
  readonly payload: string;
  /** By the gateway: it tells, or it is told. */
  readonly action: "send" | "receive";
  readonly retained: boolean;
  readonly qos: 0 | 1;
  readonly summary: string;
};

/** Every payload by its name, which is also the name of its file. */
export const PAYLOADS: Readonly<Record<string, z.ZodType>> = {
  behaviour: BehaviourSchema,
  event: EventSchema,
  state: NodeStateSchema,
  bout: BoutEventSchema,
  budget: BudgetSchema,
  "group-budget": GroupBudgetSchema,
  alert: AlertSchema,
  availability: AvailabilitySchema,
  "bridge-devices": DevicesSchema,
  "bridge-info": BridgeInfoSchema,
  "bridge-event": BridgeEventSchema,
  "join-request": z.object({ v: z.literal(1) }),
  "join-response": JoinResponseSchema,
  ...Object.fromEntries(
    REQUEST_NAMES.flatMap((name) => [
      [payloadOf("request", name), REQUESTS[name].request],
      [payloadOf("response", name), responseSchema(name)],
    ]),
  ),
};

const TOLD = { action: "send", qos: 1 } as const;
const RETAINED = { ...TOLD, retained: true } as const;
const PASSING = { ...TOLD, retained: false } as const;

/** The public plane, in the order of `docs/TOPICS.md`. */
export const PUBLIC_TOPICS: readonly JsonTopic[] = [
  {
    channel: "behaviour",
    address: "{base}/{node}/behaviour",
    payload: "behaviour",
    ...RETAINED,
    summary: "What the node does now.",
  },
  {
    channel: "event",
    address: "{base}/{node}/event",
    payload: "event",
    ...PASSING,
    summary: "A behaviour began, or was corrected by the teacher; a sensor is broken.",
  },
  {
    channel: "state",
    address: "{base}/{node}/state",
    payload: "state",
    ...RETAINED,
    summary: "What a node runs, battery, offload share.",
  },
  {
    channel: "bout",
    address: "{base}/{node}/bout",
    payload: "bout",
    ...PASSING,
    summary: "A stretch of one behaviour began, ended or was corrected.",
  },
  {
    channel: "budget",
    address: "{base}/{node}/budget",
    payload: "budget",
    ...RETAINED,
    summary: "Minutes of each behaviour: this hour, today, yesterday.",
  },
  {
    channel: "group-budget",
    address: "{base}/group/{group}/budget",
    payload: "group-budget",
    ...RETAINED,
    summary: "The same, of the average member of a group; empty while none was heard.",
  },
  {
    channel: "alert",
    address: "{base}/{node}/alert",
    payload: "alert",
    ...PASSING,
    summary: "A day that differs from the animal's own days before.",
  },
  {
    channel: "availability",
    address: "{base}/{node}/availability",
    payload: "availability",
    ...RETAINED,
    summary: "Whether the node is there; `offline` also by the node itself and by its last will.",
  },
  {
    channel: "bridge-state",
    address: "{base}/bridge/state",
    payload: "availability",
    ...RETAINED,
    summary: "The gateway itself; `offline` also by its last will.",
  },
  {
    channel: "bridge-devices",
    address: "{base}/bridge/devices",
    payload: "bridge-devices",
    ...RETAINED,
    summary: "Every node, with what it runs and how it fares.",
  },
  {
    channel: "bridge-info",
    address: "{base}/bridge/info",
    payload: "bridge-info",
    ...RETAINED,
    summary: "Classes, teacher, the state of the loop.",
  },
  {
    channel: "bridge-event",
    address: "{base}/bridge/event",
    payload: "bridge-event",
    ...PASSING,
    summary: "The gateway's diary.",
  },
];

/** How a device gets credentials of its own; the embedded broker gives these to nobody else. */
export const JOIN_TOPICS: readonly JsonTopic[] = [
  {
    channel: "join-request",
    address: "{base}/join/{client}/request",
    payload: "join-request",
    action: "receive",
    retained: false,
    qos: 1,
    summary: "A device that has a join code asks for credentials; QoS 0 will do.",
  },
  {
    channel: "join-response",
    address: "{base}/join/{client}/response",
    payload: "join-response",
    ...PASSING,
    summary: "Its credentials, or why it gets none.",
  },
];

/** What operators ask for, and the answers, which readers do not hear. */
export const REQUEST_TOPICS: readonly JsonTopic[] = REQUEST_NAMES.flatMap((name) => [
  {
    channel: payloadOf("request", name),
    address: requestTopic("{base}" as TopicBase, name),
    payload: payloadOf("request", name),
    action: "receive",
    retained: false,
    qos: 1,
    summary: REQUESTS[name].summary,
  },
  {
    channel: payloadOf("response", name),
    address: responseTopic("{base}" as TopicBase, name),
    payload: payloadOf("response", name),
    ...PASSING,
    summary: `The answer to ${name}, with its transaction.`,
  },
]);

/** `request-models-push`: a name without slashes. */
function payloadOf(step: "request" | "response", name: RequestName): string {
  return `${step}-${name.replace("/", "-")}`;
}

/**
 * A payload's JSON Schema, draft-07: what AsyncAPI takes without a word, and what validators in small
 * languages know. Fields that it does not know are allowed, as readers must ignore them.
 */
export function payloadSchema(name: string): JsonSchema {
  const payload = PAYLOADS[name];
  assert(payload !== undefined, `${name} is a payload`);
  const { $schema: _, ...schema } = z.toJSONSchema(payload, {
    target: "draft-7",
    // As a reader takes it: no field is forbidden, and one with a default may be missing.
    io: "input",
  });
  return { title: name, ...schema };
}

/** The same as a file of its own. */
export function payloadSchemaFile(name: string): JsonSchema {
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    $id: `urn:bellwether:topics:${PUBLIC_VERSION}:${name}`,
    ...payloadSchema(name),
  };
}
