/** What the page shows, worked out from the board's changes: rows, the loop, and who needs a look. */

import { describe, expect, it } from "vitest";
import {
  applyChange,
  createHerd,
  durationText,
  loopOf,
  needsLook,
  rowOf,
  summaryOf,
} from "../gateway/dashboard/herd-view.ts";
import { Board, type BoardChange } from "../gateway/telling/board.ts";
import { bridgeTopic, nodeId, nodeTopic } from "../src/wire/topics.ts";
import { behaviourOf, deviceOf, infoOf } from "./board-kit.ts";
import { base } from "./gateway-kit.ts";

const NOW = 1_700_000_000_000;

function herdOf(...changes: readonly BoardChange[]) {
  const herd = createHerd();
  for (const change of changes) applyChange(herd, change);
  return herd;
}
const does = (node: string, more = {}): BoardChange => ({
  kind: "behaviour",
  node,
  value: behaviourOf(node, more),
});
const is = (node: string, more = {}): BoardChange => ({
  kind: "device",
  node,
  value: deviceOf(node, more),
});

describe("a row", () => {
  it("is live while the node, its answer and the line are", () => {
    const herd = herdOf(is("collar-1"), does("collar-1", { since: NOW - 200_000, time: NOW }));
    expect(rowOf(herd, "collar-1", NOW + 3_000, true)).toMatchObject({
      status: "live",
      behaviour: "grazing",
      sure: 90,
      source: "exit 1",
      lasts: "3 min",
      heard: "just now",
    });
  });

  it("is never live without a word from the gateway, or from a gateway that is offline", () => {
    const herd = herdOf(is("collar-1"), does("collar-1"));
    expect(rowOf(herd, "collar-1", NOW, false).status).toBe("stale");
    applyChange(herd, { kind: "bridge", value: { state: "offline" } });
    expect(rowOf(herd, "collar-1", NOW, true).status).toBe("stale");
  });

  it("is offline with its node, and stale after that until it says something new", () => {
    const herd = herdOf(does("collar-1"), is("collar-1", { state: "offline" }));
    expect(rowOf(herd, "collar-1", NOW, true).status).toBe("offline");
    applyChange(herd, is("collar-1"));
    expect(rowOf(herd, "collar-1", NOW, true).status).toBe("stale");
    applyChange(herd, does("collar-1", { sequence: 8 }));
    expect(rowOf(herd, "collar-1", NOW, true).status).toBe("live");
  });

  it("of a node that has told nothing says so", () => {
    const row = rowOf(herdOf(is("collar-1")), "collar-1", NOW, true);
    expect(row).toMatchObject({ status: "silent", behaviour: "nothing told yet", sure: null });
  });

  it("needs a look when in doubt, drifting, broken, unsure or gone, and not otherwise", () => {
    const look = (device: object, behaviour: object): boolean =>
      needsLook(rowOf(herdOf(is("c", device), does("c", behaviour)), "c", NOW, true));
    expect(look({}, {})).toBe(false);
    expect(look({ alarm: true }, {})).toBe(true);
    expect(look({ fault: "rate" }, {})).toBe(true);
    expect(look({}, { trusted: false })).toBe(true);
    expect(look({}, { confidence: 0.4 })).toBe(true);
    expect(look({ state: "offline" }, {})).toBe(true);
  });
});

describe("sums", () => {
  const herd = herdOf(
    { kind: "info", value: infoOf({ release: { sequence: 2, model: null } }) },
    is("a", { windows: 100, offloads: 20, release: 2 }),
    is("b", { windows: 300, offloads: 20, alarm: true }),
    is("c", { state: "offline", windows: 0, offloads: 0, withheld: "too-large" }),
    does("a"),
    does("b", { behaviour: "resting" }),
    does("c"),
  );

  it("say what a listener needs in a sentence", () => {
    const rows = ["a", "b", "c"].map((node) => rowOf(herd, node, NOW, true));
    expect(summaryOf(herd, rows)).toBe(
      "3 nodes: 1 grazing, 1 resting, 1 not live. 1 with a drift alarm.",
    );
  });

  it("weigh the offload share by windows", () => {
    expect(loopOf(herd)).toMatchObject({
      offload: "10.0 %",
      alarms: "1 of 3 nodes",
      rollout: "release 2 on 1, factory on 2 of 3 nodes; withheld from 1 that cannot hold it",
    });
  });
});

it("durations are as long as a person wants them", () => {
  const texts = [0, 59_400, 60_000, 3_600_000, 7_500_000, 49 * 3_600_000].map(durationText);
  expect(texts).toEqual(["0 s", "59 s", "1 min", "1 h", "2 h 5 min", "2 days"]);
});

describe("the board", () => {
  const devices = (...list: readonly object[]): string => JSON.stringify({ v: 1, devices: list });

  it("tells what has changed once, and of devices only those that differ", () => {
    const board = new Board(base);
    board.take(bridgeTopic(base, "devices"), devices(deviceOf("a"), deviceOf("b")));
    board.take(nodeTopic(base, nodeId("a"), "behaviour"), JSON.stringify(behaviourOf("a")));
    expect(board.changes().map(({ kind }) => kind)).toEqual(["device", "device", "behaviour"]);
    expect(board.changes()).toEqual([]);
    board.take(bridgeTopic(base, "devices"), devices(deviceOf("a"), deviceOf("b", { windows: 9 })));
    expect(board.changes()).toMatchObject([{ kind: "device", node: "b" }]);
  });

  it("keeps a bounded diary, and lets pass what it does not show", () => {
    const board = new Board(base);
    const event = { v: 1, type: "node-joined", time: NOW, message: "collar-1 joined" };
    for (let i = 0; i < 80; i++) board.take(bridgeTopic(base, "event"), JSON.stringify(event));
    board.take("elsewhere/x/behaviour", "{");
    board.take(nodeTopic(base, nodeId("a"), "event"), "{");
    const { changes } = board.state(NOW);
    expect(changes).toHaveLength(50);
    expect(changes.at(-1)).toMatchObject({ kind: "diary", number: 80 });
  });
});
