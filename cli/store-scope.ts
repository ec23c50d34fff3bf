/** Which nodes, which classes and which time a question to a store is about, as options say it. */

import { readConfig } from "../gateway/config/config.ts";
import type { LabelReader } from "../gateway/store/label-reader.ts";
import { EdgeError } from "../src/assert.ts";
import { HOUR_MS, type Span } from "../src/behaviour/budget.ts";
import type { CommandInput, OptionSpec } from "./command.ts";
import { openProfile } from "./profile-folder.ts";

export const OFFSET_OPTION: OptionSpec = {
  flags: "--utc-offset <hours>",
  description: "how far midnight is ahead of UTC's; the configuration's without it",
  kind: "number",
  low: -14,
  high: 14,
};

export const PROFILE_OPTION: OptionSpec = {
  flags: "--profile <name>",
  description: "whose behaviours they are, where the store is too old to say",
  kind: "text",
};

export const GROUP_OPTION: OptionSpec = {
  flags: "--group <name>",
  description: "the nodes of a group of the configuration",
  kind: "text",
};

export const SPAN_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--since <time>",
    description: "from when on: 2026-03-14, or 2026-03-14T06:00Z",
    kind: "text",
  },
  { flags: "--until <time>", description: "until when, this moment left out", kind: "text" },
];

/** What the present teacher's classes are called. An older store does not say it. */
export function classesOf(reader: LabelReader, input: CommandInput): readonly string[] {
  const profile = input.text("profile");
  const own = profile === undefined ? reader.classes() : undefined;
  return own ?? openProfile(profile ?? "cattle").profile.classes;
}

/** How far midnight is ahead of UTC's. */
export function offsetMsOf(input: CommandInput): number {
  const hours = input.number("utc-offset");
  if (hours !== undefined) return hours * HOUR_MS;
  return readConfig(input.text("config"), process.env).behaviours.utcOffsetMs;
}

/** Throws `EdgeError` `time-invalid`. */
export function spanOf(input: CommandInput): Span {
  const at = (name: string, otherwise: number): number => {
    const text = input.text(name);
    return text === undefined ? otherwise : timeOf(text, offsetMsOf(input), `--${name}`);
  };
  return { startMs: at("since", 0), endMs: at("until", Number.MAX_SAFE_INTEGER) };
}

/** A day begins where midnight is; a moment says its own zone. */
function timeOf(text: string, offsetMs: number, where: string): number {
  const isDay = /^\d{4}-\d\d-\d\d$/.test(text);
  const isMoment = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)$/.test(text);
  const timeMs = isDay || isMoment ? Date.parse(isDay ? `${text}T00:00:00Z` : text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return timeMs - (isDay ? offsetMs : 0);
  throw new EdgeError({
    code: "time-invalid",
    message: `${JSON.stringify(text)} is neither a day nor a moment`,
    where,
    hint: "Write 2026-03-14, or 2026-03-14T06:00Z with its time zone.",
  });
}

/** The start of a day, as `--day` says it. Throws `EdgeError` `day-invalid`. */
export function dayOf(text: string | undefined, offsetMs: number): number | undefined {
  if (text === undefined) return undefined;
  const utcMs = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(utcMs)) return utcMs - offsetMs;
  throw new EdgeError({
    code: "day-invalid",
    message: `${JSON.stringify(text)} is not a day`,
    where: "--day",
    hint: "Write it as 2026-03-14.",
  });
}

/** Throws `EdgeError` `node-unknown` for a name that the store does not know. */
export function knownNode(reader: LabelReader, node: string, where: string): string {
  const names = reader.nodes().map((row) => row.node as string);
  if (names.includes(node)) return node;
  throw new EdgeError({
    code: "node-unknown",
    message: `the store knows no node ${JSON.stringify(node)}`,
    where,
    hint: names.length === 0 ? "No node was heard yet." : `It knows ${names.join(", ")}.`,
  });
}

/** The members of a group, heard or not. Throws `EdgeError` `group-unknown`. */
export function groupMembers(input: CommandInput, group: string): readonly string[] {
  const config = input.text("config");
  const groups =
    config === undefined ? undefined : readConfig(config, process.env).behaviours.groups;
  const members = groups?.get(group);
  if (members !== undefined) return members;
  const names = [...(groups?.keys() ?? [])].join(", ");
  throw new EdgeError({
    code: "group-unknown",
    message: `there is no group ${JSON.stringify(group)}`,
    where: config ?? "--group",
    hint:
      groups === undefined
        ? "Groups are in the gateway's settings: name them with --config FILE."
        : `behaviours.groups has ${names === "" ? "none" : names}.`,
  });
}
