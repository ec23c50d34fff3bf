/**
 * The gateway's configuration: one YAML file, every setting with a default, nothing unknown allowed.
 *
 * An environment variable `BELLWETHER_CONFIG_<SECTION>_<KEY>` goes before the file, so that a
 * container needs no file at all. All problems are told at once, each with its line. The only file
 * that imports yaml.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { type Document, isMap, isScalar, LineCounter, parseDocument } from "yaml";
import type { z } from "zod";
import { EdgeError } from "../../src/assert.ts";
import { type TopicBase, topicBase } from "../../src/wire/topics.ts";
import type { TriggerRule } from "../distil/distil-trigger.ts";
import { type BehaviourConfig, toBehaviourConfig } from "../herd/behaviour-config.ts";
import type { MetricsConfig } from "../http/metrics-listener.ts";
import { type LorawanConfig, toLorawanConfig } from "../lorawan/lorawan-config.ts";
import { DEFAULT_ROLLOUT_POLICY, type RolloutPolicy } from "../release/rollout.ts";
import { type SparkplugConfig, toSparkplugConfig } from "../sparkplug/sparkplug-config.ts";
import { type FileConfig, FileSchema } from "./config-schema.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

export type BrokerConfig = {
  readonly url: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly host: string;
  readonly port: number;
  readonly plain: "loopback" | "lan";
  readonly connectionsMax: number;
  readonly packetsPerSecond: number;
  readonly packetsBurst: number;
};

export type TlsConfig = {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly clientCaFile: string | undefined;
  readonly clientCertificates: "off" | "optional" | "required";
};

export type WebSocketConfig = {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly tls: "auto" | "on" | "off";
  readonly origins: readonly string[];
};

export type HttpConfig = {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
  readonly names: readonly string[];
};

export type GatewayConfig = {
  readonly version: string;
  readonly dataDirectory: string;
  readonly base: TopicBase;
  readonly broker: BrokerConfig;
  /** Whether clients on this machine need credentials. */
  readonly loopback: "anonymous" | "closed";
  readonly tls: TlsConfig;
  readonly websocket: WebSocketConfig;
  readonly http: HttpConfig;
  readonly profile: string;
  readonly teacherFile: string | undefined;
  readonly coarseFile: string | undefined;
  readonly tailFile: string | undefined;
  readonly teacherQueue: {
    readonly batchSize: number;
    readonly waitMs: number;
    readonly queueMax: number;
    readonly nodeQueueMax: number;
  };
  readonly silences: number;
  readonly nodesMax: number;
  /** Percent of windows that are wanted of all nodes, and by name of a node or group; 0 for none. */
  readonly offload: {
    readonly percent: number;
    readonly percentOf: Readonly<Record<string, number>>;
  };
  readonly behaviours: BehaviourConfig;
  /** Whether the loop learns, and when: see `distil-trigger.ts`. */
  readonly loop: {
    readonly enabled: boolean;
    readonly trigger: Omit<TriggerRule, "trust">;
  };
  readonly releases: { readonly chunkBytesPerSecond: number; readonly policy: RolloutPolicy };
  readonly homeAssistant: boolean;
  readonly metrics: MetricsConfig;
  readonly sparkplug: SparkplugConfig;
  readonly lorawan: LorawanConfig;
  readonly logLevel: FileConfig["log"]["level"];
  /** Pages that the label log may grow to; tests fill a disk with it. */
  readonly labelPagesMax?: number;
};

const ENVIRONMENT_PREFIX = "BELLWETHER_CONFIG_";

/**
 * Settings as a command is given them: without a file, the defaults and the environment.
 *
 * @throws EdgeError `config-missing`, and what `parseConfig` throws
 */
export function readConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): GatewayConfig {
  if (file === undefined) return parseConfig("", "bellwether.yaml", environment);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new EdgeError({
      code: "config-missing",
      message: (error as Error).message,
      where: file,
      hint: "Name a file that exists with --config, or leave it out to use the defaults.",
    });
  }
  return parseConfig(text, file, environment);
}

/**
 * @param text YAML; empty for all defaults
 * @param file for messages, and what relative paths are relative to
 * @throws EdgeError `config-syntax`, `config-invalid` with one line for each problem, `topic-base`
 */
export function parseConfig(
  text: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): GatewayConfig {
  return toConfig(parseSettings(text, file, environment).settings, file);
}

/** The settings under the names that people write, and where each comes from. */
export type Settings = {
  readonly settings: FileConfig;
  /** `line 4`, the variable's name, or `default`. */
  readonly origin: (section: string, key?: string) => string;
};

/** @throws EdgeError as `parseConfig` does */
export function parseSettings(
  text: string,
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): Settings {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const [syntax] = document.errors;
  if (syntax !== undefined) {
    const line = lines.linePos(syntax.pos[0]).line;
    throw invalid("config-syntax", `${file}, line ${line}`, [syntax.message.split("\n")[0] ?? ""]);
  }
  const content: unknown = document.toJS() ?? {};
  const fromEnvironment = applyEnvironment(content, environment);
  const parsed = FileSchema.safeParse(content);
  if (!parsed.success) {
    const problems = parsed.error.issues.flatMap((issue) =>
      problemsOf(issue, document, lines, fromEnvironment),
    );
    throw invalid("config-invalid", file, problems);
  }
  return {
    settings: parsed.data,
    origin: (section, key) => {
      const at = key === undefined ? [section] : [section, key];
      const line = lineOf(document, lines, at);
      const inFile = line === undefined ? "default" : `line ${line}`;
      return fromEnvironment.get(at.join(".")) ?? inFile;
    },
  };
}

function teacherFiles(
  { file, coarse, tail }: FileConfig["teacher"],
  beside: (name: string | undefined) => string | undefined,
): Pick<GatewayConfig, "teacherFile" | "coarseFile" | "tailFile"> {
  return { teacherFile: beside(file), coarseFile: beside(coarse), tailFile: beside(tail) };
}

/** When to distil. */
function triggerOf(loop: FileConfig["loop"]): GatewayConfig["loop"]["trigger"] {
  return {
    labelsWanted: loop.labels_wanted,
    labelsLeast: loop.labels_least,
    patienceMs: loop.patience_minutes * MINUTE_MS,
    labelsCount: loop.labels_count,
    scheduleMs: loop.schedule_hours * HOUR_MS,
    peopleWanted: loop.people_labels_wanted,
    peopleLeast: loop.people_labels_least,
    peopleQuietMs: loop.people_quiet_minutes * MINUTE_MS,
  };
}

function toConfig(settings: FileConfig, file: string): GatewayConfig {
  const folder = path.dirname(path.resolve(file));
  const beside = (name: string | undefined): string | undefined =>
    name === undefined ? undefined : path.resolve(folder, name);
  const { broker, teacher, loop, releases, tls } = settings;
  return {
    version: packageVersion(),
    dataDirectory: path.resolve(folder, settings.data_directory),
    base: topicBase(settings.topics.base, `${file}, topics.base`),
    broker: {
      url: broker.url,
      passwordFile: beside(broker.password_file),
      caFile: beside(broker.ca_file),
      host: broker.host,
      port: broker.port,
      plain: broker.plain_mqtt,
      connectionsMax: broker.connections,
      packetsPerSecond: broker.packets_per_second,
      packetsBurst: broker.packets_burst,
    },
    loopback: settings.access.loopback,
    tls: {
      enabled: tls.enabled,
      host: tls.host,
      port: tls.port,
      certificateFile: beside(tls.certificate_file),
      keyFile: beside(tls.key_file),
      clientCaFile: beside(tls.client_ca_file),
      clientCertificates: tls.client_certificates,
    },
    websocket: settings.websocket,
    http: settings.http,
    profile: settings.profile,
    ...teacherFiles(teacher, beside),
    teacherQueue: {
      batchSize: teacher.batch_size,
      waitMs: teacher.wait_ms,
      queueMax: teacher.queue,
      nodeQueueMax: teacher.node_queue,
    },
    silences: settings.nodes.silences,
    nodesMax: settings.nodes.most,
    offload: {
      percent: settings.nodes.offload_percent,
      percentOf: settings.nodes.offload_percent_of,
    },
    behaviours: toBehaviourConfig(settings.behaviours, settings.alerts),
    loop: {
      enabled: loop.enabled,
      trigger: triggerOf(loop),
    },
    releases: {
      chunkBytesPerSecond: releases.chunk_bytes_per_second,
      policy: {
        ...DEFAULT_ROLLOUT_POLICY,
        soakMs: releases.soak_minutes * MINUTE_MS,
        silenceMs: releases.silence_minutes * MINUTE_MS,
        evidenceMs: releases.evidence_minutes * MINUTE_MS,
        auditsLeast: releases.audits_least,
        windowsLeast: releases.windows_least,
      },
    },
    metrics: settings.metrics,
    homeAssistant: settings.home_assistant.discovery,
    sparkplug: toSparkplugConfig(settings.sparkplug, beside),
    lorawan: toLorawanConfig(settings.lorawan, beside),
    logLevel: settings.log.level,
  };
}

/** Writes `BELLWETHER_CONFIG_BROKER_PORT=1884` over `broker.port`. Returns variables by path. */
function applyEnvironment(
  content: unknown,
  environment: Readonly<Record<string, string | undefined>>,
): Map<string, string> {
  const used = new Map<string, string>();
  if (typeof content !== "object" || content === null || Array.isArray(content)) return used;
  const root = content as Record<string, unknown>;
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || text === undefined) continue;
    const name = variable.slice(ENVIRONMENT_PREFIX.length).toLowerCase();
    const section = Object.keys(FileSchema.shape).find((key) => name.startsWith(`${key}_`));
    if (section === undefined) {
      root[name] = scalarOf(text);
      used.set(name, variable);
      continue;
    }
    const key = name.slice(section.length + 1);
    const inside = root[section];
    const base = typeof inside === "object" && inside !== null ? inside : {};
    root[section] = { ...base, [key]: scalarOf(text) };
    used.set(`${section}.${key}`, variable);
  }
  return used;
}

/** As YAML reads it: `1884` is a number, `true` a truth value, `[a, b]` a list. */
function scalarOf(text: string): unknown {
  const value: unknown = parseDocument(text).toJS();
  return typeof value === "object" && !Array.isArray(value) ? text : value;
}

function problemsOf(
  issue: z.core.$ZodIssue,
  document: Document,
  lines: LineCounter,
  fromEnvironment: ReadonlyMap<string, string>,
): string[] {
  const unknown = issue.code === "unrecognized_keys";
  const paths = unknown ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
  return paths.map((at) => {
    const name = at.join(".");
    const variable = fromEnvironment.get(name);
    const line = lineOf(document, lines, at);
    const where = variable ?? (line === undefined ? name : `line ${line}, ${name}`);
    return `${where}: ${unknown ? "there is no such setting" : issue.message}`;
  });
}

/** The line of a key in the file; undefined for what the file does not have. */
function lineOf(
  document: Document,
  lines: LineCounter,
  at: readonly PropertyKey[],
): number | undefined {
  const parent = at.length === 1 ? document.contents : document.getIn(at.slice(0, -1), true);
  if (!isMap(parent)) return undefined;
  const pair = parent.items.find(({ key }) => isScalar(key) && key.value === at.at(-1));
  const range = isScalar(pair?.key) ? pair.key.range : undefined;
  return range ? lines.linePos(range[0]).line : undefined;
}

function invalid(code: string, where: string, problems: readonly string[]): EdgeError {
  return new EdgeError({
    code,
    message: problems.join("; "),
    where,
    hint: "`bellwether gateway --show-config` names every setting with its default.",
  });
}

function packageVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
