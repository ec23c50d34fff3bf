/**
 * What tests of the page share: public payloads of the published shapes, as a gateway tells them.
 */

import {
  type Alert,
  AlertSchema,
  type Audit,
  AuditSchema,
  type Behaviour,
  BehaviourSchema,
  type BridgeInfo,
  BridgeInfoSchema,
  type Device,
  DevicesSchema,
} from "../src/wire/public.ts";

const NOW = 1_700_000_000_000;

export function behaviourOf(node: string, more: Partial<Behaviour> = {}): Behaviour {
  return BehaviourSchema.parse({
    v: 1,
    node,
    behaviour: "grazing",
    confidence: 0.9,
    source: "exit 1",
    trusted: true,
    model: "0123456789abcdef",
    release: 0,
    since: NOW - 60_000,
    time: NOW,
    epoch: 1,
    sequence: 7,
    ...more,
  });
}

export function deviceOf(node: string, more: Partial<Device> = {}): Device {
  const device = {
    node,
    state: "online",
    cohort: "cattle/neck/10.00Hz/50x3",
    firmware: "test 1",
    model: "0123456789abcdef",
    release: 0,
    last_seen: NOW,
    battery: 80,
    windows: 10,
    offloads: 1,
    offload_ratio: 0.1,
    agreement: null,
    dropped: 0,
    drift: 1,
    alarm: false,
    ...more,
  };
  const [checked] = DevicesSchema.parse({ v: 1, devices: [device] }).devices;
  return checked as Device;
}

export function infoOf(more: Partial<BridgeInfo> = {}): BridgeInfo {
  return BridgeInfoSchema.parse({
    v: 1,
    version: "0.1.0",
    started: NOW,
    time: NOW,
    classes: ["grazing", "resting", "ruminating"],
    nodes: 3,
    teacher: { name: "teacher", trusted: true },
    soft_labels: 5,
    loop: { state: "idle", progress: null, note: "" },
    release: { sequence: 0, model: null },
    ...more,
  });
}

/** What so many audits say of a student that agrees so often. */
export function auditOf(agreement: number, audits: number): Audit {
  const half = 1.96 * Math.sqrt((agreement * (1 - agreement)) / audits);
  const clamped = (value: number): number =>
    Math.max(0, Math.min(1, Math.round(1000 * value) / 1000));
  const wrong = 1 - agreement;
  return AuditSchema.parse({
    windows: 4_000,
    audits,
    agreement: clamped(agreement),
    agreement_low: clamped(agreement - half),
    agreement_high: clamped(agreement + half),
    kept_agreement: clamped(agreement + 0.3 * wrong),
    mended: clamped(0.4 * wrong),
    mended_low: clamped(0.35 * wrong),
    mended_high: clamped(0.45 * wrong),
    left: clamped(0.6 * wrong),
    left_low: clamped(0.6 * wrong - half),
    left_high: clamped(0.6 * wrong + half),
    lift: 3.1,
    answered: 0.98,
  });
}

export function alertOf(node: string, message: string): Alert {
  return AlertSchema.parse({
    v: 1,
    id: `${node}:less-grazing:${NOW}`,
    node,
    rule: "less-grazing",
    behaviours: ["grazing"],
    day: NOW,
    minutes: 300,
    baseline_minutes: 540,
    change_percent: -44,
    deviations: -5,
    days: 7,
    message,
  });
}
