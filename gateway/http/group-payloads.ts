/**
 * What the gateway answers about a group over HTTP, as types: `group-day.ts` makes it of the store, and
 * the page shows it. Times are milliseconds since 1970 by the nodes' clocks. `docs/TOPICS.md` is the
 * reference.
 */

import type { BudgetSpan } from "../../src/wire/public.ts";

export type GroupDay = {
  readonly v: 1;
  readonly group: string;
  readonly classes: readonly string[];
  /** `2026-03-14`, where midnight is so many milliseconds ahead of UTC's. */
  readonly day: string;
  readonly utc_offset_ms: number;
  readonly start: number;
  readonly end: number;
  /** Until where something is known of any of them, if that is in the day. */
  readonly known_until: number;
  /** The first and the last day of which something is known. */
  readonly first_day: string | null;
  readonly last_day: string | null;
  /** Of the average node that was ever heard; null where none was. */
  readonly budget: BudgetSpan | null;
  readonly nodes: readonly {
    readonly node: string;
    /** Null of one that was never heard. */
    readonly budget: BudgetSpan | null;
    /** Number of the class, start, end; those that touch the day. */
    readonly bouts: readonly (readonly [number, number, number])[];
  }[];
};
