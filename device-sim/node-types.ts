/**
 * What happens to a node, and what a node does: two closed lists.
 *
 * `node.ts` turns the one into the other. Whoever performs the effects (`node-runtime.ts`, or a
 * simulated world in tests) does them in the order given.
 */

import type { FormCost, FormRule, OffloadForm } from "../src/gate/offload-form.ts";
import type { QuantizedEncoder } from "../src/model/encoder.ts";
import type { Prng } from "../src/prng.ts";
import type {
  DownKind,
  ModelId,
  OffloadReason,
  ReleaseOutcome,
  UpKind,
  WindowEncoding,
} from "../src/wire/messages.ts";
import type { ModelTools } from "./models.ts";
import type { OutboxLimits } from "./outbox.ts";
import type { FlashWrite, OutboxRecord, SlotNumber } from "./storage.ts";

/** Two clocks: timers follow the uptime, which only rises; labels follow the wall clock, which
 * people and radios set, and which may jump. */
export type Now = { readonly uptimeMs: number; readonly wallMs: number };

export type NodeSettings = {
  readonly firmware: string;
  /** Any of them may sign releases. */
  readonly publicKeys: readonly Uint8Array[];
  readonly slotBytes: number;
  readonly ramBytes: number;
  readonly outbox: OutboxLimits;
  /** Windows in one report while connected, and while not. */
  readonly reportWindows: number;
  readonly reportWindowsOffline: number;
  /** No entry waits longer for its report, by the uptime. */
  readonly reportMsMax: number;
  /** Longest silence that a gateway should expect; a quiet node reports at half of it. */
  readonly wakeMs: number;
  /** Chunks asked for at once, and how long to wait for the next of them. */
  readonly wantChunks: number;
  readonly wantMs: number;
  readonly wantMsMax: number;
  /** A new model is confirmed after so many windows and a word from the gateway. */
  readonly trialWindows: number;
  /** Starts of the node, and uptime, that a trial may take. */
  readonly trialBoots: number;
  readonly trialMs: number;
  /** The gate's state is saved every so many windows. */
  readonly gateSaveWindows: number;
  /** A window whose offload would be a larger frame is not offloaded: the link cannot carry it. */
  readonly offloadBytesMax: number;
  /** How windows travel. A gateway of before `companded4` refuses and never acknowledges it, so a
   * node uses it only where whoever set it up knows its gateways. */
  readonly offloadEncoding: WindowEncoding;
  /** Codes in place of some windows, where the model has an encoder. Undefined for never: a gateway of
   * before, or one without the encoder's tail, does not answer them. */
  readonly features: FeaturesSettings | undefined;
  /** Nor while so many offloads are owed: on a slow link they would hold up the reports. */
  readonly offloadsOwedMax: number;
};

export type FeaturesSettings = {
  readonly rule: FormRule;
  /** What either form costs on the node's link, undefined for one that it does not carry. */
  readonly costs: (asked: {
    readonly rawBytes: number;
    readonly codeBytes: number;
    readonly encoder: QuantizedEncoder;
  }) => { readonly raw: FormCost; readonly features: FormCost };
};

/** What the pure node program is handed. */
export type NodeTools = ModelTools & {
  /** For decisions: as many numbers as windows, whatever the network does. */
  readonly random: Prng;
  /** For the timing of retries. */
  readonly jitter: Prng;
};

export type NodeEvent =
  /** `[time][channel]` in milli-g, whole rows. `startSample` counts what the sensor took, so that
   * lost samples show as a jump. The wall clock of `now` is that of the last sample. */
  | { readonly kind: "samples"; readonly startSample: number; readonly millig: Int16Array }
  /** A window that was cut elsewhere, int8 `[time][channel]`. */
  | { readonly kind: "window"; readonly window: Int8Array }
  | { readonly kind: "connected" }
  | { readonly kind: "disconnected" }
  /** A frame on `…/down/<topic>`. */
  | { readonly kind: "message"; readonly topic: DownKind; readonly frame: Uint8Array }
  /** Outbox entries up to this one survive a power cut. */
  | { readonly kind: "durable"; readonly seq: number }
  | { readonly kind: "slot-read"; readonly ticket: number; readonly image: Uint8Array }
  | { readonly kind: "flash-failed"; readonly write: FlashWrite["region"]; readonly reason: string }
  /** What the battery holds now, 0 to 100. */
  | { readonly kind: "battery"; readonly percent: number }
  /** Time passes: at least once a second. */
  | { readonly kind: "tick" }
  /** About to be switched off in good order: everything that is held back is written. */
  | { readonly kind: "stopping" };

export type NodeEffect =
  | { readonly kind: "publish"; readonly topic: UpKind; readonly frame: Uint8Array }
  | { readonly kind: "outbox"; readonly record: OutboxRecord }
  | { readonly kind: "flash"; readonly write: FlashWrite }
  /** Answered by `slot-read` with the same ticket. */
  | { readonly kind: "read-slot"; readonly slot: SlotNumber; readonly ticket: number }
  | ({ readonly kind: "decided" } & Decided)
  | ({ readonly kind: "verdict" } & Told)
  | ({ readonly kind: "release" } & ReleaseNews)
  | { readonly kind: "log"; readonly code: NodeLogCode; readonly text: string };

/** One window's answer, for whoever watches this node. Never on the wire in this form. */
export type Decided = {
  readonly windowIndex: number;
  /** Wall clock at the window's end. */
  readonly timeMs: number;
  /** First sample after the window, in the sensor's count; undefined for windows cut elsewhere. */
  readonly endSample: number | undefined;
  readonly classIndex: number;
  readonly confidenceQ8: number;
  readonly exit: number;
  readonly offload: OffloadReason | null;
  /** What was put into the outbox of it. */
  readonly form: OffloadForm;
  readonly chanceQ16: number;
  readonly driftQ8: number;
  readonly alarm: boolean;
  readonly modelId: ModelId;
  readonly releaseSequence: number;
};

/** The teacher's answer to one window. */
export type Told = {
  readonly windowIndex: number;
  readonly classIndex: number;
  readonly trusted: boolean;
};

export type ReleaseNews = {
  readonly releaseSequence: number;
  readonly modelId: ModelId;
  readonly outcome: ReleaseOutcome;
};

export type NodeLogCode =
  | "booted"
  | "bad-frame"
  | "outbox-damaged"
  | "slot-damaged"
  | "staging"
  | "staging-abandoned"
  | "flash-failed"
  | "release";
