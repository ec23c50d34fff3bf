/**
 * How soon a gateway knows that a sensor is broken, by what a node offloads and when its windows ended;
 * and how often it says so of sound ones.
 */
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import type { Prng } from "../src/prng.ts";
import { NEW_RATE_WATCH, watchRate } from "../src/signal/rate-watch.ts";
import { NEW_SENSOR_WATCH, watchSensor } from "../src/signal/sensor-watch.ts";
import { windowAt } from "../src/signal/window-set.ts";
import {
  anyBout,
  type LivedWindow,
  livedWindows,
  type NextBout,
  partOfBout,
  type Worn,
} from "./drift-lives.ts";
import { NO_ALARM } from "./drift-streams.ts";

/** Sound windows before each fault. */
const WINDOWS_BEFORE = 60;

export type Collar = {
  readonly gate: GateParameters;
  readonly hopMs: number;
  readonly inputMilligPerStep: number;
  readonly calm: Worn;
};

/** Windows from the fault on; `NO_ALARM` where none came. */
export type SensorDelay = {
  readonly fault: number;
  /** Until the node's own drift alarm. */
  readonly alarm: number;
};

export function sensorDelayOf(
  collar: Collar,
  broken: { readonly worn: Worn; readonly rateFactor: number },
  random: Prng,
): SensorDelay {
  let windows = 0;
  const next: NextBout = () =>
    windows < WINDOWS_BEFORE
      ? {
          worn: collar.calm,
          indices: anyBout(collar.calm, random).slice(0, WINDOWS_BEFORE - windows),
          rateFactor: 1,
        }
      : {
          ...broken,
          indices: (windows === WINDOWS_BEFORE ? partOfBout : anyBout)(broken.worn, random),
        };
  const faulty = sensorJudge(collar);
  let delay: SensorDelay = { fault: NO_ALARM, alarm: NO_ALARM };
  let wasAlarm = false;
  const life = livedWindows(collar.gate, next, collar.hopMs, random);
  for (;;) {
    const lived = life.next().value;
    windows++;
    const since = windows - WINDOWS_BEFORE;
    const isFaulty = faulty(lived);
    const { alarm } = lived.decision;
    if (since > 0 && isFaulty) delay = { ...delay, fault: Math.min(delay.fault, since) };
    if (since > 0 && alarm && !wasAlarm) delay = { ...delay, alarm: Math.min(delay.alarm, since) };
    wasAlarm = alarm;
    if (since >= NO_ALARM || Math.max(delay.fault, delay.alarm) < NO_ALARM) return delay;
  }
}

/** Times that a sound sensor was called broken in so many windows. */
export function falseFaults(collar: Collar, windows: number, random: Prng): number {
  const { calm, gate, hopMs } = collar;
  const next: NextBout = () => ({ worn: calm, indices: anyBout(calm, random), rateFactor: 1 });
  const faulty = sensorJudge(collar);
  let [count, was, seen] = [0, false, 0];
  const life = livedWindows(gate, next, hopMs, random);
  for (;;) {
    const is = faulty(life.next().value);
    if (is && !was) count++;
    was = is;
    if (++seen >= windows) return count;
  }
}

/** As a gateway does: reports of one window each, windows where they are offloaded. */
function sensorJudge({ hopMs, inputMilligPerStep }: Collar): (lived: LivedWindow) => boolean {
  let sensor = NEW_SENSOR_WATCH;
  let rate = NEW_RATE_WATCH;
  return ({ worn: { windows }, index, decision, windowIndex, timeMs }) => {
    rate = watchRate(rate, 1, [{ windowIndex, timeMs }], hopMs);
    if (decision.offload !== null) {
      const measured = { window: windowAt(windows, index), channels: windows.channels };
      sensor = watchSensor(sensor, { ...measured, inputMilligPerStep }, timeMs);
    }
    return sensor.fault !== null || rate.factor !== null;
  };
}
