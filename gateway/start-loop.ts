/**
 * A whole gateway in this process: serving and learning, wired to each other.
 *
 * What it serves with (teacher, factory student, anchor set) is handed in; what it makes itself
 * (keys, registry, label log, progress) is in its data directory, from which a second start goes on.
 */

import { mkdirSync } from "node:fs";
import type { EngineName } from "../src/engine/engine.ts";
import type { Augmentation } from "../src/signal/augment.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import type { Log } from "./broker/link.ts";
import type { GatewayConfig } from "./config/config.ts";
import type { AnchorSet } from "./distil/anchor.ts";
import { DISTIL_RECIPE, distilAugmentation } from "./distil/distil.ts";
import { DEFAULT_LABEL_RULE } from "./distil/distil-labels.ts";
import { type DistilLoop, openDistilLoop } from "./distil/distil-loop.ts";
import type { LoopReport } from "./distil/distil-loop-parts.ts";
import { DEFAULT_PUBLISH_RULE } from "./distil/distil-measure.ts";
import { DEFAULT_TRIGGER_RULE, type TriggerRule } from "./distil/distil-trigger.ts";
import type { Registry } from "./release/registry.ts";
import type { KeptStudent } from "./release/release-desk.ts";
import { type RunningGateway, startGateway } from "./run-gateway.ts";
import { lockDataDirectory } from "./store/data-lock.ts";
import type { Tail, Teacher } from "./teacher/teacher.ts";
import { DEFAULT_TRUST_RULE } from "./teacher/teacher-trust.ts";

export type LoopRequest = {
  readonly config: GatewayConfig;
  readonly profile: Profile;
  readonly teacher: Teacher;
  readonly coarse?: Teacher | undefined;
  readonly tail?: Tail | undefined;
  readonly anchor: AnchorSet;
  /** What nodes run before their first release. */
  readonly factory: KeptStudent;
  /** The views that the teacher, and the student, were trained on. */
  readonly augmentation: { readonly teacher: Augmentation; readonly student: Augmentation };
  readonly seed: number;
  readonly log: Log;
  /** How long to wait for people and nights; a fast herd waits less. */
  readonly trigger?: Partial<TriggerRule>;
  readonly lookMs?: number;
  /** What students run on; the fast one unless said otherwise. */
  readonly engine?: EngineName;
  readonly onReport?: (report: LoopReport) => void;
};

export type LoopGateway = {
  readonly gateway: RunningGateway;
  readonly registry: Registry;
  /** Ends a distillation (the next start begins it again), then the gateway. */
  readonly stop: () => Promise<void>;
};

/** @throws EdgeError `data-directory-in-use` and those of `startGateway` and `openDistilLoop` */
export async function startLoopGateway(request: LoopRequest): Promise<LoopGateway> {
  const { config, log } = request;
  mkdirSync(config.dataDirectory, { recursive: true });
  // Before anything in it is opened: a second gateway must not sweep what the first is writing.
  const unlock = lockDataDirectory(config.dataDirectory);
  const loop = await openLoop(request).catch((error: unknown) => {
    unlock();
    throw error;
  });
  const gateway = await startGateway(config, {
    log,
    unlock,
    hopMs: hopMs(request.profile),
    factory: request.factory.container,
    ...loop.dependencies,
  });
  loop.attach(gateway);
  return {
    gateway,
    registry: loop.dependencies.registry,
    stop: async () => {
      await loop.stop();
      await gateway.stop();
    },
  };
}

function openLoop(request: LoopRequest): Promise<DistilLoop> {
  const { config, profile, teacher, coarse, tail, anchor, factory, augmentation, seed, log } =
    request;
  return openDistilLoop({
    directory: config.dataDirectory,
    profile,
    teacher,
    coarse,
    tail,
    teacherAugmentation: augmentation.teacher,
    anchor,
    factory,
    recipe: { ...DISTIL_RECIPE, augmentation: distilAugmentation(augmentation.student.turn) },
    trigger: { ...DEFAULT_TRIGGER_RULE, trust: DEFAULT_TRUST_RULE, ...request.trigger },
    labels: DEFAULT_LABEL_RULE,
    publish: DEFAULT_PUBLISH_RULE,
    seed,
    log,
    ...(request.engine !== undefined && { engine: request.engine }),
    ...(request.lookMs !== undefined && { lookMs: request.lookMs }),
    ...(request.onReport !== undefined && { onReport: request.onReport }),
  });
}
