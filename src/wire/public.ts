/**
 * What people read: the JSON payloads of the public topics, as schemas and as types.
 *
 * Times are milliseconds since 1970-01-01 UTC, everywhere and only so. Chances are 0 to 1. Classes
 * are names, never indices. Payloads are flat and in snake case, as Zigbee2MQTT and Frigate have
 * made people expect; readers must ignore fields that they do not know, so that fields can be added
 * without a new version. `docs/TOPICS.md` is the reference and shows each of them.
 */

import { z } from "zod";
import { SENSOR_FAULTS } from "../signal/sensor-watch.ts";
import { LIMITS } from "./limits.ts";
import { UNFIT_REASONS } from "./messages.ts";

/** Rises when a field changes its meaning, not when one is added. */
export const PUBLIC_VERSION = 1;

const version = z.literal(PUBLIC_VERSION);
const timeMs = z.int().min(0).max(0xffff_ffff_ffff);
const share = z.number().min(0).max(1);
const count = z.int().min(0);
const modelName = z.string().regex(/^[0-9a-f]{16}$/);
const nodeName = z.string().min(1).max(64);
/** `exit 1`, counted from 1, or `teacher`. */
const source = z.union([
  z.literal("teacher"),
  z
    .templateLiteral(["exit ", z.int()])
    .refine((text) => /^exit [1-8]$/.test(text))
    // A refinement is code; this is what the JSON Schema says of it.
    .meta({ pattern: "^exit [1-8]$" }),
]);

/** `<base>/<node>/behaviour`, retained: what the node does now, to the best of our knowledge. */
export const BehaviourSchema = z.object({
  v: version,
  node: nodeName,
  behaviour: z.string().min(1).max(32),
  confidence: share,
  source,
  /** False where the teacher says that it does not know this kind of signal. */
  trusted: z.boolean(),
  model: modelName,
  /** Sequence number of the release, 0 for the model that the node was made with. */
  release: count,
  /** End of the first window of this behaviour without a break, by the node's clock. */
  since: timeMs,
  /** End of this window by the node's clock, and its number in the node's present life. */
  time: timeMs,
  epoch: count,
  sequence: count,
});
export type Behaviour = z.infer<typeof BehaviourSchema>;

/** `new` for a behaviour that began, `update` when the teacher's late answer changes one that was told
 * already: the same `id`, with what was told in `before`. */
export const BehaviourEventSchema = z.object({
  v: version,
  type: z.enum(["new", "update"]),
  /** `<node>:<epoch>:<sequence>`: stable however often the event is sent. */
  id: z.string().max(96),
  before: BehaviourSchema.nullable(),
  after: BehaviourSchema,
});
export type BehaviourEvent = z.infer<typeof BehaviourEventSchema>;

/** A sensor that does not measure, and once more when it does again. */
export const SensorFaultEventSchema = z.object({
  v: version,
  type: z.literal("sensor-fault"),
  /** `<node>:fault:<since>`. */
  id: z.string().max(96),
  node: nodeName,
  cause: z.enum(SENSOR_FAULTS),
  over: z.boolean(),
  /** The window that showed it, and the one that this is told of, by the node's clock. */
  since: timeMs,
  time: timeMs,
  message: z.string().max(400),
});
export type SensorFaultEvent = z.infer<typeof SensorFaultEventSchema>;

/** `<base>/<node>/event`, not retained. Readers pass over types that they do not know. */
export const EventSchema = z.discriminatedUnion("type", [
  BehaviourEventSchema,
  SensorFaultEventSchema,
]);

/** `<base>/<node>/state`, retained: what a node runs and how it fares, told when it changes. */
export const NodeStateSchema = z.object({
  v: version,
  node: nodeName,
  battery: z.int().min(0).max(100).nullable(),
  offload_ratio: share,
  agreement: share.nullable(),
  model: modelName,
  /** The release that it runs, and the one that its cohort is to run; the same when all is done. */
  release: count,
  latest_release: count,
  /** It was offered that release and has not answered. */
  updating: z.boolean(),
  /** Of what it first asked for of that release, while it fetches it; null otherwise, and from a
   * gateway that does not tell. */
  update_percentage: z.int().min(0).max(100).nullable().default(null),
  alarm: z.boolean(),
  /** What is wrong with its sensor; null where nothing is, and from a gateway that does not tell. */
  fault: z.enum(SENSOR_FAULTS).nullable().default(null),
  /** The operating point of its model that its last report was of, 0 for the gate as it was released,
   * and what share of windows that aims at; null where unknown, and from a gateway that does not
   * tell. */
  operating_point: z.int().min(0).max(LIMITS.operatingPoints).nullable().default(null),
  operating_share: share.nullable().default(null),
  /** What is wanted of it; 0 for the gate as it was released. */
  wanted_share: share.default(0),
  withheld: z.enum(UNFIT_REASONS).nullable(),
});
export type NodeStateMessage = z.infer<typeof NodeStateSchema>;

/** A stretch of one behaviour, smoothed over windows. */
export const BoutSchema = z.object({
  node: nodeName,
  behaviour: z.string().min(1).max(32),
  /** By the node's clock; `end` is null while it goes on. */
  start: timeMs,
  end: timeMs.nullable(),
  /** Until its last window so far. */
  duration_seconds: z.number().min(0),
  /** Mean chance that its windows are what it says. */
  confidence: share,
  windows: count,
  /** How many of them the teacher answered. */
  taught: count,
});
export type PublicBout = z.infer<typeof BoutSchema>;

/** `<base>/<node>/bout`, not retained. `withdrawn`: it never was, by what is known now. */
export const BoutEventSchema = z.object({
  v: version,
  type: z.enum(["new", "update", "end", "withdrawn"]),
  /** `<node>:<number>`: stays with the bout through its corrections. */
  id: z.string().max(96),
  before: BoutSchema.nullable(),
  after: BoutSchema.nullable(),
});
export type BoutEvent = z.infer<typeof BoutEventSchema>;

/** `minutes` by behaviour, and what nobody knows, add up to the minutes from `start` to `end`. */
export const BudgetSpanSchema = z.object({
  start: timeMs,
  end: timeMs,
  minutes: z.record(z.string(), z.number().min(0)),
  unknown_minutes: z.number().min(0),
});
export type BudgetSpan = z.infer<typeof BudgetSpanSchema>;

/** `<base>/<node>/budget`, retained: this hour, today and yesterday so far. */
export const BudgetSchema = z.object({
  v: version,
  node: nodeName,
  time: timeMs,
  hour: BudgetSpanSchema,
  day: BudgetSpanSchema,
  yesterday: BudgetSpanSchema,
});
export type PublicBudget = z.infer<typeof BudgetSchema>;

/** `<base>/group/<name>/budget`, retained: the mean of its nodes that have been heard. */
export const GroupBudgetSchema = BudgetSchema.omit({ node: true }).extend({
  group: nodeName,
  nodes: count,
});
export type GroupBudget = z.infer<typeof GroupBudgetSchema>;

/** `<base>/<node>/alert`, not retained: a day that differs from the animal's own days before. */
export const AlertSchema = z.object({
  v: version,
  /** `<node>:<rule>:<start of the day>`. */
  id: z.string().max(200),
  node: nodeName,
  rule: z.string().max(64),
  behaviours: z.array(z.string()),
  /** Start of the day. */
  day: timeMs,
  /** Of a wholly known day: that day, and the median of the days before. */
  minutes: z.number().min(0),
  baseline_minutes: z.number().min(0),
  change_percent: z.number(),
  /** The same in deviations of the days before. */
  deviations: z.number(),
  days: count,
  message: z.string().max(400),
});
export type Alert = z.infer<typeof AlertSchema>;

/** `<base>/<node>/availability` and `<base>/bridge/state`, retained; offline also by last will. The
 * gateway says in `detail` what keeps it from working as it should, such as a full disk. */
export const AvailabilitySchema = z.object({
  state: z.enum(["online", "offline"]),
  detail: z.string().max(400).optional(),
});

/** What audits say of all windows of a model: each answered window stands for as many as its chance
 * says, with 95 % intervals. */
export const AuditSchema = z.object({
  windows: count,
  /** Audits with a trusted verdict. */
  audits: count,
  /** Share of all windows where the student's own answer is the teacher's. */
  agreement: share,
  agreement_low: share,
  agreement_high: share,
  /** The same of the windows that it keeps to itself. */
  kept_agreement: share,
  /** Share of all windows whose answer an offload for cause changed. */
  mended: share,
  mended_low: share,
  mended_high: share,
  /** Share of all windows that keep an answer which the teacher would change. */
  left: share,
  left_low: share,
  left_high: share,
  /** How many times better than chance the gate finds answers to change; null where it sought none. */
  lift: z.number().min(0).nullable(),
  /** Share of the offloads that a trusted verdict has answered. */
  answered: share,
});
export type Audit = z.infer<typeof AuditSchema>;

export const CohortAuditSchema = z.object({
  cohort: z.string().max(64),
  model: modelName,
  nodes: count,
  audit: AuditSchema.nullable(),
});
export type CohortAudit = z.infer<typeof CohortAuditSchema>;

/** One entry of `<base>/bridge/devices`, retained. */
export const DeviceSchema = z.object({
  node: nodeName,
  state: z.enum(["online", "offline"]),
  cohort: z.string().max(64),
  firmware: z.string().max(32),
  model: modelName,
  release: count,
  /** When the gateway last heard it, by the gateway's clock. */
  last_seen: timeMs,
  battery: z.int().min(0).max(100).nullable(),
  windows: count,
  offloads: count,
  offload_ratio: share,
  /** Share of the teacher's trusted verdicts that the student's answer agreed with. */
  agreement: share.nullable(),
  /** Entries that the node had to drop because its outbox was full. */
  dropped: count,
  drift: z.number().min(0),
  alarm: z.boolean(),
  /** What is wrong with its sensor; null where nothing is, and from a gateway that does not tell. */
  fault: z.enum(SENSOR_FAULTS).nullable().default(null),
  /** Of the model that it runs now; null before the first trusted audit, and from a gateway that does
   * not tell. */
  audit: AuditSchema.nullable().default(null),
  /** Why the present release is withheld: the node said that its slot or RAM is too small for it, or
   * that it reads older formats only. Null from a gateway that does not tell. */
  withheld: z.enum(UNFIT_REASONS).nullable().default(null),
});
export type Device = z.infer<typeof DeviceSchema>;

export const DevicesSchema = z.object({ v: version, devices: z.array(DeviceSchema) });

/** How far a release has spread among the nodes of its cohort. */
export const RolloutInfoSchema = z.object({
  release: count,
  model: modelName,
  purpose: z.enum(["release", "rollback"]),
  cohort: z.string().max(64),
  state: z.enum(["spreading", "paused", "done", "rolled-back"]),
  /** Why it went back. */
  reason: z.string().max(400).nullable(),
  /** The canary is 1. */
  wave: z.int().min(1),
  /** What each may hold of the nodes that are there now and can hold it. */
  waves: z.array(z.object({ share, nodes: count })),
  /** By what they have said; `first` wait to go first, by an operator's word. */
  nodes: z.object({
    known: count,
    offered: count,
    activated: count,
    confirmed: count,
    failed: count,
    withheld: count,
    first: count,
  }),
  /** Of nodes that run it, since the rollout began; null before the first trusted audit. */
  audits: count,
  agreement: share.nullable(),
  expected_agreement: share,
  windows: count,
  offload_ratio: share,
});
export type RolloutInfo = z.infer<typeof RolloutInfoSchema>;

/** `<base>/bridge/info`, retained: what this gateway is and where the loop stands. */
export const BridgeInfoSchema = z.object({
  v: version,
  version: z.string(),
  started: timeMs,
  time: timeMs,
  classes: z.array(z.string().min(1).max(32)),
  nodes: count,
  teacher: z.object({ name: z.string(), trusted: z.boolean() }),
  soft_labels: count,
  loop: z.object({
    state: z.enum(["idle", "collecting", "distilling", "evaluating", "rollout", "not-trusted"]),
    progress: share.nullable(),
    /** The last thing that the loop decided, in words for people. */
    note: z.string().max(400),
  }),
  release: z.object({ sequence: count, model: modelName.nullable() }),
  /** Every model that nodes of a cohort run. */
  cohorts: z.array(CohortAuditSchema).default([]),
  /** The release of each cohort; none before the first. */
  rollouts: z.array(RolloutInfoSchema).default([]),
});
export type BridgeInfo = z.infer<typeof BridgeInfoSchema>;

export const BRIDGE_EVENTS = [
  "node-joined",
  "drift-alarm",
  "sensor-fault",
  "cohort-shift",
  "not-trusted",
  "distill-started",
  "distill-progress",
  "distill-finished",
  "candidate-refused",
  "release-published",
  "canary-started",
  "wave-started",
  "rollout-paused",
  "rollout-resumed",
  "release-done",
  "rolled-back",
  "release-outcome",
  "release-withheld",
  "refused",
  "request",
] as const;

/** `<base>/bridge/event`, not retained: one line of the gateway's diary. */
export const BridgeEventSchema = z.object({
  v: version,
  type: z.enum(BRIDGE_EVENTS),
  time: timeMs,
  node: nodeName.optional(),
  release: count.optional(),
  progress: share.optional(),
  message: z.string().max(400),
});
export type BridgeEvent = z.infer<typeof BridgeEventSchema>;
