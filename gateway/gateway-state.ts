/**
 * What the gateway knows between two events, and the closed lists of what can happen to it and what
 * it can do. `gateway.ts` turns the one into the other; `run-gateway.ts` performs the effects.
 */

import { NO_COUNTS } from "../src/gate/audit-counts.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import type { DownMessage, ModelId, NodeId, ReleaseOutcome } from "../src/wire/messages.ts";
import type { Behaviour, BridgeEvent, BridgeInfo } from "../src/wire/public.ts";
import type { TopicBase } from "../src/wire/topics.ts";
import type { LogLevel } from "./broker/link.ts";
import type { BehaviourDesk } from "./herd/behaviour-state.ts";
import {
  type BeatCounts,
  type CohortDesk,
  newBeatCounts,
  newCohortDesk,
} from "./herd/cohort-state.ts";
import { type ModelShares, newPointDesk, type PointDesk } from "./herd/point-state.ts";
import { newSensorState, type SensorState } from "./herd/sensor-state.ts";
import type { ReleaseNeeds } from "./release/release-fit.ts";
import type { Rollout, RolloutPolicy } from "./release/rollout.ts";
import type { RolloutOrder } from "./release/rollout-steering.ts";
import type { NodeRow, StoredRow, StoreRow, WaitingOffload } from "./store/label-rows.ts";
import type { Answerers } from "./teacher/answerable.ts";

/** With what can be answered: other offloads are kept and nobody waits for them. */
export type GatewaySettings = Answerers & {
  readonly base: TopicBase;
  /** Behaviour names in the order of the class index. */
  readonly classes: readonly string[];
  readonly version: string;
  readonly startedMs: number;
  readonly rolloutPolicy: RolloutPolicy;
  /** A node is offline after this many of its own longest silences. */
  readonly silences: number;
  /** Least time between two tellings of the list of devices. */
  readonly devicesMs: number;
  /** Frames of further nodes are refused: each node costs memory and a row. */
  readonly nodesMax: number;
};

/** The teacher's answer to a window whose report has not come yet. */
export type Verdict = {
  readonly classIndex: number;
  readonly confidence: number;
  readonly trusted: boolean;
};

export function verdictOf(probabilities: Float32Array, trusted: boolean): Verdict {
  const classIndex = largestIndex(probabilities);
  return { classIndex, confidence: probabilities[classIndex] as number, trusted };
}

export type NodeState = {
  row: NodeRow;
  online: boolean;
  /** When it was last heard, by the uptime: the wall clock may jump. */
  heardUptimeMs: number;
  /** The newest behaviour that was told. */
  told: Behaviour | null;
  /** By `<epoch>:<window index>`; oldest first. */
  readonly verdicts: Map<string, Verdict>;
  readonly sensor: SensorState;
  /** Its number among the reports and offloads of a life of the node; null before one. */
  newestReport: { readonly epoch: number; readonly seq: number } | null;
  /** The point that its last report of its present model was of; null before one. */
  operatingPoint: number | null;
  /** When it was last told what share is wanted of it, by the uptime. */
  movedUptimeMs: number;
  readonly beat: BeatCounts;
  /** What `<base>/<node>/state` said last; empty for nothing. */
  toldState: string;
  /** Chunks of a release that it lacks, and the most that it has lacked. */
  fetching: { readonly sequence: number; readonly missing: number; readonly most: number } | null;
  /** Frames refused since the start; a line in the log at 1, 2, 4, 8 … */
  refused: number;
};

/** The release that nodes of a cohort shall run, and how far it has spread. */
export type Serving = {
  rollout: Rollout;
  readonly modelId: ModelId;
  readonly needs: ReleaseNeeds;
};

/** What Home Assistant is still to be told: see `home-assistant.ts`. */
export type Discovery = {
  readonly enabled: boolean;
  /** Nodes whose configuration is to be told; null is the gateway. */
  readonly waiting: Set<NodeId | null>;
  dueUptimeMs: number;
  /** How often Home Assistant has come: pauses differ from one time to the next. */
  births: number;
};

export function newDiscovery(enabled: boolean): Discovery {
  return { enabled, waiting: new Set(), dueUptimeMs: 0, births: 0 };
}

export type GatewayState = {
  readonly settings: GatewaySettings;
  readonly nodes: Map<NodeId, NodeState>;
  /** By cohort. */
  readonly serving: Map<string, Serving>;
  readonly behaviours: BehaviourDesk;
  readonly discovery: Discovery;
  readonly points: PointDesk;
  readonly cohorts: CohortDesk;
  /** Why nothing is acknowledged now; null while all is well. */
  degraded: string | null;
  linkOpen: boolean;
  devicesChanged: boolean;
  devicesToldUptimeMs: number;
  /** Milliseconds since the start, of the event that is being worked on. Only rises. */
  uptimeMs: number;
  refused: number;
  softLabels: number;
  trusted: boolean;
  loop: BridgeInfo["loop"];
  lastRelease: { readonly sequence: number; readonly model: ModelId | null };
};

export type GatewayEvent =
  | { readonly kind: "message"; readonly topic: string; readonly payload: Uint8Array }
  /** The store has committed these; `stored` says what each changed. */
  | {
      readonly kind: "stored";
      readonly rows: readonly StoreRow[];
      readonly stored: readonly StoredRow[];
    }
  | { readonly kind: "store-failed"; readonly message: string }
  /** The teacher's row for one offload. */
  | {
      readonly kind: "answered";
      readonly item: WaitingOffload;
      readonly probabilities: Float32Array;
      readonly trusted: boolean;
    }
  | { readonly kind: "link"; readonly open: boolean }
  | { readonly kind: "tick" }
  /** A release was published, or was found unfinished at the start. */
  | ({ readonly kind: "serve"; readonly shares?: ModelShares } & Serving)
  /** What share of windows an operator wants of a node. */
  | { readonly kind: "point"; readonly node: NodeId; readonly shareQ16: number }
  /** What an operator wants of the rollout of a cohort. */
  | { readonly kind: "steer"; readonly cohort: string; readonly order: RolloutOrder }
  | { readonly kind: "loop"; readonly loop: BridgeInfo["loop"]; readonly trusted: boolean }
  | { readonly kind: "diary"; readonly entry: Omit<BridgeEvent, "v" | "time"> };

export type GatewayEffect =
  | { readonly kind: "store"; readonly row: StoreRow }
  | { readonly kind: "teach"; readonly item: WaitingOffload }
  | { readonly kind: "send"; readonly node: NodeId; readonly message: DownMessage }
  | { readonly kind: "offer"; readonly node: NodeId; readonly sequence: number }
  | {
      readonly kind: "chunks";
      readonly node: NodeId;
      readonly sequence: number;
      readonly indices: readonly number[];
    }
  | {
      readonly kind: "tell";
      readonly topic: string;
      readonly json: string;
      readonly qos: 0 | 1;
      readonly retain: boolean;
    }
  | { readonly kind: "save-rollout"; readonly rollout: Rollout; readonly modelId: ModelId }
  | { readonly kind: "roll-back"; readonly rollout: Rollout; readonly reason: string }
  | { readonly kind: "news"; readonly news: GatewayNews }
  | {
      readonly kind: "log";
      readonly level: LogLevel;
      readonly message: string;
      readonly fields: Readonly<Record<string, string | number | boolean>>;
    };

/** For whoever drives the loop: what was learned of the herd. */
export type GatewayNews =
  | { readonly kind: "hello"; readonly row: NodeRow }
  | {
      readonly kind: "label";
      readonly item: WaitingOffload;
      readonly probabilities: Float32Array;
      readonly trusted: boolean;
      readonly agrees: boolean;
      /** False from a node whose sensor is broken. */
      readonly sound: boolean;
    }
  /** A person's answer is stored; false where the store already said so, or knows no such window. */
  | { readonly kind: "person"; readonly offloadId: number; readonly fresh: boolean }
  /** Nothing is stored now. */
  | { readonly kind: "store-failed"; readonly reason: string }
  | {
      readonly kind: "drift";
      readonly node: NodeId;
      /** What the report came from, and how many of its windows were new. */
      readonly modelId: ModelId;
      readonly windows: number;
      readonly driftQ8: number;
      readonly alarm: boolean;
      /** False where its sensor is broken: then there is nothing to learn from an alarm. */
      readonly sound: boolean;
    }
  | {
      readonly kind: "outcome";
      readonly node: NodeId;
      readonly releaseSequence: number;
      readonly outcome: ReleaseOutcome;
    }
  /** Nodes of a cohort that have changed together. */
  | { readonly kind: "cohort-shift"; readonly nodes: readonly NodeId[] }
  | { readonly kind: "rollout"; readonly rollout: Rollout };

export function createState(
  settings: GatewaySettings,
  rows: readonly NodeRow[],
  softLabels: number,
  behaviours: BehaviourDesk,
  discovery: Discovery,
  points: PointDesk = newPointDesk(),
): GatewayState {
  const state: GatewayState = {
    settings,
    nodes: new Map(),
    serving: new Map(),
    behaviours,
    discovery,
    points,
    cohorts: newCohortDesk(),
    degraded: null,
    linkOpen: false,
    devicesChanged: true,
    devicesToldUptimeMs: Number.NEGATIVE_INFINITY,
    uptimeMs: 0,
    refused: 0,
    softLabels,
    trusted: true,
    loop: { state: "idle", progress: null, note: "" },
    lastRelease: { sequence: 0, model: null },
  };
  for (const row of rows) {
    state.nodes.set(row.node, newNode(row));
  }
  return state;
}

/** The node, made on first sight: frames may come before its hello. */
export function nodeOf(state: GatewayState, node: NodeId): NodeState {
  const known = state.nodes.get(node);
  if (known !== undefined) return known;
  const made = newNode(unknownNode(node));
  state.nodes.set(node, made);
  return made;
}

function newNode(row: NodeRow): NodeState {
  return {
    row,
    online: false,
    heardUptimeMs: 0,
    told: null,
    verdicts: new Map(),
    sensor: newSensorState(),
    newestReport: null,
    operatingPoint: null,
    movedUptimeMs: Number.NEGATIVE_INFINITY,
    beat: newBeatCounts(),
    toldState: "",
    fetching: null,
    refused: 0,
  };
}

function unknownNode(node: NodeId): NodeRow {
  return {
    node,
    epoch: 0,
    firmware: "",
    cohort: "",
    modelId: "0000000000000000" as ModelId,
    releaseSequence: 0,
    formatVersion: 1,
    slotBytes: 0,
    ramBytes: 0,
    wakeMs: 0,
    lastSeenMs: 0,
    batteryPercent: null,
    driftQ8: 0,
    alarm: false,
    dropped: 0,
    windows: 0,
    offloads: 0,
    trusted: 0,
    agreed: 0,
    counts: NO_COUNTS,
    last: null,
  };
}
