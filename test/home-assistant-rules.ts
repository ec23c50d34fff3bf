/**
 * What Home Assistant takes as a device's discovery configuration, written down a second time from its
 * documentation (integrations/mqtt "Device discovery payload", integrations/sensor.mqtt, binary_sensor.mqtt,
 * number.mqtt and update.mqtt) and from the schemas of its MQTT integration (discovery.py, schemas.py,
 * sensor.py). Stricter in one point: keys that it would drop without a word are refused.
 */

import { z } from "zod";

/** `TOPIC_MATCHER` of discovery.py, behind the prefix. */
export const DISCOVERY_TOPIC = /^homeassistant\/device\/[a-zA-Z0-9_-]+\/config$/;

const topic = z
  .string()
  .min(1)
  .max(65_535)
  .regex(/^[^+#\0]+$/, "a topic of ours has no wildcard");
const template = z.string().regex(/^\{\{.*\}\}$/);
const text = z.string().min(1);

const availability = z.array(
  z.strictObject({
    topic,
    payload_available: text.optional(),
    payload_not_available: text.optional(),
    value_template: template.optional(),
  }),
);

const entity = {
  name: text.nullable(),
  // Required of every entity in device discovery.
  unique_id: z.string().regex(/^[a-zA-Z0-9_-]+$/),
  state_topic: topic,
  value_template: template.optional(),
  json_attributes_topic: topic.optional(),
  // `config` is refused for entities that only read.
  entity_category: z.enum(["config", "diagnostic"]).optional(),
};

const sensor = z
  .strictObject({
    ...entity,
    platform: z.literal("sensor"),
    device_class: z.enum(["enum", "battery"]).optional(),
    options: z.array(text).min(1).optional(),
    state_class: z.enum(["measurement", "total", "total_increasing"]).optional(),
    unit_of_measurement: text.optional(),
    expire_after: z.int().min(1).optional(),
  })
  .refine(({ device_class: is, options }) => (is === "enum") === (options !== undefined), {
    message: "options and device_class enum go together",
  })
  .refine(
    (one) =>
      one.options === undefined ||
      (one.state_class === undefined && one.unit_of_measurement === undefined),
    { message: "an enum has no state class and no unit" },
  )
  .refine(({ device_class: is, unit_of_measurement: unit }) => is !== "battery" || unit === "%", {
    message: "a battery is told in percent",
  });

const binarySensor = z.strictObject({
  ...entity,
  platform: z.literal("binary_sensor"),
  // Its payloads are ON and OFF unless it is told otherwise.
  device_class: z.literal("problem"),
});

/** number.py: of a value it publishes what the command template makes. */
const number = z
  .strictObject({
    ...entity,
    platform: z.literal("number"),
    command_topic: topic,
    command_template: z.string().regex(/\{\{ value \}\}/),
    min: z.number(),
    max: z.number(),
    step: z.number().min(0.001),
    mode: z.enum(["auto", "box", "slider"]),
    unit_of_measurement: text.optional(),
  })
  .refine(({ min, max }) => min < max, { message: "a range" });

const update = z
  .strictObject({
    ...entity,
    platform: z.literal("update"),
    title: text.optional(),
    device_class: z.literal("firmware").optional(),
    latest_version_topic: topic.optional(),
    latest_version_template: template.optional(),
    command_topic: topic.optional(),
    payload_install: text.optional(),
  })
  // update.py offers the button where there is a command topic, and publishes the payload there.
  .refine((one) => (one.command_topic === undefined) === (one.payload_install === undefined), {
    message: "a command and what it says go together",
  });

/** `MQTT_JSON_UPDATE_SCHEMA` of update.py: what a template makes of the state. */
export const UpdateStateSchema = z.strictObject({
  installed_version: text,
  latest_version: text,
  title: text.optional(),
  in_progress: z.boolean(),
  update_percentage: z.number().min(0).max(100).nullable(),
});

export const DiscoverySchema = z.strictObject({
  device: z.strictObject({
    // Identifiers or connections there must be.
    identifiers: z.array(text).min(1),
    name: text,
    manufacturer: text.optional(),
    model: text.optional(),
    sw_version: text.optional(),
    via_device: text.optional(),
  }),
  origin: z.strictObject({ name: text, sw_version: text.optional() }),
  availability: availability.optional(),
  availability_mode: z.enum(["all", "any", "latest"]).optional(),
  components: z.record(
    z.string().regex(/^[a-zA-Z0-9_-]+$/),
    z.discriminatedUnion("platform", [sensor, binarySensor, number, update]),
  ),
});
