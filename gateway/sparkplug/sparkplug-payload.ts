/**
 * Payloads of Sparkplug B: as much of `org.eclipse.tahu.protobuf.Payload` as an edge node says, and as
 * it has to understand of a command. Pure.
 *
 * Field numbers and data types are those of the Eclipse Sparkplug Specification 3.0.0, section 6.4.
 * Metrics go by their names, never by aliases. It refuses to be a library: no data sets, no templates,
 * no properties. The package `sparkplug-payload` of Eclipse Tahu reads the same bytes in a test.
 */

import { EdgeError } from "../../src/assert.ts";
import {
  doubleField,
  fieldsOf,
  integerField,
  join,
  type Message,
  messageField,
  textField,
  textOf,
} from "../../src/protobuf.ts";

/** 6.4.16, by the name that people know them by. */
const DATA_TYPES = {
  Int32: 3,
  Int64: 4,
  Double: 10,
  Boolean: 11,
  String: 12,
  DateTime: 13,
} as const;
export type DataType = keyof typeof DATA_TYPES;

export type Metric = {
  readonly name: string;
  readonly type: DataType;
  /** Whole and not negative of `Int32`, `Int64` and `DateTime`, which is milliseconds since 1970. */
  readonly value: number | boolean | string | null;
  /** Since when it is so, milliseconds since 1970. */
  readonly timeMs: number;
};

export type Payload = {
  readonly timeMs: number;
  /** 0 to 255; the word of a node's death has none. */
  readonly seq: number | undefined;
  readonly metrics: readonly Metric[];
};

/** What a host writes; a boolean is all that any command of ours is. */
export type CommandMetric = { readonly name: string; readonly value: boolean | undefined };

/** A command of a host is one metric or a few: Rebirth takes 40 bytes. */
export const COMMAND_BYTES_MAX = 4 * 1024;
const COMMAND_METRICS_MAX = 64;
const NAME_BYTES_MAX = 256;

const PAYLOAD = { timestamp: 1, metrics: 2, seq: 3 } as const;
const METRIC = {
  name: 1,
  timestamp: 3,
  datatype: 4,
  isNull: 7,
  intValue: 10,
  longValue: 11,
  doubleValue: 13,
  booleanValue: 14,
  stringValue: 15,
} as const;

export function encodePayload({ timeMs, seq, metrics }: Payload): Uint8Array {
  const message: Message = [];
  integerField(message, PAYLOAD.timestamp, Math.round(timeMs));
  for (const metric of metrics) messageField(message, PAYLOAD.metrics, encodeMetric(metric));
  if (seq !== undefined) integerField(message, PAYLOAD.seq, seq);
  return join(message);
}

function encodeMetric({ name, type, value, timeMs }: Metric): Message {
  const message: Message = [];
  textField(message, METRIC.name, name);
  integerField(message, METRIC.timestamp, Math.round(timeMs));
  integerField(message, METRIC.datatype, DATA_TYPES[type]);
  if (value === null) integerField(message, METRIC.isNull, 1);
  else if (typeof value === "string") textField(message, METRIC.stringValue, value);
  else if (typeof value === "boolean") integerField(message, METRIC.booleanValue, value ? 1 : 0);
  else if (type === "Double") doubleField(message, METRIC.doubleValue, value);
  else integerField(message, type === "Int32" ? METRIC.intValue : METRIC.longValue, value);
  return message;
}

/** The metrics of a command. Throws `EdgeError` `sparkplug-payload`. */
export function decodeCommand(bytes: Uint8Array, where: string): CommandMetric[] {
  if (bytes.length > COMMAND_BYTES_MAX) throw broken(where, COMMAND_BYTES_MAX);
  const metrics: CommandMetric[] = [];
  for (const { field, bytes: inner } of fieldsOf(bytes, where, broken)) {
    if (field !== PAYLOAD.metrics) continue;
    if (metrics.length === COMMAND_METRICS_MAX) throw broken(where, bytes.length);
    metrics.push(decodeMetric(inner, where));
  }
  return metrics;
}

function decodeMetric(bytes: Uint8Array, where: string): CommandMetric {
  let name = "";
  let value: boolean | undefined;
  for (const { field, integer, bytes: inner } of fieldsOf(bytes, where, broken)) {
    if (field === METRIC.name) {
      if (inner.length > NAME_BYTES_MAX) throw broken(where, NAME_BYTES_MAX);
      name = textOf(inner);
    } else if (field === METRIC.booleanValue) value = integer !== 0;
  }
  return { name, value };
}

function broken(where: string, at: number): EdgeError {
  return new EdgeError({
    code: "sparkplug-payload",
    message: `no payload of Sparkplug B, or one beyond its limits (byte ${at})`,
    where,
    hint: `A command has at most ${COMMAND_METRICS_MAX} metrics and ${COMMAND_BYTES_MAX} bytes.`,
  });
}
