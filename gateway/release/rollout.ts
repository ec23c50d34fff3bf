/**
 * How a release spreads: canary, wave, everyone, or back. Pure: `step(state, event) -> state, effects`.
 *
 * It looks at what nodes report of the installation, and at what the model then does: agreement with
 * the teacher on trusted audits, and the share of windows it offloads. Silence counts as failure: a
 * node that was offered the release and says nothing in time has failed, and a group from which no
 * evidence comes has failed too. After a rollback no node is offered this release again; the way
 * back is a new signed release of the former model under a higher sequence number.
 *
 * A node that cannot hold the release is not offered it and counts neither for nor against it; where
 * nothing in the cohort can hold it, the release has failed.
 */

import {
  type NodeId,
  type ReleaseOutcome,
  UNFIT_REASONS,
  type UnfitReason,
} from "../../src/wire/messages.ts";
import { agreesEnough, type Expectation, upperAgreement } from "./rollout-evidence.ts";

export type RolloutPolicy = {
  /** Shares of all known nodes that may run the release in each stage; the last is 1. */
  readonly shares: readonly number[];
  /** Of a stage's nodes, this share must have confirmed before the next stage. */
  readonly successShare: number;
  /** Above this share of failed nodes (and always from the first in the canary) it goes back. */
  readonly failureShare: number;
  /** From the last confirmation in a stage to its end, at the earliest. */
  readonly soakMs: number;
  /** A node that was offered the release confirms within this time or has failed. */
  readonly silenceMs: number;
  /** A stage that has not gathered its evidence by then has failed. */
  readonly evidenceMs: number;
  /** Trusted audits by nodes that run the release, needed before the canary's end. */
  readonly auditsLeast: number;
  /** Agreement may be this much below the expected one before chance is excluded as the reason. */
  readonly agreementMargin: number;
  /** The share of offloaded windows may be this much above what the gate was calibrated for. */
  readonly offloadMargin: number;
  /** Windows by nodes that run the release, needed before the offload share is judged. */
  readonly windowsLeast: number;
};

const MINUTE = 60_000;

export const DEFAULT_ROLLOUT_POLICY: RolloutPolicy = {
  shares: [0.05, 0.25, 1],
  successShare: 0.9,
  failureShare: 0.1,
  soakMs: 10 * MINUTE,
  silenceMs: 24 * 60 * MINUTE,
  evidenceMs: 24 * 60 * MINUTE,
  auditsLeast: 8,
  agreementMargin: 0.1,
  offloadMargin: 0.2,
  windowsLeast: 120,
};

type NodeProgress = {
  readonly status: "offered" | "activated" | "confirmed" | "failed";
  readonly sinceMs: number;
};

/** Known from what it said of itself when it joined, or from its answer to the offer. */
export type Unfit = { readonly reason: UnfitReason; readonly by: "hello" | "answer" };

export type Rollout = {
  readonly sequence: number;
  /** A rollback goes to everyone at once and is not judged: there is nothing to go back to. */
  readonly purpose: "release" | "rollback";
  readonly cohort: string;
  /** The release to go back to; undefined when nodes ran their factory model before. */
  readonly formerSequence: number | undefined;
  readonly expected: Expectation;
  readonly stage: number;
  readonly stageSinceMs: number;
  readonly state: "spreading" | "done" | "rolled-back";
  /** Held by an operator since then: no further node is offered it and no stage begins. */
  readonly pausedSinceMs: number | null;
  /** Nodes that an operator wants to go first where there is a place. */
  readonly first: readonly NodeId[];
  /** Why it went back. */
  readonly reason: string | undefined;
  readonly nodes: Readonly<Record<NodeId, NodeProgress>>;
  /** Those that cannot hold the release: none of them is in `nodes`. */
  readonly unfit: Readonly<Record<NodeId, Unfit>>;
  /** What nodes running the release did: sums over all of them since the rollout began. */
  readonly audits: number;
  readonly agreements: number;
  readonly windows: number;
  readonly offloads: number;
};

export type RolloutEvent =
  | {
      readonly kind: "tick";
      /** Nodes of the cohort that are there now and can hold it, those that gain most first. */
      readonly nodes: readonly NodeId[];
      /** Nodes that could hold it and are away. */
      readonly away: readonly NodeId[];
      /** Nodes that cannot, there or away, by what they said when they joined. */
      readonly unfit: readonly { readonly node: NodeId; readonly reason: UnfitReason }[];
    }
  | { readonly kind: "outcome"; readonly node: NodeId; readonly outcome: ReleaseOutcome }
  /** A trusted verdict on a confident window of a node that runs the release. */
  | { readonly kind: "audit"; readonly node: NodeId; readonly agrees: boolean }
  /** Reported windows of a node that runs the release. */
  | {
      readonly kind: "windows";
      readonly node: NodeId;
      readonly windows: number;
      readonly offloads: number;
    };

export type RolloutEffect =
  | { readonly kind: "offer"; readonly node: NodeId }
  /** Said once for each node that cannot hold it. */
  | { readonly kind: "withhold"; readonly node: NodeId; readonly reason: UnfitReason }
  | { readonly kind: "stage"; readonly stage: number; readonly of: number }
  | { readonly kind: "paused" | "resumed" | "done" }
  | { readonly kind: "rollback"; readonly reason: string };

export type RolloutStep = { readonly rollout: Rollout; readonly effects: readonly RolloutEffect[] };

export function startRollout(
  release: Pick<Rollout, "sequence" | "purpose" | "cohort" | "formerSequence" | "expected">,
  nowMs: number,
): Rollout {
  return {
    ...release,
    stage: 0,
    stageSinceMs: nowMs,
    state: "spreading",
    pausedSinceMs: null,
    first: [],
    reason: undefined,
    nodes: {},
    unfit: {},
    audits: 0,
    agreements: 0,
    windows: 0,
    offloads: 0,
  };
}

export function stepRollout(
  rollout: Rollout,
  event: RolloutEvent,
  nowMs: number,
  policy: RolloutPolicy,
): RolloutStep {
  if (rollout.state === "rolled-back") return { rollout, effects: [] };
  switch (event.kind) {
    case "outcome":
      return withOutcome(rollout, event.node, event.outcome, nowMs);
    case "audit":
      return {
        rollout: {
          ...rollout,
          audits: rollout.audits + 1,
          agreements: rollout.agreements + (event.agrees ? 1 : 0),
        },
        effects: [],
      };
    case "windows":
      return {
        rollout: {
          ...rollout,
          windows: rollout.windows + event.windows,
          offloads: rollout.offloads + event.offloads,
        },
        effects: [],
      };
    case "tick":
      return tick(rollout, event, nowMs, policy);
  }
}

function tick(
  rollout: Rollout,
  event: Extract<RolloutEvent, { kind: "tick" }>,
  nowMs: number,
  policy: RolloutPolicy,
): RolloutStep {
  const noted = noteUnfit(rollout, event.unfit);
  const able = (node: NodeId): boolean => noted.rollout.unfit[node] === undefined;
  const nodes = event.nodes.filter(able);
  const step =
    noted.rollout.state === "done"
      ? offerTo(noted.rollout, nodes, nowMs)
      : fitsNobody(noted.rollout, [...nodes, ...event.away.filter(able)])
        ? goBack(noted.rollout, fitsNobodyText(noted.rollout))
        : advance(noted.rollout, nodes, nowMs, policy);
  return { rollout: step.rollout, effects: [...noted.effects, ...step.effects] };
}

export function isPaused({ state, pausedSinceMs }: Rollout): boolean {
  return state === "spreading" && pausedSinceMs !== null;
}

/** True for a node that may be sent this release when it connects again. */
export function mayHave(rollout: Rollout, node: NodeId): boolean {
  return rollout.state !== "rolled-back" && rollout.nodes[node] !== undefined;
}

function withOutcome(
  rollout: Rollout,
  node: NodeId,
  outcome: ReleaseOutcome,
  nowMs: number,
): RolloutStep {
  if (rollout.nodes[node] === undefined) return { rollout, effects: [] };
  const reason = UNFIT_REASONS.find((known) => known === outcome);
  if (reason !== undefined) return withhold(rollout, node, { reason, by: "answer" });
  const status = outcome === "activated" || outcome === "confirmed" ? outcome : ("failed" as const);
  // A node that repeats itself does not prolong anything.
  if (rollout.nodes[node]?.status === status) return { rollout, effects: [] };
  const nodes = { ...rollout.nodes, [node]: { status, sinceMs: nowMs } };
  return { rollout: { ...rollout, nodes }, effects: [] };
}

/** Who cannot hold it by now: a node with another firmware may say otherwise than before. */
function noteUnfit(
  rollout: Rollout,
  found: readonly { readonly node: NodeId; readonly reason: UnfitReason }[],
): RolloutStep {
  const now = new Set(found.map(({ node }) => node));
  const past = Object.entries(rollout.unfit) as [NodeId, Unfit][];
  const kept = past.filter(([node, { by }]) => by === "answer" || now.has(node));
  let step: RolloutStep = { rollout, effects: [] };
  if (kept.length < past.length) {
    step = { rollout: { ...rollout, unfit: Object.fromEntries(kept) }, effects: [] };
  }
  for (const { node, reason } of found) {
    const status = rollout.nodes[node]?.status;
    // What runs it can hold it, whatever it says.
    if (status === "activated" || status === "confirmed") continue;
    if (step.rollout.unfit[node]?.reason === reason) continue;
    const { rollout: next, effects } = withhold(step.rollout, node, { reason, by: "hello" });
    step = { rollout: next, effects: [...step.effects, ...effects] };
  }
  return step;
}

/** Its place in the stage is free for another. */
function withhold(rollout: Rollout, node: NodeId, unfit: Unfit): RolloutStep {
  const { [node]: _, ...nodes } = rollout.nodes;
  return {
    rollout: {
      ...rollout,
      nodes: rollout.nodes[node] === undefined ? rollout.nodes : nodes,
      unfit: { ...rollout.unfit, [node]: unfit },
    },
    effects: [{ kind: "withhold", node, reason: unfit.reason }],
  };
}

function fitsNobody(rollout: Rollout, able: readonly NodeId[]): boolean {
  const offered = Object.keys(rollout.nodes).length;
  return able.length + offered === 0 && Object.keys(rollout.unfit).length > 0;
}

function fitsNobodyText(rollout: Rollout): string {
  const all = Object.values(rollout.unfit);
  const counts = UNFIT_REASONS.map((reason) => {
    return [reason, all.filter((unfit) => unfit.reason === reason).length] as const;
  });
  const told = counts.filter(([, count]) => count > 0).map(([reason, n]) => `${n} ${reason}`);
  return `none of ${all.length} nodes can hold it: ${told.join(", ")}`;
}

/** From here on nobody is offered it again. */
export function goBack(rollout: Rollout, reason: string): RolloutStep {
  return {
    rollout: { ...rollout, state: "rolled-back", reason },
    effects: [{ kind: "rollback", reason }],
  };
}

function advance(
  rollout: Rollout,
  known: readonly NodeId[],
  nowMs: number,
  policy: RolloutPolicy,
): RolloutStep {
  if (rollout.purpose === "rollback") {
    const all = offerTo(rollout, known, nowMs);
    return {
      rollout: { ...all.rollout, state: "done" },
      effects: [...all.effects, { kind: "done" }],
    };
  }
  const silenced = failSilent(rollout, nowMs, policy);
  const reason = reasonToGoBack(silenced, nowMs, policy);
  if (reason !== undefined) return goBack(silenced, reason);
  if (isPaused(silenced)) return { rollout: silenced, effects: [] };
  const wanted = placesOf(policy.shares[silenced.stage] ?? 1, known.length);
  const offered = Object.keys(silenced.nodes).length;
  const waiting = known.filter((node) => silenced.nodes[node] === undefined);
  const isFirst = (node: NodeId): boolean => silenced.first.includes(node);
  const next = [...waiting.filter(isFirst), ...waiting.filter((node) => !isFirst(node))];
  const grown = offerTo(silenced, next.slice(0, Math.max(0, wanted - offered)), nowMs);
  if (!stageIsGood(grown.rollout, nowMs, policy)) return grown;
  const stage = silenced.stage + 1;
  if (stage >= policy.shares.length) {
    return {
      rollout: { ...grown.rollout, state: "done" },
      effects: [...grown.effects, { kind: "done" }],
    };
  }
  return {
    rollout: { ...grown.rollout, stage, stageSinceMs: nowMs },
    effects: [...grown.effects, { kind: "stage", stage, of: policy.shares.length }],
  };
}

/** How many of so many nodes may run the release in a stage of that share. */
export function placesOf(share: number, nodes: number): number {
  return Math.max(1, Math.ceil(share * nodes));
}

function offerTo(rollout: Rollout, nodes: readonly NodeId[], nowMs: number): RolloutStep {
  const fresh = nodes.filter((node) => rollout.nodes[node] === undefined);
  if (fresh.length === 0) return { rollout, effects: [] };
  const offered = fresh.map((node) => [node, { status: "offered", sinceMs: nowMs }] as const);
  return {
    rollout: { ...rollout, nodes: { ...rollout.nodes, ...Object.fromEntries(offered) } },
    effects: fresh.map((node) => ({ kind: "offer", node })),
  };
}

function failSilent(rollout: Rollout, nowMs: number, policy: RolloutPolicy): Rollout {
  const late = Object.entries(rollout.nodes).filter(
    ([, progress]) =>
      (progress.status === "offered" || progress.status === "activated") &&
      nowMs - progress.sinceMs > policy.silenceMs,
  );
  if (late.length === 0) return rollout;
  const failed = late.map(([node]) => [node, { status: "failed", sinceMs: nowMs }] as const);
  return { ...rollout, nodes: { ...rollout.nodes, ...Object.fromEntries(failed) } };
}

function reasonToGoBack(
  rollout: Rollout,
  nowMs: number,
  policy: RolloutPolicy,
): string | undefined {
  const all = Object.values(rollout.nodes);
  const failed = all.filter((node) => node.status === "failed").length;
  if (failed > 0 && (rollout.stage === 0 || failed > policy.failureShare * all.length)) {
    return `${failed} of ${all.length} nodes refused it, reverted it or fell silent`;
  }
  const { agreement } = rollout.expected;
  const likely = upperAgreement(rollout.agreements, rollout.audits);
  if (
    agreement !== null &&
    rollout.audits >= policy.auditsLeast &&
    likely < agreement - policy.agreementMargin
  ) {
    return (
      `agrees with the teacher on ${rollout.agreements} of ${rollout.audits} audits, ` +
      `expected ${(100 * agreement).toFixed(0)} %`
    );
  }
  const offloadShare = rollout.offloads / Math.max(1, rollout.windows);
  if (
    rollout.windows >= policy.windowsLeast &&
    offloadShare > rollout.expected.offloadShare + policy.offloadMargin
  ) {
    return `offloads ${(100 * offloadShare).toFixed(0)} % of its windows`;
  }
  const isLate = !isPaused(rollout) && nowMs - rollout.stageSinceMs > policy.evidenceMs;
  if (all.length > 0 && isLate) {
    return "too little was heard of the nodes that run it";
  }
  return undefined;
}

function stageIsGood(rollout: Rollout, nowMs: number, policy: RolloutPolicy): boolean {
  const all = Object.values(rollout.nodes);
  const confirmed = all.filter((node) => node.status === "confirmed");
  const lastMs = Math.max(rollout.stageSinceMs, ...confirmed.map((node) => node.sinceMs));
  return (
    confirmed.length > 0 &&
    confirmed.length >= policy.successShare * all.length &&
    nowMs - lastMs >= policy.soakMs &&
    agreesEnough(rollout.expected, rollout, policy) &&
    rollout.windows >= policy.windowsLeast
  );
}
