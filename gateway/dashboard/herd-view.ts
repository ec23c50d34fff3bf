/**
 * What the page shows, worked out from the board's changes: rows, sums and sentences. Pure.
 *
 * What is not known to be so now is never called live: a node that is offline, one that has come back
 * and not yet said what it does, and all of them when the line to the gateway is silent.
 */

import type {
  Alert,
  Behaviour,
  BridgeEvent,
  BridgeInfo,
  Device,
  GroupBudget,
} from "../../src/wire/public.ts";
import type { BoardChange, BridgeState } from "../telling/board.ts";

type Node = {
  behaviour?: Behaviour | undefined;
  device?: Device | undefined;
  overKey?: string | undefined;
};

export type Herd = {
  readonly nodes: Map<string, Node>;
  info: BridgeInfo | undefined;
  bridge: BridgeState | undefined;
  readonly groups: Map<string, GroupBudget>;
  /** The newest of each node. */
  readonly alerts: Map<string, Alert>;
  /** Newest first. */
  readonly diary: { readonly number: number; readonly value: BridgeEvent }[];
};

export type RowStatus = "live" | "stale" | "offline" | "silent";

export type Row = {
  readonly node: string;
  readonly status: RowStatus;
  readonly behaviour: string;
  /** Whole percent; null where there is no behaviour. */
  readonly sure: number | null;
  readonly trusted: boolean;
  readonly source: string;
  /** How long it has lasted, by the node's own clock. */
  readonly lasts: string;
  readonly heard: string;
  readonly battery: string;
  /** What is wrong with the node; empty where nothing is. */
  readonly amiss: string;
  readonly release: string;
};

const DIARY_MAX = 50;
/** Releases that are counted apart, of those that nodes run. */
const RELEASES_MAX = 3;

export function createHerd(): Herd {
  return {
    nodes: new Map(),
    groups: new Map(),
    alerts: new Map(),
    info: undefined,
    bridge: undefined,
    diary: [],
  };
}

/** Returns the node whose row is another now; undefined for what concerns no node. */
export function applyChange(herd: Herd, change: BoardChange): string | undefined {
  switch (change.kind) {
    case "behaviour": {
      const node = nodeOf(herd, change.node);
      node.behaviour = change.value;
      return change.node;
    }
    case "device": {
      const node = nodeOf(herd, change.node);
      node.device = change.value;
      // What it did before it fell silent is not what it does when it is back.
      if (change.value.state === "offline") node.overKey = keyOf(node.behaviour);
      return change.node;
    }
    case "info":
      herd.info = change.value;
      return undefined;
    case "bridge":
      herd.bridge = change.value;
      return undefined;
    case "group":
      if (change.value === null) herd.groups.delete(change.group);
      else herd.groups.set(change.group, change.value);
      return undefined;
    case "alert":
      herd.alerts.set(change.node, change.value);
      return undefined;
    case "diary":
      if (herd.diary.some(({ number }) => number === change.number)) return undefined;
      herd.diary.unshift({ number: change.number, value: change.value });
      herd.diary.length = Math.min(herd.diary.length, DIARY_MAX);
      return undefined;
  }
}

/** @param nowMs the gateway's clock @param lineIsLive whether the gateway was heard lately */
export function rowOf(herd: Herd, name: string, nowMs: number, lineIsLive: boolean): Row {
  const { behaviour, device, overKey } = nodeOf(herd, name);
  const isLive = lineIsLive && herd.bridge?.state !== "offline";
  return {
    node: name,
    status: statusOf({ behaviour, device, overKey }, isLive),
    behaviour: behaviour?.behaviour ?? "nothing told yet",
    sure: behaviour === undefined ? null : Math.round(100 * behaviour.confidence),
    trusted: behaviour?.trusted ?? true,
    source: behaviour?.source ?? "",
    lasts: behaviour === undefined ? "" : durationText(behaviour.time - behaviour.since),
    heard: device === undefined ? "" : agoText(nowMs - device.last_seen),
    battery: device?.battery == null ? "" : `${device.battery} %`,
    amiss: amissText(device),
    release: device === undefined ? "" : releaseText(device.release),
  };
}

function statusOf({ behaviour, device, overKey }: Node, lineIsLive: boolean): RowStatus {
  if (device?.state === "offline") return "offline";
  if (behaviour === undefined) return "silent";
  if (!lineIsLive || device === undefined || overKey === keyOf(behaviour)) return "stale";
  return "live";
}

const DRIFT_ALARM = "drift alarm";
const FAULTS: Readonly<Record<NonNullable<Device["fault"]>, string>> = {
  "axis-stuck": "an axis of its sensor is stuck",
  flat: "its sensor says nothing",
  clipped: "its sensor is at its end",
  rate: "its sensor samples at another rate",
};

function amissText(device: Device | undefined): string {
  if (device === undefined) return "";
  if (device.fault !== null) return FAULTS[device.fault];
  return device.alarm ? DRIFT_ALARM : "";
}

/** Whether a person should look: gone, in doubt, drifting or broken. */
export function needsLook(row: Row): boolean {
  return row.status !== "live" || row.amiss !== "" || !row.trusted || (row.sure ?? 0) < 50;
}

export type Share = { readonly name: string; readonly count: number };

/** Live nodes by behaviour, in the order of the classes, and then how many are not live. */
export function sharesOf(herd: Herd, rows: readonly Row[]): readonly Share[] {
  const counts = new Map<string, number>((herd.info?.classes ?? []).map((name) => [name, 0]));
  let others = 0;
  for (const { status, behaviour } of rows) {
    if (status === "live") counts.set(behaviour, (counts.get(behaviour) ?? 0) + 1);
    else others += 1;
  }
  return [
    ...[...counts].map(([name, count]) => ({ name, count })),
    { name: "not live", count: others },
  ];
}

/** One sentence for those who listen rather than look. */
export function summaryOf(herd: Herd, rows: readonly Row[]): string {
  if (rows.length === 0) {
    return "No node has been heard yet: let one join under Settings, or try bellwether simulate.";
  }
  const shares = sharesOf(herd, rows).filter(({ count }) => count > 0);
  const parts = shares.map(({ name, count }) => `${count} ${name}`);
  const alarms = rows.filter(({ amiss }) => amiss === DRIFT_ALARM).length;
  const broken = rows.filter(({ amiss }) => amiss !== "").length - alarms;
  const told =
    (alarms === 0 ? "" : ` ${alarms} with a drift alarm.`) +
    (broken === 0 ? "" : ` ${broken} with a broken sensor.`);
  return `${counted(rows.length, "node")}: ${parts.join(", ")}.${told}`;
}

export type Loop = {
  readonly offload: string;
  readonly alarms: string;
  readonly drift: string;
  readonly labels: string;
  readonly teacher: string;
  readonly state: string;
  /** 0 to 1 while it distils. */
  readonly progress: number | null;
  readonly note: string;
  readonly rollout: string;
};

export function loopOf(herd: Herd): Loop {
  const devices = [...herd.nodes.values()].flatMap(({ device }) => device ?? []);
  const sum = (of: (device: Device) => number): number =>
    devices.reduce((total, device) => total + of(device), 0);
  const windows = sum((device) => device.windows);
  const online = devices.filter(({ state }) => state === "online");
  const drifts = online.map(({ drift }) => drift).sort((a, b) => a - b);
  const { info } = herd;
  return {
    offload:
      windows === 0 ? "no windows yet" : percentText(sum((device) => device.offloads) / windows),
    alarms: `${devices.filter(({ alarm }) => alarm).length} of ${counted(devices.length, "node")}`,
    drift: drifts.length === 0 ? "-" : (drifts[Math.floor(drifts.length / 2)] ?? 0).toFixed(2),
    labels: (info?.soft_labels ?? 0).toLocaleString("en"),
    teacher: info === undefined ? "-" : teacherText(info),
    state: info?.loop.state.replace("-", " ") ?? "unknown",
    progress: info?.loop.progress ?? null,
    note: info?.loop.note ?? "",
    rollout: rolloutText(devices),
  };
}

function teacherText({ teacher }: BridgeInfo): string {
  return teacher.trusted ? "trusted" : "not trusted on this signal: its answers teach nothing";
}

/** What nodes run, the newest first: during a canary the newest is on few. */
function rolloutText(devices: readonly Device[]): string {
  if (devices.length === 0) return "-";
  const counts = new Map<number, number>();
  for (const { release } of devices) counts.set(release, (counts.get(release) ?? 0) + 1);
  const newestFirst = [...counts].sort(([a], [b]) => b - a);
  const texts = newestFirst.map(([release, count]) => `${releaseText(release)} on ${count}`);
  const withheld = devices.filter((device) => device.withheld !== null).length;
  const told = withheld === 0 ? "" : `; withheld from ${withheld} that cannot hold it`;
  return `${texts.slice(0, RELEASES_MAX).join(", ")} of ${counted(devices.length, "node")}${told}`;
}

function releaseText(release: number): string {
  return release === 0 ? "factory" : `release ${release}`;
}

/** `1 node`, `2,100 audits`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

export function percentText(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** `40 s`, `3 min`, `2 h 5 min`: as much as a person wants to know. */
export function durationText(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** In steps, so that a page of a thousand rows is not written anew each second. */
function agoText(ms: number): string {
  return ms < 10_000 ? "just now" : `${durationText(Math.floor(ms / 10_000) * 10_000)} ago`;
}

function keyOf(behaviour: Behaviour | undefined): string {
  return behaviour === undefined ? "" : `${behaviour.epoch}:${behaviour.sequence}`;
}

function nodeOf(herd: Herd, name: string): Node {
  let node = herd.nodes.get(name);
  if (node === undefined) {
    node = {};
    herd.nodes.set(name, node);
  }
  return node;
}
