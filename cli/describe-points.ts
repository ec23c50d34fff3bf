/** A student's operating points: what each is for, and what its offloads cost a node in a day. */

import { type GateParameters, UNKNOWN_CENTIPOINTS } from "../src/gate/gate-parameters.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import { offloadCost, windowsPerDay } from "../src/link/offload-day.ts";
import type { Container } from "../src/model/container.ts";

export type PointDescription = {
  /** 0 for the gate as it was released. */
  readonly point: number;
  /** Of the windows, 0..1: what the rate control aims at, and what the bucket lets through. */
  readonly share: number;
  readonly mostShare: number;
  /** Accuracy less the teacher's, in points (hundredths), as calibration expects; null for unknown. */
  readonly overTeacher: number | null;
  /** Of offloads at that share; null where the link does not carry a window. */
  readonly bytesPerDay: number | null;
  readonly millijoulesPerDay: number | null;
};

export function describePoints(
  container: Container,
  gate: GateParameters,
  link: LinkProfile,
): readonly PointDescription[] {
  const each = offloadCost(link, container.student);
  const windows = windowsPerDay(container);
  const { offload, bucket } = gate;
  const released = {
    ...{ targetShareQ16: offload.targetShareQ16, windowsPerTokenQ8: bucket.windowsPerTokenQ8 },
    overTeacherCentipoints: UNKNOWN_CENTIPOINTS,
  };
  return [released, ...gate.operatingPoints].map((given, point) => {
    const share = given.targetShareQ16 / 65535;
    const known = given.overTeacherCentipoints !== UNKNOWN_CENTIPOINTS;
    return {
      point,
      share,
      mostShare: Math.min(1, 256 / given.windowsPerTokenQ8),
      overTeacher: known ? given.overTeacherCentipoints / 100 : null,
      bytesPerDay: each === undefined ? null : share * windows * each.bytes,
      millijoulesPerDay: each === undefined ? null : share * windows * each.millijoules,
    };
  });
}

const COLUMNS = ["point", "aims at", "at most", "to the teacher", "bytes a day", "mJ a day"];

/** For people; `link` as they name it. */
export function pointLines(points: readonly PointDescription[], link: string): string[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const whole = (value: number | null): string =>
    value === null ? "no" : Math.round(value).toLocaleString("en");
  const rows = points.map(({ point, share, mostShare, overTeacher, ...cost }) => [
    point === 0 ? "as released" : String(point),
    percent(share),
    percent(mostShare),
    overTeacher === null ? "" : `${overTeacher < 0 ? "" : "+"}${overTeacher.toFixed(2)}`,
    whole(cost.bytesPerDay),
    whole(cost.millijoulesPerDay),
  ]);
  const widths = COLUMNS.map((name, c) =>
    Math.max(name.length, ...rows.map((row) => (row[c] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `          ${cells.map((cell, c) => cell.padStart(widths[c] ?? 0)).join("  ")}`;
  return [
    `points    offloads as int8 on ${link}, estimated; accuracy as calibration expects, in points`,
    ...[COLUMNS, ...rows].map(line),
  ];
}
