/**
 * Millijoules a day of a node: local, raw and gated, on Bluetooth, Wi-Fi and LoRaWAN.
 *
 * Windows and exits are those of the shipped students on recordings (else the emulator); what each
 * costs is estimated by `src/cost` and `src/link`, within 30 % at best. Nothing was measured on a
 * board. `--share 10` is the percentage of windows that gated nodes offload; which accuracy that buys is
 * `bench -- gate`'s to say. `--json` has every constant with its source. `--quick` looks at few
 * windows.
 */

import { assert, EdgeError } from "../src/assert.ts";
import { encoderOn } from "../src/cost/encoder-on-target.ts";
import { estimateOn } from "../src/cost/student-on-target.ts";
import { TARGETS } from "../src/cost/targets.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { type DayEnergy, type DayTraffic, energyOfDay } from "../src/link/energy-day.ts";
import {
  accelerometerMicrowatts,
  type LinkProfile,
  linkProfile,
} from "../src/link/link-profile.ts";
import { featuresSendingCost } from "../src/link/offload-costs.ts";
import { ACK_BYTES, VERDICT_HEADER_BYTES } from "../src/link/offload-day.ts";
import { BLE, LINK_UNCERTAINTY, LORA, WIFI as WIFI_RADIO } from "../src/link/radio-constants.ts";
import {
  wifiBreakEvenSeconds,
  wifiBundled,
  wifiLightSleepMicrowatts,
  wifiReconnect,
} from "../src/link/wifi.ts";
import { codeShape } from "../src/model/encoder.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { WindowEncoding } from "../src/wire/messages.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { type ExitMix, measureExits } from "./energy-exits.ts";
import { packetsOf } from "./link-packets.ts";
import { untrainedEncoder, untrainedSplit } from "./untrained-encoder.ts";

const DAY_SECONDS = 86_400;

/** Windows in an encoding, or codes of an encoder of at most so many bytes. */
export type Sends = WindowEncoding | { readonly codeBytes: number };

type Strategy = {
  readonly name: string;
  readonly runsStudent: boolean;
  readonly share: (asked: number) => number;
  readonly sends: Sends;
};

const STRATEGIES: readonly Strategy[] = [
  { name: "always local", runsStudent: true, share: () => 0, sends: "int8" },
  { name: "always raw", runsStudent: false, share: () => 1, sends: "int8" },
  { name: "gated raw", runsStudent: true, share: (asked) => asked, sends: "int8" },
  {
    name: "gated raw, 4 bits",
    runsStudent: true,
    share: (asked) => asked,
    sends: "companded4",
  },
  {
    name: "gated raw, 2 bits",
    runsStudent: true,
    share: (asked) => asked,
    sends: "companded2",
  },
  gatedCodes(28),
  gatedCodes(40),
];

/** 28 bytes fit one payload of LoRaWAN's slowest rate; 40 need two there, and say more. */
function gatedCodes(codeBytes: number): Strategy {
  const name = `gated codes, ${codeBytes} B`;
  return { name, runsStudent: true, share: (asked) => asked, sends: { codeBytes } };
}

type Carrier = {
  readonly name: string;
  readonly profile: LinkProfile;
  readonly reportWindows: number;
  /** The radio is off, and the network joined anew for each report and what has gathered with it. */
  readonly joins: boolean;
};

const WIFI = linkProfile("wifi", 0);
const CARRIERS: readonly Carrier[] = [
  { name: "BLE", profile: linkProfile("ble", 0), reportWindows: 24, joins: false },
  { name: "Wi-Fi, associated", profile: WIFI, reportWindows: 24, joins: false },
  {
    name: "Wi-Fi, joining",
    profile: {
      ...WIFI,
      restMicrowatts:
        wifiLightSleepMicrowatts() + accelerometerMicrowatts(WIFI_RADIO.supplyVolt.value),
      uplink: wifiBundled,
      // Heard while the radio is on for the joining anyway.
      downlink: () => wifiBundled(0),
    },
    reportWindows: 64,
    joins: true,
  },
  { name: "LoRaWAN DR5", profile: linkProfile("lorawan", 5), reportWindows: 64, joins: false },
  { name: "LoRaWAN DR3", profile: linkProfile("lorawan", 3), reportWindows: 64, joins: false },
  { name: "LoRaWAN DR0", profile: linkProfile("lorawan", 0), reportWindows: 64, joins: false },
];

type Row = {
  readonly profile: string;
  readonly link: string;
  readonly strategy: string;
  /** Null where a window does not fit the link at all. */
  readonly energy: DayEnergy | null;
};

export async function run(options: BenchmarkOptions): Promise<BenchmarkResult> {
  const asked = shareOf(options);
  const names = options.dataset === undefined ? ["cattle", "people"] : [profileOf(options.dataset)];
  const mixes: ExitMix[] = [];
  for (const [i, name] of names.entries()) {
    options.progress(name, i / names.length);
    const windowsMax = options.quick ? 256 : 100_000;
    mixes.push(await measureExits(name, { data: options.data, windowsMax }));
  }
  const rows = mixes.flatMap((mix) =>
    CARRIERS.flatMap((carrier) =>
      STRATEGIES.map((strategy) => rowOf(mix, carrier, strategy, asked)),
    ),
  );
  return {
    ok: rows.every(({ energy }) => energy === null || energy.totalMillijoule > 0),
    lines: [
      ...mixes.flatMap(mixLines),
      "",
      ...mixes.flatMap((mix) => [...table(energyTable(mix.profile.name, rows)), ""]),
      `Share carried in brackets where the duty cycle lets less than all through; "does not fit":`,
      "a window takes more than four payloads. Codes are those of the encoders that `train --encoder`",
      "makes, which cost what their shapes say; the shipped students have those of 40.",
      `All energies are estimates, ±${100 * LINK_UNCERTAINTY} % at best; nothing ran on a board.`,
      `Wi-Fi: joining anew is cheaper than staying from ${Math.round(wifiBreakEvenSeconds())} s ` +
        "between messages on.",
    ],
    figures: {
      share: asked,
      uncertainty: LINK_UNCERTAINTY,
      constants: { ble: BLE, wifi: WIFI_RADIO, lora: LORA, targets: TARGETS },
      wifiBreakEvenSeconds: wifiBreakEvenSeconds(),
      mixes: mixes.map(({ profile, source, windows, shares, offloadShare }) => {
        return { profile: profile.name, source, windows, exitShares: shares, offloadShare };
      }),
      rows,
    },
  };
}

/** A day of a gated node that offloads this share of its windows over the link of this name in
 * `CARRIERS`; null where that does not fit the link. */
export function dayOf(mix: ExitMix, link: string, sends: Sends, share: number): DayEnergy | null {
  const carrier = CARRIERS.find(({ name }) => name === link);
  assert(carrier !== undefined, `a link ${link}`);
  return rowOf(mix, carrier, { name: "gated", runsStudent: true, share: () => share, sends }, share)
    .energy;
}

function rowOf(mix: ExitMix, carrier: Carrier, strategy: Strategy, asked: number): Row {
  const traffic = trafficOf(mix, carrier, strategy, asked);
  const head = { profile: mix.profile.name, link: carrier.name, strategy: strategy.name };
  return { ...head, energy: traffic && energyOfDay(carrier.profile, traffic) };
}

/** Undefined where nothing could be sent. */
function trafficOf(
  mix: ExitMix,
  carrier: Carrier,
  strategy: Strategy,
  asked: number,
): DayTraffic | null {
  const { profile, container } = mix;
  const { runsStudent } = strategy;
  const share = strategy.share(asked);
  const windows = (DAY_SECONDS * profile.rateHz) / profile.hopSamples;
  const sent = sentBy(strategy.sends, profile, carrier.profile);
  const { packets } = sent;
  if (packets === undefined && share > 0) return null;
  const offloads = { perDay: share * windows, packets: packets ?? [] };
  const frames = runsStudent ? mix.reports(carrier.reportWindows) : [];
  const reportsPerDay = runsStudent ? windows / carrier.reportWindows : 0;
  const reports = frames.map((frame) => ({
    perDay: reportsPerDay / frames.length,
    packets: packetsOf(carrier.profile, frame, "report") ?? [],
  }));
  const verdictBytes = VERDICT_HEADER_BYTES + container.classes.length;
  const joinsPerDay = windows / carrier.reportWindows;
  return {
    windows,
    inferenceMicrojoules:
      (runsStudent ? inferenceOf(mix, carrier.profile) : 0) + share * sent.encodingMicrojoules,
    up: [offloads, ...reports],
    down: [
      { perDay: offloads.perDay + reportsPerDay, bytes: ACK_BYTES },
      { perDay: offloads.perDay, bytes: verdictBytes },
    ],
    ...(carrier.joins && {
      joins: { perDay: joinsPerDay, microjoules: wifiReconnect(0).microjoules },
    }),
  };
}

/** Packets of one offload, and what making it takes beside the student. */
function sentBy(
  sends: Strategy["sends"],
  profile: Profile,
  link: LinkProfile,
): { readonly packets: readonly number[] | undefined; readonly encodingMicrojoules: number } {
  if (typeof sends === "string") {
    const frame = new Uint8Array(offloadBytes(sends, profile));
    return { packets: packetsOf(link, frame, "offload"), encodingMicrojoules: 0 };
  }
  const { design } = splitRecipeFor(profile, sends.codeBytes);
  const encoder = untrainedEncoder(untrainedSplit(design, 1), profile.inputMilligPerStep);
  const packets = featuresSendingCost(link, codeShape(encoder).bytes)?.packets;
  return { packets, encodingMicrojoules: encoderOn(link.target, encoder).microjoules };
}

/** Mean over the exits that answered; the gate's own few hundredths are not in it. */
function inferenceOf({ container, containerBytes, shares }: ExitMix, link: LinkProfile): number {
  const { exits } = estimateOn(link.target, container.student, containerBytes);
  return exits.reduce((sum, { microjoules }, i) => sum + microjoules * (shares[i] ?? 0), 0);
}

function mixLines({ profile, source, windows, shares, offloadShare }: ExitMix): string[] {
  const exits = shares.map((share, i) => `exit ${i + 1} ${percent(share)}`).join(", ");
  const gate = `the gate offloads ${percent(offloadShare)} by itself`;
  return [`${profile.name}: ${windows} windows of the ${source}: ${exits}; ${gate}`];
}

function energyTable(profile: string, rows: readonly Row[]): (string | number)[][] {
  const title = [`${profile}, mJ a day`, ...STRATEGIES.map(({ name }) => name)];
  const lines = CARRIERS.map(({ name }) => [
    name,
    ...STRATEGIES.map((strategy) => {
      const row = rows.find(
        (one) => one.profile === profile && one.link === name && one.strategy === strategy.name,
      );
      if (row?.energy === undefined || row.energy === null) return "does not fit";
      const { totalMillijoule, carried } = row.energy;
      const part = carried < 1 ? ` (${percent(carried)})` : "";
      return `${Math.round(totalMillijoule).toLocaleString("en")}${part}`;
    }),
  ]);
  return [title, ...lines];
}

/** @throws EdgeError `usage` */
function shareOf({ extra }: BenchmarkOptions): number {
  const percentage = Number(extra.share ?? 10);
  if (percentage > 0 && percentage <= 100) return percentage / 100;
  throw new EdgeError({
    code: "usage",
    message: `--share ${extra.share ?? ""}`,
    where: "bench",
    hint: "Give the percentage of windows to offload, above 0 and at most 100.",
  });
}

function profileOf(dataset: string): string {
  return dataset === "cows" ? "cattle" : dataset;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`;
}
