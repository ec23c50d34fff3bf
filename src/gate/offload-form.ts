/**
 * What travels of a window that the gate wants to ask about: nothing, its codes, or the window itself.
 *
 * Codes are cheap and answer one question; a window can also be learned from, and shows a teacher
 * what the node's own layers do not pass on. So:
 *
 * - what the student does not know (novel, or while its drift is in alarm) and what was asked for to
 *   learn from (bursts) goes as a window or not at all: an encoder is no wiser than what it was
 *   trained on, and a tail would guess;
 * - an audit is a sample of everything and goes as a window where the link carries one, else as codes;
 * - a doubt goes in the cheaper form, every so many as a window, so that those are sampled too; with
 *   a low battery or a long queue always as codes.
 *
 * Pure, and decided after the gate: whether a window is offloaded at all is not this rule's, nor the
 * budget that pays for it.
 */

import type { OffloadReason } from "../wire/messages.ts";

export const OFFLOAD_FORMS = ["none", "features", "raw"] as const;
export type OffloadForm = (typeof OFFLOAD_FORMS)[number];

/** One form on the present link: undefined where the link does not carry it, or nobody reads it. */
export type FormCost = { readonly microjoules: number } | undefined;

export type FormQuestion = {
  /** Null where the gate wants nothing. */
  readonly reason: OffloadReason | null;
  /** The student's drift is over its threshold. */
  readonly alarm: boolean;
  /** 0..100 */
  readonly batteryPercent: number;
  /** Offloads that are not acknowledged, and how many may be. */
  readonly owed: number;
  readonly owedMax: number;
  /** Doubts that were offloaded before this window. */
  readonly doubts: number;
  readonly features: FormCost;
  readonly raw: FormCost;
};

export type FormRule = {
  /** Of so many doubts one goes as a window. */
  readonly doubtsPerWindow: number;
  /** Below it no doubt goes as a window if it can go as codes. */
  readonly batteryLowPercent: number;
  /** From this share of `owedMax` on the same. */
  readonly queueShare: number;
};

/** An eighth leaves windows of doubts to a distillation at an eighth of their price. */
export const DEFAULT_FORM_RULE: FormRule = {
  doubtsPerWindow: 8,
  batteryLowPercent: 20,
  queueShare: 0.5,
};

export function offloadForm(asked: FormQuestion, rule: FormRule = DEFAULT_FORM_RULE): OffloadForm {
  const { reason, alarm, owed, owedMax, features, raw } = asked;
  if (reason === null || owed >= owedMax) return "none";
  const window = raw === undefined ? "none" : "raw";
  if (alarm || reason === "novel" || reason === "burst") return window;
  if (features === undefined) return window;
  if (raw === undefined) return "features";
  if (reason === "audit") return "raw";
  const spares = asked.batteryPercent < rule.batteryLowPercent || owed >= rule.queueShare * owedMax;
  if (spares) return "features";
  return isTurnOfWindow(asked, rule) || raw.microjoules <= features.microjoules
    ? "raw"
    : "features";
}

/** Of how many doubts a window that is sent stands for, which go as codes but for it; else 1. */
export function doubtsStoodFor(asked: FormQuestion, rule: FormRule = DEFAULT_FORM_RULE): number {
  const { reason, features, raw } = asked;
  const isCheaper =
    features === undefined || raw === undefined || raw.microjoules <= features.microjoules;
  if (reason !== "unsure" || asked.alarm || isCheaper) return 1;
  return isTurnOfWindow(asked, rule) ? rule.doubtsPerWindow : 1;
}

function isTurnOfWindow({ doubts }: FormQuestion, { doubtsPerWindow }: FormRule): boolean {
  return doubts % doubtsPerWindow === doubtsPerWindow - 1;
}
