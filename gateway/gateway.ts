/**
 * The gateway's logic, without I/O: `stepGateway(state, event, nowMs, uptimeMs)` returns what is to
 * be done. The wall clock is for what is told and stored, the uptime for what must not jump.
 *
 * The way of an offload: frame -> `store` -> committed -> acknowledgement and `teach` -> answered ->
 * verdict, and the soft label to `store`. Nothing is acknowledged before it is committed. Whatever a
 * node sends may be refused, counted and told, but reaches no assertion and stops nobody else.
 */

import { EdgeError, unreachable } from "../src/assert.ts";
import { offloadCount, verdictCount } from "../src/gate/audit-counts.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { decodeUp } from "../src/wire/frames.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { NO_MODEL, type NodeId, type UpMessage } from "../src/wire/messages.ts";
import { parseUpTopic } from "../src/wire/topics.ts";
import { HOME_ASSISTANT_STATUS } from "./access/access.ts";
import {
  type GatewayEffect,
  type GatewayEvent,
  type GatewayState,
  type NodeState,
  nodeOf,
  verdictOf,
} from "./gateway-state.ts";
import { onBehavioursTick, onVerdict, tellBudgets } from "./herd/behaviour-desk.ts";
import { countAudit, onCohortTick } from "./herd/cohort-desk.ts";
import { countNode, runsNow } from "./herd/count-node.ts";
import { moveOnHello } from "./herd/operating-points.ts";
import { heard, onAvailability, onPresenceTick } from "./herd/presence.ts";
import { onReport } from "./herd/report-desk.ts";
import { isSound, mayTrust, onMeasured } from "./herd/sensor-desk.ts";
import {
  onAudit,
  onHello,
  onOutcome,
  onPoint,
  onServe,
  onServingTick,
  onSteer,
  onWant,
} from "./release/serving.ts";
import type { StoredRow, StoreRow } from "./store/label-rows.ts";
import { chosenOf, type Hello } from "./store/label-rows.ts";
import { answererOf, saidOf, toldOf, whyUnanswerable } from "./teacher/answerable.ts";
import {
  discover,
  discoverAll,
  onDiscoveryTick,
  onHomeAssistant,
} from "./telling/home-assistant.ts";
import {
  tellAvailability,
  tellBridge,
  tellDevices,
  tellDiary,
  tellInfo,
  tellLast,
  tellVerdict,
} from "./telling/telling.ts";

export function stepGateway(
  state: GatewayState,
  event: GatewayEvent,
  nowMs: number,
  uptimeMs: number,
): GatewayEffect[] {
  state.uptimeMs = uptimeMs;
  switch (event.kind) {
    case "message":
      return onMessage(state, event.topic, event.payload, nowMs);
    case "stored":
      return onStored(state, event.rows, event.stored, nowMs);
    case "store-failed":
      return onStoreFailed(state, event.message);
    case "answered":
      return onAnswered(state, event, nowMs);
    case "link":
      return onLink(state, event.open, nowMs);
    case "tick":
      return [
        ...onPresenceTick(state, nowMs),
        ...onServingTick(state, nowMs),
        ...onBehavioursTick(state, nowMs),
        ...onDiscoveryTick(state),
        ...onCohortTick(state, nowMs),
      ];
    case "serve":
      return onServe(state, event, nowMs);
    case "steer":
      return onSteer(state, event, nowMs);
    case "point":
      return onPoint(state, event);
    case "loop":
      return onLoop(state, event, nowMs);
    case "diary":
      return [tellDiary(state, event.entry, nowMs)];
    default:
      return unreachable(event);
  }
}

/** A new state is told at once; progress and words can wait for the next telling. */
function onLoop(
  state: GatewayState,
  event: Extract<GatewayEvent, { kind: "loop" }>,
  nowMs: number,
): GatewayEffect[] {
  const isNew = state.loop.state !== event.loop.state || state.trusted !== event.trusted;
  state.loop = event.loop;
  state.trusted = event.trusted;
  state.devicesChanged = true;
  return isNew ? [tellInfo(state, nowMs)] : [];
}

function onMessage(
  state: GatewayState,
  topic: string,
  payload: Uint8Array,
  nowMs: number,
): GatewayEffect[] {
  if (topic === HOME_ASSISTANT_STATUS) {
    onHomeAssistant(state, payload);
    return [];
  }
  const up = parseUpTopic(state.settings.base, topic);
  if (up === undefined) return onAvailability(state, topic, payload);
  if (!state.nodes.has(up.node) && state.nodes.size >= state.settings.nodesMax) {
    state.refused++;
    const reason = `there are ${state.nodes.size} nodes already (nodes.most)`;
    return [log("warning", "frame refused", { node: up.node, count: state.refused, reason })];
  }
  try {
    const message = decodeUp(up.kind, payload) as UpMessage;
    return onUp(state, up.node, message, nowMs);
  } catch (error) {
    if (error instanceof EdgeError) return onRefused(state, up.node, error, nowMs);
    throw error;
  }
}

function onUp(state: GatewayState, id: NodeId, message: UpMessage, nowMs: number): GatewayEffect[] {
  const node = nodeOf(state, id);
  const effects = heard(state, node, nowMs);
  switch (message.kind) {
    case "hello":
      effects.push(...joined(state, node, message, nowMs));
      break;
    case "report":
      effects.push(store({ kind: "report", node: id, nowMs, report: message }));
      break;
    case "offload": {
      const { modelId } = message.modelId === NO_MODEL ? node.row : message;
      const offload = { ...message, modelId };
      const unanswerable = whyUnanswerable(state.settings, offload);
      const teachable = unanswerable === undefined;
      effects.push(store({ kind: "offload", node: id, nowMs, offload, teachable }));
      if (!teachable) effects.push(cannotTeach(id, unanswerable));
      break;
    }
    case "want":
      effects.push(...onWant(state, id, message));
      break;
    case "outcome":
      effects.push(store({ ...message, node: id, nowMs }));
      effects.push(...onOutcome(state, node, message, nowMs));
      break;
    default:
      unreachable(message);
  }
  return effects;
}

function joined(
  state: GatewayState,
  node: NodeState,
  hello: Hello,
  nowMs: number,
): GatewayEffect[] {
  const isNew = node.row.cohort === "";
  const { kind: _kind, ...fields } = hello;
  runsNow(node, hello.modelId);
  node.row = { ...node.row, ...fields, lastSeenMs: nowMs };
  discover(state, node);
  state.devicesChanged = true;
  const id = node.row.node;
  const effects: GatewayEffect[] = [
    store({ kind: "hello", node: id, nowMs, hello }),
    { kind: "news", news: { kind: "hello", row: node.row } },
    log("info", "hello", { node: id, cohort: hello.cohort, model: hello.modelId }),
  ];
  if (isNew) {
    const message = `${id} joined with ${hello.firmware}, ${hello.cohort}`;
    effects.push(tellDiary(state, { type: "node-joined", node: id, message }, nowMs));
  }
  effects.push(...moveOnHello(state.points, node, state.uptimeMs));
  return [...effects, ...onHello(state, node, nowMs)];
}

function cannotTeach(node: NodeId, reason: string): GatewayEffect {
  return log("warning", "window kept but not answered", { node, reason });
}

/** A frame that cannot be read cannot be acknowledged either: its number is not known. */
function onRefused(
  state: GatewayState,
  id: NodeId,
  error: EdgeError,
  nowMs: number,
): GatewayEffect[] {
  state.refused++;
  const node = nodeOf(state, id);
  node.refused++;
  // Every frame is counted; told are the 1st, 2nd, 4th, 8th … of a node, so that a node that sends
  // nothing else cannot fill the log.
  if (!Number.isInteger(Math.log2(node.refused))) return [];
  const message = `${id}: frame ${node.refused} refused, ${error.message}`;
  return [
    log("warning", "frame refused", { node: id, count: node.refused, reason: error.message }),
    tellDiary(state, { type: "refused", node: id, message }, nowMs),
  ];
}

function onStored(
  state: GatewayState,
  rows: readonly StoreRow[],
  stored: readonly StoredRow[],
  nowMs: number,
): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  if (state.degraded !== null) {
    state.degraded = null;
    effects.push(log("info", "storing again", {}), tellBridge(state));
  }
  const acks = new Map<string, { node: NodeId; epoch: number; seqs: number[] }>();
  rows.forEach((row, index) => {
    const result = stored[index] as StoredRow;
    if (row.kind === "report") {
      noteAck(acks, row.node, row.report);
      if (result.fresh)
        effects.push(...onReport(state, nodeOf(state, row.node), row.report, result, nowMs));
    } else if (row.kind === "offload") {
      noteAck(acks, row.node, row.offload);
      if (!result.fresh) return;
      const { modelId } = row.offload;
      countNode(state, row.node, { offloads: 1 }, modelId, offloadCount(chosenOf(row.offload)));
      effects.push(...onMeasured(state, nodeOf(state, row.node), row.offload, nowMs));
      const { offloadId } = result;
      const item = { offloadId, node: row.node, offload: row.offload };
      if (row.teachable) effects.push({ kind: "teach", item });
    } else if (row.kind === "person") {
      const { offloadId } = row;
      effects.push({ kind: "news", news: { kind: "person", offloadId, fresh: result.fresh } });
    } else if (row.kind === "label" && result.fresh) {
      state.softLabels++;
      if (!row.trusted) return;
      const more = { trusted: 1, agreed: row.agrees ? 1 : 0 };
      countNode(state, row.node, more, row.modelId, verdictCount(row.chosen, row.agrees));
    }
  });
  return [...sendAcks(acks), ...effects];
}

function noteAck(
  acks: Map<string, { node: NodeId; epoch: number; seqs: number[] }>,
  node: NodeId,
  { epoch, seq }: { readonly epoch: number; readonly seq: number },
): void {
  const key = `${node}/${epoch}`;
  const ack = acks.get(key);
  if (ack === undefined) acks.set(key, { node, epoch, seqs: [seq] });
  else ack.seqs.push(seq);
}

function sendAcks(
  acks: ReadonlyMap<string, { node: NodeId; epoch: number; seqs: number[] }>,
): GatewayEffect[] {
  const effects: GatewayEffect[] = [];
  for (const { node, epoch, seqs } of acks.values()) {
    for (let from = 0; from < seqs.length; from += LIMITS.ackSeqs) {
      const part = seqs.slice(from, from + LIMITS.ackSeqs);
      effects.push({ kind: "send", node, message: { kind: "ack", epoch, seqs: part } });
    }
  }
  return effects;
}

function onStoreFailed(state: GatewayState, message: string): GatewayEffect[] {
  const news: GatewayEffect = { kind: "news", news: { kind: "store-failed", reason: message } };
  if (state.degraded === message) return [news];
  state.degraded = message;
  return [
    news,
    log("error", "nothing is stored or acknowledged", { reason: message }),
    tellBridge(state),
  ];
}

function onAnswered(
  state: GatewayState,
  event: Extract<GatewayEvent, { kind: "answered" }>,
  nowMs: number,
): GatewayEffect[] {
  const { item } = event;
  const { offload } = item;
  // Whether they agree is between the two, and a node weighs the answer with its own belief.
  const answered = largestIndex(event.probabilities);
  const agrees = answered === offload.classIndex;
  const probabilities = saidOf(state.settings, offload, event.probabilities);
  const node = nodeOf(state, item.node);
  const trusted = event.trusted && mayTrust(node, offload);
  const sound = isSound(node);
  countAudit(node, offload, { trusted, agrees });
  const told = toldOf(state.settings, offload, event.probabilities);
  return [
    {
      kind: "send",
      node: item.node,
      message: {
        kind: "verdict",
        epoch: offload.epoch,
        seq: offload.seq,
        windowIndex: offload.windowIndex,
        classIndex: answered,
        trusted,
        probabilitiesQ8: Uint8Array.from(event.probabilities, (p) => Math.round(255 * p)),
      },
    },
    store({
      kind: "label",
      node: item.node,
      nowMs,
      offloadId: item.offloadId,
      modelId: offload.modelId,
      chosen: chosenOf(offload),
      teacherId: answererOf(state.settings, offload),
      trusted,
      agrees,
      probabilities,
    }),
    ...tellVerdict(state, node, offload, verdictOf(told, trusted)),
    ...onVerdict(state, node, offload, verdictOf(probabilities, trusted), nowMs),
    { kind: "news", news: { kind: "label", item, probabilities, trusted, agrees, sound } },
    ...onAudit(state, node, offload, { trusted, agrees }, nowMs),
  ];
}

function onLink(state: GatewayState, open: boolean, nowMs: number): GatewayEffect[] {
  state.linkOpen = open;
  if (!open) return [log("warning", "broker lost", {})];
  const nodes = [...state.nodes.values()];
  discoverAll(state);
  for (const node of nodes) node.toldState = "";
  state.devicesChanged = true;
  return [
    tellBridge(state),
    ...nodes.map((node) => tellAvailability(state, node)),
    ...nodes.flatMap((node) => tellLast(state, node)),
    ...tellBudgets(state, nowMs),
    tellDevices(state),
    tellInfo(state, nowMs),
  ];
}

function store(row: StoreRow): GatewayEffect {
  return { kind: "store", row };
}

function log(
  level: "info" | "warning" | "error",
  message: string,
  fields: Readonly<Record<string, string | number | boolean>>,
): GatewayEffect {
  return { kind: "log", level, message, fields };
}
