import { describe, expect, it } from "vitest";
import { COLLAR } from "../device-sim/node-settings.ts";
import { judgeTrial, startTrial, type Trial, watchTrial } from "../device-sim/trial.ts";

const NOW = { uptimeMs: 1000, wallMs: 0 };
const LATER = { uptimeMs: 1000 + COLLAR.trialMs, wallMs: 0 };

/** @param move how far the raw statistics go from window to window */
function watched(windows: number, logits: (w: number) => number[], move: number): Trial {
  const trial = startTrial(0, NOW);
  for (let w = 0; w < windows; w++) {
    const statistics = [w * move, 0, 60, 3, 3, 3];
    watchTrial(trial, statistics, Int16Array.from(logits(w)));
  }
  return trial;
}

const answers = (w: number): number[] => [100 + w, -50, 3];
const constant = (): number[] => [100, -50, 3];
const flat = (w: number): number[] => [w, w, w];

describe("the trial of a model", () => {
  it("is over well after enough windows and a word from the gateway, not before both", () => {
    const trial = watched(COLLAR.trialWindows, answers, 10);
    expect(judgeTrial(trial, COLLAR, NOW)).toBe("go-on");
    trial.heard = true;
    expect(judgeTrial(trial, COLLAR, NOW)).toBe("confirm");
    const short = watched(COLLAR.trialWindows - 1, answers, 10);
    short.heard = true;
    expect(judgeTrial(short, COLLAR, NOW)).toBe("go-on");
  });

  it("ends badly when the answer stays the same while the signal plainly changes", () => {
    expect(judgeTrial(watched(10, constant, 10), COLLAR, NOW)).toBe("revert");
  });

  it("does not hold a sleeping animal against a model", () => {
    const asleep = watched(COLLAR.trialWindows, constant, 0);
    asleep.heard = true;
    expect(judgeTrial(asleep, COLLAR, NOW)).toBe("confirm");
  });

  it("ends badly when no class is ever preferred", () => {
    const trial = watched(COLLAR.trialWindows, flat, 0);
    trial.heard = true;
    expect(judgeTrial(trial, COLLAR, NOW)).toBe("revert");
  });

  it("ends badly when it takes too long", () => {
    expect(judgeTrial(watched(3, answers, 10), COLLAR, LATER)).toBe("revert");
  });
});
