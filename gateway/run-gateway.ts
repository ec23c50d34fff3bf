/**
 * A gateway in this process: takes the data directory, opens the store and the link, and runs.
 */

import { mkdirSync } from "node:fs";
import { assert, EdgeError } from "../src/assert.ts";
import type { DownMessage, ModelId, NodeId } from "../src/wire/messages.ts";
import type { BridgeEvent, BridgeInfo } from "../src/wire/public.ts";
import type { Link } from "./broker/link.ts";
import { openLink } from "./broker/open-link.ts";
import type { GatewayConfig } from "./config/config.ts";
import type { GatewayDependencies } from "./gateway-dependencies.ts";
import {
  createState,
  type GatewayEffect,
  type GatewaySettings,
  type GatewayState,
  newDiscovery,
} from "./gateway-state.ts";
import { unknownBehaviours } from "./herd/behaviour-config.ts";
import { recentSinceMs, restoreBehaviours } from "./herd/behaviour-desk.ts";
import { newBehaviourDesk } from "./herd/behaviour-state.ts";
import { sharesOf } from "./herd/operating-points.ts";
import { openPoints, writePointChoices } from "./herd/point-choices.ts";
import { listenForMetrics } from "./http/metrics-listener.ts";
import { openPage, type PageParts } from "./http/open-page.ts";
import { InboxDesk } from "./inbox/inbox-desk.ts";
import { Performer } from "./performer.ts";
import { needsOf } from "./release/release-fit.ts";
import type { Rollout } from "./release/rollout.ts";
import type { RolloutOrder } from "./release/rollout-steering.ts";
import { gatewayRequests } from "./requests/gateway-requests.ts";
import { inboxRequests } from "./requests/inbox-requests.ts";
import { answerOverMqtt } from "./requests/mqtt-requests.ts";
import { nodeRequests } from "./requests/node-requests.ts";
import { pointRequests } from "./requests/point-requests.ts";
import { releaseRequests } from "./requests/release-requests.ts";
import { RequestDesk } from "./requests/request-desk.ts";
import { lockDataDirectory } from "./store/data-lock.ts";
import type { LabelReader } from "./store/label-reader.ts";
import type { NodeRow } from "./store/label-rows.ts";
import { openStoreThread, type StoreThread } from "./store/store-thread.ts";

export type RunningGateway = {
  /** Where clients connect: `mqtt://127.0.0.1:1883`. */
  readonly url: string;
  /** Every way in, that one first. */
  readonly urls: readonly string[];
  /** The page for people; undefined where there is none. */
  readonly pageUrl: string | undefined;
  /** Makes the user `operator` and returns its password, which is kept nowhere; undefined where that
   * was done before. */
  readonly beginOperator: () => Promise<string | undefined>;
  /** The store, for reading; `openLabelReader(labelFile)` does the same from another thread. */
  readonly labels: () => LabelReader;
  readonly labelFile: string;
  /** Windows that a person is asked about, and answers. */
  readonly inbox: InboxDesk;
  readonly nodes: () => readonly (NodeRow & { readonly online: boolean })[];
  readonly send: (node: NodeId, message: DownMessage) => void;
  /** Starts, or after a restart continues, the rollout of a release that is in the registry. */
  readonly serve: (rollout: Rollout, modelId: ModelId) => void;
  /** What `bridge/info` says of the loop. */
  readonly tellLoop: (loop: BridgeInfo["loop"], trusted: boolean) => void;
  /** One line on `bridge/event`. */
  readonly tellDiary: (entry: Omit<BridgeEvent, "v" | "time">) => void;
  readonly counters: () => GatewayCounters;
  /** Where Prometheus reads; undefined where that is off. */
  readonly metricsUrl: string | undefined;
  /** Stores what has been received, tells `offline`, and lets go of the data directory. */
  readonly stop: () => Promise<void>;
};

export type GatewayCounters = {
  readonly refusedFrames: number;
  readonly softLabels: number;
  /** Windows in memory that wait for the teacher. */
  readonly teacherQueue: number;
  /** Why nothing is stored now; null while all is well. */
  readonly degraded: string | null;
};

/** Least time between two tellings of `bridge/devices`. */
const DEVICES_MS = 1_000;

/** @throws EdgeError `data-directory-in-use`, `broker-open`, `broker-port`, `label-log-…` */
export async function startGateway(
  config: GatewayConfig,
  dependencies: GatewayDependencies,
): Promise<RunningGateway> {
  // The lock is a file in the directory.
  mkdirSync(config.dataDirectory, { recursive: true });
  const unlock = dependencies.unlock ?? lockDataDirectory(config.dataDirectory);
  let store: StoreThread | undefined;
  try {
    store = await openStore(config, dependencies);
    return await run(config, dependencies, store, unlock);
  } catch (error) {
    await store?.close();
    unlock();
    throw error;
  }
}

/** A typing error in a rule would silence it for ever. */
function refuseUnknownBehaviours(config: GatewayConfig, classes: readonly string[]): void {
  const unknown = unknownBehaviours(config.behaviours, classes);
  if (unknown.length === 0) return;
  throw new EdgeError({
    code: "behaviour-unknown",
    message: `there is no behaviour ${unknown.map((name) => JSON.stringify(name)).join(", ")}`,
    where: "behaviours.typical_seconds_of, alerts.rules",
    hint: `The teacher knows ${classes.join(", ")}.`,
  });
}

/** Half a window where nobody says how often one begins. */
function windowTimes({ teacher, hopMs }: GatewayDependencies): {
  readonly hopMs: number;
  readonly windowMs: number;
} {
  const windowMs = (1000 * teacher.windowSamples) / teacher.rateHz;
  return { windowMs, hopMs: hopMs ?? windowMs / 2 };
}

/** Bouts of before this start, and what there is to say of them that was not said. */
function restored(state: GatewayState, reader: LabelReader): GatewayEffect[] {
  const { config, rule } = state.behaviours;
  const { startedMs } = state.settings;
  const sinceMs = recentSinceMs(config, startedMs);
  return [...state.nodes.keys()].flatMap((node) =>
    restoreBehaviours(state, node, reader.behaviours(node, sinceMs, rule.classes), startedMs),
  );
}

async function openStore(
  config: GatewayConfig,
  { teacher: { id, classes }, log }: GatewayDependencies,
): Promise<StoreThread> {
  const { labelPagesMax, dataDirectory: directory } = config;
  const limit = labelPagesMax === undefined ? {} : { pagesMax: labelPagesMax };
  const teacher = { id, classes };
  const store = await openStoreThread({ directory, nowMs: Date.now(), teacher, ...limit });
  if (store.setAside !== undefined) {
    log("error", "the label log was damaged and has been set aside; a new one is begun", {
      file: store.setAside,
      hint: "`sqlite3 FILE .recover` reads what is left of it",
    });
  }
  return store;
}

async function run(
  config: GatewayConfig,
  dependencies: GatewayDependencies,
  store: StoreThread,
  unlock: () => void,
): Promise<RunningGateway> {
  const { teacher, log } = dependencies;
  refuseUnknownBehaviours(config, teacher.classes);
  const settings = settingsOf(config, dependencies);
  const { reader } = store;
  const desk = newBehaviourDesk(config.behaviours, teacher, windowTimes(dependencies));
  const discovery = newDiscovery(config.homeAssistant);
  const softLabels = reader.softLabelCount().total;
  const points = openPoints(config, dependencies);
  const state = createState(settings, reader.nodes(), softLabels, desk, discovery, points);
  // Before anything new can come in.
  const missed = restored(state, reader);
  const performer = new Performer(config, dependencies, store, state);
  const inbox = openInbox(config, teacher, performer, store);
  const link = await openLink(config, teacher.classes, {
    onMessage: (topic, payload) => performer.happen({ kind: "message", topic, payload }),
    onConnection: (open) => performer.connected(open),
    // Nobody has come in before the link is there, and with it the desk.
    onRequest: (request) => void answerOverMqtt(config.base, requests, link, request),
    log,
  });
  const requests = openRequests({ config, dependencies, state, performer, store, inbox });
  const page = await openPage(config, link, pageParts(dependencies, store, state, requests));
  performer.begin(page === undefined ? link : overheard(link, page.take));
  for (const effect of missed) performer.perform(effect);
  const metrics = await listenForMetrics(config.metrics, () => performer.metrics(), log);
  return {
    url: link.url,
    urls: link.urls,
    pageUrl: page?.url,
    beginOperator: link.beginOperator,
    labels: () => store.reader,
    inbox,
    labelFile: store.file,
    nodes: () => [...state.nodes.values()].map(({ row, online }) => ({ ...row, online })),
    send: (node, message) => performer.perform({ kind: "send", node, message }),
    serve: (rollout, modelId) => {
      const container = dependencies.registry?.container(modelId);
      assert(container !== undefined, "a release is in the registry before it is served");
      const [needs, shares] = [needsOf(container), sharesOf(container)];
      performer.happen({ kind: "serve", rollout, modelId, needs, shares });
    },
    tellLoop: (loop, trusted) => performer.happen({ kind: "loop", loop, trusted }),
    tellDiary: (entry) => performer.happen({ kind: "diary", entry }),
    counters: () => ({
      refusedFrames: state.refused,
      softLabels: state.softLabels,
      teacherQueue: performer.queue.size,
      degraded: state.degraded,
    }),
    metricsUrl: metrics.url,
    stop: async () => {
      await metrics.close();
      await performer.end();
      await page?.close();
      await store.close();
      unlock();
    },
  };
}

function settingsOf(
  config: GatewayConfig,
  { teacher, coarse, tail }: GatewayDependencies,
): GatewaySettings {
  return {
    base: config.base,
    classes: teacher.classes,
    teacher,
    coarse,
    tail,
    version: config.version,
    startedMs: Date.now(),
    rolloutPolicy: config.releases.policy,
    silences: config.silences,
    nodesMax: config.nodesMax,
    devicesMs: DEVICES_MS,
  };
}

function openInbox(
  config: GatewayConfig,
  teacher: GatewayDependencies["teacher"],
  performer: Performer,
  store: StoreThread,
): InboxDesk {
  return new InboxDesk({
    classes: teacher.classes,
    teacherId: teacher.id,
    labels: () => store.reader,
    wanted: config.loop.trigger.peopleWanted,
    store: (row) => performer.perform({ kind: "store", row }),
    listen: (hear) => performer.listen(hear),
  });
}

/** What operators may ask for, and who carries it out. */
function openRequests(parts: {
  readonly config: GatewayConfig;
  readonly dependencies: GatewayDependencies;
  readonly state: GatewayState;
  readonly performer: Performer;
  readonly store: StoreThread;
  readonly inbox: InboxDesk;
}): RequestDesk {
  const { config, dependencies, state, performer, store, inbox } = parts;
  const { dataDirectory } = config;
  const { control, log } = dependencies;
  const labels = () => store.reader;
  const choose = (node: NodeId, shareQ16: number): void => {
    writePointChoices(dataDirectory, new Map([...state.points.chosen, [node, shareQ16]]));
    performer.happen({ kind: "point", node, shareQ16 });
  };
  const steer = (cohort: string, order: RolloutOrder): void =>
    performer.happen({ kind: "steer", cohort, order });
  return new RequestDesk({
    table: {
      ...gatewayRequests({ config, state, queued: () => performer.queue.size }),
      ...inboxRequests(inbox),
      ...pointRequests({ state, choose }),
      ...nodeRequests({ state, dataDirectory, isOurs: config.broker.url === undefined }),
      ...(control !== undefined && releaseRequests({ state, control, labels, steer })),
    },
    tellDiary: (entry) => performer.happen({ kind: "diary", entry }),
    log,
  });
}

function pageParts(
  { factory, log, teacher: { classes } }: GatewayDependencies,
  store: StoreThread,
  state: GatewayState,
  desk: RequestDesk,
): PageParts {
  return { health: () => ({ degraded: state.degraded }), desk, factory, store, classes, log };
}

/** What goes out is shown on the page too. */
function overheard(link: Link, take: (topic: string, json: string) => void): Link {
  return {
    ...link,
    publish: (topic, payload, options) => {
      if (typeof payload === "string") take(topic, payload);
      link.publish(topic, payload, options);
    },
  };
}
