/** What a gate's offloads are to achieve, as people state it: `--target` in four forms. */

import { EdgeError } from "../src/assert.ts";
import type { GateTarget } from "../src/gate/offload-target.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { offloadCost } from "../src/link/offload-day.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { CommandInput, OptionSpec } from "./command.ts";
import { DATA_RATE_OPTION, ENERGY_LINK_OPTION, energyLinkOf } from "./link-option.ts";

export const GATE_TARGET_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--target <goal>",
    description: "of the gate: 5%, '0.5 points' below the teacher, '200 kB' or '300 mJ' a day",
    kind: "text",
  },
  { ...ENERGY_LINK_OPTION, description: "the radio of a target in bytes or mJ" },
  DATA_RATE_OPTION,
];

const GOAL = /^(\d+(?:\.\d+)?) ?(%|points?|B|kB|MB|mJ|J)$/;
/** Bytes and millijoules in a unit. */
const UNITS = { B: 1, kB: 1000, MB: 1_000_000, mJ: 1, J: 1000 } as const;

/** Undefined where none is given. Throws `EdgeError` `gate-target`, `data-rate` or `does-not-fit`. */
export function gateTargetOf(input: CommandInput, profile: Profile): GateTarget | undefined {
  const goal = input.text("target");
  return goal === undefined ? undefined : readGateTarget(goal, profile, energyLinkOf(input));
}

/** Throws `EdgeError` `gate-target` or `does-not-fit`. */
export function readGateTarget(goal: string, profile: Profile, link: LinkProfile): GateTarget {
  const [, digits, unit] = GOAL.exec(goal.trim()) ?? [];
  const amount = Number(digits);
  if (unit === undefined || (unit === "%" && amount > 100)) {
    throw new EdgeError({
      code: "gate-target",
      message: `${JSON.stringify(goal)} is no target`,
      where: "--target",
      hint: "Give a share such as 5%, '0.5 points' below the teacher, or '200 kB' or '300 mJ' a day.",
    });
  }
  if (unit === "%") return { kind: "offload-share", share: amount / 100 };
  if (unit === "point" || unit === "points") {
    return { kind: "points-below-teacher", points: amount };
  }
  const each = offloadCost(link, { ...profile, classes: profile.classes.length });
  if (each === undefined) {
    throw new EdgeError({
      code: "does-not-fit",
      message: "the link takes no window whole",
      where: `link ${link.name}`,
      hint: "Give a faster --data-rate, or another --link.",
    });
  }
  const spent = amount * UNITS[unit as keyof typeof UNITS];
  return unit.endsWith("B")
    ? { kind: "bytes-per-day", bytes: spent, bytesPerOffload: each.bytes }
    : {
        kind: "millijoules-per-day",
        millijoules: spent,
        millijoulesPerOffload: each.millijoules,
      };
}
