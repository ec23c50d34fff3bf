/**
 * What the store keeps, as types: rows going in, answers coming out. `label-log.ts` has the tables.
 */

import type { Budget } from "../../src/behaviour/budget.ts";
import type { SeenWindow } from "../../src/behaviour/open-windows.ts";
import type { Bout, Remembered } from "../../src/behaviour/track.ts";
import type { AuditCounts, Chosen } from "../../src/gate/audit-counts.ts";
import type {
  ModelId,
  NodeId,
  ReleaseOutcome,
  UpMessage,
  WindowOffload,
} from "../../src/wire/messages.ts";

export type Hello = Extract<UpMessage, { kind: "hello" }>;
export type Report = Extract<UpMessage, { kind: "report" }>;
export type Offload = Extract<UpMessage, { kind: "offload" }>;

/** Why a window was offloaded, as counting wants it. */
export function chosenOf({ reason, chanceQ16 }: Pick<Offload, "reason" | "chanceQ16">): Chosen {
  return { audit: reason === "audit", chanceQ16 };
}

/** What a person does about a window: says what it is, passes it over, takes that back. Stored by
 * its number here. */
export const DEEDS = ["label", "skip", "undo"] as const;
export type Deed = (typeof DEEDS)[number];

/** One thing to be made durable. */
export type StoreRow =
  | { readonly kind: "hello"; readonly node: NodeId; readonly nowMs: number; readonly hello: Hello }
  | {
      readonly kind: "report";
      readonly node: NodeId;
      readonly nowMs: number;
      readonly report: Report;
    }
  | {
      readonly kind: "offload";
      readonly node: NodeId;
      readonly nowMs: number;
      readonly offload: Offload;
      /** False for what the teacher cannot answer: kept, but nobody waits for it. */
      readonly teachable: boolean;
    }
  | {
      readonly kind: "label";
      readonly node: NodeId;
      readonly nowMs: number;
      readonly offloadId: number;
      /** The student that offloaded the window, and why. */
      readonly modelId: ModelId;
      readonly chosen: Chosen;
      readonly teacherId: string;
      readonly trusted: boolean;
      /** The teacher's class is the student's. */
      readonly agrees: boolean;
      /** One per class, sums to 1. */
      readonly probabilities: Float32Array;
    }
  | {
      readonly kind: "outcome";
      readonly node: NodeId;
      readonly nowMs: number;
      readonly releaseSequence: number;
      readonly modelId: ModelId;
      readonly outcome: ReleaseOutcome;
    }
  /** Bouts as they are now, and the numbers of those that never were. */
  | {
      readonly kind: "bouts";
      readonly node: NodeId;
      readonly put: readonly (Bout & { readonly stands: boolean })[];
      readonly drop: readonly number[];
    }
  /** What a person says of a window that the teacher has answered. */
  | {
      readonly kind: "person";
      readonly node: NodeId;
      readonly nowMs: number;
      readonly offloadId: number;
      readonly deed: Deed;
      /** Of no meaning but for `label`. */
      readonly classIndex: number;
      readonly who: string;
    }
  /** A day that was judged. */
  | {
      readonly kind: "day";
      readonly node: NodeId;
      readonly startMs: number;
      readonly budget: Budget;
    };

/** What a start reads of a node's bouts. */
export type StoredBehaviours = Remembered & {
  /** Those of today and yesterday that stand. */
  readonly recent: readonly Bout[];
  /** Windows that are in no bout that stands, with what the teacher said. */
  readonly windows: readonly SeenWindow[];
  readonly days: readonly { readonly startMs: number; readonly budget: Budget }[];
};

/** What a committed row changed: nothing, where it had been stored before. */
export type StoredRow = {
  readonly fresh: boolean;
  /** Row number of an offload, fresh or not; 0 for the other kinds. */
  readonly offloadId: number;
  /** Entries of a report that were not stored before. */
  readonly freshEntries: number;
};

export type CommitResult =
  | { readonly ok: true; readonly stored: readonly StoredRow[] }
  /** Nothing of the batch is stored. `full`: try again when there is room. */
  | { readonly ok: false; readonly reason: "full" | "broken"; readonly message: string };

/** An offload that no teacher has answered yet. */
export type WaitingOffload = {
  readonly offloadId: number;
  readonly node: NodeId;
  readonly offload: Offload;
};

/** A window that a teacher has answered. What came as codes is none: there is no window to learn
 * from. */
export type SoftLabel = {
  readonly offloadId: number;
  readonly node: NodeId;
  readonly epoch: number;
  readonly seq: number;
  /** The student that offloaded it, and why and with what chance it did. */
  readonly modelId: ModelId;
  readonly reason: Offload["reason"];
  readonly chanceQ16: number;
  readonly windowIndex: number;
  readonly timeMs: number;
  readonly classIndex: number;
  readonly confidenceQ8: number;
  readonly teacherId: string;
  readonly trusted: boolean;
  readonly answeredMs: number;
  /** One per class, sums to 1. */
  readonly probabilities: Float32Array;
  /** How it came: what is not `int8` has lost something on the way. */
  readonly encoding: WindowOffload["encoding"];
  /** Int8 `[time][channel]`. */
  readonly window: Int8Array;
  readonly windowSamples: number;
  readonly channels: number;
  readonly inputMilligPerStep: number;
  readonly rateCentihertz: number;
};

/** Of codes there is no window to learn from, of 2 bits a value no good one. */
export function isLearnable(encoding: Offload["encoding"]): boolean {
  return encoding !== "features" && encoding !== "companded2";
}

/** A soft label's window, and what a person says it is. */
export type PersonLabel = SoftLabel & {
  /** Rises with each answer of a person. */
  readonly personId: number;
  readonly personClass: number;
  readonly who: string;
  readonly labelledMs: number;
};

/** What a person says of a window, without the window. */
export type PersonWord = {
  readonly offloadId: number;
  readonly classIndex: number;
  readonly who: string;
};

/** Offload ids of windows that a person has answered and has not taken back. */
export type PersonAnswers = {
  readonly labelled: ReadonlySet<number>;
  readonly skipped: ReadonlySet<number>;
};

export type SoftLabelQuery = {
  /** Only rows above this offload id; 0 for all. */
  readonly afterId?: number;
  /** Only what was answered at or after this time. */
  readonly sinceMs?: number;
  /** Only windows of this stretch of the nodes' own time; the end is not in it. */
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly trustedOnly?: boolean;
  /** Only windows that are learned from, as `isLearnable` says. */
  readonly learnableOnly?: boolean;
  readonly limit?: number;
  /** Newest first instead of oldest first. */
  readonly newestFirst?: boolean;
};

/** What the store knows of a node, for a gateway that starts. */
export type NodeRow = Omit<Hello, "kind"> & {
  readonly node: NodeId;
  readonly lastSeenMs: number;
  readonly batteryPercent: number | null;
  readonly driftQ8: number;
  readonly alarm: boolean;
  readonly dropped: number;
  readonly windows: number;
  readonly offloads: number;
  /** Trusted verdicts, and how many of them agreed with the student. */
  readonly trusted: number;
  readonly agreed: number;
  /** The same of the model that it runs, by how they were chosen. */
  readonly counts: AuditCounts;
  /** Its newest behaviour; null before the first. */
  readonly last: LastBehaviour | null;
};

export type LastBehaviour = {
  readonly epoch: number;
  readonly windowIndex: number;
  readonly timeMs: number;
  readonly classIndex: number;
  readonly confidenceQ8: number;
  readonly exit: number;
  readonly modelId: ModelId;
};
