/**
 * What an operator may do to a rollout: hold it, let it go on, end it, go back, put a node first. Pure.
 *
 * Nothing here lets a release reach more nodes than its stage allows: the evidence that `rollout.ts`
 * waits for is what keeps a bad model from a herd, and no button goes around it. To install a release
 * on a node is to have that node go first when there is a place in a wave; where every node runs it
 * already, and only there, one that failed is offered it once more.
 */

import { EdgeError } from "../../src/assert.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import { goBack, isPaused, type Rollout, type RolloutStep } from "./rollout.ts";

export type RolloutOrder =
  | { readonly kind: "pause" }
  | { readonly kind: "resume" }
  /** Ends one that spreads; `rollback` also undoes one that is done. */
  | { readonly kind: "abort" | "rollback"; readonly reason: string }
  | { readonly kind: "install"; readonly node: NodeId };

/** Where a node stands after it was put first. */
export type InstallTurn = "runs-it" | "offered" | "now" | "next-wave" | "paused";

/** Throws `EdgeError` for an order that makes no sense now; then nothing has changed. */
export function steerRollout(rollout: Rollout, order: RolloutOrder, nowMs: number): RolloutStep {
  switch (order.kind) {
    case "pause":
      mustSpread(rollout);
      if (isPaused(rollout))
        throw refused(rollout, "rollout-paused", "is held already", "Resume it.");
      return { rollout: { ...rollout, pausedSinceMs: nowMs }, effects: [{ kind: "paused" }] };
    case "resume":
      return resume(rollout, nowMs);
    case "abort":
      mustSpread(rollout);
      return goBack(rollout, order.reason);
    case "rollback":
      if (rollout.purpose === "rollback") {
        const hint = "Push the model that nodes shall run.";
        throw refused(rollout, "rollback-of-rollback", "is itself a way back", hint);
      }
      if (rollout.state === "rolled-back") mustSpread(rollout);
      return goBack(rollout, order.reason);
    case "install":
      return install(rollout, order.node, nowMs);
  }
}

/** The time that it was held is no time in which evidence could have come. */
function resume(rollout: Rollout, nowMs: number): RolloutStep {
  mustSpread(rollout);
  if (rollout.pausedSinceMs === null) {
    throw refused(rollout, "rollout-not-paused", "is not held", "It goes on by itself.");
  }
  const heldMs = Math.max(0, nowMs - rollout.pausedSinceMs);
  const stageSinceMs = rollout.stageSinceMs + heldMs;
  return {
    rollout: { ...rollout, stageSinceMs, pausedSinceMs: null },
    effects: [{ kind: "resumed" }],
  };
}

function install(rollout: Rollout, node: NodeId, nowMs: number): RolloutStep {
  if (rollout.state === "rolled-back") mustSpread(rollout);
  const reason = rollout.unfit[node]?.reason;
  if (reason !== undefined) {
    const hint = "Only a smaller model, or another firmware, changes that.";
    throw refused(rollout, "release-withheld", `is withheld from ${node}: ${reason}`, hint);
  }
  const status = rollout.nodes[node]?.status;
  if (status === "failed") {
    if (rollout.state !== "done") {
      const hint = "It may be tried again when the release is everywhere else.";
      throw refused(rollout, "release-failed-there", `failed on ${node}`, hint);
    }
    const nodes = { ...rollout.nodes, [node]: { status: "offered", sinceMs: nowMs } as const };
    return { rollout: { ...rollout, nodes }, effects: [{ kind: "offer", node }] };
  }
  if (status !== undefined || rollout.first.includes(node)) return { rollout, effects: [] };
  return { rollout: { ...rollout, first: [...rollout.first, node] }, effects: [] };
}

/** Asked after the tick that follows: by then a node for which there was a place has its offer. */
export function installTurn(rollout: Rollout, node: NodeId): InstallTurn {
  const status = rollout.nodes[node]?.status;
  if (status === "activated" || status === "confirmed") return "runs-it";
  if (status !== undefined) return "offered";
  if (isPaused(rollout)) return "paused";
  return rollout.state === "done" ? "now" : "next-wave";
}

function mustSpread(rollout: Rollout): void {
  if (rollout.state === "spreading") return;
  const what = rollout.state === "done" ? "is everywhere already" : "went back already";
  throw refused(rollout, "rollout-over", what, "`models/rollback` undoes one that is done.");
}

function refused(rollout: Rollout, code: string, what: string, hint: string): EdgeError {
  return new EdgeError({
    code,
    message: `release ${rollout.sequence} ${what}`,
    where: rollout.cohort,
    hint,
  });
}
