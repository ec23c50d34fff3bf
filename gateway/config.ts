/**
 * The gateway's configuration: one YAML file, every setting with a default, nothing unknown allowed.
 *
 * An environment variable `BELLWETHER_CONFIG_<SECTION>_<KEY>` goes before the file, so that a
 * container needs no file at all. All problems are told at once, each with its line. The only file
 * that imports yaml.
 */

import { readFileSync } from "node:fs";
import path from "node:path";
import { isMap, isScalar, LineCounter, parseDocument, type Document } from "yaml";
import { z } from "zod";
import { EdgeError } from "../src/assert.ts";
import { type TopicBase, topicBase } from "../src/wire/topics.ts";
import { DEFAULT_TRIGGER_RULE, type TriggerRule } from "./distil-trigger.ts";
import { DEFAULT_ROLLOUT_POLICY, type RolloutPolicy } from "./rollout.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const wholeNumber = (low: number, high: number): z.ZodInt => z.int().min(low).max(high);

const minutes = (low: number): z.ZodNumber => z.number().min(low).max(100_000);

const FileSchema = z.strictObject({
  /** Where everything that must survive is kept; relative to the configuration file. */
  data_directory: z.string().min(1).default("bellwether-data"),
  topics: z
    .strictObject({
      /** What stands before every topic. */
      base: z.string().default("bellwether"),
    })
    .prefault({}),
  broker: z
    .strictObject({
      /** An external broker, such as mqtt://user@farm.local:1883; without it one is embedded. */
      url: z
        .string()
        .regex(/^mqtts?:\/\//, "must start with mqtt:// or mqtts://")
        .optional(),
      /** A file with the external broker's password, so that it is not in this one. */
      password_file: z.string().optional(),
      /** A certificate authority for mqtts, PEM. */
      ca_file: z.string().optional(),
      host: z.string().default("127.0.0.1"),
      port: wholeNumber(0, 65_535).default(1883),
      /** `lan` lets this port leave the loopback, where everybody in between can read along. */
      plain_mqtt: z.enum(["loopback", "lan"]).default("loopback"),
      connections: wholeNumber(1, 100_000).default(1_024),
      /** Of one connection: beyond it, the gateway reads more slowly. */
      packets_per_second: wholeNumber(1, 100_000).default(200),
      packets_burst: wholeNumber(1, 100_000).default(1_000),
    })
    .prefault({}),
  access: z
    .strictObject({
      /** Whether clients on this machine need credentials on our own broker. */
      loopback: z.enum(["anonymous", "closed"]).default("anonymous"),
    })
    .prefault({}),
  tls: z
    .strictObject({
      /** MQTT over TLS, for everybody who is not on this machine. */
      enabled: z.boolean().default(false),
      host: z.string().default("0.0.0.0"),
      port: wholeNumber(0, 65_535).default(8883),
      /** PEM; without them those that `bellwether certs make` has made. */
      certificate_file: z.string().optional(),
      key_file: z.string().optional(),
      /** Who signs the certificates of clients, PEM; without it our own authority. */
      client_ca_file: z.string().optional(),
      /** A client with a certificate needs no password; its common name is its name. */
      client_certificates: z.enum(["off", "optional", "required"]).default("off"),
    })
    .prefault({}),
  websocket: z
    .strictObject({
      /** MQTT over WebSocket, for browsers. */
      enabled: z.boolean().default(false),
      host: z.string().default("127.0.0.1"),
      port: wholeNumber(0, 65_535).default(9001),
      /** `auto`: over TLS where it listens beyond this machine. */
      tls: z.enum(["auto", "on", "off"]).default("auto"),
      /** Origins of pages that may connect, such as https://farm.local:8443. */
      origins: z
        .array(z.string().regex(/^https?:\/\/[^/]+$/, "must be as https://host:port"))
        .default([]),
    })
    .prefault({}),
  profile: z.string().default("cattle"),
  teacher: z
    .strictObject({
      /** An ONNX file or a TensorFlow.js model; without it the profile's own teacher. */
      file: z.string().optional(),
      batch_size: wholeNumber(1, 256).default(16),
      wait_ms: z.number().min(0).max(10_000).default(5),
      /** Windows waiting in memory, of all nodes and of one; more wait on disk. */
      queue: wholeNumber(256, 100_000).default(1_024),
      node_queue: wholeNumber(1, 10_000).default(64),
    })
    .prefault({}),
  nodes: z
    .strictObject({
      /** A node is offline after this many of the longest silences that it announced. */
      silences: z.number().min(1).max(100).default(2.5),
      /** Frames of further nodes are refused. */
      most: wholeNumber(1, 1_000_000).default(10_000),
    })
    .prefault({}),
  loop: z
    .strictObject({
      enabled: z.boolean().default(true),
      labels_wanted: wholeNumber(1, 10_000).default(DEFAULT_TRIGGER_RULE.labelsWanted),
      labels_least: wholeNumber(1, 10_000).default(DEFAULT_TRIGGER_RULE.labelsLeast),
      patience_minutes: minutes(0).default(DEFAULT_TRIGGER_RULE.patienceMs / MINUTE_MS),
      labels_count: wholeNumber(1, 1_000_000).default(DEFAULT_TRIGGER_RULE.labelsCount),
      schedule_hours: z
        .number()
        .min(0)
        .max(100_000)
        .default(DEFAULT_TRIGGER_RULE.scheduleMs / HOUR_MS),
    })
    .prefault({}),
  releases: z
    .strictObject({
      chunk_bytes_per_second: wholeNumber(1_024, 1_000_000_000).default(262_144),
      soak_minutes: minutes(0).default(DEFAULT_ROLLOUT_POLICY.soakMs / MINUTE_MS),
      silence_minutes: minutes(0.01).default(DEFAULT_ROLLOUT_POLICY.silenceMs / MINUTE_MS),
      evidence_minutes: minutes(0.01).default(DEFAULT_ROLLOUT_POLICY.evidenceMs / MINUTE_MS),
      audits_least: wholeNumber(0, 10_000).default(DEFAULT_ROLLOUT_POLICY.auditsLeast),
      windows_least: wholeNumber(0, 100_000).default(DEFAULT_ROLLOUT_POLICY.windowsLeast),
    })
    .prefault({}),
  log: z
    .strictObject({ level: z.enum(["debug", "info", "warning", "error"]).default("info") })
    .prefault({}),
});

type FileConfig = z.infer<typeof FileSchema>;

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

export type GatewayConfig = {
  readonly version: string;
  readonly dataDirectory: string;
  readonly base: TopicBase;
  readonly broker: BrokerConfig;
  /** Whether clients on this machine need credentials. */
  readonly loopback: "anonymous" | "closed";
  readonly tls: TlsConfig;
  readonly websocket: WebSocketConfig;
  readonly profile: string;
  readonly teacherFile: string | undefined;
  readonly teacherQueue: {
    readonly batchSize: number;
    readonly waitMs: number;
    readonly queueMax: number;
    readonly nodeQueueMax: number;
  };
  readonly silences: number;
  readonly nodesMax: number;
  /** Whether the loop learns, and when: see `distil-trigger.ts`. */
  readonly loop: {
    readonly enabled: boolean;
    readonly trigger: Omit<TriggerRule, "trust">;
  };
  readonly releases: { readonly chunkBytesPerSecond: number; readonly policy: RolloutPolicy };
  readonly logLevel: FileConfig["log"]["level"];
  /** Pages that the label log may grow to; tests fill a disk with it. */
  readonly labelPagesMax?: number;
};

const ENVIRONMENT_PREFIX = "BELLWETHER_CONFIG_";

/** @throws EdgeError `config-missing`, and what `parseConfig` throws */
export function readConfig(
  file: string,
  environment: Readonly<Record<string, string | undefined>>,
): GatewayConfig {
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
  return toConfig(parsed.data, file);
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
    profile: settings.profile,
    teacherFile: beside(teacher.file),
    teacherQueue: {
      batchSize: teacher.batch_size,
      waitMs: teacher.wait_ms,
      queueMax: teacher.queue,
      nodeQueueMax: teacher.node_queue,
    },
    silences: settings.nodes.silences,
    nodesMax: settings.nodes.most,
    loop: {
      enabled: loop.enabled,
      trigger: {
        labelsWanted: loop.labels_wanted,
        labelsLeast: loop.labels_least,
        patienceMs: loop.patience_minutes * MINUTE_MS,
        labelsCount: loop.labels_count,
        scheduleMs: loop.schedule_hours * HOUR_MS,
      },
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
    hint: "`bellwether gateway --help` names every setting with its default.",
  });
}

function packageVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
