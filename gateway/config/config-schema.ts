/**
 * Every setting of a gateway: its type, its range and its default. `config-template.ts` says what each
 * is for, in the words that people get.
 */

import { z } from "zod";
import { OUTSIDE_BROKER } from "../broker/outside-broker.ts";
import { DEFAULT_TRIGGER_RULE } from "../distil/distil-trigger.ts";
import { AlertsSchema, BehavioursSchema } from "../herd/behaviour-config.ts";
import { LorawanSchema } from "../lorawan/lorawan-config.ts";
import { DEFAULT_ROLLOUT_POLICY } from "../release/rollout.ts";
import { SparkplugSchema } from "../sparkplug/sparkplug-config.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const wholeNumber = (low: number, high: number): z.ZodInt => z.int().min(low).max(high);

const percent = z.number().min(0).max(100);

const minutes = (low: number): z.ZodNumber => z.number().min(low).max(100_000);

export const FileSchema = z.strictObject({
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
      /** An external one; without an address one is embedded. */
      ...OUTSIDE_BROKER,
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
  http: z
    .strictObject({
      /** The page for people, /api/state, /api/events and /healthz; over TLS beyond this machine. */
      enabled: z.boolean().default(true),
      host: z.string().default("127.0.0.1"),
      port: wholeNumber(0, 65_535).default(8811),
      /** What people call this gateway by, besides its addresses: a page asked for by another name is
       * refused. */
      names: z
        .array(z.string().regex(/^[A-Za-z0-9._-]+$/, "must be as farm.local, without a port"))
        .default([]),
    })
    .prefault({}),
  profile: z.string().default("cattle"),
  teacher: z
    .strictObject({
      /** An ONNX file or a TensorFlow.js model; without it the profile's own teacher. */
      file: z.string().optional(),
      /** Answers windows in 2 bits a value; the profile's own goes with the profile's own teacher. */
      coarse: z.string().optional(),
      /** Answers codes of an encoder; the profile's own goes with the profile's own teacher. */
      tail: z.string().optional(),
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
      /** Windows that nodes are to offload, in percent: their model's nearest operating point below.
       * 0 for the gate as it was released. */
      offload_percent: percent.default(0),
      /** The same by the name of a node or of a group. */
      offload_percent_of: z.record(z.string().min(1).max(64), percent).default({}),
    })
    .prefault({}),
  behaviours: BehavioursSchema,
  alerts: AlertsSchema,
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
      people_labels_wanted: wholeNumber(1, 1_000).default(DEFAULT_TRIGGER_RULE.peopleWanted),
      people_labels_least: wholeNumber(1, 1_000).default(DEFAULT_TRIGGER_RULE.peopleLeast),
      people_quiet_minutes: minutes(0).default(DEFAULT_TRIGGER_RULE.peopleQuietMs / MINUTE_MS),
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
  home_assistant: z
    .strictObject({
      /** Whether nodes appear in Home Assistant by themselves. */
      discovery: z.boolean().default(true),
    })
    .prefault({}),
  metrics: z
    .strictObject({
      /** Prometheus' /metrics over HTTP, without credentials. */
      enabled: z.boolean().default(true),
      host: z.string().default("127.0.0.1"),
      port: wholeNumber(0, 65_535).default(9464),
    })
    .prefault({}),
  sparkplug: SparkplugSchema,
  lorawan: LorawanSchema,
  log: z
    .strictObject({ level: z.enum(["debug", "info", "warning", "error"]).default("info") })
    .prefault({}),
});

export type FileConfig = z.infer<typeof FileSchema>;
