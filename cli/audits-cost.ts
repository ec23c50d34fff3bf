/**
 * What a node's offloading costs it a day, from a gateway's counts: the live point of the curves
 * that `report offload` draws.
 *
 * The store knows neither a node's radio nor how long its windows are; the first is named, the
 * second comes from the profile of its cohort, where its models are found, with the shape of its
 * student. Without them the share alone is told.
 */

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { frameBytes } from "../bench/frame-bytes.ts";
import { packetsOf } from "../bench/link-packets.ts";
import { energyAtShare, type NodeDay, nodeDayOf } from "../bench/node-day.ts";
import type { AuditCounts } from "../src/gate/audit-counts.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { decodeContainer } from "../src/model/container.ts";
import type { Profile } from "../src/signal/profile.ts";
import { findProfile } from "./profile-folder.ts";

/** Behaviours last so many windows when reports are sized: half a minute of a cow. */
const BOUT_WINDOWS = 12;
/** Windows of which reports are made for it. */
const SIZED_WINDOWS = 1536;

export type OffloadingCost = {
  /** Of the windows that were reported, 0..1; null before the first. */
  readonly share: number | null;
  /** In our own frames, int8. Null where its profile is not found. */
  readonly bytesPerDay: number | null;
  /** An estimate. Null where its profile is not found, or where the link carries no window. */
  readonly millijoulesPerDay: number | null;
  /** Share of the messages that the link's duty cycle lets through, 0..1. */
  readonly carried: number | null;
};

export function offloadingCost(
  cohort: string,
  counts: AuditCounts,
  link: LinkProfile,
): OffloadingCost {
  const offloads = counts.certain + counts.audits;
  // A report may come after the offloads that it tells of.
  const windows = Math.max(counts.windows, offloads);
  const share = windows === 0 ? null : offloads / windows;
  const known = dayOfCohort(cohort);
  if (share === null || known === undefined) {
    return { share, bytesPerDay: null, millijoulesPerDay: null, carried: null };
  }
  const { day, bytes } = known;
  const bytesPerDay = day.windows * (bytes.report + share * bytes.offload);
  const fits = packetsOf(link, new Uint8Array(day.offloadBytes), "offload") !== undefined;
  if (!fits) return { share, bytesPerDay, millijoulesPerDay: null, carried: null };
  const { totalMillijoule, carried } = energyAtShare(day, link, share);
  return { share, bytesPerDay, millijoulesPerDay: totalMillijoule, carried };
}

function dayOfCohort(
  cohort: string,
): { readonly day: NodeDay; readonly bytes: ReturnType<typeof frameBytes> } | undefined {
  const found = findProfile(cohort.split("/")[0] as string);
  if (found === undefined || !isOfProfile(cohort, found.profile)) return undefined;
  const { profile, folder } = found;
  const file = path.join(folder, "student.bwm");
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  const behaviours = Array.from(
    { length: SIZED_WINDOWS },
    (_, i) => Math.floor(i / BOUT_WINDOWS) % profile.classes.length,
  );
  const day = nodeDayOf(decodeContainer(bytes), bytes.length, behaviours);
  return { day, bytes: frameBytes(profile) };
}

function isOfProfile(cohort: string, { name, rateHz, windowSamples, channels }: Profile): boolean {
  const shape = `/${rateHz.toFixed(2)}Hz/${windowSamples}x${channels}`;
  return cohort.startsWith(`${name}/`) && cohort.endsWith(shape);
}

/** In words, for people. */
export function costText(cost: OffloadingCost, link: string): string {
  const { share, bytesPerDay, millijoulesPerDay, carried } = cost;
  if (share === null) return "nothing reported yet";
  const offloads = `offloads ${(100 * share).toFixed(1)} %`;
  if (bytesPerDay === null) return offloads;
  const bytes = `${(bytesPerDay / 1e6).toFixed(2)} MB`;
  if (millijoulesPerDay === null) return `${offloads}: ${bytes} a day, more than ${link} carries`;
  const whole = Math.round(millijoulesPerDay).toLocaleString("en");
  const part =
    carried !== null && carried < 1 ? `, ${Math.round(100 * carried)} % of it carried` : "";
  return `${offloads}: ${bytes} and ${whole} mJ a day on ${link}${part}`;
}
