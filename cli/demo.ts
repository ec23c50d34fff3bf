/**
 * `bellwether demo`, which is also `npm start`: the whole loop in one process and one view.
 *
 * A gateway, twelve collars, and after a while half of the collars turn. Their student was trained
 * without turned copies, on purpose, so that there is something to see: it is soon wrong and sure of
 * it, the drift alarm goes off, a burst of windows goes to the teacher, a better student is distilled,
 * released to a canary, then to all. The view is built from the public topics alone; only the share
 * of right answers comes from the sensors' truth, which no part of the system ever sees.
 */

import path from "node:path";
import { type Fleet, type FleetNode, startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { type GatewayConfig, parseConfig } from "../gateway/config/config.ts";
import { lineLog } from "../gateway/log-lines.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import { EdgeError } from "../src/assert.ts";
import type { Engine } from "../src/engine/engine.ts";
import { prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { parseTurn } from "../src/signal/turn.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { type DemoSignal, demoSignal } from "./demo-signal.ts";
import { DemoScore, showDemo } from "./demo-view.ts";
import { ENGINE_OPTION, engineOf } from "./engine-option.ts";
import { FIRMWARE_OPTION, shareWithFirmware } from "./firmware-share.ts";
import { factoryStudent, type OpenGateway, openGateway } from "./open-gateway.ts";
import { shippedFolder } from "./profile-folder.ts";

export const command: CommandSpec = {
  name: "demo",
  summary: "a gateway and a herd whose collars turn: the whole loop, live",
  description:
    "Runs a gateway and twelve simulated collars until Ctrl-C, and shows what they say. After a\n" +
    "while half of the collars turn; watch the students fail, the alarm, the distillation, the\n" +
    "release and the recovery. Replays recordings where some are found, else emulates animals.\n" +
    "A second start goes on from the data directory.",
  options: [
    { flags: "--nodes <count>", description: "collars", kind: "number", default: 12, low: 2 },
    {
      flags: "--speed <factor>",
      description: "simulated seconds a second",
      kind: "number",
      default: 20,
      low: 0.1,
      high: 1000,
    },
    {
      flags: "--turn-after <seconds>",
      description: "when half of the collars turn, in simulated seconds",
      kind: "number",
      default: 800,
      low: 0,
    },
    { flags: "--turn <turn>", description: "how they turn", kind: "text", default: "z180" },
    {
      flags: "--port <number>",
      description: "the broker's port; another is taken where it is in use",
      kind: "number",
      default: 1883,
      low: 0,
      high: 65_535,
    },
    {
      flags: "--data-dir <dir>",
      description: "what must survive is kept here",
      kind: "text",
      default: "bellwether-data",
    },
    { flags: "--data <dir>", description: "where recordings are looked for", kind: "text" },
    { flags: "--seed <number>", description: "for everything random", kind: "number", default: 1 },
    ENGINE_OPTION,
    FIRMWARE_OPTION,
    { flags: "--for <seconds>", description: "end after this real time", kind: "number", low: 1 },
  ],
  examples: [
    "npm start",
    "npm start -- --firmware 1",
    "bellwether demo --turn x90 --turn-after 200",
  ],
  run,
};

/** The demonstration is about cattle: their collars are what turns. */
const PROFILE = "cattle";

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const profile = shippedProfile(PROFILE);
  const seed = input.number("seed") ?? 1;
  const engine = engineOf(input);
  const factory = factoryStudent(shippedFolder(profile), "plain").container;
  const signal = await demoSignal(input.text("data"), profile, factory, seed);
  io.note(`demo: ${signal.about}`);
  const open = await openOnFreePort(configOf(input), { profile, signal, engine }, io);
  const { pageUrl } = open.gateway;
  if (pageUrl !== undefined) io.note(`demo: the herd on a page: ${pageUrl}`);
  const token = await open.gateway.beginOperator();
  if (token !== undefined) io.note(`demo: its buttons are for the user operator: ${token}`);
  const score = new DemoScore(Math.floor((input.number("nodes") ?? 12) / 2));
  try {
    await live(input, io, { profile, factory, signal, open, score, seed, engine });
  } finally {
    await open.stop();
  }
  const releases = open.registry.releases().length;
  if (io.json) io.printJson({ engine: engine.name, ...score.json(), releases });
  else io.print(`${score.line()}, release ${releases}; all is kept in ${dataDirectory(input)}`);
  return EXIT.ok;
}

type DemoParts = {
  readonly profile: Profile;
  readonly factory: Uint8Array;
  readonly signal: DemoSignal;
  readonly open: OpenGateway;
  readonly score: DemoScore;
  readonly seed: number;
  readonly engine: Engine;
};

async function live(input: CommandInput, io: CommandIo, parts: DemoParts): Promise<void> {
  const { open, score } = parts;
  const { fleet, stop } = await startHerd(input, parts, io);
  const before = open.registry.releases().length;
  if (before > 0) io.note(`demo: goes on with release ${before} from ${dataDirectory(input)}`);
  try {
    await showDemo({
      url: open.gateway.url,
      base: configOf(input).base,
      score,
      fleet,
      seconds: input.number("for"),
      io,
    });
  } finally {
    await stop();
  }
}

function dataDirectory(input: CommandInput): string {
  return path.resolve(input.text("data-dir") ?? "bellwether-data");
}

function configOf(input: CommandInput): GatewayConfig {
  const config = parseConfig("{}", "demo.yaml", process.env);
  const { broker, releases } = config;
  return {
    ...config,
    dataDirectory: dataDirectory(input),
    logLevel: "error",
    // On this machine only, and whatever port is free: its page for phones says which.
    websocket: { ...config.websocket, enabled: true, port: 0 },
    broker: {
      ...broker,
      port: input.number("port") ?? broker.port,
      // A herd on a fast clock speaks faster than any real one.
      packetsPerSecond: 5_000,
      packetsBurst: 10_000,
    },
    releases: {
      ...releases,
      policy: {
        ...releases.policy,
        soakMs: 3_000,
        silenceMs: 120_000,
        evidenceMs: 120_000,
        // A canary of one: a handful of audits is soon there, and says enough to be seen.
        auditsLeast: 4,
      },
    },
  };
}

/** The usual port, so that `mosquitto_sub` needs no options; another where something listens. */
async function openOnFreePort(
  config: GatewayConfig,
  { profile, signal, engine }: Pick<DemoParts, "profile" | "signal" | "engine">,
  io: CommandIo,
): Promise<OpenGateway> {
  const open = (port: number): Promise<OpenGateway> =>
    openGateway({
      config: { ...config, broker: { ...config.broker, port } },
      home: shippedFolder(profile),
      student: "plain",
      engine: engine.name,
      anchorRecordings: () => Promise.resolve(signal.anchor),
      trigger: { patienceMs: 60_000 },
      lookMs: 500,
      log: lineLog(config.logLevel, io.note),
    });
  try {
    return await open(config.broker.port);
  } catch (error) {
    if (!(error instanceof EdgeError) || error.code !== "broker-port") throw error;
    io.note(`demo: port ${config.broker.port} is in use, another is taken`);
    return open(0);
  }
}

type LiveHerd = { readonly fleet: Fleet; readonly stop: () => Promise<void> };

async function startHerd(input: CommandInput, parts: DemoParts, io: CommandIo): Promise<LiveHerd> {
  const { open, score, seed, engine } = parts;
  const directory = dataDirectory(input);
  const { publicKey } = openReleaseKeys(path.join(directory, "keys"));
  const shared = {
    seed,
    settings: { ...COLLAR, publicKeys: [publicKey] },
    speed: input.number("speed") ?? 20,
  };
  const { url } = open.gateway;
  const { base } = configOf(input);
  const { simulated, stop } = await shareWithFirmware(
    {
      ...shared,
      herd: herdOf(input, parts),
      count: Math.min(input.number("firmware") ?? 0, (input.number("nodes") ?? 12) - 1),
      url,
      base,
      folder: path.join(directory, "firmware"),
    },
    io,
  );
  const fleet = await startFleet({
    ...shared,
    nodes: simulated,
    engine,
    openLink: mqttLinks({ url, base, random: prng(seed, "links") }),
    storageDir: path.join(directory, "collars"),
    onTruth: (truth) => score.take(truth),
  });
  return {
    fleet,
    stop: async () => {
      await fleet.stop();
      await stop();
    },
  };
}

/** Half of the collars turn after a while. */
function herdOf(input: CommandInput, parts: DemoParts): readonly FleetNode[] {
  const { profile, factory, signal, score, seed } = parts;
  return createHerd({
    profile,
    nodes: input.number("nodes") ?? 12,
    seed,
    signal: { kind: "recordings", recordings: signal.lived, subjects: signal.subjects },
    factory: () => factory,
    turns: [
      {
        nodes: score.turning,
        atSeconds: input.number("turn-after") ?? 800,
        rotation: parseTurn(input.text("turn") ?? "z180"),
      },
    ],
    boutSecondsMax: 60,
  });
}
