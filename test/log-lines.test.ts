/** Log lines stay lines, and stay few. */

import { describe, expect, it } from "vitest";
import { lineLog } from "../gateway/log-lines.ts";

function logged(level: "debug" | "warning" = "debug") {
  const lines: string[] = [];
  let nowMs = Date.UTC(2026, 0, 31, 6);
  const log = lineLog(
    level,
    (line) => lines.push(line),
    () => nowMs,
  );
  return { lines, log, pass: (ms: number) => (nowMs += ms) };
}

describe("a log line", () => {
  it("has a time, a level, words and fields", () => {
    const { lines, log } = logged();
    log("info", "hello", { node: "collar-1", nodes: 3, loop: true });
    expect(lines).toEqual([
      "2026-01-31T06:00:00.000Z info    hello node=collar-1 nodes=3 loop=true",
    ]);
  });

  it("cannot be forged by what a stranger sends", () => {
    const { lines, log } = logged();
    log("warning", "denied", {
      client: "a\n2026-01-31T06:00:00.000Z info all is well",
      x: "b c=d",
    });
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain("\n");
    expect(lines[0]).toContain('x="b c=d"');
    log("warning", "denied", { client: "y".repeat(5_000) });
    expect(lines[1]?.length).toBeLessThan(400);
  });

  it("below the asked level is not written", () => {
    const { lines, log } = logged("warning");
    log("debug", "a");
    log("info", "b");
    log("error", "c");
    expect(lines).toHaveLength(1);
  });

  it("of one kind comes sixty times a minute, and what was left out is counted", () => {
    const { lines, log, pass } = logged();
    for (let i = 0; i < 1_000; i++) log("warning", "flood", { i });
    log("info", "another");
    expect(lines).toHaveLength(61);
    pass(60_000);
    log("warning", "flood", { i: "again" });
    expect(lines.slice(61).map((line) => line.split("flood ")[1])).toEqual([
      "left_out=940",
      "i=again",
    ]);
  });
});
