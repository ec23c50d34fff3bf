/**
 * Every message between a node and its gateway, as types. `frames.ts` has their bytes.
 *
 * Node to gateway travels on `<base>/node/<id>/up/<kind>`, gateway to node on
 * `<base>/node/<id>/down/<kind>`. Reports and offloads are delivered at least once: the node keeps
 * them in its outbox until an `ack` names their (epoch, seq), which the gateway sends only after its
 * store has committed them.
 */

/** The first 8 bytes of the container's SHA-256, as 16 hex digits. */
export type ModelId = string & { readonly __brand: "ModelId" };
/** Stands for a model that is not said: the one that the node's last hello named. */
export const NO_MODEL = "0000000000000000" as ModelId;
/** The first 4 bytes of the SHA-256 of a container's encoder section, as 8 hex digits. */
export type EncoderId = string & { readonly __brand: "EncoderId" };
/** Lower case letters, digits, dashes and underscores, 1..64: also a topic part and a file name. */
export type NodeId = string & { readonly __brand: "NodeId" };

/** Why a window was offloaded. */
export const OFFLOAD_REASONS = ["unsure", "audit", "novel", "burst"] as const;
export type OffloadReason = (typeof OFFLOAD_REASONS)[number];

/** What travels of a window: its samples in one byte each, or in 4 or 2 bits as `companded.ts` has it; or
 * the codes that the container's encoder makes of it, from which no window comes back. */
export const WINDOW_ENCODINGS = ["int8", "companded4", "companded2"] as const;
export type WindowEncoding = (typeof WINDOW_ENCODINGS)[number];
/** In the order of their bytes on the wire. */
export const OFFLOAD_ENCODINGS = ["int8", "companded4", "features", "companded2"] as const;

/** What became of a release on a node. */
export const OUTCOMES = [
  "activated",
  "confirmed",
  "reverted",
  "bad-signature",
  "stale",
  "wrong-cohort",
  "wrong-hash",
  "bad-container",
  "self-test-failed",
  "too-large",
  /** Signed, but it cannot be read, or its parts disagree. */
  "bad-manifest",
  /** A container format that this node does not understand. */
  "wrong-format",
  /** A sequence number so far ahead that it would close the way for every later release. */
  "too-far",
] as const;
export type ReleaseOutcome = (typeof OUTCOMES)[number];

/** Why a node cannot hold a release: that is no fault of the release. */
export const UNFIT_REASONS = ["too-large", "wrong-format"] as const satisfies ReleaseOutcome[];
export type UnfitReason = (typeof UNFIT_REASONS)[number];

/** One window's answer by the student, as reported. */
export type ReportEntry = {
  /** Counts the windows of this epoch from 0. */
  readonly windowIndex: number;
  /** End of the window by the node's own clock, milliseconds since 1970. */
  readonly timeMs: number;
  readonly classIndex: number;
  /** Calibrated chance that the class is right, 0..255 for 0..1. */
  readonly confidenceQ8: number;
  /** The exit that answered, from 0. */
  readonly exit: number;
  /** The window was offloaded as well: a verdict may follow. */
  readonly offloaded: boolean;
};

export type OffloadHead = {
  readonly kind: "offload";
  readonly epoch: number;
  readonly seq: number;
  readonly modelId: ModelId;
  readonly windowIndex: number;
  readonly timeMs: number;
  readonly reason: OffloadReason;
  /** The chance with which this window was chosen, 1..65535 for 0..1: audits are weighted by its
   * inverse. 65535 for a window that was chosen for certain. */
  readonly chanceQ16: number;
  readonly classIndex: number;
  readonly confidenceQ8: number;
  readonly exit: number;
};

export type WindowOffload = OffloadHead & {
  readonly encoding: WindowEncoding;
  readonly windowSamples: number;
  readonly channels: number;
  readonly inputMilligPerStep: number;
  readonly rateCentihertz: number;
  /** Int8 `[time][channel]`: what a node measured, and what the encoding left of that where a
   * gateway has read it. */
  readonly window: Int8Array;
};

/** Nothing that the student is distilled from: whoever wants a window asks for `WindowOffload`. */
export type FeaturesOffload = OffloadHead & {
  readonly encoding: "features";
  /** Whose codes they are. Shape and bits follow from it. */
  readonly encoder: EncoderId;
  /** Packed as `codes.ts` has it, 1..768 bytes. */
  readonly codes: Uint8Array;
};

export type OffloadMessage = WindowOffload | FeaturesOffload;

export type UpMessage =
  /** Sent on every connection: what the node is and runs. */
  | {
      readonly kind: "hello";
      readonly epoch: number;
      readonly firmware: string;
      readonly cohort: string;
      readonly modelId: ModelId;
      /** Sequence number of the running release; 0 for the factory model. */
      readonly releaseSequence: number;
      /** Container formats up to this version are understood. */
      readonly formatVersion: number;
      /** Largest container a slot can hold, and RAM left for a student's buffers. */
      readonly slotBytes: number;
      readonly ramBytes: number;
      /** Longest silence to expect from a healthy node, milliseconds. */
      readonly wakeMs: number;
    }
  | {
      readonly kind: "report";
      readonly epoch: number;
      readonly seq: number;
      readonly modelId: ModelId;
      /** Present drift statistic in Q8 and whether it is over its threshold. */
      readonly driftQ8: number;
      readonly alarm: boolean;
      /** The operating point of its model that the node is at, from 1; 0 for the gate as released. */
      readonly operatingPoint: number;
      readonly batteryPercent: number;
      /** Entries lost because the outbox was full, since the epoch began. */
      readonly dropped: number;
      readonly entries: readonly ReportEntry[];
    }
  | WindowOffload
  | FeaturesOffload
  /** The chunks of a release that a node still needs. */
  | {
      readonly kind: "want";
      readonly releaseSequence: number;
      readonly modelId: ModelId;
      readonly firstChunk: number;
      /** One bit per chunk from `firstChunk`, 1 = wanted, lowest bit first. */
      readonly bitmap: Uint8Array;
    }
  | {
      readonly kind: "outcome";
      readonly releaseSequence: number;
      readonly modelId: ModelId;
      readonly outcome: ReleaseOutcome;
    };

export type DownMessage =
  /** Stored for good: the node may drop these from its outbox. */
  | { readonly kind: "ack"; readonly epoch: number; readonly seqs: readonly number[] }
  /** The teacher's answer to one offloaded window. */
  | {
      readonly kind: "verdict";
      readonly epoch: number;
      readonly seq: number;
      readonly windowIndex: number;
      readonly classIndex: number;
      /** False where the teacher does not know this kind of signal: not evidence, not a label. */
      readonly trusted: boolean;
      /** One per class, 0..255 for 0..1. */
      readonly probabilitiesQ8: Uint8Array;
    }
  /** A signed release, to be pulled chunk by chunk. */
  | { readonly kind: "offer"; readonly manifest: Uint8Array; readonly signature: Uint8Array }
  | {
      readonly kind: "chunk";
      readonly releaseSequence: number;
      readonly index: number;
      readonly bytes: Uint8Array;
    }
  /** Asks for a bounded number of diverse offloads after a drift alarm seen by the gateway, and sets
   * the audit rate. */
  | {
      readonly kind: "setting";
      readonly auditChanceQ16: number;
      readonly burstWindows: number;
    }
  /** What share of windows is wanted of a node, which finds the operating point for it in the model
   * that it runs, now and in later ones. For nodes that read `POINTS_CONTAINER_VERSION`. */
  | {
      readonly kind: "point";
      /** 1..65535 for 0..1; 0 for the gate as it was released. */
      readonly shareQ16: number;
    };

export type UpKind = UpMessage["kind"];
export type DownKind = DownMessage["kind"];
