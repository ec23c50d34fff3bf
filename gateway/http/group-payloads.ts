/**
 * What the gateway answers about a group over HTTP, as types: `group-day.ts` makes it of the store, and
 * the page shows it. Times are milliseconds since 1970 by the nodes' clocks. `docs/TOPICS.md` is the
 * reference.
 */

import type { BudgetSpan } from "../../src/wire/public.ts";
import type { ToldDay } from "./animal-payloads.ts";

export type GroupDay = ToldDay & {
  readonly v: 1;
  readonly group: string;
  readonly classes: readonly string[];
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
