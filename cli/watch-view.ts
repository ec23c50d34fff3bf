/**
 * What `watch` and the demonstration show: the public topics as a table, or as plain lines.
 *
 * A view is built from messages alone, as anybody's own tool would be; it has no other way to know
 * anything. Payloads are checked with the published schemas, and what does not fit them is counted.
 */

import type { z } from "zod";
import {
  AlertSchema,
  AvailabilitySchema,
  type Behaviour,
  BehaviourSchema,
  type BridgeEvent,
  BridgeEventSchema,
  type BridgeInfo,
  BridgeInfoSchema,
  type Device,
  DevicesSchema,
  EventSchema,
} from "../src/wire/public.ts";
import { parsePublicTopic, type TopicBase } from "../src/wire/topics.ts";

type Row = { behaviour?: Behaviour; device?: Device; online?: boolean };

export type View = {
  readonly base: TopicBase;
  readonly rows: Map<string, Row>;
  gateway: "online" | "offline" | "unknown";
  /** What keeps the gateway from working as it should. */
  trouble: string | undefined;
  info: BridgeInfo | undefined;
  /** The latest of the gateway's diary, oldest first. */
  readonly diary: BridgeEvent[];
  /** Messages that did not fit their schema. */
  refused: number;
};

/** One thing that happened, for those without a terminal. */
export type Happening = { readonly topic: string; readonly line: string; readonly value: unknown };

const DIARY_LINES = 8;

export function createView(base: TopicBase): View {
  return {
    base,
    rows: new Map(),
    gateway: "unknown",
    trouble: undefined,
    info: undefined,
    diary: [],
    refused: 0,
  };
}

/** Takes one message in. Returns what a plain log should say of it; undefined for what changes
 * nothing that a person would want a line for. */
export function applyMessage(
  view: View,
  topic: string,
  payload: Uint8Array,
): Happening | undefined {
  const place = parsePublicTopic(view.base, topic);
  // A retained topic is deleted by an empty payload.
  if (place === undefined || payload.length === 0) return undefined;
  const happening = (line: string | undefined, value: unknown): Happening | undefined =>
    line === undefined ? undefined : { topic, line, value };
  if (place.plane === "bridge") {
    switch (place.name) {
      case "state":
        return take(view, AvailabilitySchema, payload, (value) => {
          const changed = view.gateway !== value.state || view.trouble !== value.detail;
          view.gateway = value.state;
          view.trouble = value.detail;
          const why = value.detail === undefined ? "" : `: ${value.detail}`;
          return happening(changed ? `gateway is ${value.state}${why}` : undefined, value);
        });
      case "info":
        return take(view, BridgeInfoSchema, payload, (value) => {
          view.info = value;
          return undefined;
        });
      case "devices":
        return take(view, DevicesSchema, payload, (value) => {
          for (const device of value.devices) rowOf(view, device.node).device = device;
          return undefined;
        });
      case "event":
        return take(view, BridgeEventSchema, payload, (value) => {
          view.diary.push(value);
          if (view.diary.length > DIARY_LINES) view.diary.shift();
          return happening(`${value.type}: ${value.message}`, value);
        });
    }
  }
  const row = rowOf(view, place.node);
  switch (place.name) {
    case "behaviour":
      return take(view, BehaviourSchema, payload, (value) => {
        const before = row.behaviour;
        row.behaviour = value;
        const same = before?.behaviour === value.behaviour && before.source === value.source;
        return happening(same ? undefined : behaviourLine(value), value);
      });
    case "event":
      return take(view, EventSchema, payload, (value) => {
        if (value.type === "sensor-fault") return happening(value.message, value);
        const was = value.before?.behaviour ?? "nothing";
        const line = `${value.after.node} corrected: ${was} -> ${value.after.behaviour}`;
        return happening(value.type === "update" ? line : undefined, value);
      });
    case "state":
    case "bout":
    case "budget":
      return undefined;
    case "alert":
      return take(view, AlertSchema, payload, (value) => happening(value.message, value));
    case "availability":
      return take(view, AvailabilitySchema, payload, (value) => {
        const online = value.state === "online";
        const changed = row.online !== online;
        row.online = online;
        return happening(changed ? `${place.node} is ${value.state}` : undefined, value);
      });
  }
}

/** `behaviour confidence source model release`, as a line of a log. */
export function behaviourLine(value: Behaviour): string {
  const doubt = value.trusted ? "" : ", not trusted";
  return (
    `${value.node} ${value.behaviour} ${value.confidence.toFixed(2)} ` +
    `(${value.source}${doubt}, model ${value.model.slice(0, 8)}, release ${value.release})`
  );
}

function rowOf(view: View, node: string): Row {
  let row = view.rows.get(node);
  if (row === undefined) {
    row = {};
    view.rows.set(node, row);
  }
  return row;
}

function take<S extends z.ZodType>(
  view: View,
  schema: S,
  payload: Uint8Array,
  use: (value: z.infer<S>) => Happening | undefined,
): Happening | undefined {
  const parsed = schema.safeParse(parseJson(payload));
  if (parsed.success) return use(parsed.data);
  view.refused++;
  return undefined;
}

function parseJson(payload: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(payload));
  } catch {
    return undefined;
  }
}
