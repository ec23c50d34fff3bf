/**
 * The gate: whether an exit may answer, whether a window is offloaded, and what it learns from the
 * answers. A pure state machine on whole numbers: margins and tables, no softmax, no clock.
 *
 * A node calls `gateExit` after each exit until it says "answer", then `gateWindow` once. Order of
 * the reasons: a burst first (after an alarm the student's own doubt is worth little), then unsure,
 * then novel, then audit. Every window that nothing else takes is audited with the same known
 * chance, so that weighting by the inverse chance is unbiased. No reason takes a token that the
 * bucket does not have.
 */

import { assert } from "../assert.ts";
import type { ExitOutput } from "../engine/engine.ts";
import type { Prng } from "../prng.ts";
import type { OffloadReason } from "../wire/messages.ts";
import { adapt, believe, instruct, personalise } from "./belief.ts";
import { callBurst, followBout, seekForBurst } from "./burst.ts";
import { MARGIN_TOP_Q8, NEVER_Q8 } from "./gate-parameters.ts";
import type { ExitGate, GateParameters, NoveltyGate, OperatingPoint } from "./gate-parameters.ts";
import type { DriftState, GateState } from "./gate-state.ts";
import { PENDING_LIMIT, withinBucket } from "./gate-state.ts";
import { confidenceAt, fuseExits } from "./margins.ts";
import { accumulate, noveltyOf } from "./novelty.ts";
import { fullBucketQ8, pointAt, pointOf } from "./operating-points.ts";
import type { WindowStatistics } from "./window-statistics.ts";

export type GateInput = {
  /** Outputs of the exits that have run, first to last; valid until the engine's next `begin`. */
  readonly exits: readonly ExitOutput[];
  readonly statistics: WindowStatistics;
  readonly windowIndex: number;
};

export type GateDecision = {
  readonly classIndex: number;
  /** Calibrated chance that the class is right, 0..255. */
  readonly confidenceQ8: number;
  /** The exit that answered, from 0. */
  readonly exit: number;
  /** log2 of the odds of this class against the next, Q8. */
  readonly marginQ8: number;
  readonly offload: OffloadReason | null;
  /** Chance with which this window was chosen, 1..65535; 65535 where it was certain. Of no meaning
   * where nothing is offloaded. */
  readonly chanceQ16: number;
  /** CUSUM of novelty, Q8 standard deviations, 0..65535, and whether it is over its threshold. */
  readonly driftQ8: number;
  readonly alarm: boolean;
  readonly nextState: GateState;
};

/** What the teacher said of one window of this node, as far as the gate cares. */
export type GateVerdict = {
  readonly windowIndex: number;
  readonly classIndex: number;
  readonly trusted: boolean;
  /** One per class, 0..255: evidence for the behaviour filter. */
  readonly probabilitiesQ8: Uint8Array;
};

/** Whether the exit that ran last may answer. During an alarm or a burst every stage is run. */
export function gateExit(
  parameters: GateParameters,
  state: GateState,
  exits: readonly ExitOutput[],
): "answer" | "next" {
  if (exits.length >= parameters.exits.length) return "answer";
  const { sureMarginQ8 } = parameters.exits[exits.length - 1] as ExitGate;
  const sure = pointOf(parameters, state)?.sureMarginsQ8[exits.length - 1] ?? sureMarginQ8;
  if (sure >= NEVER_Q8 || state.drift.alarm || state.burst.left > 0) return "next";
  const evidence = evidenceOf(parameters, state, exits);
  const answer = believe(parameters.filter, state.beliefQ15, evidence);
  return answer.marginQ8 >= sure ? "answer" : "next";
}

/** Decides one window. Takes exactly one number from `random`, whatever it decides. */
export function gateWindow(
  parameters: GateParameters,
  state: GateState,
  input: GateInput,
  random: Prng,
): GateDecision {
  assert(input.exits.length >= 1, "at least one exit has run");
  const draw = random.uint32() >>> 16;
  const exit = input.exits.length - 1;
  const evidence = evidenceOf(parameters, state, input.exits);
  const answer = believe(parameters.filter, state.beliefQ15, evidence);
  const drift = watch(parameters.novelty, state, input);
  const bout = followBout(parameters.burst, state, input.statistics);
  const called =
    drift.after.alarm && !state.drift.alarm
      ? callBurst(bout.burst, parameters.burst.windows)
      : bout.burst;
  const sought = seekForBurst(parameters.burst, called, input.statistics);

  const point = pointOf(parameters, state);
  const { windowsPerTokenQ8 } = point ?? parameters.bucket;
  const level = Math.min(state.levelQ8 + 256, fullBucketQ8(parameters, point));
  const unsure = isUnsure(parameters, state, point, answer);
  const novel = drift.standardisedQ8 >= (parameters.novelty?.novelQ8 ?? 0x7fff);
  const offload = choose(parameters.bucket.reserveTokens, windowsPerTokenQ8, level, {
    burst: sought.wanted,
    unsure,
    novel: novel && !drift.after.alarm,
    audited: draw < state.auditChanceQ16,
  });
  const waiting = {
    windowIndex: input.windowIndex,
    classIndex: answer.classIndex,
    probabilityQ8: Math.min(255, (evidence[answer.classIndex] as number) >> 7),
  };
  const nextState: GateState = {
    ...state,
    windows: Math.min(state.windows + 1, 0x7fffffff),
    levelQ8: offload === null ? level : level - windowsPerTokenQ8,
    rateOffsetQ16: steer(parameters, state, point, unsure || offload !== null),
    drift: drift.after,
    beliefQ15: [...answer.beliefQ15],
    lastWindowIndex: input.windowIndex,
    boutMeansQ4: bout.boutMeansQ4,
    boutAwayWindows: bout.boutAwayWindows,
    burst: offload === "burst" ? sought.ifTaken : sought.ifLeft,
    pending: offload === null ? state.pending : [waiting, ...state.pending].slice(0, PENDING_LIMIT),
  };
  return {
    classIndex: answer.classIndex,
    confidenceQ8: confidenceAt(parameters.exits[exit] as ExitGate, answer.marginQ8),
    exit,
    marginQ8: answer.marginQ8,
    offload,
    chanceQ16: offload === "audit" ? state.auditChanceQ16 : 65535,
    driftQ8: drift.after.cusumQ8,
    alarm: drift.after.alarm,
    nextState,
  };
}

/** Takes in the teacher's answer: evidence for the behaviour now, and for this animal. Verdicts for
 * windows that are no longer waiting, and untrusted ones, change nothing but the list of those
 * waiting. */
export function gateVerdict(
  parameters: GateParameters,
  state: GateState,
  verdict: GateVerdict,
): GateState {
  const waiting = state.pending.find((entry) => entry.windowIndex === verdict.windowIndex);
  if (waiting === undefined) return state;
  const pending = state.pending.filter((entry) => entry !== waiting);
  if (!verdict.trusted) return { ...state, pending };
  const agreed = waiting.classIndex === verdict.classIndex ? 65535 : 0;
  const { probabilitiesQ8, windowIndex } = verdict;
  if (probabilitiesQ8.length !== parameters.classes) return { ...state, pending };
  return {
    ...state,
    pending,
    beliefQ15: instruct(state.beliefQ15, probabilitiesQ8, state.lastWindowIndex - windowIndex),
    biasQ8: adapt(parameters.filter, state.biasQ8, waiting, probabilitiesQ8),
    verdicts: Math.min(state.verdicts + 1, 0x7fffffff),
    agreementQ16: state.agreementQ16 + Math.trunc((agreed - state.agreementQ16) / 32),
  };
}

/** Takes in what the gateway set: the audit chance from now on, and a burst when it asks for one. */
export function applySetting(
  state: GateState,
  setting: { readonly auditChanceQ16: number; readonly burstWindows: number },
): GateState {
  return {
    ...state,
    auditChanceQ16: setting.auditChanceQ16,
    burst: setting.burstWindows > 0 ? callBurst(state.burst, setting.burstWindows) : state.burst,
  };
}

/** Takes in what share of windows the gateway wants of this node, 0..65535 for 0..1; 0 for the gate as
 * it was released. At another operating point the thresholds' rate control begins afresh, the budget
 * does not. */
export function applyOperatingShare(
  parameters: GateParameters,
  state: GateState,
  operatingShareQ16: number,
): GateState {
  const { operatingPoints } = parameters;
  const moved = { ...state, operatingShareQ16 };
  const before = pointAt(operatingPoints, state.operatingShareQ16);
  if (pointAt(operatingPoints, operatingShareQ16) === before) return moved;
  return withinBucket(parameters, { ...moved, rateOffsetQ16: 0 });
}

/** The fused probabilities of the exits that have run, as verdicts have corrected them for this
 * animal, Q15. */
function evidenceOf(
  parameters: GateParameters,
  state: GateState,
  exits: readonly ExitOutput[],
): Int32Array {
  const logits = exits.map((output) => output.logits);
  return personalise(state.biasQ8, fuseExits(parameters.exits, logits));
}

function watch(
  gate: NoveltyGate | null,
  state: GateState,
  input: GateInput,
): { readonly after: DriftState; readonly standardisedQ8: number } {
  const output = gate === null ? undefined : input.exits[gate.exit];
  if (gate === null || output === undefined) {
    return { after: state.drift, standardisedQ8: -0x8000 };
  }
  const { standardisedQ8 } = noveltyOf(gate, output.features, input.statistics);
  return { after: accumulate(gate, state.drift, standardisedQ8), standardisedQ8 };
}

function isUnsure(
  parameters: GateParameters,
  state: GateState,
  point: OperatingPoint | undefined,
  answer: { readonly classIndex: number; readonly marginQ8: number },
): boolean {
  const released = parameters.offload.unsureMarginQ8[answer.classIndex] as number;
  const base = point?.unsureMarginQ8 ?? released;
  if (base === 0) return false;
  const threshold = Math.max(0, Math.min(MARGIN_TOP_Q8, base + (state.rateOffsetQ16 >> 8)));
  return answer.marginQ8 < threshold;
}

function choose(
  reserveTokens: number,
  windowsPerTokenQ8: number,
  levelQ8: number,
  wants: { burst: boolean; unsure: boolean; novel: boolean; audited: boolean },
): OffloadReason | null {
  const oneToken = levelQ8 >= windowsPerTokenQ8;
  const overReserve = levelQ8 >= (reserveTokens + 1) * windowsPerTokenQ8;
  if (wants.burst && oneToken) return "burst";
  if (wants.unsure && overReserve) return "unsure";
  if (wants.novel && overReserve) return "novel";
  if (wants.audited && oneToken) return "audit";
  return null;
}

/** Follows the share of windows that were unsure or offloaded for whatever reason (a stochastic
 * quantile, Robbins and Monro, 1951): each of them lowers the thresholds by `step * (1 - target)`,
 * each other one raises them by `step * target`. Audits and bursts count, since they are paid for
 * out of the same share. */
function steer(
  { offload }: GateParameters,
  { rateOffsetQ16: offsetQ23 }: GateState,
  point: OperatingPoint | undefined,
  asked: boolean,
): number {
  const { rateStepQ16, rateLimitQ8 } = offload;
  const { targetShareQ16 } = point ?? offload;
  if (rateStepQ16 === 0) return 0;
  const pull = asked ? targetShareQ16 - 65536 : targetShareQ16;
  // |step| <= 2^14, |pull| <= 2^16: below 2^30; rounded so that small steps have no drift.
  const moved = offsetQ23 + ((rateStepQ16 * pull + 32768) >> 16);
  return Math.max(-rateLimitQ8 << 8, Math.min(rateLimitQ8 << 8, moved));
}
