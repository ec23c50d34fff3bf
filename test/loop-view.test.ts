/** What the page of the loop shows of the board: points with intervals, drift, groups, alerts. */

import { describe, expect, it } from "vitest";
import { zoneText } from "../gateway/dashboard/animal-view.ts";
import { applyChange, createHerd } from "../gateway/dashboard/herd-view.ts";
import {
  alertRows,
  auditRows,
  curveName,
  curveRows,
  curveText,
  driftRows,
  groupRows,
  pointsOf,
  pointsText,
} from "../gateway/dashboard/loop-view.ts";
import type { CurvePoint, LoopCurve } from "../gateway/http/loop-payloads.ts";
import { Board } from "../gateway/telling/board.ts";
import { bridgeTopic, groupTopic, nodeId, nodeTopic, parseGroupTopic } from "../src/wire/topics.ts";
import { alertOf, auditOf, deviceOf, infoOf } from "./board-kit.ts";
import { base } from "./gateway-kit.ts";

const span = { start: 0, end: 60_000, minutes: { grazing: 1 }, unknown_minutes: 0 };
const group = { v: 1, group: "calves", nodes: 2, time: 0, hour: span, day: span, yesterday: span };

function herdOf(board: Board) {
  const herd = createHerd();
  for (const change of board.state(0).changes) applyChange(herd, change);
  return herd;
}

function boardOf(...devices: readonly ReturnType<typeof deviceOf>[]): Board {
  const board = new Board(base);
  board.take(bridgeTopic(base, "devices"), JSON.stringify({ v: 1, devices }));
  return board;
}

describe("points", () => {
  it("are those of nodes with an audit: the student's agreement, and what is not left wrong", () => {
    const audit = auditOf(0.9, 100);
    const herd = herdOf(boardOf(deviceOf("a", { audit, offload_ratio: 0.2 }), deviceOf("b")));
    const [point, ...others] = pointsOf(herd);
    expect(others).toEqual([]);
    expect(point).toMatchObject({ node: "a", offload: 0.2 });
    expect(point?.own).toEqual({
      value: 0.9,
      low: audit.agreement_low,
      high: audit.agreement_high,
    });
    expect(point?.told.value).toBeCloseTo(1 - audit.left, 9);
    expect(point?.told.low).toBeCloseTo(1 - audit.left_high, 9);
    expect(point?.told.high).toBeCloseTo(1 - audit.left_low, 9);
    expect(pointsText(pointsOf(herd), 2)).toBe(
      "1 of 2 nodes have trusted audits; on the median one offloading mends 4.0 of a hundred answers.",
    );
    expect(pointsText([], 2)).toBe("No node has a trusted audit yet.");
  });
});

it("drift is in order, the farthest first", () => {
  const herd = herdOf(
    boardOf(
      deviceOf("a", { drift: 1 }),
      deviceOf("b", { drift: 3, alarm: true }),
      deviceOf("c", { drift: 2 }),
    ),
  );
  expect(driftRows(herd).map(({ node }) => node)).toEqual(["b", "c", "a"]);
});

it("a cohort without a trusted audit has no figures", () => {
  const cohort = { cohort: "cattle", model: "0123456789abcdef", nodes: 1, audit: null };
  expect(auditRows(infoOf({ cohorts: [cohort] }))).toEqual([
    {
      name: "cattle, model 01234567, 1 node",
      agreement: "no trusted audit yet",
      mended: "",
      left: "",
      lift: "",
    },
  ]);
});

it("a cohort with one has its intervals, each in its own column", () => {
  const cohort = {
    cohort: "cattle",
    model: "0123456789abcdef",
    nodes: 2,
    audit: auditOf(0.9, 400),
  };
  expect(auditRows(infoOf({ cohorts: [cohort] }))).toEqual([
    {
      name: "cattle, model 01234567, 2 nodes",
      agreement: expect.stringContaining("90.0 %"),
      mended: "4.0 % (3.5 to 4.5)",
      left: "6.0 % (3.1 to 8.9)",
      lift: "3.1",
    },
  ]);
});

describe("groups and alerts on the board", () => {
  it("are in order: groups by name, alerts with the newest day first", () => {
    const board = new Board(base);
    for (const name of ["heifers", "calves"]) {
      board.take(groupTopic(base, name, "budget"), JSON.stringify({ ...group, group: name }));
    }
    const days = { a: 1, b: 3, c: 2 };
    for (const [node, day] of Object.entries(days)) {
      const alert = { ...alertOf(node, node), day };
      board.take(nodeTopic(base, nodeId(node), "alert"), JSON.stringify(alert));
    }
    const herd = herdOf(board);
    expect(groupRows(herd).map(({ name }) => name)).toEqual(["calves", "heifers"]);
    expect(alertRows(herd).map(({ node }) => node)).toEqual(["b", "c", "a"]);
  });

  it("are told when they change, and what is newest counts", () => {
    const board = new Board(base);
    board.take(groupTopic(base, "calves", "budget"), JSON.stringify(group));
    board.take(nodeTopic(base, nodeId("a"), "alert"), JSON.stringify(alertOf("a", "first")));
    board.take(nodeTopic(base, nodeId("a"), "alert"), JSON.stringify(alertOf("a", "second")));
    expect(board.changes().map(({ kind }) => kind)).toEqual(["group", "alert"]);
    expect(board.changes()).toEqual([]);
    const herd = herdOf(board);
    expect(groupRows(herd).map(({ name, nodes }) => [name, nodes])).toEqual([["calves", 2]]);
    expect(alertRows(herd).map(({ message }) => message)).toEqual(["second"]);
  });

  it("a group that is retained no more is gone", () => {
    const board = new Board(base);
    board.take(groupTopic(base, "calves", "budget"), JSON.stringify(group));
    const herd = herdOf(board);
    board.changes();
    board.take(groupTopic(base, "calves", "budget"), "");
    for (const change of board.changes()) applyChange(herd, change);
    expect(groupRows(herd)).toEqual([]);
  });
});

it.each([
  "bellwether/group/calves",
  "bellwether/group/Calves/budget",
  "other/group/calves/budget",
  "bellwether/group/calves/event",
])("%s is no group's budget", (topic) => {
  expect(parseGroupTopic(base, groupTopic(base, "calves", "budget"))).toBe("calves");
  expect(parseGroupTopic(base, topic)).toBeUndefined();
});

it("a day says whose clock it is of, where that is not the reader's", () => {
  const day = (hours: number) => ({ start: 0, utc_offset_ms: 3_600_000 * hours });
  expect(zoneText(day(2), 7_200_000)).toBe("");
  expect(zoneText(day(2), 0)).toMatch(/the farm's clock, UTC\+2\.$/);
  expect(zoneText(day(-3.5), 0)).toMatch(/UTC-3:30\.$/);
  expect(zoneText(day(0), 3_600_000)).toMatch(/clock, UTC\.$/);
});

describe("the curve of a model", () => {
  const at = (share: number, told: number): CurvePoint => {
    const share_low = share - 0.01;
    const share_high = share + 0.01;
    return { share, share_low, share_high, told, told_low: told - 0.02, told_high: told + 0.01 };
  };
  const curve: LoopCurve = {
    cohort: "cattle/neck",
    model: "0123456789abcdef",
    nodes: 1,
    answers: 2_400,
    audits: 140,
    audits_least: 30,
    now: 0.08,
    points: [at(0.01, 0.9), at(0.04, 0.93), at(0.09, 0.95), at(0.35, 0.99)],
  };

  it("is told with what it is from, or what is missing", () => {
    expect(curveName(curve)).toBe("cattle/neck, model 01234567, 1 node");
    expect(curveText(curve)).toBe(
      "By 2,400 answered windows, of them 140 audits; 8.0 % are offloaded now.",
    );
    expect(curveText({ ...curve, audits: 12, points: [] })).toBe(
      "Not enough audits: 12 of the 30 that it takes have been answered.",
    );
  });

  it("has a row for round shares, each point once and none beyond what was asked", () => {
    expect(curveRows(curve).map(({ share }) => share)).toEqual([0.01, 0.04, 0.09, 0.35]);
    expect(curveRows({ ...curve, points: [] })).toEqual([]);
  });
});
