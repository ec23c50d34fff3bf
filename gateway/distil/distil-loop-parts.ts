/** What the loop is given, and what it opens: registry, release key, trust, and how far it got. */

import path from "node:path";
import { z } from "zod";
import { EdgeError } from "../../src/assert.ts";
import { chooseEngine } from "../../src/engine/choose-engine.ts";
import type { EngineName } from "../../src/engine/engine.ts";
import { decodeContainer } from "../../src/model/container.ts";
import type { Augmentation } from "../../src/signal/augment.ts";
import { cohortOf, type Profile } from "../../src/signal/profile.ts";
import type { Log } from "../broker/link.ts";
import type { AuditRule } from "../herd/audit-control.ts";
import { Registry } from "../release/registry.ts";
import { type KeptStudent, ReleaseDesk } from "../release/release-desk.ts";
import { gatewayCrypto, openReleaseKeys, type ReleaseKeys } from "../release/release-keys.ts";
import type { Rollout } from "../release/rollout.ts";
import { nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";
import { fitCoarseTrust, fitTailTrust, fitWhenAsked } from "../teacher/tail-trust.ts";
import type { Tail, Teacher, TeacherTrust, TrustWhenAsked } from "../teacher/teacher.ts";
import {
  fitTeacherTrust,
  type TrustVerdict,
  trustOf,
  withStatistics,
} from "../teacher/teacher-trust.ts";
import type { AnchorSet } from "./anchor.ts";
import type { DistilRecipe } from "./distil.ts";
import type { LabelRule } from "./distil-labels.ts";
import type { Lessons } from "./distil-lessons.ts";
import type { PublishRule } from "./distil-measure.ts";
import type { DistilAnswer } from "./distil-task.ts";
import type { TriggerCause, TriggerRule } from "./distil-trigger.ts";

export type LoopSettings = {
  /** Keys and registry are kept in it: the gateway's data directory. */
  readonly directory: string;
  readonly profile: Profile;
  readonly teacher: Teacher;
  /** Answers windows in 2 bits, and codes, where somebody trained them. */
  readonly coarse?: Teacher | undefined;
  readonly tail?: Tail | undefined;
  /** The views that the teacher was trained on. */
  readonly teacherAugmentation: Augmentation;
  readonly anchor: AnchorSet;
  /** What nodes run before their first release. */
  readonly factory: KeptStudent;
  readonly recipe: DistilRecipe;
  readonly trigger: TriggerRule;
  readonly labels: LabelRule;
  readonly publish: PublishRule;
  /** Audits of nodes that try a release, so that there is soon something to judge it by; .1 unless
   * said otherwise. The node's budget holds all the same. */
  readonly canaryAuditChance?: number;
  /** How audits follow what is known of a node; `DEFAULT_AUDIT_RULE` unless said otherwise. */
  readonly audits?: AuditRule;
  /** Time between two looks at the herd; a second unless said otherwise. */
  readonly lookMs?: number;
  /** What students run on here; the fast one unless said otherwise. */
  readonly engine?: EngineName;
  readonly seed: number;
  readonly log: Log;
  /** For benchmarks: what was decided, with its figures. */
  readonly onReport?: (report: LoopReport) => void;
};

export type LoopReport =
  | { readonly kind: "not-trusted"; readonly verdict: TrustVerdict }
  | {
      readonly kind: "distilled";
      readonly cause: TriggerCause;
      readonly seconds: number;
      readonly lessons: Lessons;
      readonly answer: DistilAnswer;
    }
  | { readonly kind: "rolled-back"; readonly rollout: Rollout; readonly reason: string };

/** How far the log has been learned from or judged. */
export type LoopProgress = {
  readonly usedOffloadId: number;
  /** Of people's labels. */
  readonly usedPersonId: number;
  readonly lastDistilMs: number;
  /** An operator has stopped distilling, until one starts it again. */
  readonly held: boolean;
};

export type OpenLoop = {
  readonly registry: Registry;
  readonly desk: ReleaseDesk;
  readonly keys: ReleaseKeys;
  /** The teacher as the gateway is to run it: with what trust reads. */
  readonly teacher: Teacher;
  readonly trust: TeacherTrust;
  readonly coarseTrust: TrustWhenAsked | undefined;
  readonly tail: Tail | undefined;
  readonly tailTrust: TrustWhenAsked | undefined;
  readonly progress: LoopProgress;
  saveProgress(progress: LoopProgress): void;
};

const ProgressSchema = z.object({
  usedOffloadId: z.int().min(0),
  // Earlier versions knew no people, and nobody who stops it.
  usedPersonId: z.int().min(0).default(0),
  lastDistilMs: z.number().min(0),
  held: z.boolean().default(false),
});

/** @throws EdgeError `factory-cohort` and those of `openReleaseKeys` */
export async function openLoopParts(settings: LoopSettings): Promise<OpenLoop> {
  const { directory, profile, factory, teacher, anchor, teacherAugmentation, seed } = settings;
  checkCohort(factory, profile);
  const keys = openReleaseKeys(path.join(directory, "keys"));
  const registry = new Registry({
    directory: path.join(directory, "registry"),
    publicKey: keys.publicKey,
    crypto: gatewayCrypto,
  });
  for (const { file, reason } of registry.setAside) {
    settings.log("error", "a release was damaged and is set aside", { file, reason });
  }
  const engine = chooseEngine(settings.engine);
  const desk = new ReleaseDesk({ registry, keys, engine, factory });
  const trust = trustOf(await fitTeacherTrust(teacher, anchor, teacherAugmentation, seed));
  const { coarse, tail, log } = settings;
  const fit = { teacher, anchor, augmentation: teacherAugmentation, engine, seed };
  const told = (id: string) => (novelty: TeacherTrust | undefined) =>
    log("info", "novelty test fitted", { teacher: id, found: novelty !== undefined });
  const coarseTrust = coarse && fitWhenAsked(() => fitCoarseTrust(coarse, fit), told(coarse.id));
  const { container } = factory;
  const tailTrust =
    tail && fitWhenAsked(() => fitTailTrust(tail, decodeContainer(container), fit), told(tail.id));
  if (tail !== undefined) log("info", "codes are answered", { encoder: tail.encoder });
  if (coarse !== undefined) log("info", "windows in 2 bits are answered", { teacher: coarse.id });
  const file = path.join(directory, "loop.json");
  const saveProgress = (progress: LoopProgress): void =>
    writeDurably(nodeDisk, file, Buffer.from(JSON.stringify(progress)));
  const progress = readProgress(file, settings.log);
  // Kept from the first start on: the schedule counts from there.
  saveProgress(progress);
  return {
    registry,
    desk,
    keys,
    teacher: withStatistics(teacher),
    trust,
    coarseTrust,
    tail,
    tailTrust,
    progress,
    saveProgress,
  };
}

function readProgress(file: string, log: Log): LoopProgress {
  const nothing = { usedOffloadId: 0, usedPersonId: 0, lastDistilMs: Date.now(), held: false };
  const bytes = readIfThere(file);
  if (bytes === undefined) return nothing;
  try {
    return ProgressSchema.parse(JSON.parse(Buffer.from(bytes).toString("utf8")));
  } catch {
    // The cost of not knowing is one distillation too many.
    log("warning", "cannot be read and is begun anew", { file });
    return nothing;
  }
}

function checkCohort(factory: KeptStudent, profile: Profile): void {
  const { cohort } = decodeContainer(factory.container);
  if (cohort === cohortOf(profile)) return;
  throw new EdgeError({
    code: "factory-cohort",
    message: `the factory student is for ${cohort}, the profile is for ${cohortOf(profile)}`,
    where: "distiller",
    hint: "Use the student that ships with the profile, or train one for it.",
  });
}
