/** Progress: one line that is redrawn in a terminal, a few plain lines in a log, nothing when quiet. */

import { describe, expect, it } from "vitest";
import { makeProgress } from "../cli/progress.ts";

function target(isTerminal: boolean, columns = 60) {
  let written = "";
  let nowMs = 0;
  return {
    written: () => written,
    pass: (ms: number) => {
      nowMs += ms;
    },
    write: (text: string) => {
      written += text;
    },
    isTerminal,
    columns: () => columns,
    nowMs: () => nowMs,
  };
}

describe("progress", () => {
  it("in a terminal redraws one line, not too often, and never wider than the screen", () => {
    const screen = target(true, 60);
    const progress = makeProgress("distil", screen, false);
    for (let i = 0; i <= 100; i++) {
      progress.update(`epoch ${i} of 100, ${"long ".repeat(20)}`, i / 100);
      screen.pass(20);
    }
    progress.done("100 epochs");
    const drawn = screen.written().split("\r\u001b[2K").slice(1);
    expect(drawn.length).toBeLessThan(40);
    expect(Math.max(...drawn.map((line) => line.length))).toBeLessThanOrEqual(60);
    expect(drawn.at(-1)).toBe("distil  100 epochs\n");
    expect(screen.written()).toContain("[============            ]  48 %");
  });

  it("in a log writes plain lines, seconds apart", () => {
    const log = target(false);
    const progress = makeProgress("distil", log, false);
    for (let i = 0; i < 100; i++) {
      progress.update(`epoch ${i}`, i / 100);
      log.pass(200);
    }
    progress.done("done");
    expect(log.written()).toBe(
      "distil 0 %: epoch 0\ndistil 25 %: epoch 25\ndistil 50 %: epoch 50\n" +
        "distil 75 %: epoch 75\ndistil: done\n",
    );
  });

  it("when quiet says nothing", () => {
    for (const isTerminal of [true, false]) {
      const nowhere = target(isTerminal);
      const progress = makeProgress("distil", nowhere, true);
      progress.update("epoch 1", 0.5);
      progress.done("done");
      expect(nowhere.written()).toBe("");
    }
  });
});
