/** What pages read of the store over HTTP: a day of one animal, its offloaded windows, one of them. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toBehaviourConfig } from "../gateway/herd/behaviour-config.ts";
import type {
  AnimalDay,
  AnimalNear,
  AnimalWindow,
  AnimalWindows,
} from "../gateway/http/animal-payloads.ts";
import type { GroupDay } from "../gateway/http/group-payloads.ts";
import { animalRoutes } from "../gateway/http/http-animal.ts";
import { EventStreams } from "../gateway/http/http-events.ts";
import { type HttpListener, listenHttp } from "../gateway/http/http-listener.ts";
import { boardRoutes } from "../gateway/http/http-routes.ts";
import type { LoopCurves } from "../gateway/http/loop-payloads.ts";
import { LABEL_LOG_FILE, LabelLog } from "../gateway/store/label-log.ts";
import { PageReader, QUESTIONS_MAX } from "../gateway/store/page-reader.ts";
import { Board } from "../gateway/telling/board.ts";
import { DAY_MS, HOUR_MS } from "../src/behaviour/budget.ts";
import type { EncoderId, FeaturesOffload } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { type FilledAnimal, fillAnimal } from "./animal-kit.ts";
import { base, cattle, MODEL, offloadOf, removeFolder, temporaryFolder } from "./gateway-kit.ts";

const NOW = Date.UTC(2026, 2, 15, 14, 20);
const NODE = "collar-7";
const WHOLE = "2026-03-14";

let folder: string;
let filled: FilledAnimal;
let reader: PageReader;
let listener: HttpListener;

beforeAll(async () => {
  folder = temporaryFolder();
  filled = fillAnimal(folder, NODE, NOW);
  fillAnimal(folder, "collar-8", NOW);
  const rules = [
    { name: "more-grazing", behaviours: ["grazing"], change_percent: 20 },
    { name: "less-else", behaviours: ["walking", "still"], change_percent: -10 },
    { name: "less-walking", behaviours: ["walking"], change_percent: -30 },
  ];
  const rule = toBehaviourConfig(
    {
      utc_offset_hours: 0,
      typical_seconds: 10,
      typical_seconds_of: {},
      gap_seconds: 60,
      open_minutes: 30,
      budget_seconds: 60,
      groups: { heifers: [NODE, "collar-8", "collar-9"].map((name) => nodeId(name)) },
    },
    { days: 5, days_least: 3, known_least: 0.5, deviations_least: 2, rules },
  );
  reader = new PageReader({ file: `${folder}/${LABEL_LOG_FILE}`, classes: cattle.classes, rule });
  const board = new Board(base);
  const routes = [
    ...boardRoutes([], board, new EventStreams(board), () => ({ degraded: null })),
    ...animalRoutes(reader),
  ];
  const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
  listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
});

afterAll(async () => {
  await listener.close();
  await reader.close();
  removeFolder(folder);
});

async function ask<T>(path: string): Promise<{ readonly status: number; readonly told: T }> {
  const answer = await fetch(`${listener.url}${path}`);
  return { status: answer.status, told: (await answer.json()) as T };
}

/** Rows are numbered as they come. */
async function newestId(): Promise<number> {
  const lists = [NODE, "collar-8"].flatMap((node) =>
    ["", `&day=${WHOLE}`].map((day) => ask<AnimalWindows>(`/api/windows?node=${node}${day}`)),
  );
  const windows = (await Promise.all(lists)).flatMap(({ told }) => told.windows);
  return 1 + Math.max(...windows.map(({ id }) => id));
}

const minutesOf = ({ minutes }: { readonly minutes: Readonly<Record<string, number>> }): number =>
  Object.values(minutes).reduce((sum, one) => sum + one, 0);

describe("a day of an animal", () => {
  it("is the newest without a name, until what is known", async () => {
    const { status, told } = await ask<AnimalDay>(`/api/animal?node=${NODE}`);
    expect(status).toBe(200);
    expect(told).toMatchObject({ v: 1, node: NODE, day: "2026-03-15", first_day: WHOLE });
    expect(told.known_until).toBe(NOW);
    expect(told.bouts.at(-1)).toMatchObject({ node: NODE, end: null });
    // A day that goes on is compared with nothing.
    expect(told.changes).toEqual([]);
    expect(told.before).toHaveLength(8);
  });

  it("adds up: bouts to hours, hours to the day, and with the unknown to the time", async () => {
    const { told } = await ask<AnimalDay>(`/api/animal?node=${NODE}&day=${WHOLE}`);
    expect(told.hours).toHaveLength(24);
    const known = told.hours.reduce((sum, hour) => sum + minutesOf(hour), 0);
    expect(known).toBeCloseTo(minutesOf(told.budget), 1);
    expect(known + told.budget.unknown_minutes).toBeCloseTo(DAY_MS / 60_000, 1);
    const inBouts = told.bouts.reduce((sum, bout) => {
      const from = Math.max(bout.start, told.start);
      return sum + Math.min(bout.start + 1000 * bout.duration_seconds, told.end) - from;
    }, 0);
    expect(inBouts / 60_000).toBeCloseTo(known, 0);
    // Nobody heard it between one and two.
    expect(told.budget.unknown_minutes).toBeGreaterThan(0);
    expect(told.bouts.length).toBeGreaterThan(20);
  });

  it("counts windows and offloads by the hour, as the store has them", async () => {
    const { told } = await ask<AnimalDay>(`/api/animal?node=${NODE}&day=${WHOLE}`);
    const hourOf = (timeMs: number): number => Math.floor((timeMs - filled.wholeDayMs) / HOUR_MS);
    const expected = Array.from({ length: 24 }, () => 0);
    for (const { offload } of filled.offloads) {
      const hour = hourOf(offload.timeMs);
      if (hour < 24) expected[hour] = (expected[hour] as number) + 1;
    }
    expect(told.hours.map(({ offloads }) => offloads)).toEqual(expected);
    expect(told.hours.reduce((sum, { windows }) => sum + windows, 0)).toBeGreaterThan(1_000);
  });

  it("is compared with the days before it, rule by rule and behaviour by behaviour", async () => {
    const { told } = await ask<AnimalDay>(`/api/animal?node=${NODE}&day=${WHOLE}`);
    const single = told.changes.filter(({ rule }) => rule === null);
    expect(single.map(({ behaviours }) => behaviours)).toEqual(
      cattle.classes.map((name) => [name]),
    );
    expect(single.every(({ alarm }) => !alarm)).toBe(true);
    const ruled = told.changes.filter(({ rule }) => rule !== null);
    // It walked a third less than usual, which is within how far its days differ.
    expect(ruled.map(({ rule, alarm }) => [rule, alarm])).toEqual([
      ["more-grazing", true],
      ["less-else", true],
      ["less-walking", false],
    ]);
    // Of the seven before it that were judged, as many as the rule looks at.
    expect(ruled.map(({ days }) => days)).toEqual([5, 5, 5]);
    const [grazing, , walking] = single;
    expect(ruled[0]).toMatchObject({ ...grazing, rule: "more-grazing", alarm: true });
    expect(ruled[2]).toMatchObject({ ...walking, rule: "less-walking" });
    expect(walking?.change_percent).toBeLessThan(-30);
  });

  it("is empty where nothing is known, and no day where there is none", async () => {
    const { told } = await ask<AnimalDay>(`/api/animal?node=${NODE}&day=2025-01-01`);
    expect(told).toMatchObject({ bouts: [], before: [], more: false });
    expect(minutesOf(told.budget)).toBe(0);
    expect((await ask(`/api/animal?node=${NODE}&day=2026-13-01`)).status).toBe(404);
    expect((await ask("/api/animal?node=collar-9")).status).toBe(404);
  });
});

describe("offloaded windows", () => {
  it("are all of the day and no others, in the order of time, with what both said", async () => {
    const { told } = await ask<AnimalWindows>(`/api/windows?node=${NODE}&day=${WHOLE}`);
    const times = filled.offloads
      .map(({ offload }) => offload.timeMs)
      .filter((timeMs) => timeMs >= filled.wholeDayMs && timeMs < filled.todayMs);
    expect(told.windows.map(({ time }) => time)).toEqual(times);
    expect(times.length).toBeGreaterThan(50);
    expect(told.more).toBe(false);
    const answered = told.windows.flatMap(({ teacher }) => teacher ?? []);
    expect(answered).toHaveLength(told.windows.length);
    expect(answered.some(({ trusted }) => !trusted)).toBe(true);
  });

  it("go on after a time", async () => {
    const { told } = await ask<AnimalWindows>(`/api/windows?node=${NODE}&day=${WHOLE}`);
    const tenth = told.windows[9]?.time;
    const rest = await ask<AnimalWindows>(`/api/windows?node=${NODE}&day=${WHOLE}&after=${tenth}`);
    expect(rest.told.windows).toEqual(told.windows.slice(10));
  });

  it("wait for the teacher, some of them, at the end", async () => {
    const { told } = await ask<AnimalWindows>(`/api/windows?node=${NODE}`);
    expect(told.windows.slice(-3).map(({ teacher }) => teacher)).toEqual([null, null, null]);
  });

  it("are shown whole: samples in g, the student, the teacher with every chance", async () => {
    const { told } = await ask<AnimalWindows>(`/api/windows?node=${NODE}&day=${WHOLE}`);
    const listed = told.windows[5];
    const { told: one } = await ask<AnimalWindow>(`/api/window?node=${NODE}&id=${listed?.id}`);
    const stored = filled.offloads.find(({ offload }) => offload.timeMs === listed?.time)?.offload;
    expect(one).toMatchObject({ v: 1, node: NODE, end: listed?.time, encoding: "int8" });
    expect(one.signal).toMatchObject({ start: one.end - 5_000, rate_hz: 10 });
    const axes = one.signal?.axes ?? [];
    expect(axes.map(({ axis }) => axis)).toEqual(["x", "y", "z"]);
    for (const [c, { g }] of axes.entries()) {
      expect(g).toHaveLength(50);
      for (const [t, sample] of g.entries()) {
        expect(sample).toBeCloseTo((stored?.window[3 * t + c] ?? 0) * 0.016, 3);
      }
    }
    expect(one.student).toMatchObject({ behaviour: listed?.behaviour, reason: listed?.reason });
    expect(one.teacher).toMatchObject({ ...listed?.teacher, name: "fedcba9876543210" });
    const chances = Object.values(one.teacher?.probabilities ?? {});
    expect(chances.reduce((sum, p) => sum + p, 0)).toBeCloseTo(1, 2);
    expect(Object.keys(one.teacher?.probabilities ?? {})).toEqual(cattle.classes);
  });

  it("have beside them the nearest of the same life and bout, as they are stored", async () => {
    const { told } = await ask<AnimalWindows>(`/api/windows?node=${NODE}&day=${WHOLE}`);
    const { told: today } = await ask<AnimalWindows>(`/api/windows?node=${NODE}`);
    // A bout may go on after midnight.
    const all = [...told.windows, ...today.windows];
    const boutOf = (timeMs: number) =>
      filled.bouts.find(({ startMs, endMs }) => startMs < timeMs && timeMs <= endMs);
    let most = 0;
    for (const [i, { id, time }] of told.windows.entries()) {
      const mates = (listed: typeof all): number[] =>
        listed.filter((other) => boutOf(other.time) === boutOf(time)).map((other) => other.id);
      const { told: near } = await ask<AnimalNear>(`/api/near?node=${NODE}&id=${id}`);
      expect(near).toMatchObject({ bout: { start: boutOf(time)?.startMs } });
      const ids = (windows: readonly AnimalWindow[]): number[] => windows.map((one) => one.id);
      expect(ids(near.before)).toEqual(mates(told.windows.slice(0, i)).slice(-3));
      expect(ids(near.after)).toEqual(mates(all.slice(i + 1)).slice(0, 3));
      most = Math.max(most, near.before.length + near.after.length);
      for (const one of [...near.before, ...near.after]) expect(one.signal?.axes).toHaveLength(3);
    }
    expect(most).toBe(6);
    expect((await ask(`/api/near?node=collar-8&id=${told.windows[0]?.id}`)).status).toBe(404);
  });

  it("have no samples where codes came instead", async () => {
    const node = nodeId("tag-1");
    const { window: _window, ...head } = offloadOf(0, { timeMs: NOW });
    const encoder = "00112233" as EncoderId;
    const offload: FeaturesOffload = {
      ...head,
      encoding: "features",
      encoder,
      codes: new Uint8Array(12),
    };
    const log = new LabelLog({ directory: folder, nowMs: NOW });
    log.commit([{ kind: "offload", node, nowMs: NOW, offload, teachable: true }]);
    log.close();
    const { told } = await ask<AnimalWindow>(`/api/window?node=tag-1&id=${await newestId()}`);
    expect(told).toMatchObject({ encoding: "features", signal: null, teacher: null });
  });

  it("belong to their node", async () => {
    const { told } = await ask<AnimalWindows>("/api/windows?node=collar-8");
    const [first] = told.windows;
    expect((await ask(`/api/window?node=collar-8&id=${first?.id}`)).status).toBe(200);
    expect((await ask(`/api/window?node=${NODE}&id=${first?.id}`)).status).toBe(404);
  });
});

describe("a day of a group", () => {
  it("has every member's budget as its own page has it, and the mean of those heard", async () => {
    const { told } = await ask<GroupDay>(`/api/group?name=heifers&day=${WHOLE}`);
    const days = await Promise.all(
      [NODE, "collar-8"].map((node) => ask<AnimalDay>(`/api/animal?node=${node}&day=${WHOLE}`)),
    );
    expect(told.nodes.map(({ node }) => node)).toEqual([NODE, "collar-8", "collar-9"]);
    expect(told.nodes.map(({ budget }) => budget)).toEqual([
      ...days.map((d) => d.told.budget),
      null,
    ]);
    for (const [i, { told: own }] of days.entries()) {
      expect(told.nodes[i]?.bouts).toEqual(
        own.bouts.map((bout) => [
          cattle.classes.indexOf(bout.behaviour),
          Math.round(bout.start),
          Math.round(bout.start + 1000 * bout.duration_seconds),
        ]),
      );
    }
    const [grazing = ""] = cattle.classes;
    const mean = days.reduce((sum, d) => sum + (d.told.budget.minutes[grazing] ?? 0) / 2, 0);
    expect(told.budget?.minutes[grazing]).toBeCloseTo(mean, 1);
    expect((await ask<GroupDay>("/api/group?name=heifers")).told.day).toBe("2026-03-15");
  });

  it("is of no group that the settings do not name", async () => {
    expect((await ask("/api/group?name=goats")).status).toBe(404);
    for (const words of ["", "?name=", "?name=A", "?name=heifers&day=x", "?name=heifers&x=1"]) {
      expect([words, (await ask(`/api/group${words}`)).status]).toEqual([words, 400]);
    }
  });
});

describe("other shares of offloads", () => {
  it("are estimated of the model that nodes run, from all that was answered", async () => {
    const { status, told } = await ask<LoopCurves>("/api/curves");
    expect(status).toBe(200);
    const [curve] = told.curves;
    expect(told.curves).toHaveLength(1);
    expect(curve).toMatchObject({ model: MODEL, nodes: 2, audits_least: 30 });
    const points = curve?.points ?? [];
    expect(points.length).toBeGreaterThan(20);
    // Both have one in sixteen offloaded for novelty, and a doubt costs at least that.
    const { told: day } = await ask<AnimalDay>(`/api/animal?node=${NODE}&day=${WHOLE}`);
    const { told: today } = await ask<AnimalDay>(`/api/animal?node=${NODE}`);
    const hours = [...day.hours, ...today.hours];
    const windows = 2 * hours.reduce((sum, hour) => sum + hour.windows, 0);
    const novel = filled.offloads.filter(({ offload }) => offload.reason === "novel").length;
    expect(points[0]?.share).toBeCloseTo((2 * novel) / windows, 1);
    expect(curve?.now).toBeGreaterThan(points[0]?.share ?? 1);
    // Kept ones are mostly right, so that what more offloads mend is less and less.
    const told1 = points.map((point) => point.told);
    expect(told1).toEqual([...told1].sort((a, b) => a - b));
    for (const point of points) {
      expect(point.told_low).toBeLessThanOrEqual(point.told);
      expect(point.told_high).toBeGreaterThanOrEqual(point.told);
    }
  });
});

it.each([
  "/api/animal",
  "/api/animal?node=",
  "/api/animal?node=Collar",
  `/api/animal?node=${"a".repeat(65)}`,
  "/api/animal?node=a%27%20OR%201=1",
  `/api/animal?node=${NODE}&day=today`,
  `/api/animal?node=${NODE}&day=${WHOLE}T00:00`,
  `/api/animal?node=${NODE}&other=1`,
  `/api/animal?node=${NODE}&node=collar-8`,
  `/api/windows?node=${NODE}&after=-1`,
  `/api/windows?node=${NODE}&after=1e9`,
  `/api/windows?node=${NODE}&after=99999999999999999`,
  `/api/window?node=${NODE}`,
  `/api/window?node=${NODE}&id=1.5`,
  `/api/near?node=${NODE}&id=`,
  `/api/near?node=${NODE}`,
  `/api/window?node=${NODE}&id=0x10`,
])("%s is refused", async (path) => {
  const { status, told } = await ask<{ error: string }>(path);
  expect(status).toBe(400);
  expect(told.error).toContain("node is a node's name");
});

it("sends away who asks when many wait, and answers the others", async () => {
  // Far more than a question over HTTP can be slower than.
  const waiting = Array.from({ length: 12 * QUESTIONS_MAX }, () =>
    reader.ask({ kind: "animal", node: NODE, day: undefined }),
  );
  const { status } = await ask(`/api/animal?node=${NODE}`);
  expect(status).toBe(503);
  const answered = await Promise.all(waiting);
  expect(new Set(answered.map((answer) => answer?.status))).toEqual(new Set([200]));
  expect((await ask(`/api/animal?node=${NODE}`)).status).toBe(200);
});
