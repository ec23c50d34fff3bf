/**
 * The real gate over recorded windows: what a node would have answered and offloaded.
 *
 * Each subject is a node of its own, with its own state, its windows in the order of time. Exits
 * are asked one after another as on the node, so that early answers cost and save what they do
 * there. The verdict on an offload comes before the next window, some seconds later.
 */
import type { ExitOutput } from "../src/engine/engine.ts";
import {
  applyOperatingShare,
  type GateVerdict,
  gateExit,
  gateVerdict,
  gateWindow,
} from "../src/gate/decide.ts";
import { type ExitRecords, featuresAt, logitsAt } from "../src/gate/exit-records.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { initialGateState } from "../src/gate/gate-state.ts";
import { toldAnswer } from "../src/gate/joint-answer.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { prng } from "../src/prng.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import type { OffloadReason } from "../src/wire/messages.ts";

export type Replay = {
  /** The node's own answer per window. */
  readonly answers: Uint8Array;
  /** What is told of each: of an offload what the gateway makes of both answers. */
  readonly told: Uint8Array;
  /** 1 where the window was offloaded, for whatever reason. */
  readonly offloaded: Uint8Array;
  /** 1 where that was for a doubt. */
  readonly doubted: Uint8Array;
  /** The exit that answered. */
  readonly exits: Uint8Array;
  /** Calibrated chance of being right, 0..255. */
  readonly confidencesQ8: Uint8Array;
};

/** Who answers doubts in the teacher's place, whose windows came in another form. */
export type DoubtAnswers = {
  /** Class probabilities `[window][class]`. */
  readonly rows: Float32Array;
  /** What people are told of one. */
  readonly tell: (
    offload: {
      readonly reason: OffloadReason;
      readonly classIndex: number;
      readonly confidenceQ8: number;
    },
    row: Float32Array,
  ) => Float32Array;
  /** False where the node is to make nothing of the answers. */
  readonly teaches: boolean;
};

/** Which windows come, by their index in the set, and at which of them what is wanted of a node. */
export type ReplayedLife = {
  readonly order: readonly number[];
  /** As an operating point message says it, Q16. */
  readonly wantedQ16: (nth: number) => number;
};

/**
 * @param teacher class probabilities `[window][class]`, or null where verdicts teach nothing
 * @param unusual all windows come in the set's order, to the gate as it was released, and the teacher
 *   answers doubts as well, unless said otherwise
 * @returns by place in that order
 */
export function replayGate(
  parameters: GateParameters,
  records: ExitRecords,
  windows: WindowSet,
  teacher: Float32Array | null,
  seed: number,
  unusual: { readonly life?: ReplayedLife; readonly doubts?: DoubtAnswers } = {},
): Replay {
  const { life, doubts } = unusual;
  const order = life?.order ?? Array.from({ length: windows.count }, (_, i) => i);
  const count = order.length;
  const replay = {
    answers: new Uint8Array(count),
    told: new Uint8Array(count),
    offloaded: new Uint8Array(count),
    doubted: new Uint8Array(count),
    exits: new Uint8Array(count),
    confidencesQ8: new Uint8Array(count),
  };
  const nodes = new Map(
    windows.subjects.map((subject) => [
      subject,
      { state: initialGateState(parameters), random: prng(seed, `gate-${subject}`) },
    ]),
  );
  order.forEach((i, nth) => {
    const node = nodes.get(windows.subjects[i] as string);
    if (node === undefined) return;
    const shareQ16 = life?.wantedQ16(nth) ?? 0;
    if (shareQ16 !== node.state.operatingShareQ16) {
      node.state = applyOperatingShare(parameters, node.state, shareQ16);
    }
    const outputs: ExitOutput[] = [];
    do {
      const exit = outputs.length;
      outputs.push({
        logits: logitsAt(records, exit, i),
        features: featuresAt(records, exit, i),
      });
    } while (gateExit(parameters, node.state, outputs) === "next");
    const statistics = windowStatistics(windowAt(windows, i), windows.channels);
    const input = { exits: outputs, statistics, windowIndex: nth };
    const decision = gateWindow(parameters, node.state, input, node.random);
    node.state = decision.nextState;
    let told = decision.classIndex;
    if (decision.offload !== null && teacher !== null) {
      const by = decision.offload === "unsure" ? doubts : undefined;
      const rows = by?.rows ?? teacher;
      const row = rows.subarray(i * records.classes, (i + 1) * records.classes);
      const offload = { ...decision, reason: decision.offload };
      told = largestIndex((by?.tell ?? toldAnswer)(offload, row));
      if (by?.teaches !== false) {
        const verdict = { windowIndex: nth, trusted: true, ...saidBy(row) };
        node.state = gateVerdict(parameters, node.state, verdict);
      }
    }
    replay.answers[nth] = decision.classIndex;
    replay.told[nth] = told;
    replay.offloaded[nth] = decision.offload === null ? 0 : 1;
    replay.doubted[nth] = decision.offload === "unsure" ? 1 : 0;
    replay.exits[nth] = decision.exit;
    replay.confidencesQ8[nth] = decision.confidenceQ8;
  });
  return replay;
}

/** A teacher's row as it goes over the wire. */
function saidBy(row: Float32Array): Pick<GateVerdict, "classIndex" | "probabilitiesQ8"> {
  const probabilitiesQ8 = Uint8Array.from(row, (p) => Math.round(255 * p));
  return { classIndex: largestIndex(row), probabilitiesQ8 };
}
