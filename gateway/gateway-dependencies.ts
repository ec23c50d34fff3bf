/** What a gateway is handed: the parts that are chosen, or owned, by whoever starts it. */

import type { Log } from "./broker/link.ts";
import type { LoopControl } from "./distil/loop-control.ts";
import type { GatewayNews } from "./gateway-state.ts";
import type { Registry } from "./release/registry.ts";
import type { Rollout } from "./release/rollout.ts";
import type { Tail, Teacher, TeacherTrust, TrustWhenAsked } from "./teacher/teacher.ts";

export type GatewayDependencies = {
  readonly teacher: Teacher;
  readonly trust: TeacherTrust;
  /** Without one, windows in 2 bits are kept and not answered. */
  readonly coarse?: Teacher | undefined;
  readonly coarseTrust?: TrustWhenAsked | undefined;
  /** Without one, codes are kept and not answered. */
  readonly tail?: Tail | undefined;
  readonly tailTrust?: TrustWhenAsked | undefined;
  /** From one window of a node to the next, where the profile says it. */
  readonly hopMs?: number;
  /** The container that nodes are made with; without it no phone can become one by its browser. */
  readonly factory?: Uint8Array;
  /** Without one, no releases are served. */
  readonly registry?: Registry;
  /** A rollout stopped itself: makes, signs and serves the release that goes back. */
  readonly rollBack?: (rollout: Rollout, reason: string) => void;
  /** What operators steer the loop by. */
  readonly control?: LoopControl;
  readonly onNews?: (news: GatewayNews) => void;
  readonly log: Log;
  /** Lets go of the data directory, by a caller that has taken it already: see `data-lock.ts`. */
  readonly unlock?: () => void;
};
