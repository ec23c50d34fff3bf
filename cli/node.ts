/**
 * `bellwether node`: one device, a node in a process of its own, until Ctrl-C or the end of its
 * samples.
 *
 * A small machine runs it for months, so that what it loads is what it needs: no library that reads
 * schemas, and what replays recordings only where one is replayed. `bench -- footprint` watches that.
 */

import "./mqtt-numbers.ts";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { type Device, startDevice } from "../device-sim/device.ts";
import { fileStorage } from "../device-sim/file-storage.ts";
import { feedLines } from "../device-sim/line-feed.ts";
import { createLineSensor } from "../device-sim/line-sensor.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { DEVICE } from "../device-sim/node-settings.ts";
import { createSampleLines } from "../device-sim/sample-lines.ts";
import { lockStore } from "../device-sim/store-lock.ts";
import { MILLIG_PER_UNIT } from "../recordings/recording-builder.ts";
import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { NodeId } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ENGINE_OPTION, engineOf } from "./engine-option.ts";
import { GATEWAY_OPTIONS, type GatewayLink, gatewayLinkOf } from "./gateway-link.ts";
import {
  ENCODING_OPTION,
  encodingOf,
  KEY_OPTION,
  PROFILE_OPTION,
  readKey,
  readStudent,
  STUDENT_OPTION,
} from "./node-inputs.ts";
import { joinNodes } from "./node-join.ts";
import { ended, narrator } from "./node-news.ts";
import { openProfile } from "./profile-folder.ts";
import { openSampleInput, type SampleInput } from "./sample-input.ts";

const STATUS_MS = 60_000;
/** How long the gateway may take for what it is still owed when the samples end. */
const OWED_MS = 10_000;
const OWED_LOOK_MS = 50;
const UNITS = ["mg", "g", "m/s2"] as const;

export const command: CommandSpec = {
  name: "node",
  summary: "one device: samples from a file, a pipe or a serial port to a gateway",
  description:
    "Runs one node until Ctrl-C or the end of its samples: student, gate, outbox and model\n" +
    "slots, over MQTT or WebSocket. Each line of the input is one sample: t,x,y,z, or an object\n" +
    'such as {"t":1200,"x":-12,"y":3,"z":998}, with t in milliseconds of any clock that runs\n' +
    "evenly. A file is played at the pace of its samples; what comes by a pipe or a port is of\n" +
    "now. What must survive a power cut, and the credentials of a node that has joined, are\n" +
    "kept in --store, from which the next start goes on.",
  options: [
    { flags: "--name <node>", description: "what the node is called", kind: "text" },
    {
      flags: "--input <path>",
      description: "where its samples come from; - for standard input",
      kind: "text",
    },
    {
      flags: "--recording <dir>",
      description: "replay a recording instead, for ever",
      kind: "text",
    },
    { flags: "--subjects <list>", description: "replay only these of it", kind: "list" },
    {
      flags: "--rate <hz>",
      description: "samples a second of the input (default: what the student takes)",
      kind: "number",
      low: 0.5,
      high: 1000,
    },
    {
      flags: "--units <unit>",
      description: "of x, y and z, with gravity: mg, g or m/s2",
      kind: "text",
      choices: UNITS,
      default: "mg",
    },
    {
      flags: "--speed <factor>",
      description: "seconds of a file or a recording a second; paces a pipe as well",
      kind: "number",
      low: 0.1,
      high: 10_000,
    },
    ...GATEWAY_OPTIONS,
    { flags: "--join <code>", description: "join by this code, the first time", kind: "text" },
    KEY_OPTION,
    {
      flags: "--store <dir>",
      description: "outbox, model slots and credentials are kept here",
      kind: "text",
      default: "bellwether-node",
    },
    PROFILE_OPTION,
    STUDENT_OPTION,
    ENGINE_OPTION,
    ENCODING_OPTION,
    { flags: "--for <seconds>", description: "end after this real time", kind: "number", low: 0.1 },
  ],
  examples: [
    "bellwether node --name collar-07 --input samples.csv --join K7QM-3XPA",
    "bellwether node --name collar-07 --input /dev/ttyUSB0 --rate 12.5 --units g",
    "bellwether node --name barn-1 --recording recordings-data/cows --speed 10",
  ],
  run,
};

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const name = nameOf(input);
  const source = sourceOf(input);
  const home = openProfile(input.text("profile") ?? "cattle");
  const { profile } = home;
  const factory = readStudent(input.text("student") ?? "default", home);
  const engine = engineOf(input);
  const link = gatewayLinkOf(input);
  const store = input.text("store") ?? "bellwether-node";
  const unlock = lockStore(store);
  try {
    const known = await joinNodes(
      { ...link, code: input.text("join"), storageDir: store },
      [name],
      io,
    );
    const publicKeys = [...known.publicKeys, ...readKey(input.text("key") ?? "", known, io)];
    const tally = { windows: 0, offloads: 0 };
    const device = await startDevice({
      id: name,
      factory,
      engine,
      settings: { ...DEVICE, publicKeys, offloadEncoding: encodingOf(input) },
      crypto: nodeCrypto,
      storage: await fileStorage(join(store, name), DEVICE.slotBytes),
      link: { ...link, password: (node) => known.passwords.get(node) },
      random: () => randomInt(2 ** 32),
      observer: {
        ...narrator(io),
        decided: (_, { offload }) => {
          tally.windows += 1;
          if (offload !== null) tally.offloads += 1;
        },
      },
    });
    return await runDevice({ device, source, profile, link, tally }, input, io);
  } finally {
    unlock();
  }
}

type Running = {
  readonly device: Device;
  readonly source: SampleInput | undefined;
  readonly profile: Profile;
  readonly link: GatewayLink;
  readonly tally: { readonly windows: number; readonly offloads: number };
};

async function runDevice(running: Running, input: CommandInput, io: CommandIo): Promise<number> {
  const { device, source, link, tally } = running;
  // Of this run: the node's own number of windows goes on where the store left it.
  const status = () => ({ ...device.runtime.status(), ...tally });
  const ending = new AbortController();
  const timer = setInterval(() => io.note(statusLine(status())), STATUS_MS);
  try {
    io.note(`${device.runtime.id}: ${source?.where ?? "a recording"} to ${withoutPassword(link)}`);
    const end = ended(AbortSignal.any([io.signal, ending.signal]), input.number("for"));
    const played =
      source === undefined
        ? await replay(running, input, end)
        : await readLines(running, source, input, end);
    await nothingOwed(device, io.signal);
    await device.stop();
    if (io.json) io.printJson({ ...status(), ...played });
    else
      io.print(
        `in all: ${statusLine(status())}, ${played.unreadLines} lines unread, ${played.gaps} gaps`,
      );
    return EXIT.ok;
  } finally {
    ending.abort();
    clearInterval(timer);
    await device.stop();
  }
}

type Played = { readonly unreadLines: number; readonly gaps: number };

async function readLines(
  { device }: Running,
  { where, live, chunks }: SampleInput,
  input: CommandInput,
  end: Promise<void>,
): Promise<Played> {
  const { rateHz } = device.shape;
  const lines = createSampleLines(where);
  const sensor = createLineSensor({
    fromHz: input.number("rate") ?? rateHz,
    rateHz,
    milligPerUnit: MILLIG_PER_UNIT[UNITS.find((unit) => unit === input.text("units")) ?? "mg"],
    where,
  });
  const stopping = new AbortController();
  void end.then(() => {
    stopping.abort();
    chunks.destroy();
  });
  const speed = input.number("speed") ?? (live ? undefined : 1);
  await feedLines({ chunks, lines, sensor, speed, rateHz, signal: stopping.signal }, device);
  return { unreadLines: lines.unread, gaps: sensor.gaps };
}

/** Loaded only here: recordings are read by schemas, which take memory. */
async function replay(
  { device, profile }: Running,
  input: CommandInput,
  end: Promise<void>,
): Promise<Played> {
  const { replaySource } = await import("../device-sim/replay-sensor.ts");
  const { readRecordings } = await import("../recordings/read.ts");
  const { play } = await import("../device-sim/playing.ts");
  const subjects = input.list("subjects");
  const recordings = await readRecordings(input.text("recording") ?? "");
  const source = replaySource(recordings, profile, {
    ...(subjects.length > 0 && { subjects }),
    order: "recorded",
    seed: randomInt(2 ** 32),
  });
  const playing = play(source, input.number("speed") ?? 1, device);
  await end;
  playing.stop();
  return { unreadLines: 0, gaps: 0 };
}

/** Waits a little for the gateway to have stored what it was sent, unless somebody wants the end now;
 * the store keeps the rest. */
async function nothingOwed(device: Device, signal: AbortSignal): Promise<void> {
  const untilMs = performance.now() + OWED_MS;
  while (performance.now() < untilMs && !signal.aborted) {
    const { connected, outbox } = device.runtime.status();
    if (connected && outbox === 0) return;
    await new Promise((resolve) => setTimeout(resolve, OWED_LOOK_MS));
  }
}

function nameOf(input: CommandInput): NodeId {
  const name = input.text("name");
  if (name !== undefined) return nodeId(name, "--name");
  throw new EdgeError({
    code: "node-id",
    message: "the node has no name",
    where: "--name",
    hint: "Give it one, the same at each start: --name collar-07.",
  });
}

/** Undefined where a recording is replayed. Throws `EdgeError` `node-input`. */
function sourceOf(input: CommandInput): SampleInput | undefined {
  const path = input.text("input");
  const recording = input.text("recording");
  if (path !== undefined && recording === undefined) return openSampleInput(path);
  if (path === undefined && recording !== undefined) return undefined;
  throw new EdgeError({
    code: "node-input",
    message: path === undefined ? "there are no samples" : "samples come from two places",
    where: "--input, --recording",
    hint: "Name either a file, a pipe or a port with --input, or a recording to replay.",
  });
}

function withoutPassword({ url }: GatewayLink): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}

function statusLine(
  status: ReturnType<Device["runtime"]["status"]> & { readonly offloads: number },
): string {
  const { connected, windows, offloads, outbox, releaseSequence } = status;
  const share = windows === 0 ? 0 : (100 * offloads) / windows;
  return [
    connected ? "connected" : "not connected",
    `${windows} windows`,
    `${share.toFixed(1)} % offloaded`,
    `${outbox} owed`,
    `release ${releaseSequence}`,
  ].join(", ");
}
