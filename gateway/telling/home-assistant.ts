/**
 * Home Assistant's MQTT discovery: one retained configuration for each node and one for the gateway,
 * from which it makes devices and entities by itself. Pure.
 *
 * Device-based discovery (home-assistant.io, integrations/mqtt, "Device discovery payload"), with the
 * long names of all keys. Configurations are told when the link opens, when a node says hello, and
 * again when Home Assistant says that it is there: after a pause that differs from gateway to gateway,
 * and a few at a time, so that a herd does not arrive in one burst. The one command is to install a
 * release, which is the request `models/install`: the node goes first where its wave has room, and
 * nobody's button makes a canary larger.
 */

import type { NodeId } from "../../src/wire/messages.ts";
import { requestTopic } from "../../src/wire/requests.ts";
import { bridgeTopic, nodeTopic, type TopicBase } from "../../src/wire/topics.ts";
import type { GatewayEffect, GatewayState, NodeState } from "../gateway-state.ts";
import { silenceMsOf } from "../herd/presence.ts";

/** Configurations in one tick. */
const AT_ONCE = 25;
/** The longest pause before what Home Assistant asked for is told. */
const JITTER_MS = 3_000;
const MANUFACTURER = "Bellwether";

/** The broker may have forgotten all of them. */
export function discoverAll(state: GatewayState): void {
  state.discovery.waiting.add(null);
  for (const node of state.nodes.values()) discover(state, node);
}

/** A node that has not said hello has no wake period yet. */
export function discover(state: GatewayState, node: NodeState): void {
  if (node.row.cohort !== "") state.discovery.waiting.add(node.row.node);
}

/** `online` after Home Assistant has started. */
export function onHomeAssistant(state: GatewayState, payload: Uint8Array): void {
  if (String.fromCharCode(...payload.subarray(0, 8)) !== "online") return;
  const { discovery } = state;
  const name = `${state.settings.base}/${state.settings.startedMs}/${discovery.births++}`;
  discovery.dueUptimeMs = state.uptimeMs + jitterMs(name);
  discoverAll(state);
}

export function onDiscoveryTick(state: GatewayState): GatewayEffect[] {
  const { discovery } = state;
  if (!discovery.enabled || !state.linkOpen || state.uptimeMs < discovery.dueUptimeMs) return [];
  const some = [...discovery.waiting].slice(0, AT_ONCE);
  return some.flatMap((id) => {
    discovery.waiting.delete(id);
    if (id === null) return [tellConfig(gatewayId(state.settings.base), gatewayConfig(state))];
    const node = state.nodes.get(id);
    return node === undefined
      ? []
      : [tellConfig(deviceId(state.settings.base, id), nodeConfig(state, node))];
  });
}

/** FNV-1a (Fowler, Noll, Vo): spread, not secret. */
function jitterMs(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0) % JITTER_MS;
}

function tellConfig(id: string, config: unknown): GatewayEffect {
  const topic = `homeassistant/device/${id}/config`;
  return { kind: "tell", topic, json: JSON.stringify(config), qos: 1, retain: true };
}

/** A base may have levels, an id of Home Assistant's may not. */
function deviceId(base: TopicBase, node: NodeId): string {
  return `${base.replaceAll("/", "_")}_${node}`;
}

/** No node may be called bridge. */
function gatewayId(base: TopicBase): string {
  return `${base.replaceAll("/", "_")}_bridge`;
}

type Component = Readonly<Record<string, unknown>>;

function nodeConfig(state: GatewayState, { row }: NodeState): Component {
  const { base, version, classes } = state.settings;
  const id = deviceId(base, row.node);
  const behaviour = nodeTopic(base, row.node, "behaviour");
  const told = nodeTopic(base, row.node, "state");
  const expires = { expire_after: Math.ceil(silenceMsOf(state, row) / 1000) };
  const component = (name: string, label: string, more: Component): [string, Component] => [
    name,
    { platform: "sensor", name: label, unique_id: `${id}_${name}`, ...more },
  ];
  const percent = { unit_of_measurement: "%", state_class: "measurement" };
  return {
    device: {
      identifiers: [id],
      name: row.node,
      manufacturer: MANUFACTURER,
      model: row.cohort,
      sw_version: row.firmware,
      via_device: gatewayId(base),
    },
    origin: { name: "bellwether", sw_version: version },
    availability_mode: "all",
    availability: [
      available(nodeTopic(base, row.node, "availability")),
      available(bridgeTopic(base, "state")),
    ],
    components: Object.fromEntries([
      component("behaviour", "Behaviour", {
        state_topic: behaviour,
        value_template: "{{ value_json.behaviour }}",
        json_attributes_topic: behaviour,
        device_class: "enum",
        options: [...classes],
        ...expires,
      }),
      component("confidence", "Confidence", {
        state_topic: behaviour,
        value_template: "{{ (100 * value_json.confidence) | round(1) }}",
        entity_category: "diagnostic",
        ...percent,
        ...expires,
      }),
      component("battery", "Battery", {
        state_topic: told,
        value_template: "{{ value_json.battery }}",
        device_class: "battery",
        entity_category: "diagnostic",
        ...percent,
      }),
      component("offload_share", "Offload share", {
        state_topic: told,
        value_template: "{{ (100 * value_json.offload_ratio) | round(2) }}",
        entity_category: "diagnostic",
        ...percent,
      }),
      component("offload_wanted", "Offload share wanted", wantedShare(base, row.node)),
      component("sensor", "Sensor", {
        platform: "binary_sensor",
        state_topic: told,
        value_template: "{{ 'ON' if value_json.fault else 'OFF' }}",
        device_class: "problem",
        json_attributes_topic: told,
        entity_category: "diagnostic",
      }),
      component("model", "Model", modelUpdate(base, row.node)),
    ]),
  };
}

/** 0 is the gate as it was released. */
function wantedShare(base: TopicBase, node: NodeId): Component {
  return {
    platform: "number",
    state_topic: nodeTopic(base, node, "state"),
    value_template: "{{ (100 * value_json.wanted_share) | round(1) }}",
    command_topic: requestTopic(base, "nodes/point"),
    command_template: `{"node": "${node}", "percent": {{ value }}}`,
    ...{ min: 0, max: 100, step: 0.5, mode: "box", unit_of_measurement: "%" },
    entity_category: "config",
  };
}

/** `MQTT_JSON_UPDATE_SCHEMA` of Home Assistant's update.py is what the template makes. */
function modelUpdate(base: TopicBase, node: NodeId): Component {
  return {
    platform: "update",
    state_topic: nodeTopic(base, node, "state"),
    value_template:
      "{{ {'installed_version': 'release ' ~ value_json.release, " +
      "'latest_version': 'release ' ~ value_json.latest_release, " +
      "'in_progress': value_json.updating, " +
      "'update_percentage': value_json.update_percentage} | to_json }}",
    title: "Model",
    command_topic: requestTopic(base, "models/install"),
    payload_install: JSON.stringify({ node }),
    entity_category: "diagnostic",
  };
}

function gatewayConfig(state: GatewayState): Component {
  const { base, version } = state.settings;
  const id = gatewayId(base);
  const info = bridgeTopic(base, "info");
  const common = { platform: "sensor", state_topic: info, entity_category: "diagnostic" };
  return {
    device: { identifiers: [id], name: base, manufacturer: MANUFACTURER, sw_version: version },
    origin: { name: "bellwether", sw_version: version },
    availability: [available(bridgeTopic(base, "state"))],
    components: {
      loop: {
        ...common,
        name: "Loop",
        unique_id: `${id}_loop`,
        value_template: "{{ value_json.loop.state }}",
        device_class: "enum",
        options: ["idle", "collecting", "distilling", "evaluating", "rollout", "not-trusted"],
      },
      soft_labels: {
        ...common,
        name: "Soft labels",
        unique_id: `${id}_soft_labels`,
        value_template: "{{ value_json.soft_labels }}",
        state_class: "total_increasing",
      },
    },
  };
}

function available(topic: string): Component {
  return { topic, value_template: "{{ value_json.state }}" };
}
