/**
 * What operators may ask a gateway to do: one table of requests and of what each is answered with.
 *
 *     <base>/bridge/request/<area>/<verb>     {"transaction": "7", ...what the request needs}
 *     <base>/bridge/response/<area>/<verb>    {"v":1,"status":"ok","data":{...},"transaction":"7"}
 *
 * The same objects go over HTTP, `POST /api/request/<area>/<verb>`: one table, two ways in. Names and
 * envelope are those that Zigbee2MQTT has made people expect: `status`, `data`, `error`, and the
 * request's `transaction` as it came. A field that a request does not know is refused, unlike in what
 * the gateway tells: an option with a typing error must not be passed over in silence.
 */

import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { PUBLIC_VERSION } from "./public.ts";
import type { TopicBase } from "./topics.ts";

/** One request: what one MQTT packet holds, with room for the topic and properties. */
export const REQUEST_BYTES_MAX = LIMITS.packetBytes - 4 * 1024;
/** What a client may be told of itself again; an UUID has 36 characters. */
const TRANSACTION_MAX = 64;
const TEXT_MAX = 400;

export const TransactionSchema = z.union([z.string().max(TRANSACTION_MAX), z.int()]);
export type Transaction = z.infer<typeof TransactionSchema>;

/** A request's fields, and the transaction that all have. */
export function asks<Fields extends z.ZodRawShape>(fields: Fields) {
  return z.strictObject({ ...fields, transaction: TransactionSchema.optional() });
}

export type RequestSpec = {
  readonly summary: string;
  /** It changes something, or gives a secret away: told on `bridge/event`, with who asked. */
  readonly changes: boolean;
  readonly request: z.ZodObject;
  /** `data` of an answer that is `ok`. */
  readonly data: z.ZodObject;
};

const count = z.int().min(0);

/** By name, which is also the topic's and the path's end. */
export const REQUESTS = {
  health: {
    summary: "Whether the gateway is well, and how much waits.",
    changes: false,
    request: asks({}),
    data: z.object({
      /** False where nothing can be stored or acknowledged; `detail` says why. */
      healthy: z.boolean(),
      detail: z.string().max(TEXT_MAX).nullable(),
      version: z.string(),
      uptime_seconds: z.number().min(0),
      nodes: count,
      nodes_online: count,
      soft_labels: count,
      teacher_queue: count,
      refused_frames: count,
    }),
  },
  "config/show": {
    summary: "Every setting as it is in force, without secrets.",
    changes: false,
    request: asks({}),
    data: z.object({ settings: z.record(z.string(), z.unknown()) }),
  },
} as const satisfies Readonly<Record<string, RequestSpec>>;

export type RequestName = keyof typeof REQUESTS;
/** What was asked, parsed. */
export type RequestOf<Name extends RequestName> = z.infer<(typeof REQUESTS)[Name]["request"]>;
export type DataOf<Name extends RequestName> = z.infer<(typeof REQUESTS)[Name]["data"]>;

export const REQUEST_NAMES = Object.keys(REQUESTS) as readonly RequestName[];

export function isRequestName(text: string): text is RequestName {
  return Object.hasOwn(REQUESTS, text);
}

/** The answer to a request that was not carried out. `error` is for people, `code` for programs. */
export const RefusalSchema = z.object({
  v: z.literal(PUBLIC_VERSION),
  status: z.literal("error"),
  /** Empty, so that readers of `data` find an object. */
  data: z.object({}),
  error: z.string(),
  code: z.string(),
  hint: z.string(),
  transaction: TransactionSchema.optional(),
});

/** The whole answer to one request. */
export function responseSchema(name: RequestName) {
  return z.discriminatedUnion("status", [
    z.object({
      v: z.literal(PUBLIC_VERSION),
      status: z.literal("ok"),
      data: REQUESTS[name].data,
      transaction: TransactionSchema.optional(),
    }),
    RefusalSchema,
  ]);
}

export type RequestResponse =
  | {
      readonly v: typeof PUBLIC_VERSION;
      readonly status: "ok";
      readonly data: Readonly<Record<string, unknown>>;
      readonly transaction?: Transaction | undefined;
    }
  | z.infer<typeof RefusalSchema>;

export function requestTopic(base: TopicBase, name: string): string {
  return `${base}/bridge/request/${name}`;
}

export function responseTopic(base: TopicBase, name: string): string {
  return `${base}/bridge/response/${name}`;
}

/** Everything that is asked. */
export function requestFilter(base: TopicBase): string {
  return `${base}/bridge/request/#`;
}

/** What stands behind `bridge/request/`; undefined for any other topic. */
export function parseRequestTopic(base: TopicBase, topic: string): string | undefined {
  const start = requestTopic(base, "");
  return topic.startsWith(start) ? topic.slice(start.length) : undefined;
}
