/**
 * Millijoules a day of a node: local, raw and gated, on Bluetooth, Wi-Fi and LoRaWAN.
 *
 * Windows and exits are those of the shipped students on recordings (else the emulator); what each
 * costs is estimated by `src/cost` and `src/link`, within 30 % at best. Nothing was measured on a
 * board. `--share 10` is the percentage of windows that gated nodes offload; which accuracy that buys is
 * `bench -- gate`'s to say. `--json` has every constant with its source. `--quick` looks at few
 * windows.
 */

import { EdgeError } from "../src/assert.ts";
import { TARGETS } from "../src/cost/targets.ts";
import { estimateOn } from "../src/cost/student-on-target.ts";
import { type DayEnergy, type DayTraffic, energyOfDay } from "../src/link/energy-day.ts";
import {
  accelerometerMicrowatts,
  type LinkProfile,
  linkProfile,
} from "../src/link/link-profile.ts";
import { BLE, LINK_UNCERTAINTY, LORA, WIFI as WIFI_RADIO } from "../src/link/radio-constants.ts";
import {
  wifiBreakEvenSeconds,
  wifiBundled,
  wifiLightSleepMicrowatts,
  wifiReconnect,
} from "../src/link/wifi.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { toLoraPayloads } from "../src/wire/lora.ts";
import type { WindowEncoding } from "../src/wire/messages.ts";
import { type BenchmarkOptions, type BenchmarkResult, table } from "./benchmark.ts";
import { type ExitMix, measureExits } from "./energy-exits.ts";

const DAY_SECONDS = 86_400;
const ACK_BYTES = 12;
const VERDICT_HEADER_BYTES = 17;

/** Without an encoding there is nothing yet that a node could send. */
type Strategy = {
  readonly name: string;
  readonly runsStudent: boolean;
  readonly share: (asked: number) => number;
  readonly encoding: WindowEncoding | undefined;
};

const STRATEGIES: readonly Strategy[] = [
  { name: "always local", runsStudent: true, share: () => 0, encoding: "int8" },
  { name: "always raw", runsStudent: false, share: () => 1, encoding: "int8" },
  { name: "gated raw", runsStudent: true, share: (asked) => asked, encoding: "int8" },
  {
    name: "gated raw, 4 bits",
    runsStudent: true,
    share: (asked) => asked,
    encoding: "companded4",
  },
  // Filled when a student has an encoder: its bytes, and its instructions beside the exits'.
  { name: "gated features", runsStudent: true, share: (asked) => asked, encoding: undefined },
];

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
  /** Null where there is no encoder, or a window does not fit the link at all. */
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
      'a window takes more than four payloads. "-": no student has an encoder yet.',
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
  const { encoding, runsStudent } = strategy;
  const share = strategy.share(asked);
  if (encoding === undefined) return null;
  const windows = (DAY_SECONDS * profile.rateHz) / profile.hopSamples;
  const frameBytes = offloadBytes(encoding, profile);
  const packets = packetsOf(carrier.profile, new Uint8Array(frameBytes), "offload");
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
    inferenceMicrojoules: runsStudent ? inferenceOf(mix, carrier.profile) : 0,
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

function packetsOf(
  { packets }: LinkProfile,
  frame: Uint8Array,
  kind: "report" | "offload",
): readonly number[] | undefined {
  if (packets === undefined) return [frame.length];
  const payloads = toLoraPayloads(kind, frame, packets.payloadBytes, packets.piecesMax);
  return payloads?.map((payload) => payload.length);
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
      if (strategy.encoding === undefined) return "-";
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
