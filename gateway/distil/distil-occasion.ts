/** One occasion to distil: its answers, waiting until they are on disk, and what came of it. */

import { wilson } from "../../src/gate/audit-counts.ts";
import { budgetShare } from "../release/release-desk.ts";
import type { Expectation } from "../release/rollout-evidence.ts";
import type { RunningGateway } from "../run-gateway.ts";
import type { LabelReader } from "../store/label-reader.ts";
import { judgeTrust, type TrustVerdict } from "../teacher/teacher-trust.ts";
import type { DistilReport } from "./distil.ts";
import type { LabelChoice } from "./distil-labels.ts";
import { chooseLessons, type Lessons } from "./distil-lessons.ts";
import type { LoopSettings } from "./distil-loop-parts.ts";
import type { Judge } from "./distil-measure.ts";
import { PEOPLE_MOST } from "./people-labels.ts";

/** A commit takes 50 ms; a full disk takes as long as somebody needs to make room. */
const COMMIT_WAIT_MS = 50;
const COMMIT_WAITS = 100;

/** Rows read for one distillation, newest first. */
const ROWS_MOST = 1000;
/** Labels of before the present occasion may be this share of what is learned from. */
const OLDER_SHARE = 1 / 3;

export const NO_FLOATS =
  "the present student was pushed without its float weights, from which a distillation goes on";

/** News of an answer comes before the answer is on disk, by one group commit. */
export async function committed(
  gateway: Pick<RunningGateway, "labels"> | undefined,
  newestOffloadId: number,
): Promise<void> {
  for (let wait = 0; wait < COMMIT_WAITS; wait++) {
    const [row] = gateway?.labels().softLabels({ limit: 1, afterId: newestOffloadId - 1 }) ?? [];
    if (row !== undefined) return;
    await new Promise((resolve) => setTimeout(resolve, COMMIT_WAIT_MS));
  }
}

/**
 * The answers of this occasion, and a few from before, so that an earlier shift is not forgotten; and
 * all that people have said.
 *
 * @param trust of the answers that led here; undefined where people did, then of all that are read
 */
export function readLessons(
  reader: LabelReader | undefined,
  { usedOffloadId }: { readonly usedOffloadId: number },
  trust: TrustVerdict | undefined,
  settings: LoopSettings,
): Lessons & { readonly taughtPersonId: number } {
  const { profile, teacher, seed, labels: rule, trigger } = settings;
  const people = reader?.personLabels(PEOPLE_MOST) ?? [];
  const rows =
    reader?.softLabels({ limit: ROWS_MOST, newestFirst: true, learnableOnly: true }) ?? [];
  const fresh = rows.filter((row) => row.offloadId > usedOffloadId);
  const older = rows.filter((row) => row.offloadId <= usedOffloadId);
  const judge = trust === undefined ? "people" : "teacher";
  const verdict = trust ?? judgeTrust(rows, trigger.trust);
  const lessons = chooseLessons(
    [...fresh, ...older.slice(0, Math.floor(OLDER_SHARE * rule.labelsMost))],
    people,
    { profile, teacherId: teacher.id, seed, verdict, judge },
    rule,
  );
  return { ...lessons, taughtPersonId: Math.max(0, ...people.map(({ personId }) => personId)) };
}

/** The least that nodes that run a candidate must show, by what was measured of it. */
export function expectationOf(
  candidate: { readonly container: Uint8Array; readonly report: DistilReport },
  canaryChance: number,
  judge: Judge,
): Expectation {
  const { container, report } = candidate;
  const share = report.offloadShare + canaryChance;
  return {
    agreement: report.heldOutLabels === 0 ? null : leastAgreement(report),
    auditsOptional: judge === "people",
    offloadShare: Math.min(budgetShare(container), share),
  };
}

export function finishedText(
  { before, after, operatingPoints }: DistilReport,
  fit: string,
  judge: Judge,
): string {
  const percent = (part: number): string => `${(100 * part).toFixed(0)} %`;
  const judged =
    judge === "people"
      ? `people ${percent(before.peopleAgreement)} -> ${percent(after.peopleAgreement)}`
      : `the teacher ${percent(before.agreement)} -> ${percent(after.agreement)}`;
  return (
    `agreement with ${judged}, ` +
    `anchor set ${percent(before.anchorAccuracy)} -> ${percent(after.anchorAccuracy)}` +
    (operatingPoints > 0 ? "" : "; without operating points, which some node does not read") +
    (fit === "" ? "" : `; ${fit}`)
  );
}

export function notTrustedText({ unknownShare }: TrustVerdict): string {
  return (
    `the teacher does not know ${(100 * unknownShare).toFixed(0)} % of these windows: nothing is ` +
    "learned from them; label a few by hand (page labels), or bring a teacher that was trained on " +
    "such signals"
  );
}

export function leftOutText(labels: LabelChoice): string {
  const parts = Object.entries(labels.leftOut).filter(([, count]) => count > 0);
  return parts.map(([reason, count]) => `${count} ${reason}`).join(", ") || "none left out";
}

/** One standard error below what was measured on the held-out labels: twenty of twenty are no promise
 * of all. */
function leastAgreement({ after, heldOutLabels }: DistilReport): number {
  return wilson(after.agreement, Math.max(1, heldOutLabels), 1).low;
}
