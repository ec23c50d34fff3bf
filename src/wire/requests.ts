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
import { MODEL_PARTS, UPLOAD_BYTES_MAX } from "./model-upload.ts";
import { AuditSchema, PUBLIC_VERSION, RolloutInfoSchema } from "./public.ts";
import { isNodeId, type TopicBase } from "./topics.ts";

/** One request: what one MQTT packet holds, with room for the topic and properties. */
export const REQUEST_BYTES_MAX = LIMITS.packetBytes - 4 * 1024;
/** What a client may be told of itself again; an UUID has 36 characters. */
const TRANSACTION_MAX = 64;
const TEXT_MAX = 400;
/** What the JSON Schema says of a node's name; that some are reserved it cannot. */
const NODE_PATTERN = "^[a-z0-9][a-z0-9_-]{0,63}$";

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
const modelName = z.string().regex(/^[0-9a-f]{16}$/, "is no model's name: 16 hex digits");
const nodeName = z
  .string()
  .refine((text) => isNodeId(text) as boolean, "is no node's name")
  .meta({ pattern: NODE_PATTERN });
/** Base64 of RFC 4648, section 4, with padding. */
const bytes = z.base64().max(REQUEST_BYTES_MAX);
/** What somebody who sends a model in parts calls it. */
const upload = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "is no upload's name");
/** How long a join code is good: to a week, for collars that are posted. */
const minutes = z
  .int()
  .min(1)
  .max(7 * 24 * 60);
const release = z.object({ release: count, model: modelName });
const rollout = z.object({ rollout: RolloutInfoSchema });

/** A window in the store, and one that a person has answered. */
const window = z.int().min(1);
const answered = z.object({
  window,
  node: nodeName,
  /** False where the store said so already. */
  changed: z.boolean(),
  /** Labels of people that count, all together. */
  labels: count,
});

/** By name, which is also the topic's and the path's end. */
export const REQUESTS = {
  "labels/inbox": {
    summary: "Windows whose label nobody can vouch for, for a person to label, the first first.",
    changes: false,
    request: asks({ limit: z.int().min(1).max(64).default(16) }),
    data: z.object({
      classes: z.array(z.string()),
      windows: z.array(
        z.object({
          window,
          node: nodeName,
          /** Its end, by the node's clock, milliseconds since 1970. */
          time: z.int().min(0),
          /** The teacher does not know the signal, is contradicted by people on this node, or is
           * unsure between two. */
          reason: z.enum(["not-trusted", "contradicted", "unsure"]),
        }),
      ),
      /** Asked in all, these among them. */
      waiting: count,
      labels: count,
      /** With so many new ones a distillation begins. */
      wanted: count,
    }),
  },
  "labels/label": {
    summary:
      "What a window is, as a person says: a class by its name. Said again it changes nothing.",
    changes: true,
    request: asks({ window, behaviour: z.string().max(64) }),
    data: answered,
  },
  "labels/skip": {
    summary: "A person cannot say what a window is; it is not asked again.",
    changes: true,
    request: asks({ window }),
    data: answered,
  },
  "labels/undo": {
    summary: "Takes back what a person said of a window, or that it was passed over.",
    changes: true,
    request: asks({ window }),
    data: answered,
  },
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
  "models/list": {
    summary: "Models and releases of the registry, rollouts, and what audits say of each model.",
    changes: false,
    request: asks({}),
    data: z.object({
      models: z.array(
        z.object({
          model: modelName,
          bytes: count,
          cohort: z.string(),
          exits: count,
          /** Whether a distillation can go on from it. */
          floats: z.boolean(),
          releases: z.array(count),
          /** Of all nodes that ever ran it; null before the first trusted audit. */
          audit: AuditSchema.nullable(),
        }),
      ),
      releases: z.array(
        release.extend({
          purpose: z.enum(["release", "rollback"]),
          cohort: z.string(),
          created: count,
        }),
      ),
      rollouts: z.array(RolloutInfoSchema),
    }),
  },
  "models/part": {
    summary: "Brings a model in parts that is too long for one request; models/push names it then.",
    changes: false,
    request: asks({
      upload,
      part: z.enum(MODEL_PARTS),
      /** Where these bytes begin: where the part before ended, or a part again. */
      offset: z
        .int()
        .min(0)
        .max(Math.max(...Object.values(UPLOAD_BYTES_MAX))),
      bytes,
    }),
    /** How many bytes of this part are there now. */
    data: z.object({ upload, part: z.enum(MODEL_PARTS), bytes: count }),
  },
  "models/push": {
    summary:
      "Makes a release of a container, or of a model of the registry, and begins its rollout.",
    changes: true,
    request: asks({
      /** One of the three: a container, one that came in parts, or one that is in the registry. */
      container: bytes.optional(),
      upload: upload.optional(),
      model: modelName.optional(),
      /** The ONNX file of the float weights; without it nothing can be distilled from the model. */
      student: bytes.optional(),
    }).refine((from) => [from.container, from.upload, from.model].filter(Boolean).length === 1, {
      message: "needs either a container, an upload or a model",
    }),
    data: rollout,
  },
  "models/install": {
    summary: "Has a node go first in the present rollout, as far as its waves have room.",
    changes: true,
    request: asks({ node: nodeName }),
    data: z.object({
      node: z.string(),
      release: count,
      /** It runs it, was offered it, gets it when it is heard, in a later wave, or after the pause. */
      turn: z.enum(["runs-it", "offered", "now", "next-wave", "paused"]),
    }),
  },
  "models/rollback": {
    summary: "Goes back to the model of before, on all nodes, by a new signed release.",
    changes: true,
    request: asks({}),
    data: rollout,
  },
  "rollout/pause": {
    summary: "Offers the release to no further node, until it is resumed.",
    changes: true,
    request: asks({}),
    data: rollout,
  },
  "rollout/resume": {
    summary: "Lets a rollout go on.",
    changes: true,
    request: asks({}),
    data: rollout,
  },
  "rollout/abort": {
    summary: "Ends a rollout that spreads, and goes back on the nodes that have it.",
    changes: true,
    request: asks({}),
    data: rollout,
  },
  "distil/start": {
    summary: "Distils now, from the answers that are there.",
    changes: true,
    request: asks({}),
    data: z.object({ labels: count }),
  },
  "distil/stop": {
    summary: "Ends a distillation that runs, and begins none until it is started.",
    changes: true,
    request: asks({}),
    data: z.object({ ended: z.boolean() }),
  },
  "nodes/list": {
    summary: "Nodes that have credentials, and join codes that are open.",
    changes: false,
    request: asks({}),
    data: z.object({
      nodes: z.array(
        z.object({
          node: z.string(),
          created: count,
          changed: count,
          password: z.boolean(),
          certificate: z.string().nullable(),
          online: z.boolean(),
        }),
      ),
      codes: z.array(
        z.object({ label: z.string(), node: z.string().nullable(), uses: count, expires: count }),
      ),
    }),
  },
  "nodes/add": {
    summary: "Makes a join code, for one name or for any.",
    changes: true,
    request: asks({
      node: nodeName.optional(),
      uses: z.int().min(1).max(10_000).optional(),
      minutes: minutes.optional(),
    }),
    data: z.object({
      /** Told here and kept nowhere. */
      code: z.string(),
      label: z.string(),
      node: z.string().nullable(),
      uses: count,
      expires: count,
    }),
  },
  "nodes/revoke": {
    summary: "Takes a node's credentials away, or closes a join code by its label.",
    changes: true,
    request: asks({ name: z.string().min(1).max(LIMITS.nodeIdBytes) }),
    data: z.object({ name: z.string(), codes: count, node: z.boolean() }),
  },
  "nodes/point": {
    summary: "Has a node offload another share of its windows, by an operating point of its model.",
    changes: true,
    request: asks({
      node: nodeName,
      /** One of the two: a point of the model that it runs, 0 for the gate as it was released; or
       * the share, for which it takes the nearest point below, in this model and in later ones. */
      point: z.int().min(0).max(LIMITS.operatingPoints).optional(),
      percent: z.number().min(0).max(100).optional(),
    }).refine(({ point, percent }) => (point === undefined) !== (percent === undefined), {
      message: "needs either a point or a percentage",
    }),
    data: z.object({
      node: z.string(),
      /** Of all windows, 0 to 1; 0 for as released. */
      wanted_share: z.number().min(0).max(1),
      /** What the model that it runs has for it, and what that aims at; null where that is unknown. */
      point: count.nullable(),
      share: z.number().min(0).max(1).nullable(),
    }),
  },
  "nodes/rotate": {
    summary: "Gives a node a new password, or a join code by which it fetches one.",
    changes: true,
    request: asks({
      node: nodeName,
      code: z.boolean().optional(),
      minutes: minutes.optional(),
    }),
    data: z.object({
      node: z.string(),
      password: z.string().nullable(),
      code: z.string().nullable(),
      label: z.string().nullable(),
      expires: count.nullable(),
    }),
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
