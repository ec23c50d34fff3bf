/**
 * `bellwether simulate`: a herd of simulated nodes that joins any gateway.
 *
 * They are whole nodes: student, gate, outbox, model slots, MQTT. Their sensors replay recordings
 * where some are found, else an emulated animal, and the command says which. It knows what is true
 * where the recordings do, and shows how often the nodes are right; the truth never leaves it.
 */

import "./mqtt-numbers.ts";
import { join } from "node:path";
import { type Fleet, type FleetStatus, startFleet, type Truth } from "../device-sim/fleet.ts";
import { createHerd, parseTurnPlan } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR, collarOn } from "../device-sim/node-settings.ts";
import { LINK_UNCERTAINTY } from "../src/link/radio-constants.ts";
import { prng } from "../src/prng.ts";
import type { Fault } from "../src/signal/faults.ts";
import type { Profile } from "../src/signal/profile.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ENGINE_OPTION, engineOf } from "./engine-option.ts";
import { FIRMWARE_OPTION, shareWithFirmware } from "./firmware-share.ts";
import { GATEWAY_OPTIONS, gatewayLinkOf } from "./gateway-link.ts";
import { chooseSignal } from "./herd-inputs.ts";
import { featuresOf, firmwareCosts, LINK_OPTIONS, linkOf } from "./link-option.ts";
import {
  ENCODING_OPTION,
  encodingOf,
  FEATURES_OPTION,
  KEY_OPTION,
  PROFILE_OPTION,
  readKey,
  readStudent,
  STUDENT_OPTION,
} from "./node-inputs.ts";
import { joinNodes } from "./node-join.ts";
import { ended, narrator } from "./node-news.ts";
import { openProfile } from "./profile-folder.ts";

const STATUS_MS = 5_000;

export const command: CommandSpec = {
  name: "simulate",
  summary: "a herd of simulated nodes that joins any gateway",
  description:
    "Runs simulated nodes until Ctrl-C: each with its student, gate, outbox and model slots,\n" +
    "over MQTT. They replay recordings where some are found, else emulated animals. With\n" +
    "--store they go on where they were at the next start. Their releases must be signed by\n" +
    "the gateway's key, which is in its data directory.",
  options: [
    { flags: "--nodes <count>", description: "how many", kind: "number", default: 12, low: 1 },
    ...GATEWAY_OPTIONS,
    PROFILE_OPTION,
    STUDENT_OPTION,
    {
      flags: "--speed <factor>",
      description: "simulated seconds a second",
      kind: "number",
      default: 1,
      low: 0.1,
      high: 10_000,
    },
    { flags: "--seed <number>", description: "for everything random", kind: "number", default: 1 },
    ENGINE_OPTION,
    {
      flags: "--turn <list>",
      description: "collars that turn, such as 6@300s:z180 (simulated seconds)",
      kind: "list",
    },
    {
      flags: "--dropouts <per-hour>",
      description: "gaps an hour in every sensor, of two seconds in the mean",
      kind: "number",
      low: 0,
    },
    {
      flags: "--clock-drift <ppm>",
      description: "clocks run fast or slow by up to so many parts per million",
      kind: "number",
      low: 0,
      high: 10_000,
    },
    ...LINK_OPTIONS,
    ENCODING_OPTION,
    FEATURES_OPTION,
    { flags: "--subjects <list>", description: "replay only these", kind: "list" },
    { flags: "--data <dir>", description: "where recordings are looked for", kind: "text" },
    { flags: "--store <dir>", description: "keep outboxes and slots here", kind: "text" },
    KEY_OPTION,
    {
      flags: "--join <code>",
      description: "join by this code; with --store only the first time",
      kind: "text",
    },
    FIRMWARE_OPTION,
    { flags: "--for <seconds>", description: "end after this real time", kind: "number", low: 0.1 },
  ],
  examples: [
    "bellwether simulate",
    "bellwether simulate --nodes 12 --speed 10 --seed 7 --student plain --turn 6@300s",
    "bellwether simulate --gateway mqtts://farm.local:8883 --ca ca.pem --store collars --join K7QM-3XPA",
  ],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const home = openProfile(input.text("profile") ?? "cattle");
  const { profile } = home;
  const engine = engineOf(input);
  const factory = readStudent(input.text("student") ?? "default", home);
  const signal = await chooseSignal(input, home, io);
  const seed = input.number("seed") ?? 1;
  const herd = createHerd({
    profile,
    nodes: input.number("nodes") ?? 12,
    seed,
    signal,
    factory: () => factory,
    turns: input.list("turn").map(parseTurnPlan),
    faults: faultsOf(input, profile),
    clockDriftPartsPerMillion: input.number("clock-drift") ?? 0,
  });
  const score = new Score();
  const broker = gatewayLinkOf(input);
  const storageDir = input.text("store") ?? null;
  const code = input.text("join");
  const known = await joinNodes(
    { ...broker, code, storageDir },
    herd.map(({ id }) => id),
    io,
  );
  const publicKeys = [...known.publicKeys, ...readKey(input.text("key") ?? "", known, io)];
  const radio = linkOf(input);
  const settings = {
    ...(radio === undefined ? COLLAR : collarOn(radio.profile)),
    ...{ publicKeys, offloadEncoding: encodingOf(input) },
    features: featuresOf(input, radio?.profile, factory, io),
  };
  const speed = input.number("speed") ?? 1;
  const shared = await shareWithFirmware(
    {
      ...broker,
      ...{ herd, count: input.number("firmware") ?? 0, seed, settings, speed },
      ...firmwareCosts(radio?.profile, factory),
      folder: storageDir === null ? null : join(storageDir, "firmware"),
      passwords: known.passwords,
    },
    io,
  );
  const fleet = await startFleet({
    nodes: shared.simulated,
    seed,
    settings,
    radio,
    engine,
    openLink: mqttLinks({
      ...broker,
      password: (node) => known.passwords.get(node),
      random: prng(seed, "links"),
    }),
    storageDir,
    speed,
    observer: narrator(io),
    onTruth: (truth) => score.take(truth),
  });
  const timer = setInterval(() => io.note(statusLine(fleet, score.lately())), STATUS_MS);
  await ended(io.signal, input.number("for"));
  clearInterval(timer);
  await fleet.stop();
  await shared.stop();
  const line = `in all: ${statusLine(fleet, score.all())}`;
  if (io.json) io.printJson({ engine: engine.name, ...fleet.status(), ...score.all() });
  else io.print(line);
  return EXIT.ok;
}

type Tally = { windows: number; known: number; right: number; offloads: number; features: number };

const NOTHING: Tally = { windows: 0, known: 0, right: 0, offloads: 0, features: 0 };

/** How often nodes are right, and how much they ask: in all, and since the last look. */
class Score {
  #all = { ...NOTHING };
  #lately = { ...NOTHING };

  take({ decided, truth }: Truth): void {
    for (const tally of [this.#all, this.#lately]) {
      tally.windows += 1;
      if (decided.offload !== null) tally.offloads += 1;
      if (decided.form === "features") tally.features += 1;
      if (truth === undefined) continue;
      tally.known += 1;
      if (truth === decided.classIndex) tally.right += 1;
    }
  }

  all() {
    return shares(this.#all);
  }

  /** Since the last call. */
  lately() {
    const tally = this.#lately;
    this.#lately = { ...NOTHING };
    return shares(tally);
  }
}

function shares({ windows, known, right, offloads, features }: Tally) {
  return {
    windows,
    accuracy: known === 0 ? null : right / known,
    offloadRatio: windows === 0 ? 0 : offloads / windows,
    /** Windows by what travelled of them. */
    forms: { none: windows - offloads, features, raw: offloads - features },
  };
}

function statusLine(fleet: Fleet, score: ReturnType<typeof shares>): string {
  const { nodes, simulatedSeconds, behindSeconds, energy } = fleet.status();
  const { windows, accuracy, offloadRatio, forms } = score;
  const connected = nodes.filter((node) => node.connected).length;
  const owed = nodes.reduce((sum, node) => sum + node.outbox, 0);
  const releases = new Set(nodes.map((node) => node.releaseSequence));
  const asCodes = forms.features === 0 ? "" : `, ${forms.features} of them as codes`;
  const parts = [
    `${Math.round(simulatedSeconds)} s`,
    `${connected} of ${nodes.length} connected`,
    `${windows} windows`,
    accuracy === null ? "truth unknown" : `${(100 * accuracy).toFixed(1)} % right`,
    `${(100 * offloadRatio).toFixed(1)} % offloaded${asCodes}`,
    `${owed} owed`,
    `release ${[...releases].sort((a, b) => a - b).join(", ")}`,
  ];
  if (energy.length > 0) parts.push(energyText(energy));
  if (behindSeconds > 0.1 * simulatedSeconds) parts.push("this machine cannot keep up");
  return parts.join(", ");
}

/** The emptiest battery, and where the energy of all went. */
function energyText(energy: FleetStatus["energy"]): string {
  const sum = (of: (one: FleetStatus["energy"][number]) => number): number =>
    Math.round(energy.reduce((total, one) => total + of(one), 0));
  const lowest = Math.min(...energy.map((one) => one.batteryPercent));
  return (
    `battery ${lowest} %, ${sum((one) => one.inferenceMillijoule)} mJ inference, ` +
    `${sum((one) => one.radioMillijoule)} mJ radio, ${sum((one) => one.restMillijoule)} mJ rest ` +
    `(estimates, ±${100 * LINK_UNCERTAINTY} %)`
  );
}

function faultsOf(input: CommandInput, profile: Profile): readonly Fault[] {
  const perHour = input.number("dropouts") ?? 0;
  if (perHour === 0) return [];
  const { rateHz } = profile;
  return [{ kind: "dropouts", perHour, meanSamples: 2 * rateHz, rateHz }];
}
