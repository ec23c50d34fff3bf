/**
 * After an alarm: which windows to send so that a few dozen teach the student the new place.
 *
 * Many bouts, few windows of each, none that repeats one sent lately. The student is in doubt about
 * everything then, so the choice rests on raw statistics alone. A bout here is a stretch during
 * which these stay near their running mean.
 */

import type { BurstGate } from "./gate-parameters.ts";
import { REMEMBERED_WINDOWS } from "./gate-state.ts";
import type { BurstState, GateState } from "./gate-state.ts";
import { statisticsDistance } from "./window-statistics.ts";
import type { WindowStatistics } from "./window-statistics.ts";

/** Windows in a row away from the running mean that make a new bout. */
const AWAY_WINDOWS = 2;

/** A burst of that many windows from now on; one that is running is topped up, not restarted. */
export function callBurst(burst: BurstState, windows: number): BurstState {
  if (burst.left > 0) return { ...burst, left: Math.max(burst.left, windows) };
  return { left: windows, ageWindows: 0, sinceLastWindows: 0, takenInBout: 0, taken: [] };
}

/** Moves the running mean of raw statistics on, and sees whether a new bout has begun. */
export function followBout(
  gate: BurstGate,
  state: GateState,
  statistics: WindowStatistics,
): Pick<GateState, "boutMeansQ4" | "boutAwayWindows" | "burst"> {
  const here = statistics.map((value) => value * 16);
  if (state.boutMeansQ4.length !== here.length) {
    return { boutMeansQ4: here, boutAwayWindows: 0, burst: state.burst };
  }
  const away = statisticsDistance(state.boutMeansQ4, here) > gate.boutChange * 16;
  if (away && state.boutAwayWindows + 1 >= AWAY_WINDOWS) {
    const burst = { ...state.burst, takenInBout: 0 };
    return { boutMeansQ4: here, boutAwayWindows: 0, burst };
  }
  if (away) {
    const { boutMeansQ4, burst } = state;
    return { boutMeansQ4, boutAwayWindows: state.boutAwayWindows + 1, burst };
  }
  const boutMeansQ4 = here.map((value, i) => {
    const mean = state.boutMeansQ4[i] as number;
    return mean + Math.trunc((value - mean) / 8);
  });
  return { boutMeansQ4, boutAwayWindows: 0, burst: state.burst };
}

/** Whether the burst wants this window, and how it goes on if it is taken or left. */
export function seekForBurst(
  gate: BurstGate,
  burst: BurstState,
  statistics: WindowStatistics,
): { readonly wanted: boolean; readonly ifTaken: BurstState; readonly ifLeft: BurstState } {
  if (burst.left === 0) return { wanted: false, ifTaken: burst, ifLeft: burst };
  const ageWindows = Math.min(burst.ageWindows + 1, 65535);
  if (ageWindows > gate.expiryWindows || ageWindows === 65535) {
    const over = { ...burst, left: 0, taken: [] };
    return { wanted: false, ifTaken: over, ifLeft: over };
  }
  const sinceLastWindows = Math.min(burst.sinceLastWindows + 1, 65535);
  const repeats = burst.taken.some(
    (taken) => statisticsDistance(taken, statistics) < gate.diversity,
  );
  const wanted =
    ageWindows > gate.delayWindows &&
    (burst.taken.length === 0 || sinceLastWindows > gate.gapWindows) &&
    burst.takenInBout < gate.perBout &&
    !repeats;
  return {
    wanted,
    ifTaken: {
      left: burst.left - 1,
      ageWindows,
      sinceLastWindows: 0,
      takenInBout: Math.min(burst.takenInBout + 1, 255),
      taken: [statistics, ...burst.taken.slice(0, REMEMBERED_WINDOWS - 1)],
    },
    ifLeft: { ...burst, ageWindows, sinceLastWindows },
  };
}
