/**
 * Where to cut the work of one window between node and gateway: for each cut what the node computes,
 * what it sends, and what both cost it.
 *
 * The question is Neurosurgeon's (Kang et al., ASPLOS 2017): a cut further in costs more work and, with
 * luck, sends less. It is asked of every window here, as there; the last cuts are what a gate makes of
 * it, which sends for a few windows only and is why nodes have one. The gateway's own work is not in
 * it: it hangs on the mains.
 *
 * Estimates of `src/cost` and of the link's model, no better than those. What an answer is worth
 * differs by cut, and is not asked here: the whole window is the teacher's to judge, a stage's map
 * knows what the student knows.
 */

import { encoderOn } from "../cost/encoder-on-target.ts";
import { FITTED } from "../cost/fitted-sets.ts";
import { instructionsOf, instructionsOfLayers } from "../cost/instruction-model.ts";
import { type ExitEstimate, estimateOf } from "../cost/student-on-target.ts";
import { TARGETS, type TargetName } from "../cost/targets.ts";
import type { Container } from "../model/container.ts";
import { codeShape } from "../model/encoder.ts";
import type { QuantizedStudent } from "../model/student.ts";
import { outChannelsOf } from "../model/student-cost.ts";
import { reportBytes } from "../wire/frames.ts";
import { LIMITS } from "../wire/limits.ts";
import type { WindowEncoding } from "../wire/messages.ts";
import { featuresBytes, offloadBytes } from "../wire/offload-frame.ts";
import type { LinkProfile } from "./link-profile.ts";
import { featuresSendingCost, type SendingCost, sendingCost } from "./offload-costs.ts";

export type Cut = {
  /** In the order of how far into the student they lie. */
  readonly name: string;
  /** False for what no node of ours can send: a question, not an offer. */
  readonly offered: boolean;
  /** Of which windows the gateway answers: only among equals is the cheapest a choice. */
  readonly answers: "every" | "doubts" | "none";
  /** The node's processor, for each window. */
  readonly node: ExitEstimate;
  /** Bytes of ours that a window costs on the link, in the mean over windows. */
  readonly bytes: number;
  /** Null where the link does not carry it. In the mean over windows too. */
  readonly link: Pick<SendingCost, "microjoules" | "airtimeMs" | "restMs"> | null;
  readonly totalMicrojoules: number | null;
  /** Share of a node's windows that the band lets through, 0..1; 1 without a duty cycle. */
  readonly carriedShare: number | null;
};

/** A cut before it has a name. */
type Costs = Omit<Cut, "name" | "offered" | "answers">;

export type SplitQuestion = {
  readonly container: Container;
  readonly target: TargetName;
  readonly profile: LinkProfile;
  /** Of the gated cuts, 0..1. */
  readonly offloadShare: number;
};

/** The run-length form of 64 windows: 31 bytes and 3 a bout, see `docs/LORAWAN.md`. */
const LORA_REPORT_BYTES = 31 + 3 * 6;

export function splitPoints(asked: SplitQuestion): readonly Cut[] {
  const { container, target, profile, offloadShare } = asked;
  const { student, encoder } = container;
  const nothing = estimateOf(target, 0);
  const all = estimateOf(target, instructionsOf(student, modelOf(target)).at(-1) ?? 0);
  const window = (encoding: WindowEncoding) => {
    const frame = offloadBytes(encoding, student);
    return cutOf(asked, nothing, frame, sendingCost(profile, frame));
  };
  const [raw, companded, coarse] = [window("int8"), window("companded4"), window("companded2")];
  const stages = student.stages.map((_, s) => {
    const frame = featuresBytes(mapBytes(student, s));
    const node = estimateOf(target, instructionsUpTo(student, s, target));
    const cut = cutOf(asked, node, frame, sendingCost(profile, frame));
    const name = `after stage ${s + 1}, its map`;
    return { name, offered: false, answers: "every", ...cut } as const;
  });
  const report = reportOn(profile);
  const local = cutOf(asked, all, report.bytes, report.link);
  const codes = encoder && encoderCut(asked, encoder);
  const every = (name: string, costs: Costs): Cut => {
    return { name, offered: true, answers: "every", ...costs };
  };
  const doubts = (name: string, costs: Costs): Cut => {
    const mixed = gated(asked, local, costs, offloadShare);
    return { name: `local, doubts ${name}`, offered: true, answers: "doubts", ...mixed };
  };
  return [
    every("window, int8", raw),
    every("window, 4 bits", companded),
    every("window, 2 bits", coarse),
    ...stages,
    ...(codes === undefined ? [] : [every("encoder, its codes", codes)]),
    { name: "local, nothing offloaded", offered: true, answers: "none", ...local },
    doubts("as int8", raw),
    doubts("in 4 bits", companded),
    doubts("in 2 bits", coarse),
    ...(codes === undefined ? [] : [doubts("as codes", codes)]),
  ];
}

/** The one that costs a node least, of those that it can send and that answer as much. */
export function cheapestCut(cuts: readonly Cut[], answers: Cut["answers"]): Cut | undefined {
  const costOf = (cut: Cut): number => cut.totalMicrojoules ?? Number.POSITIVE_INFINITY;
  const able = cuts.filter((cut) => cut.offered && cut.answers === answers && cut.link !== null);
  const least = Math.min(...able.map(costOf));
  return able.find((cut) => costOf(cut) === least);
}

function encoderCut(asked: SplitQuestion, encoder: NonNullable<Container["encoder"]>) {
  const { bytes } = codeShape(encoder);
  const sent = featuresSendingCost(asked.profile, bytes);
  const frame = sent?.packets.reduce((sum, one) => sum + one, 0) ?? featuresBytes(bytes);
  return cutOf(asked, encoderOn(asked.target, encoder), frame, sent);
}

function cutOf(
  { container, profile }: SplitQuestion,
  node: ExitEstimate,
  bytes: number,
  link: SendingCost | Cut["link"] | undefined,
): Costs {
  if (link === undefined || link === null) {
    return { node, bytes, link: null, totalMicrojoules: null, carriedShare: null };
  }
  const { microjoules, airtimeMs, restMs } = link;
  const hopMs = (100_000 * container.hopSamples) / container.rateCentihertz;
  const busyMs = profile.packets === undefined ? 0 : airtimeMs + restMs;
  return {
    node,
    bytes,
    link: { microjoules, airtimeMs, restMs },
    totalMicrojoules: node.microjoules + microjoules,
    carriedShare: busyMs <= hopMs ? 1 : hopMs / busyMs,
  };
}

/** Every window through the student and into a report; of the doubts also what `cut` sends, and for
 * codes what making them takes. */
function gated(asked: SplitQuestion, local: Costs, cut: Costs, share: number): Costs {
  const extra = Math.round(share * cut.node.instructions);
  const node = estimateOf(asked.target, local.node.instructions + extra);
  const bytes = local.bytes + share * cut.bytes;
  const mixed = (of: (link: NonNullable<Cut["link"]>) => number): number =>
    (local.link === null ? 0 : of(local.link)) + share * (cut.link === null ? 0 : of(cut.link));
  const link = local.link &&
    cut.link && {
      microjoules: mixed(({ microjoules }) => microjoules),
      airtimeMs: mixed(({ airtimeMs }) => airtimeMs),
      restMs: mixed(({ restMs }) => restMs),
    };
  return cutOf(asked, node, bytes, link);
}

/** A window's part of the fullest report. On LoRaWAN in its own form, with six bouts in it. */
function reportOn(profile: LinkProfile): { readonly bytes: number; readonly link: Cut["link"] } {
  const entries = LIMITS.reportEntries;
  const whole = profile.packets === undefined ? reportBytes(entries) : LORA_REPORT_BYTES;
  const cost = sendingCost(profile, whole);
  const part = (value: number): number => value / entries;
  const link = cost && {
    microjoules: part(cost.microjoules),
    airtimeMs: part(cost.airtimeMs),
    restMs: part(cost.restMs),
  };
  return { bytes: part(whole), link: link ?? null };
}

function modelOf(target: TargetName) {
  return FITTED[TARGETS[target].instructionSet].model;
}

/** The layers alone: who sends a map asks no exit before it. */
function instructionsUpTo(student: QuantizedStudent, stage: number, target: TargetName): number {
  const samples = student.windowSamples * student.channels;
  const layers = student.stages.slice(0, stage + 1).flatMap((one) => one.layers);
  return instructionsOfLayers(samples, layers, modelOf(target));
}

/** Int8 `[time][channel]`, or a GRU's state, which is all that goes on from its stage. */
function mapBytes(student: QuantizedStudent, stage: number): number {
  const last = student.stages[stage]?.layers.at(-1);
  if (last === undefined) return 0;
  if (last.kind === "gru") return 2 * last.hidden;
  return last.outTime * outChannelsOf(last);
}
