/** What brings a gateway to tell of an alert within a second: an animal that grazed all of the day before
 * yesterday and, as it reports now, lay still all of yesterday. */

import { mkdirSync } from "node:fs";
import { LabelLog } from "../gateway/store/label-log.ts";
import { DAY_MS, dayStart, HOUR_MS } from "../src/behaviour/budget.ts";
import { nodeId } from "../src/wire/topics.ts";
import { cattle } from "./gateway-kit.ts";

/** An offset by which it is noon now, so that no day ends while this runs. */
const NOW_MS = Date.now();
const OFFSET_HOURS = 12 - new Date(NOW_MS).getUTCHours();
const TODAY_MS = dayStart(NOW_MS, OFFSET_HOURS * HOUR_MS);

/** Yesterday, a window every 30 minutes: nothing but lying still. */
export const YESTERDAY = Array.from({ length: 48 }, (_, windowIndex) => ({
  windowIndex,
  timeMs: TODAY_MS - DAY_MS + 1_800_000 * (windowIndex + 0.5),
  classIndex: 1,
  confidenceQ8: 250,
  exit: 0,
  offloaded: false,
}));

/** For `broker` and `data_directory` there are lines of the test's own. */
export const ALERTING_YAML = `behaviours:
  budget_seconds: 1
  gap_seconds: 3600
  open_minutes: 1
  utc_offset_hours: ${OFFSET_HOURS}
  groups: { heifers: [cow-7] }
alerts:
  days_least: 1
  known_least: 0.01
  deviations_least: 0
  rules: [{ name: less, behaviours: [grazing], change_percent: -20 }]
`;

/** The store of a gateway that has seen cow-7 graze all of the day before yesterday. */
export function storeOneDay(directory: string): void {
  mkdirSync(directory);
  const log = new LabelLog({ directory, nowMs: NOW_MS });
  const classMs = cattle.classes.map((_, index) => (index === 0 ? DAY_MS : 0));
  const budget = { elapsedMs: DAY_MS, unknownMs: 0, classMs };
  log.commit([{ kind: "day", node: nodeId("cow-7"), startMs: TODAY_MS - 2 * DAY_MS, budget }]);
  log.close();
}
