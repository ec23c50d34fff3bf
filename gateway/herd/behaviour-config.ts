/** The gateway's settings for bouts, time budgets and alerts. `src/behaviour` says what they mean. */

import { z } from "zod";
import type { BaselineRule } from "../../src/behaviour/change.ts";
import type { NodeId } from "../../src/wire/messages.ts";
import { isGroupName, isNodeId } from "../../src/wire/topics.ts";

const MINUTE_MS = 60_000;

const seconds = z.number().min(1).max(86_400);

export const BehavioursSchema = z
  .strictObject({
    /** How far midnight is ahead of UTC's; a day is 24 hours, whatever clocks are put to. */
    utc_offset_hours: z.number().min(-14).max(14).multipleOf(0.25).default(0),
    /** How long a bout typically lasts: a change costs so much more evidence as it is rarer. The
     * teacher's file knows where this says nothing. */
    typical_seconds: seconds.optional(),
    /** The same of single behaviours. */
    typical_seconds_of: z.record(z.string(), seconds).default({}),
    /** A longer silence between windows is unknown time. */
    gap_seconds: seconds.default(60),
    /** How far back a late answer still corrects a bout. */
    open_minutes: z.number().min(1).max(1_440).default(30),
    /** Least time between two tellings of a budget. */
    budget_seconds: seconds.default(60),
    /** Nodes by the name of their group. */
    groups: z
      .record(
        z.string().refine(isGroupName, "must be lower case letters, digits, - and _"),
        z.array(z.string().refine(isNodeId, "must be a node's name")),
      )
      .default({}),
  })
  .prefault({});

export const AlertsSchema = z
  .strictObject({
    /** The last days that a day is compared with, and how many of them there must be. */
    days: z.int().min(1).max(60).default(7),
    days_least: z.int().min(1).max(60).default(3),
    /** Share of a day that must be known. */
    known_least: z.number().min(0.01).max(1).default(0.5),
    /** How far a day must stand out from the differences among those before. */
    deviations_least: z.number().min(0).max(100).default(2),
    rules: z
      .array(
        z.strictObject({
          name: z
            .string()
            .regex(/^[a-z0-9][a-z0-9_-]{0,63}$/, "must be lower case, digits, - and _"),
          /** Their time is added up. */
          behaviours: z.array(z.string()).min(1),
          /** Below 0: less than usual by so much. */
          change_percent: z
            .number()
            .min(-100)
            .max(10_000)
            .refine((percent) => percent !== 0, "must be below or above 0"),
        }),
      )
      .refine((rules) => new Set(rules.map(({ name }) => name)).size === rules.length, {
        message: "must have names of their own",
      })
      .default([]),
  })
  .prefault({});

export type BehaviourConfig = {
  readonly utcOffsetMs: number;
  /** Undefined for what the teacher's file says. */
  readonly typicalMs: number | undefined;
  readonly typicalMsOf: Readonly<Record<string, number>>;
  readonly gapMs: number;
  readonly openMs: number;
  readonly budgetMs: number;
  readonly groups: ReadonlyMap<string, readonly NodeId[]>;
  readonly baseline: BaselineRule;
  readonly rules: readonly {
    readonly name: string;
    readonly behaviours: readonly string[];
    readonly changePercent: number;
  }[];
};

export function toBehaviourConfig(
  behaviours: z.infer<typeof BehavioursSchema>,
  alerts: z.infer<typeof AlertsSchema>,
): BehaviourConfig {
  const typical = Object.entries(behaviours.typical_seconds_of);
  return {
    utcOffsetMs: behaviours.utc_offset_hours * 60 * MINUTE_MS,
    typicalMs: behaviours.typical_seconds && behaviours.typical_seconds * 1000,
    typicalMsOf: Object.fromEntries(typical.map(([name, value]) => [name, value * 1000])),
    gapMs: behaviours.gap_seconds * 1000,
    openMs: behaviours.open_minutes * MINUTE_MS,
    budgetMs: behaviours.budget_seconds * 1000,
    groups: new Map(Object.entries(behaviours.groups) as [string, NodeId[]][]),
    baseline: {
      days: alerts.days,
      daysLeast: alerts.days_least,
      knownLeast: alerts.known_least,
      deviationsLeast: alerts.deviations_least,
    },
    rules: alerts.rules.map(({ name, behaviours: of, change_percent: changePercent }) => {
      return { name, behaviours: of, changePercent };
    }),
  };
}

/** What no bout of a teacher's classes can ever match: a person has misspelt it. */
export function unknownBehaviours(config: BehaviourConfig, classes: readonly string[]): string[] {
  const named = [
    ...Object.keys(config.typicalMsOf),
    ...config.rules.flatMap(({ behaviours }) => behaviours),
  ];
  return [...new Set(named)].filter((name) => !classes.includes(name));
}
