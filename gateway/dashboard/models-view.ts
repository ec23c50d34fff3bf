/** What the page of models says of a rollout, of models and of two of them side by side. Pure. */

import type { Audit, RolloutInfo } from "../../src/wire/public.ts";
import { counted } from "./herd-view.ts";

export type Wave = {
  readonly name: string;
  readonly share: string;
  readonly nodes: string;
  readonly state: "over" | "now" | "to come" | "taken back" | "not reached";
};

/** The canary, the waves between, and everyone. */
export function wavesOf({ waves, wave, state }: RolloutInfo): readonly Wave[] {
  return waves.map(({ share, nodes }, index) => ({
    name: nameOf(index, waves.length),
    share: `${percent(share)} of the nodes`,
    nodes: counted(nodes, "node"),
    state: waveState(state, index + 1, wave),
  }));
}

function waveState(state: RolloutInfo["state"], number: number, wave: number): Wave["state"] {
  if (state === "rolled-back") return number <= wave ? "taken back" : "not reached";
  if (state === "done" || number < wave) return "over";
  return number === wave ? "now" : "to come";
}

function nameOf(index: number, count: number): string {
  if (index === 0) return "Canary";
  return index === count - 1 ? "Everyone" : `Wave ${index + 1}`;
}

/** In words, one sentence each. */
export function rolloutFacts(rollout: RolloutInfo): readonly (readonly [string, string])[] {
  const { nodes, audits, agreement, expected_agreement: expected } = rollout;
  const waiting = nodes.first === 0 ? "" : `, ${nodes.first} to go first`;
  return [
    ["Release", `${rollout.release}${rollout.purpose === "rollback" ? ", a way back" : ""}`],
    ["Model", rollout.model],
    ["State", stateText(rollout)],
    ["Nodes that run it", `${nodes.activated + nodes.confirmed} of ${nodes.known}${waiting}`],
    ["Offered, no answer yet", `${nodes.offered}`],
    ["In vain", `failed on ${nodes.failed}, withheld from ${nodes.withheld}`],
    [
      "Agrees with the teacher",
      agreement === null
        ? `no audit yet, ${percent(expected)} expected`
        : `${percent(agreement)} of ${counted(audits, "audit")}, ${percent(expected)} expected`,
    ],
    ["Offloaded", `${percent(rollout.offload_ratio)} of ${counted(rollout.windows, "window")}`],
  ];
}

function stateText({ state, reason }: RolloutInfo): string {
  const words = state.replace("-", " ");
  return reason === null ? words : `${words}: ${reason}`;
}

/** What may be asked of a rollout as it stands. */
export function mayDo(rollout: RolloutInfo | undefined): {
  readonly pause: boolean;
  readonly resume: boolean;
  readonly abort: boolean;
  readonly rollback: boolean;
} {
  const state = rollout?.state;
  return {
    pause: state === "spreading",
    resume: state === "paused",
    abort: state === "spreading" || state === "paused",
    rollback: state === "done" && rollout?.purpose === "release",
  };
}

/** Rows of the comparison of two models by their audits, and whether anything can be said by them. */
export function compared(
  a: Audit | null,
  b: Audit | null,
): { readonly rows: readonly (readonly [string, string, string])[]; readonly verdict: string } {
  const of = (audit: Audit | null, text: (audit: Audit) => string): string =>
    audit === null ? "no audit" : text(audit);
  const row = (name: string, text: (audit: Audit) => string) =>
    [name, of(a, text), of(b, text)] as const;
  const between = (value: number, low: number, high: number): string =>
    `${percent(value)} (${percent(low)} to ${percent(high)})`;
  return {
    rows: [
      row("Agreement", (x) => between(x.agreement, x.agreement_low, x.agreement_high)),
      row("Left wrong", (x) => between(x.left, x.left_low, x.left_high)),
      row("Mended by offloads", (x) => between(x.mended, x.mended_low, x.mended_high)),
      row("Audits", (x) => `${x.audits}`),
      row("Windows", (x) => `${x.windows}`),
    ],
    verdict: verdictOf(a, b),
  };
}

function verdictOf(a: Audit | null, b: Audit | null): string {
  if (a === null || b === null) return "One of them has not been audited.";
  if (a.agreement_low > b.agreement_high) return "The first agrees with the teacher more.";
  if (b.agreement_low > a.agreement_high) return "The second agrees with the teacher more.";
  return "Their intervals overlap: by these audits nobody can tell which agrees more.";
}

export function percent(share: number): string {
  return `${Math.round(1000 * share) / 10} %`;
}
