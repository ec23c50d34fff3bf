/** The options that put simulated nodes on a radio with its limits, give them a battery, and let them
 * choose by what sending costs. */

import type { FeaturesSettings } from "../device-sim/node-types.ts";
import { EdgeError } from "../src/assert.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { LINK_NAMES, type LinkName } from "../src/link/link-cost.ts";
import { type LinkProfile, linkProfile } from "../src/link/link-profile.ts";
import { formCosts, macsPerByte } from "../src/link/offload-costs.ts";
import { decodeContainer } from "../src/model/container.ts";
import type { CommandInput, CommandIo, OptionSpec } from "./command.ts";

export const DATA_RATE_OPTION: OptionSpec = {
  flags: "--data-rate <number>",
  description: "LoRaWAN's in EU868, from 0 (SF12) to 5 (SF7)",
  kind: "number",
  default: 5,
  low: 0,
  high: 5,
};

export const LINK_OPTIONS: readonly OptionSpec[] = [
  {
    flags: "--link <name>",
    description: "a radio with its limits, and a battery",
    kind: "text",
    choices: ["none", ...LINK_NAMES],
    default: "none",
  },
  DATA_RATE_OPTION,
  {
    flags: "--battery <mAh>",
    description: "what the cell of a node with --link holds, at 3 V",
    kind: "number",
    default: 1000,
    low: 0.001,
  },
];

/** For reports, where there is always one. */
export const ENERGY_LINK_OPTION: OptionSpec = {
  flags: "--link <name>",
  description: "the radio of the energy",
  kind: "text",
  choices: LINK_NAMES,
  default: "ble",
};

/** Throws `EdgeError` `data-rate`. */
export function energyLinkOf(input: CommandInput): LinkProfile {
  const name = LINK_NAMES.find((known) => known === input.text("link")) ?? "ble";
  return linkProfile(name, dataRateOption(input));
}

/** As people name it: `BLE`, `LoRaWAN DR5`. */
export function linkText(name: LinkName, dataRate: number): string {
  const names = { ble: "BLE", wifi: "Wi-Fi", lorawan: `LoRaWAN DR${dataRate}` } as const;
  return names[name];
}

/** Throws `EdgeError` `data-rate`. */
export function dataRateOption(input: CommandInput): number {
  const dataRate = input.number("data-rate") ?? 5;
  if (!Number.isInteger(dataRate)) {
    throw new EdgeError({
      code: "data-rate",
      message: `${dataRate} is no data rate`,
      where: "--data-rate",
      hint: "Give a whole number from 0 (SF12) to 5 (SF7).",
    });
  }
  return dataRate;
}

/** Undefined for `none`. Throws `EdgeError` `data-rate`. */
export function linkOf(
  input: CommandInput,
): { readonly profile: LinkProfile; readonly milliampereHours: number } | undefined {
  const name = LINK_NAMES.find((known) => known === input.text("link"));
  if (name === undefined) return undefined;
  const dataRate = dataRateOption(input);
  return {
    profile: linkProfile(name, dataRate),
    milliampereHours: input.number("battery") ?? 1000,
  };
}

/** Without a radio nothing is known of costs, and codes are the cheaper form. */
export function featuresOf(
  input: CommandInput,
  profile: LinkProfile | undefined,
  factory: Uint8Array,
  io: CommandIo,
): FeaturesSettings | undefined {
  if (!input.flag("features")) return undefined;
  if (decodeContainer(factory).encoder === undefined) {
    io.note("the student has no encoder: windows are sent");
  }
  const costs: FeaturesSettings["costs"] =
    profile === undefined
      ? ({ rawBytes, codeBytes }) => ({
          raw: { microjoules: rawBytes },
          features: { microjoules: codeBytes },
        })
      : (asked) => formCosts(profile, asked);
  return { rule: DEFAULT_FORM_RULE, costs };
}

/** The same costs for firmware, which counts them in bytes; nothing where there is no radio. */
export function firmwareCosts(
  profile: LinkProfile | undefined,
  factory: Uint8Array,
): { readonly macsPerByte?: number } {
  const { encoder } = decodeContainer(factory);
  if (profile === undefined || encoder === undefined) return {};
  return { macsPerByte: macsPerByte(profile, encoder) };
}
