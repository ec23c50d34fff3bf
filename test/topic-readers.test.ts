/**
 * The examples that read topics: every topic and field that the Node-RED flow and Telegraf's
 * configuration name is one that the public schemas know, of the type that is asked for. A Node-RED
 * that runs the flow is in `node-red.test.ts`.
 */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { AlertSchema, BehaviourSchema, BudgetSchema, NodeStateSchema } from "../src/wire/public.ts";
import { parsePublicTopic, topicBase } from "../src/wire/topics.ts";

const base = topicBase("bellwether");

type FlowNode = {
  readonly id: string;
  readonly type: string;
  readonly topic?: string;
  readonly property?: string;
  readonly rules?: readonly { readonly t: string; readonly v: string }[];
  readonly template?: string;
  readonly broker?: string;
  readonly wires?: readonly (readonly string[])[];
};
const flow = JSON.parse(readFileSync("deploy/node-red/flow.json", "utf8")) as readonly FlowNode[];
const SCHEMAS: Record<string, z.ZodType> = {
  behaviour: BehaviourSchema,
  budget: BudgetSchema,
  state: NodeStateSchema,
  alert: AlertSchema,
};

/** The JSON Schema at a path such as `day.minutes`; undefined where there is no such field. */
function fieldAt(topic: string, field: string): { readonly type?: string } | undefined {
  const parsed = parsePublicTopic(base, topic.replace("+", "collar-1"));
  if (parsed?.plane !== "node") return undefined;
  type Shape = { readonly type?: string; readonly properties?: Record<string, Shape> };
  const schema = SCHEMAS[parsed.name];
  if (schema === undefined) return undefined;
  const start: Shape | undefined = z.toJSONSchema(schema) as Shape;
  return field.split(".").reduce((at: Shape | undefined, key) => at?.properties?.[key], start);
}

describe("deploy/node-red/flow.json", () => {
  const byId = new Map(flow.map((node) => [node.id, node]));
  const downstream = (node: FlowNode): FlowNode[] =>
    (node.wires ?? []).flat().flatMap((id) => {
      const next = byId.get(id);
      return next === undefined ? [] : [next, ...downstream(next)];
    });
  const inputs = flow.filter(({ type }) => type === "mqtt in");

  it("is wired together, from a broker to a debug node", () => {
    expect(byId.size).toBe(flow.length);
    expect(inputs.length).toBe(2);
    for (const node of flow) {
      for (const id of (node.wires ?? []).flat()) expect(byId.has(id), id).toBe(true);
    }
    for (const node of inputs) {
      expect(byId.get(node.broker ?? "")?.type).toBe("mqtt-broker");
      expect(downstream(node).at(-1)?.type).toBe("debug");
    }
  });

  it.each(inputs.map((node) => [node.topic ?? "", node] as const))("%s: fields", (topic, node) => {
    const fields = downstream(node).flatMap(({ property, template = "" }) => [
      ...(property === undefined ? [] : [property]),
      ...[...template.matchAll(/\{\{\{?([a-z_.]+)\}?\}\}/g)].map(([, name]) => name ?? ""),
    ]);
    expect(fields.length).toBeGreaterThan(0);
    const unknown = fields.filter(
      (name) => fieldAt(topic, name.replace(/^payload\./, "")) === undefined,
    );
    expect(unknown).toEqual([]);
    expect(fieldAt(topic, "nothing")).toBeUndefined();
  });

  it("tells of a behaviour that is not sure, and keeps quiet about one that is", () => {
    const rule = byId.get("bw-unsure")?.rules?.[0];
    expect([rule?.t, byId.get("bw-unsure")?.property]).toEqual(["lt", "payload.confidence"]);
    const told = (confidence: number): string | undefined => {
      const payload = { node: "collar-1", behaviour: "grazing", source: "exit 2", confidence };
      const fill = (_: string, name: keyof typeof payload): string => String(payload[name]);
      const template = byId.get("bw-words")?.template ?? "";
      if (confidence >= Number(rule?.v)) return undefined;
      return template.replace(/\{\{\{?payload\.([a-z]+)\}?\}\}/g, fill);
    };
    expect(told(0.5)).toBe("collar-1 may be grazing (confidence 0.5, by exit 2)");
    expect(told(0.9)).toBeUndefined();
  });
});

describe("deploy/telegraf/telegraf.conf", () => {
  const TYPES: Record<string, readonly unknown[]> = {
    string: ["string", undefined],
    float: ["number"],
    int: ["integer"],
    bool: ["boolean"],
  };
  type Table = { readonly name: string; readonly keys: Record<string, unknown> };

  /** As much of TOML as the file uses; fails on any other line. */
  function tables(): Table[] {
    const found: Table[] = [];
    for (const text of readFileSync("deploy/telegraf/telegraf.conf", "utf8").split("\n")) {
      const line = text.trim();
      if (line === "" || line.startsWith("#")) continue;
      const name = /^\[{1,2}([a-z0-9_.]+)\]{1,2}$/.exec(line)?.[1];
      const pair = /^([a-z_]+) = (.+)$/.exec(line);
      const last = found.at(-1);
      if (name !== undefined) found.push({ name, keys: {} });
      else if (last === undefined) throw new Error(`outside of a table: ${line}`);
      else last.keys[pair?.[1] ?? "none"] = JSON.parse(pair?.[2] ?? line);
    }
    return found;
  }

  it("reads topics and fields that are there, as what they are", () => {
    let topic = "";
    const seen: string[] = [];
    for (const { name, keys } of tables()) {
      if (name === "inputs.mqtt_consumer") topic = (keys.topics as string[])[0] ?? "";
      const kind = /^inputs\.mqtt_consumer\.json_v2(?:\.(\w+))?$/.exec(name);
      if (kind === null) continue;
      const asked = (kind[1] === undefined ? keys.timestamp_path : keys.path) as string | undefined;
      if (asked === undefined) continue;
      const field = fieldAt(topic, asked);
      expect(field, `${topic} ${asked}`).toBeDefined();
      seen.push(`${topic} ${asked}`);
      const type = { object: ["object"], tag: TYPES.string, field: TYPES[keys.type as string] };
      const wanted = type[kind[1] as keyof typeof type] ?? ["integer"];
      expect(wanted, `${topic} ${asked}`).toContain(field?.type);
    }
    expect(seen).toContain("bellwether/+/behaviour confidence");
    expect(seen).toContain("bellwether/+/budget day.minutes");
    expect(seen).toContain("bellwether/+/state alarm");
  });
});
