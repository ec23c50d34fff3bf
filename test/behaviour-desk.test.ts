/** Bouts, budgets and alerts by the gateway: on its steps, over MQTT, through a restart, by hand. */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { connectAsync } from "mqtt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../gateway/config/config.ts";
import { stepGateway } from "../gateway/gateway.ts";
import {
  createState,
  type GatewayEffect,
  type GatewayState,
  newDiscovery,
} from "../gateway/gateway-state.ts";
import { newBehaviourDesk } from "../gateway/herd/behaviour-state.ts";
import { DEFAULT_ROLLOUT_POLICY } from "../gateway/release/rollout.ts";
import { LabelLog } from "../gateway/store/label-log.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { tellAlert } from "../gateway/telling/tell-behaviours.ts";
import { DAY_MS, HOUR_MS } from "../src/behaviour/budget.ts";
import {
  AlertSchema,
  type BoutEvent,
  BoutEventSchema,
  BudgetSchema,
  type BudgetSpan,
  GroupBudgetSchema,
} from "../src/wire/public.ts";
import { nodeId } from "../src/wire/topics.ts";
import {
  base,
  cattle,
  gatewayOn,
  HandNode,
  removeFolder,
  reportOf,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const node = nodeId("collar-1");
const MONDAY = Date.UTC(2026, 0, 5);
const RULES = `
behaviours: { groups: { heifers: [collar-1, collar-2] } }
alerts: { rules: [{ name: less, behaviours: [grazing], change_percent: -20 }] }`;

function made(yaml = RULES): GatewayState {
  const { behaviours } = parseConfig(yaml, "gateway.yaml", {});
  const settings = {
    base,
    classes: cattle.classes,
    teacher: { id: "feedfeedfeedfeed", windowSamples: 50, channels: 3, rateHz: 10 },
    version: "1",
    startedMs: MONDAY,
    rolloutPolicy: DEFAULT_ROLLOUT_POLICY,
    silences: 2.5,
    devicesMs: 1_000,
    nodesMax: 5,
  };
  const times = { hopMs: 2_500, windowMs: 5_000 };
  return createState(
    settings,
    [],
    0,
    newBehaviourDesk(behaviours, cattle, times),
    newDiscovery(true),
  );
}

/** One committed report with a window every 50 s: grazing for so many hours, then still. */
function liveDay(state: GatewayState, dayMs: number, grazingHours: number): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  for (let hour = 0; hour < 24; hour++) {
    const entries = Array.from({ length: 72 }, (_, i) => ({
      windowIndex: Math.round((dayMs - MONDAY) / 50_000) + hour * 72 + i,
      timeMs: dayMs + hour * HOUR_MS + (i + 1) * 50_000,
      classIndex: hour + i / 72 < grazingHours ? 0 : 1,
      confidenceQ8: 250,
      exit: 0,
      offloaded: false,
    }));
    const report = { ...reportOf(hour, []), entries };
    const nowMs = dayMs + (hour + 1) * HOUR_MS;
    const rows = [{ kind: "report", node, nowMs, report } as const];
    const stored = [{ fresh: true, offloadId: 0, freshEntries: entries.length }];
    effects.push(...stepGateway(state, { kind: "stored", rows, stored }, nowMs, nowMs));
    effects.push(...stepGateway(state, { kind: "tick" }, nowMs, nowMs));
  }
  return effects;
}

function toldOn(effects: readonly GatewayEffect[], topic: string): unknown[] {
  return effects.flatMap((effect) =>
    effect.kind === "tell" && effect.topic === `${base}/${topic}` ? [JSON.parse(effect.json)] : [],
  );
}

function sumOf({ start, end, minutes, unknown_minutes: unknown }: BudgetSpan): void {
  const known = Object.values(minutes).reduce((a, b) => a + b, 0);
  expect(known + unknown).toBeCloseTo((end - start) / 60_000, 1);
}

describe("how long bouts are taken to last", () => {
  const lengths = (yaml: string, typicalMs?: number) => {
    const { behaviours } = parseConfig(yaml, "gateway.yaml", {});
    const teacher = { classes: cattle.classes, typicalMs };
    return newBehaviourDesk(behaviours, teacher, { hopMs: 2_500, windowMs: 5_000 }).rule.typicalMs;
  };

  it("is said by the settings, else by the teacher's file, else ten seconds", () => {
    expect(lengths("")).toEqual([10_000, 10_000, 10_000]);
    expect(lengths("", 20_000)).toEqual([20_000, 20_000, 20_000]);
    expect(lengths("behaviours: { typical_seconds: 5 }", 20_000)).toEqual([5_000, 5_000, 5_000]);
    const one = "behaviours: { typical_seconds_of: { still: 300 } }";
    expect(lengths(one, 20_000)).toEqual([20_000, 300_000, 20_000]);
  });
});

describe("days", () => {
  it("are told as budgets that add up, and compared with the animal's own days before", () => {
    const state = made();
    const effects: GatewayEffect[] = [];
    const hours = [8, 8.25, 7.75, 8, 5];
    hours.forEach((grazing, day) => {
      effects.push(...liveDay(state, MONDAY + day * DAY_MS, grazing));
    });
    const after = MONDAY + 5 * DAY_MS + 2 * HOUR_MS;
    effects.push(...stepGateway(state, { kind: "tick" }, after, after));
    const budgets = toldOn(effects, "collar-1/budget").map((json) => BudgetSchema.parse(json));
    for (const { hour, day, yesterday } of budgets) [hour, day, yesterday].forEach(sumOf);
    expect(budgets.at(-1)?.yesterday.minutes).toMatchObject({ grazing: 300, still: 1_140 });
    expect(budgets.at(-1)?.day).toMatchObject({ unknown_minutes: 120 });
    const alerts = toldOn(effects, "collar-1/alert").map((json) => AlertSchema.parse(json));
    expect(alerts).toHaveLength(1);
    expect(alerts[0]).toMatchObject({
      id: `collar-1:less:${MONDAY + 4 * DAY_MS}`,
      minutes: 300,
      baseline_minutes: expect.closeTo(480, 0),
      change_percent: expect.closeTo(-37.5, 1),
      days: 4,
      message: expect.stringMatching(/^collar-1: grazing down 37 %, 300 minutes a day/),
    });
    const days = effects.filter((e) => e.kind === "store" && e.row.kind === "day");
    expect(days).toHaveLength(5);
    expect(state.behaviours.nodes.get(node)?.cells.quarters.length).toBeLessThan(200);
  });

  it("of a group are the mean of its nodes that were heard", () => {
    const state = made();
    const effects = liveDay(state, MONDAY, 8);
    const groups = toldOn(effects, "group/heifers/budget").map((j) => GroupBudgetSchema.parse(j));
    expect(groups.at(-1)).toMatchObject({ group: "heifers", nodes: 1 });
    for (const { hour, day, yesterday } of groups) [hour, day, yesterday].forEach(sumOf);
  });
});

it("an alert of many behaviours is no longer than a payload's message may be", () => {
  const rule = { name: "all", classIndices: Array<number>(200).fill(0), changePercent: -20 };
  const change = { minutes: 1, baselineMinutes: 2, changePercent: -50, deviations: 3, days: 4 };
  const effect = tellAlert(made(), node, rule, 0, { ...change, alarm: true });
  const json: unknown = effect.kind === "tell" ? JSON.parse(effect.json) : undefined;
  expect((json as { message: string }).message).toHaveLength(400);
});

describe("over MQTT", () => {
  let folder: string;
  let teacher: OpenTeacher;

  beforeAll(async () => {
    folder = temporaryFolder();
    teacher = await untrainedTeacher(folder);
  });

  afterAll(async () => {
    await teacher.close();
    removeFolder(folder);
  });

  /** 40 windows of grazing, then still: as a node reports them. */
  const entriesOf = (from: number, to: number): ReturnType<typeof reportOf>["entries"] =>
    Array.from({ length: to - from }, (_, i) => ({
      windowIndex: from + i,
      timeMs: 1_700_000_000_000 + 2_500 * (from + i),
      classIndex: from + i < 40 ? 0 : 1,
      confidenceQ8: 245,
      exit: 0,
      offloaded: false,
    }));

  it("bouts and budgets are told and stored, and go on after a restart", async () => {
    const yaml = "broker: { port: 0 }\ndata_directory: bouts\nbehaviours: { budget_seconds: 1 }";
    const bouts: BoutEvent[] = [];
    const budgets: unknown[] = [];
    const listen = async (url: string) => {
      const people = await connectAsync(url, { reconnectPeriod: 0 });
      people.on("message", (topic, payload) => {
        const json: unknown = JSON.parse(payload.toString());
        if (topic.endsWith("/bout")) bouts.push(BoutEventSchema.parse(json));
        else budgets.push(BudgetSchema.parse(json));
      });
      await people.subscribeAsync([`${base}/+/bout`, `${base}/+/budget`]);
      return people;
    };
    const first = await gatewayOn(folder, teacher, { yaml });
    const people = await listen(first.url);
    const collar = await HandNode.connect(first.url, "collar-1");
    await collar.hello();
    await collar.report([], { entries: entriesOf(0, 30) });
    await collar.report([], { entries: entriesOf(30, 60) });
    await until("two bouts", () => bouts.length === 3);
    expect(bouts.map(({ type, id }) => [type, id])).toEqual([
      ["new", "collar-1:1"],
      ["end", "collar-1:1"],
      ["new", "collar-1:2"],
    ]);
    expect(bouts[1]?.after).toMatchObject({ behaviour: "grazing", windows: 40 });
    await until("a budget", () => budgets.length > 0);
    await people.endAsync();
    await first.stop();

    const second = await gatewayOn(folder, teacher, { yaml });
    const again = await listen(second.url);
    await collar.close();
    const back = await HandNode.connect(second.url, "collar-1");
    await back.hello();
    await back.report([], { seq: 9, entries: entriesOf(60, 80) });
    await until("it is stored", () => second.nodes()[0]?.windows === 80);
    await back.client.publishAsync(`${base}/collar-1/availability`, '{"state":"offline"}');
    await until("the end", () => bouts.at(-1)?.type === "end" && bouts.length > 3);
    // The bout goes on where it was: the same id, one end, nothing told twice.
    expect(bouts.slice(3)).toMatchObject([
      { type: "end", id: "collar-1:2", after: { behaviour: "still", windows: 40 } },
    ]);
    await back.close();
    await again.endAsync();
    await second.stop();

    const csv = path.join(folder, "bouts.csv");
    const directory = path.join(folder, "bouts");
    const args = ["history", "collar-1", "--data-dir", directory, "--csv", csv, "--json"];
    const history = JSON.parse(
      execFileSync("node", ["bin/bellwether.js", ...args], { encoding: "utf8" }),
    );
    expect(history.bouts).toMatchObject([
      { number: 1, behaviour: "grazing", windows: 40 },
      { number: 2, behaviour: "still", windows: 40 },
    ]);
    sumOf(history.budget);
    expect(history.budget.minutes).toMatchObject({ grazing: 1.667, still: 1.667 });
    const lines = readFileSync(csv, "utf8").trim().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines[1]).toMatch(/^collar-1,1,grazing,/);
  }, 30_000);

  it("windows of a store from before there were bouts become bouts at the next start", async () => {
    const directory = path.join(folder, "older");
    mkdirSync(directory);
    const log = new LabelLog({ directory, nowMs: 1 });
    const nowMs = Date.now();
    const entries = entriesOf(0, 60).map((entry) => ({
      ...entry,
      timeMs: nowMs - (60 - entry.windowIndex) * 2_500,
    }));
    const report = { ...reportOf(0, []), entries };
    log.commit([{ kind: "report", node, nowMs, report }]);
    log.close();
    const database = new DatabaseSync(path.join(directory, "labels.db"));
    database.exec("DROP TABLE bouts; DROP TABLE behaviour_days;");
    database.close();
    const gateway = await gatewayOn(folder, teacher, {
      yaml: "broker: { port: 0 }\ndata_directory: older",
    });
    await until("the bouts", () => gateway.labels().bouts("collar-1", 0, 2 * nowMs).length === 2);
    expect(gateway.labels().bouts("collar-1", 0, 2 * nowMs)).toMatchObject([
      { number: 1, classIndex: 0, windows: 40, over: true },
      { number: 2, classIndex: 1, windows: 20 },
    ]);
    await gateway.stop();
  });

  it("a rule for what no teacher knows is refused at the start", async () => {
    const yaml =
      "broker: { port: 0 }\ndata_directory: misspelt\n" +
      "alerts: { rules: [{ name: less, behaviours: [grasing], change_percent: -20 }] }";
    await expect(gatewayOn(folder, teacher, { yaml })).rejects.toMatchObject({
      code: "behaviour-unknown",
    });
  });
});
