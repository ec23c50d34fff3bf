/** `--gateway`, `--base` and `--ca`: how a node reaches its gateway, wherever a command runs one. */

import { readFileSync } from "node:fs";
import { EdgeError } from "../src/assert.ts";
import { type TopicBase, topicBase } from "../src/wire/topics.ts";
import type { CommandInput, OptionSpec } from "./command.ts";

/** Of every command that speaks to a broker by itself. */
export const BASE_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--base <topic>",
    description: "what stands before the topics",
    kind: "text",
    default: "bellwether",
  },
  { flags: "--ca <file>", description: "certificate authority of the broker, PEM", kind: "text" },
];

export const GATEWAY_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--gateway <url>",
    description: "the broker to join",
    kind: "text",
    default: "mqtt://127.0.0.1:1883",
  },
  ...BASE_OPTIONS,
];

export type GatewayLink = {
  readonly url: string;
  readonly base: TopicBase;
  readonly ca: Uint8Array | undefined;
};

/** Throws `EdgeError` `broker-url`, `file-unreadable` and `topic-base`. */
export function gatewayLinkOf(input: CommandInput): GatewayLink {
  const caFile = input.text("ca");
  return {
    url: brokerUrl(input.text("gateway") ?? "", "--gateway").href,
    base: topicBase(input.text("base") ?? "bellwether", "--base"),
    ca: caFile === undefined ? undefined : readCa(caFile),
  };
}

/** Throws `EdgeError` `broker-url`. */
export function brokerUrl(text: string, where: string): URL {
  if (URL.canParse(text)) {
    const url = new URL(text);
    if (/^(mqtts?|wss?):$/.test(url.protocol) && url.hostname !== "") return url;
  }
  throw new EdgeError({
    code: "broker-url",
    message: `${JSON.stringify(text)} is no broker`,
    where,
    hint: "Write mqtt://host:1883, or mqtts://user:password@host:8883.",
  });
}

/** Throws `EdgeError` `file-unreadable`. */
export function readCa(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new EdgeError({
      code: "file-unreadable",
      message: error instanceof Error ? error.message : String(error),
      where: file,
      hint: "Give the PEM file of the authority that signed the broker's certificate.",
    });
  }
}
