/** What the drift benchmark says of broken sensors and of herds. */
import { BEAT_MS } from "../src/gate/cohort-watch.ts";
import { quantile, table } from "./benchmark.ts";
import { HERD_NODES } from "./drift-cohort.ts";
import type { DriftAnswers } from "./drift-job.ts";
import { NO_ALARM } from "./drift-streams.ts";

const IN_TIME_WINDOWS = 60;
const BEAT_HOURS = BEAT_MS / 3_600_000;
/** A herd that changes is watched for a day. */
const NEVER_HOURS = 24;
const IN_TIME_HOURS = 6;

export type SensorFigures = {
  readonly falseFaults: number;
  readonly nodeDays: number;
  readonly faults: readonly {
    readonly name: string;
    /** Windows until the gateway says so. */
    readonly median: number;
    readonly p90: number;
    readonly within60: number;
    /** The node's own alarm in the same lives, and whichever of the two came first. */
    readonly alarmWithin60: number;
    readonly eitherWithin60: number;
  }[];
};

export function sensorFigures(answers: readonly DriftAnswers[]): SensorFigures {
  const rates = answers.map(({ unshifted }) => unshifted.falseFaults);
  const first = answers[0]?.shifts ?? [];
  const faults = first.flatMap(({ name, sensor }, i) => {
    if (sensor.length === 0) return [];
    const delays = answers.flatMap(({ shifts }) => shifts[i]?.sensor ?? []);
    const fault = delays.map((delay) => delay.fault);
    const inTime = (windows: readonly number[]): number =>
      windows.filter((count) => count <= IN_TIME_WINDOWS).length / windows.length;
    return {
      name,
      median: quantile(fault, 0.5),
      p90: quantile(fault, 0.9),
      within60: inTime(fault),
      alarmWithin60: inTime(delays.map((delay) => delay.alarm)),
      eitherWithin60: inTime(delays.map((delay) => Math.min(delay.fault, delay.alarm))),
    };
  });
  return {
    falseFaults: rates.reduce((sum, { count }) => sum + count, 0),
    nodeDays: rates.reduce((sum, { nodeDays }) => sum + nodeDays, 0),
    faults,
  };
}

export function sensorLines({ faults, falseFaults, nodeDays }: SensorFigures): string[] {
  if (faults.length === 0) return [];
  const windows = (count: number): string =>
    count >= NO_ALARM ? "none" : String(Math.round(count));
  const percent = (share: number): string => (100 * share).toFixed(1);
  const title = ["fault", "windows to it", "90th", "within 60 %", "drift alarm %", "either %"];
  const rows = faults.map((one) => [
    one.name,
    windows(one.median),
    windows(one.p90),
    percent(one.within60),
    percent(one.alarmWithin60),
    percent(one.eitherWithin60),
  ]);
  return [
    "",
    "Told as a broken sensor:",
    ...table([title, ...rows]),
    "",
    `Sound sensors called broken: ${falseFaults} in ${nodeDays.toFixed(1)} node-days`,
  ];
}

export type CohortFigures = {
  /** Alarms of calm herds a day, in the mean, and the 95th percentile over herds. */
  readonly perDay: number;
  readonly upperPerDay: number;
  readonly days: number;
  readonly changes: readonly {
    readonly name: string;
    readonly nodes: number;
    readonly medianHours: number;
    readonly p90Hours: number;
    readonly within6: number;
    /** Share of the changed nodes whose own alarm had been up by then. */
    readonly alarmed: number;
  }[];
};

export function cohortFigures(answers: readonly DriftAnswers[]): CohortFigures {
  const days = answers[0]?.cohort.calmDays ?? 1;
  const calm = answers.flatMap(({ cohort }) => cohort.calm.map((count) => count / days));
  const changes = (answers[0]?.cohort.changes ?? []).map(({ name, nodes }, i) => {
    const delays = answers.flatMap(({ cohort }) => cohort.changes[i]?.delays ?? []);
    const hours = delays.map(({ beats }) => (beats === null ? NEVER_HOURS : beats * BEAT_HOURS));
    return {
      name,
      nodes,
      medianHours: quantile(hours, 0.5),
      p90Hours: quantile(hours, 0.9),
      within6: hours.filter((count) => count <= IN_TIME_HOURS).length / hours.length,
      alarmed: delays.reduce((sum, { alarmed }) => sum + alarmed, 0) / delays.length,
    };
  });
  return {
    perDay: calm.reduce((sum, rate) => sum + rate, 0) / Math.max(1, calm.length),
    upperPerDay: quantile(calm, 0.95),
    days: days * calm.length,
    changes,
  };
}

export function cohortLines({ changes, perDay, upperPerDay, days }: CohortFigures): string[] {
  const hours = (count: number): string => (count >= NEVER_HOURS ? "none" : count.toFixed(1));
  const percent = (share: number): string => (100 * share).toFixed(0);
  const title = ["change", "nodes", "hours to it", "90th", "within 6 h %", "own alarm by then %"];
  const rows = changes.map((one) => [
    one.name,
    `${one.nodes} of ${HERD_NODES}`,
    hours(one.medianHours),
    hours(one.p90Hours),
    percent(one.within6),
    percent(one.alarmed),
  ]);
  return [
    "",
    "Told of the cohort:",
    ...table([title, ...rows]),
    "",
    `Calm herds called changed: ${perDay.toFixed(3)} a day in the mean, 95th percentile over herds ` +
      `${upperPerDay.toFixed(3)} (${days} days)`,
  ];
}
