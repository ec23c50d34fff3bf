/** The public payloads: `docs/TOPICS.md` is true, and readers may be older than writers. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  AlertSchema,
  AvailabilitySchema,
  BehaviourSchema,
  BoutEventSchema,
  BRIDGE_EVENTS,
  BridgeEventSchema,
  BridgeInfoSchema,
  BudgetSchema,
  DevicesSchema,
  EventSchema,
  GroupBudgetSchema,
  NodeStateSchema,
} from "../src/wire/public.ts";
import {
  BRIDGE_TOPICS,
  DOWN_KINDS,
  NODE_TOPICS,
  OFFLINE_JSON,
  UP_KINDS,
} from "../src/wire/topics.ts";

const DOCUMENT = readFileSync(new URL("../docs/TOPICS.md", import.meta.url), "utf8");

/** The first JSON block under a heading. */
function example(heading: string): Record<string, unknown> {
  const section = DOCUMENT.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return JSON.parse(/```json\n([\s\S]*?)```/.exec(section)?.[1] ?? "null");
}

describe("docs/TOPICS.md", () => {
  it.each([
    ["Behaviour", BehaviourSchema],
    ["Event", EventSchema],
    ["Availability", AvailabilitySchema],
    ["State", NodeStateSchema],
    ["Bout", BoutEventSchema],
    ["Budget", BudgetSchema],
    ["Group budget", GroupBudgetSchema],
    ["Alert", AlertSchema],
    ["Bridge state", AvailabilitySchema],
    ["Bridge devices", DevicesSchema],
    ["Bridge info", BridgeInfoSchema],
    ["Bridge event", BridgeEventSchema],
  ])(
    "%s: the example is a payload, and shows every field that must be there",
    (heading, schema) => {
      const value = example(heading);
      // What the schema does not know it drops: equal means that nothing in the example is unknown.
      expect(schema.parse(value)).toEqual(value);
      for (const field of Object.keys(value)) {
        const { [field]: _, ...without } = value;
        // Those that came later are not in what an older gateway tells.
        const later = heading.startsWith("Bridge")
          ? ["detail", "node", "cohorts", "rollouts"]
          : ["update_percentage", "fault", "operating_point", "operating_share", "wanted_share"];
        const optional = later.includes(field);
        expect(schema.safeParse(without).success, `without ${field}`).toBe(optional);
      }
    },
  );

  it("names every topic, every kind of frame and every type of event", () => {
    for (const name of NODE_TOPICS) expect(DOCUMENT).toContain(`\`<base>/<node>/${name}\``);
    for (const name of BRIDGE_TOPICS) expect(DOCUMENT).toContain(`\`<base>/bridge/${name}\``);
    for (const name of [...UP_KINDS, ...DOWN_KINDS, ...BRIDGE_EVENTS]) {
      expect(DOCUMENT).toContain(`\`${name}\``);
    }
  });
});

describe("a public payload", () => {
  it("with a field that an older reader does not know is read all the same", () => {
    const newer = { ...example("Behaviour"), mood: "content" };
    expect(BehaviourSchema.safeParse(newer).success).toBe(true);
  });

  it("of another version is refused: a field has changed its meaning", () => {
    expect(BehaviourSchema.safeParse({ ...example("Behaviour"), v: 2 }).success).toBe(false);
  });

  it.each([
    ["confidence", 1.01],
    ["confidence", Number.NaN],
    ["source", "exit 0"],
    ["source", "exit 9"],
    ["source", "guess"],
    ["model", "9F2C61D0A4B87E35"],
    ["time", -1],
    ["time", "2026-01-01T00:00:00Z"],
    ["behaviour", ""],
    ["behaviour", 2],
  ])("with %s = %j is refused", (field, value) => {
    expect(BehaviourSchema.safeParse({ ...example("Behaviour"), [field]: value }).success).toBe(
      false,
    );
  });

  it("of a last will is an availability", () => {
    expect(AvailabilitySchema.parse(JSON.parse(OFFLINE_JSON))).toEqual({ state: "offline" });
  });
});
