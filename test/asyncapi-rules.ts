/**
 * The part of AsyncAPI that our document uses, as rules written from the specification and not from
 * the program that makes it: AsyncAPI 3.0.0,
 * https://www.asyncapi.com/docs/reference/specification/v3.0.0, and the MQTT bindings 0.2.0,
 * https://github.com/asyncapi/bindings/tree/master/mqtt.
 *
 * Each object is strict, as there: a field that the specification does not name is an error. What the
 * specification allows and we do not use (security, traits, tags, correlation ids) is not here.
 */

import { z } from "zod";

const words = z.string().min(1);
/** "Reference Object": a JSON Pointer into this document. */
const Reference = z.strictObject({ $ref: z.string().regex(/^#\/[^\s]+$/) });
/** Keys of channels, operations and components: `^[a-zA-Z0-9.\-_]+$` ("Components Object"). */
const key = z.string().regex(/^[a-zA-Z0-9.\-_]+$/);

/** "Info Object": title and version are required. */
const Info = z.strictObject({ title: words, version: words, description: words.optional() });

/** "Server Object": host and protocol are required; a host has no scheme and no path. */
const Server = z.strictObject({
  host: z.string().regex(/^[^\s/]+$/),
  protocol: words,
  protocolVersion: words.optional(),
  description: words.optional(),
});

/** "Parameter Object": in version 3 it has no schema, only strings. */
const Parameter = z.strictObject({
  enum: z.array(z.string()).optional(),
  default: z.string().optional(),
  description: words.optional(),
  examples: z.array(z.string()).optional(),
  location: words.optional(),
});

/** "Channel Object": an address holds no query and no fragment. */
const Channel = z.strictObject({
  address: z.string().regex(/^[^?#\s]+$/),
  messages: z.record(key, Reference),
  title: words.optional(),
  summary: words.optional(),
  description: words.optional(),
  parameters: z.record(z.string().regex(/^[A-Za-z0-9_-]+$/), Parameter).optional(),
});

/** MQTT "Operation Binding Object". */
const MqttOperation = z.strictObject({
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  retain: z.boolean(),
  bindingVersion: z.literal("0.2.0"),
});

/** "Operation Reply Object": its messages must be a subset of its channel's. */
const Reply = z.strictObject({ channel: Reference, messages: z.array(Reference).optional() });

/** "Operation Object": action and channel are required; messages must be of that channel. */
const Operation = z
  .strictObject({
    action: z.enum(["send", "receive"]),
    channel: Reference,
    summary: words.optional(),
    bindings: z.strictObject({ mqtt: MqttOperation }),
    messages: z.array(Reference).optional(),
    reply: Reply.optional(),
  })
  .refine(({ channel, messages = [] }) => areOf(channel, messages), "messages of another channel")
  .refine(
    ({ reply }) => reply === undefined || areOf(reply.channel, reply.messages ?? []),
    "a reply with messages of another channel",
  );

/** "Message Object". */
const Message = z.strictObject({
  name: words,
  contentType: z.string().regex(/^[a-z]+\/[a-z0-9.+-]+$/),
  summary: words.optional(),
  description: words.optional(),
  payload: Reference.optional(),
});

/** "AsyncAPI Object". */
export const AsyncApiSchema = z.strictObject({
  asyncapi: z.literal("3.0.0"),
  info: Info,
  defaultContentType: words.optional(),
  servers: z.record(key, Server),
  channels: z.record(key, Channel),
  operations: z.record(key, Operation),
  components: z.strictObject({
    messages: z.record(key, Message),
    // "Schema Object": a superset of JSON Schema draft-07, or a boolean.
    schemas: z.record(key, z.looseObject({})),
  }),
});

function areOf(channel: { $ref: string }, messages: readonly { $ref: string }[]): boolean {
  return messages.every(({ $ref }) => $ref.startsWith(`${channel.$ref}/messages/`));
}

/** Every `$ref` of a document, wherever it stands. */
export function referencesOf(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([name, inside]) =>
    name === "$ref" && typeof inside === "string" ? [inside] : referencesOf(inside),
  );
}

/** What a reference leads to (RFC 6901); undefined where it leads nowhere. */
export function resolve(document: unknown, reference: string): unknown {
  let at: unknown = document;
  for (const part of reference.split("/").slice(1)) {
    if (typeof at !== "object" || at === null) return undefined;
    at = (at as Record<string, unknown>)[part.replace(/~1/g, "/").replace(/~0/g, "~")];
  }
  return at;
}
