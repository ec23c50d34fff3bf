/** What the loop lets operators do, and what is pushed by hand put through the loop's own checks. */

import { assert, EdgeError } from "../../src/assert.ts";
import { studentFromOnnx } from "../../src/learn/student-network.ts";
import { decodeContainer } from "../../src/model/container.ts";
import { cohortOf, type Profile } from "../../src/signal/profile.ts";
import type { Registry } from "../release/registry.ts";
import {
  AGREEMENT_OF_ANY,
  budgetShare,
  type Kept,
  type ReleaseDesk,
  type Served,
} from "../release/release-desk.ts";
import { cohortFit } from "../release/release-fit.ts";
import type { Rollout } from "../release/rollout.ts";
import type { NodeRow } from "../store/label-rows.ts";
import type { ToDistil, TriggerDecision } from "./distil-trigger.ts";

export type LoopControl = {
  readonly desk: ReleaseDesk;
  readonly registry: Registry;
  readonly profile: Profile;
  /** How often nodes that try a release are audited. */
  readonly canaryAuditChance: number;
  readonly serve: (served: Served) => void;
  /** Begins a distillation; returns from how many answers. Throws `EdgeError` where it cannot. */
  readonly begin: () => number;
  /** Ends one and begins none until told; returns whether one ran. */
  readonly hold: () => boolean;
};

/** What nodes are known, and what they are being given now. */
export type Herd = {
  readonly rows: readonly NodeRow[];
  readonly rollout: Rollout | undefined;
};

export const HELD_NOTE = "held by an operator: nothing is distilled until one starts it";

export const NOT_TRUSTED_HINT =
  "Label some of them by hand (the page's label inbox), or bring a teacher that was trained on such signals.";

/** What to begin by an operator's word. Where people have labelled enough, the teacher's answers do
 * not matter. Throws `EdgeError` where there is nothing to begin, with what to do about it. */
export function toBegin(loop: {
  readonly isWorking: boolean;
  readonly isSpreading: boolean;
  readonly trusted: number;
  readonly least: number;
  readonly decision: TriggerDecision;
}): ToDistil {
  if (loop.isWorking) throw refused("distil-running", "one runs already", "Wait, or stop it.");
  if (loop.isSpreading) {
    const hint = "Wait for its end, or abort it.";
    throw refused("rollout-spreading", "a release spreads at present", hint);
  }
  const { decision } = loop;
  if (decision.kind === "distil" && decision.cause === "people") return decision;
  if (loop.trusted < loop.least) {
    const message = `${loop.trusted} new trusted answers of the teacher, ${loop.least} are needed`;
    throw refused("labels-few", message, "Wait for more offloads (loop.labels_least).");
  }
  if (decision.kind === "not-trusted") {
    const share = (100 * decision.verdict.unknownShare).toFixed(0);
    const message = `the teacher does not know ${share} % of the new windows`;
    throw refused("teacher-not-trusted", message, NOT_TRUSTED_HINT);
  }
  assert(decision.kind === "distil", "what an operator asks for is distilled or refused");
  return decision;
}

/**
 * Makes a release of a model that somebody brings, or that is in the registry, and begins its rollout.
 * Everything that can be wrong with it is asked first: then it is written, container, release, rollout.
 *
 * Nobody has measured it here, so little is expected of its agreement, and its canary shows the rest.
 *
 * @throws EdgeError with a code of its own for each thing that can be wrong
 */
export function pushModel(control: LoopControl, pushed: Kept, herd: Herd, nowMs: number): Served {
  const { desk, canaryAuditChance } = control;
  if (herd.rollout?.state === "spreading") {
    const hint = "Wait for its end, or abort it.";
    throw refused("rollout-spreading", `release ${herd.rollout.sequence} spreads at present`, hint);
  }
  check(control, pushed, herd);
  const expected = {
    agreement: AGREEMENT_OF_ANY,
    offloadShare: Math.min(1, budgetShare(pushed.container) + canaryAuditChance),
  };
  const served = desk.publish(pushed, expected, nowMs, herd.rows);
  control.serve(served);
  return served;
}

function check({ desk, profile }: LoopControl, { container, student }: Kept, herd: Herd): void {
  const decoded = decodeContainer(container);
  if (decoded.cohort !== cohortOf(profile)) {
    const hint = "Nodes of another kind have a gateway of their own.";
    const message = `the model is for ${decoded.cohort}, the nodes here are ${cohortOf(profile)}`;
    throw refused("model-cohort", message, hint);
  }
  if (decoded.classes.join() !== profile.classes.join()) {
    const message = `the model knows ${decoded.classes.join(", ")}`;
    throw refused("model-classes", message, `It must know ${profile.classes.join(", ")}.`);
  }
  const current = desk.current();
  if (Buffer.compare(container, current.container) === 0) {
    const hint = "Push another, or roll back.";
    throw refused("model-current", `nodes are to run ${current.modelId} already`, hint);
  }
  if (student !== undefined && studentFromOnnx(student) === undefined) {
    const hint = "Give the ONNX file that `bellwether train` writes beside the container.";
    throw refused("student-unreadable", "the float weights cannot be read", hint);
  }
  const fit = cohortFit(herd.rows, desk.cohort, container);
  if (fit.nobody) throw refused("model-fits-nobody", fit.text, "Bring a smaller one.");
}

function refused(code: string, message: string, hint: string): EdgeError {
  return new EdgeError({ code, message, where: "request", hint });
}
