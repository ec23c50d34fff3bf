/**
 * What the gateway has told last, kept for people who look at a page: a board that is wiped and
 * written over, never a history. Pure.
 *
 * It takes what goes out on the public topics and nothing else, so that a page can show nothing that
 * a reader of the topics could not know. Payloads are kept as they were told and parsed when somebody
 * looks; while nobody does, a message costs one entry in a map.
 */

import type {
  Alert,
  Behaviour,
  BridgeEvent,
  BridgeInfo,
  Device,
  GroupBudget,
} from "../../src/wire/public.ts";
import { parseGroupTopic, parsePublicTopic, type TopicBase } from "../../src/wire/topics.ts";

/** What has changed, by what it is about; the last one counts. */
export type BoardChange =
  | { readonly kind: "behaviour"; readonly node: string; readonly value: Behaviour }
  | { readonly kind: "device"; readonly node: string; readonly value: Device }
  | { readonly kind: "info"; readonly value: BridgeInfo }
  | { readonly kind: "bridge"; readonly value: BridgeState }
  /** Null where nobody of the group has been heard. */
  | { readonly kind: "group"; readonly group: string; readonly value: GroupBudget | null }
  /** A node's newest alert. */
  | { readonly kind: "alert"; readonly node: string; readonly value: Alert }
  /** Diary entries are numbered, so that who looks again shows none twice. */
  | { readonly kind: "diary"; readonly number: number; readonly value: BridgeEvent };

export type BridgeState = { readonly state: "online" | "offline"; readonly detail?: string };

/** The whole board: what a page starts from. */
export type BoardState = {
  readonly v: 1;
  /** The gateway's clock, milliseconds since 1970. */
  readonly time: number;
  readonly changes: readonly BoardChange[];
};

/** Diary entries that somebody who comes later still sees. */
const DIARY_MAX = 50;

export class Board {
  readonly #base: TopicBase;
  readonly #behaviours = new Map<string, string>();
  /** As they were sent last. */
  readonly #devices = new Map<string, string>();
  readonly #changed = new Set<string>();
  /** Asked for one by one: of a thousand nodes together they would be most of the board. */
  readonly #nodeStates = new Map<string, string>();
  readonly #alerts = new Map<string, string>();
  readonly #changedAlerts = new Set<string>();
  readonly #groups = new Map<string, string>();
  readonly #changedGroups = new Set<string>();
  #diary: { readonly number: number; readonly json: string }[] = [];
  #diaryNumber = 0;
  #diaryTaken = 0;
  #devicesJson: string | undefined;
  #comparedJson: string | undefined;
  #info: string | undefined;
  #bridge: string | undefined;
  #version = 0;
  #infoChanged = false;
  #bridgeChanged = false;

  constructor(base: TopicBase) {
    this.#base = base;
  }

  /** Another number for another board. */
  get version(): number {
    return this.#version;
  }

  /** A message that went out; those that no page shows are let pass. */
  take(topic: string, json: string): void {
    const group = parseGroupTopic(this.#base, topic);
    if (group !== undefined) this.#takeGroup(group, json);
    const about = parsePublicTopic(this.#base, topic);
    if (about === undefined) return;
    this.#version += 1;
    if (about.plane === "node") {
      if (about.name === "alert") {
        this.#alerts.set(about.node, json);
        this.#changedAlerts.add(about.node);
      }
      if (about.name === "state") this.#nodeStates.set(about.node, json);
      if (about.name !== "behaviour") return;
      this.#behaviours.set(about.node, json);
      this.#changed.add(about.node);
    } else if (about.name === "devices") this.#devicesJson = json;
    else if (about.name === "info") {
      this.#info = json;
      this.#infoChanged = true;
    } else if (about.name === "state") {
      this.#bridge = json;
      this.#bridgeChanged = true;
    } else if (about.name === "event") {
      this.#diaryNumber += 1;
      this.#diary.push({ number: this.#diaryNumber, json });
      if (this.#diary.length > DIARY_MAX) this.#diary.shift();
    }
  }

  #takeGroup(group: string, json: string): void {
    this.#version += 1;
    this.#groups.set(group, json);
    this.#changedGroups.add(group);
  }

  /** What was told last of how a node fares, as JSON; undefined where nothing was. */
  nodeState(node: string): string | undefined {
    return this.#nodeStates.get(node);
  }

  /** Everything, for somebody who comes. What has changed since `changes` stays so. */
  state(nowMs: number): BoardState {
    const behaviours = [...this.#behaviours.keys()].flatMap((node) => this.#behaviour(node));
    const devices = parseDevices(this.#devicesJson).map(
      (value): BoardChange => ({ kind: "device", node: value.node, value }),
    );
    const changes = [
      ...this.#infoNow(),
      ...this.#bridgeNow(),
      ...devices,
      ...behaviours,
      ...[...this.#groups.keys()].map((group) => this.#group(group)),
      ...[...this.#alerts.keys()].map((node) => this.#alert(node)),
      ...this.#diary.map(diaryChange),
    ];
    return { v: 1, time: nowMs, changes };
  }

  /** What has changed since this was asked last; for one asker, who tells the others. */
  changes(): BoardChange[] {
    const behaviours = [...this.#changed].flatMap((node) => this.#behaviour(node));
    this.#changed.clear();
    const info = this.#infoChanged ? this.#infoNow() : [];
    const bridge = this.#bridgeChanged ? this.#bridgeNow() : [];
    this.#infoChanged = false;
    this.#bridgeChanged = false;
    const taken = this.#diaryTaken;
    this.#diaryTaken = this.#diaryNumber;
    const diary = this.#diary.filter(({ number }) => number > taken).map(diaryChange);
    const groups = [...this.#changedGroups].map((group) => this.#group(group));
    this.#changedGroups.clear();
    const alerts = [...this.#changedAlerts].map((node) => this.#alert(node));
    this.#changedAlerts.clear();
    const devices = this.#changedDevices();
    return [...info, ...bridge, ...devices, ...behaviours, ...groups, ...alerts, ...diary];
  }

  /** The list of devices is told whole; a page is sent those that differ. */
  #changedDevices(): BoardChange[] {
    const json = this.#devicesJson;
    if (json === undefined || json === this.#comparedJson) return [];
    this.#comparedJson = json;
    const changed: BoardChange[] = [];
    for (const value of parseDevices(json)) {
      const text = JSON.stringify(value);
      if (this.#devices.get(value.node) === text) continue;
      this.#devices.set(value.node, text);
      changed.push({ kind: "device", node: value.node, value });
    }
    return changed;
  }

  #behaviour(node: string): BoardChange[] {
    const json = this.#behaviours.get(node);
    if (json === undefined) return [];
    return [{ kind: "behaviour", node, value: JSON.parse(json) as Behaviour }];
  }

  #group(group: string): BoardChange {
    const json = this.#groups.get(group) ?? "";
    const value = json === "" ? null : (JSON.parse(json) as GroupBudget);
    return { kind: "group", group, value };
  }

  #alert(node: string): BoardChange {
    return { kind: "alert", node, value: JSON.parse(this.#alerts.get(node) ?? "null") as Alert };
  }

  #infoNow(): BoardChange[] {
    if (this.#info === undefined) return [];
    return [{ kind: "info", value: JSON.parse(this.#info) as BridgeInfo }];
  }

  #bridgeNow(): BoardChange[] {
    if (this.#bridge === undefined) return [];
    return [{ kind: "bridge", value: JSON.parse(this.#bridge) as BridgeState }];
  }
}

/** What was told is our own, and so of the published shape. */
function parseDevices(json: string | undefined): readonly Device[] {
  if (json === undefined) return [];
  return (JSON.parse(json) as { devices: readonly Device[] }).devices;
}

function diaryChange({ number, json }: { number: number; json: string }): BoardChange {
  return { kind: "diary", number, value: JSON.parse(json) as BridgeEvent };
}
