/**
 * Whose sensor is broken, by the windows that nodes offload and by when their windows ended. Pure.
 *
 * A broken sensor is no drift: nothing that a student could learn makes it right. So it has an event
 * of its own with its cause, and while it lasts the node's answers are told as not trusted, its
 * offloads teach nothing, and its drift alarm opens no collection. What is known of it is not stored:
 * a gateway that starts finds it again within as many windows as the first time.
 */

import { watchRate } from "../../src/signal/rate-watch.ts";
import { type SensorFault, watchSensor, windowFault } from "../../src/signal/sensor-watch.ts";
import { PUBLIC_VERSION, type SensorFaultEvent } from "../../src/wire/public.ts";
import { nodeTopic } from "../../src/wire/topics.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import type { Offload, Report } from "../store/label-rows.ts";
import { tellDiary } from "../telling/telling.ts";

/** A stored offload. */
export function onMeasured(
  state: GatewayState,
  node: NodeState,
  offload: Offload,
  nowMs: number,
): GatewayEffect[] {
  if (offload.encoding === "features") return [];
  const { sensor } = node;
  sensor.windows = watchSensor(sensor.windows, offload, offload.timeMs);
  return onJudged(state, node, offload.timeMs, nowMs);
}

/** A stored report. */
export function onTimed(
  state: GatewayState,
  node: NodeState,
  report: Report,
  nowMs: number,
): GatewayEffect[] {
  const newest = report.entries.at(-1);
  if (newest === undefined) return [];
  const { sensor } = node;
  const { hopMs } = state.behaviours.rule;
  sensor.rate = watchRate(sensor.rate, report.epoch, report.entries, hopMs);
  return onJudged(state, node, newest.timeMs, nowMs);
}

export function isSound({ sensor }: NodeState): boolean {
  return sensor.fault === null;
}

/** Whether the teacher's word on a window may count: not from a broken sensor, and of none that shows
 * one. A tail sees only what the node's own encoder let through: no witness while that node drifts. */
export function mayTrust({ sensor, row }: NodeState, offload: Offload): boolean {
  if (sensor.fault !== null) return false;
  return offload.encoding === "features" ? !row.alarm : windowFault(offload) === undefined;
}

function onJudged(
  state: GatewayState,
  node: NodeState,
  timeMs: number,
  nowMs: number,
): GatewayEffect[] {
  const { sensor } = node;
  const { windows, rate, fault: before } = sensor;
  const fault = windows.fault ?? (rate.factor === null ? null : "rate");
  if (fault === before) return [];
  // Another cause is news of the same trouble: it keeps its id, or the first would never be over.
  if (before === null) sensor.sinceMs = timeMs;
  sensor.fault = fault;
  state.devicesChanged = true;
  const over = before !== null && fault === null;
  const cause = fault ?? before;
  if (cause === null) return [];
  const { node: name } = node.row;
  const words = over ? "its sensor measures again" : wordsOf(state, node, cause);
  const told: SensorFaultEvent = {
    v: PUBLIC_VERSION,
    type: "sensor-fault",
    id: `${name}:fault:${sensor.sinceMs}`,
    node: name,
    cause,
    over,
    since: sensor.sinceMs,
    time: timeMs,
    message: `${name}: ${words}`,
  };
  const topic = nodeTopic(state.settings.base, name, "event");
  const text = over ? "sensor fault over" : "sensor fault";
  return [
    { kind: "tell", topic, json: JSON.stringify(told), qos: 1, retain: false },
    tellDiary(state, { type: "sensor-fault", node: name, message: told.message }, nowMs),
    { kind: "log", level: over ? "info" : "warning", message: text, fields: { node: name, cause } },
  ];
}

function wordsOf(state: GatewayState, { sensor }: NodeState, cause: SensorFault): string {
  switch (cause) {
    case "axis-stuck":
      return "an axis of its sensor says the same whatever the others do";
    case "flat":
      return "its sensor says the same on every axis: it is dead, or nobody wears it";
    case "clipped":
      return "an axis of its sensor stands at the end of its range";
    case "rate": {
      const { rateHz } = state.settings.teacher;
      const times = (sensor.rate.factor ?? 1).toFixed(2);
      return (
        `its windows come ${times} times as fast as at ${rateHz} Hz: it samples at another rate ` +
        "than it says, or its clock is wrong"
      );
    }
  }
}
