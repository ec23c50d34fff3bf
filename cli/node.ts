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
import { type BatteryFile, followBatteryFile } from "../device-sim/battery-file.ts";
import { type Device, startDevice } from "../device-sim/device.ts";
import { fileStorage } from "../device-sim/file-storage.ts";
import { addressOf } from "../device-sim/mqtt-join.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { DEVICE } from "../device-sim/node-settings.ts";
import { lockStore } from "../device-sim/store-lock.ts";
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
  FEATURES_OPTION,
  KEY_OPTION,
  PROFILE_OPTION,
  readKey,
  readStudent,
  STUDENT_OPTION,
} from "./node-inputs.ts";
import { joinNodes } from "./node-join.ts";
import { ended, narrator } from "./node-news.ts";
import { checkSampleOptions, SAMPLE_OPTIONS } from "./node-options.ts";
import { readLines, replay } from "./node-playing.ts";
import { openProfile } from "./profile-folder.ts";
import { openSampleInput, type SampleInput } from "./sample-input.ts";

const STATUS_MS = 60_000;
/** How long the gateway may take for what it is still owed when the samples end. */
const OWED_MS = 10_000;
const OWED_LOOK_MS = 50;

export const command: CommandSpec = {
  name: "node",
  summary: "one device: samples from a file, a pipe or a serial port to a gateway",
  description:
    "Runs one node until Ctrl-C or the end of its samples: student, gate, outbox and model\n" +
    "slots, over MQTT or WebSocket. Each line of the input is one sample: t,x,y,z, or an object\n" +
    'such as {"t":1200,"x":-12,"y":3,"z":998}, with t in milliseconds of any clock that runs\n' +
    'evenly. A fifth value, or "battery", is what its battery holds, in percent. A file is\n' +
    "played at the pace of its samples; what comes by a pipe or a port is of now. What must\n" +
    "survive a power cut, and the credentials of a node that has joined, are kept in --store,\n" +
    "from which the next start goes on.",
  options: [
    { flags: "--name <node>", description: "what the node is called", kind: "text" },
    ...SAMPLE_OPTIONS,
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
    FEATURES_OPTION,
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
  checkSampleOptions(input);
  const from = input.text("input");
  const source = from === undefined ? undefined : openSampleInput(from);
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
    const tally = { windows: 0, offloads: 0, asCodes: 0 };
    const device = await startDevice({
      id: name,
      factory,
      engine,
      settings: {
        ...DEVICE,
        ...{ publicKeys, offloadEncoding: encodingOf(input) },
        features: await featuresIfAsked(input, factory, io),
      },
      crypto: nodeCrypto,
      storage: await fileStorage(join(store, name), DEVICE.slotBytes),
      link: { ...link, password: (node) => known.passwords.get(node) },
      random: () => randomInt(2 ** 32),
      observer: {
        ...narrator(io),
        decided: (_, { offload, form }) => {
          tally.windows += 1;
          if (offload !== null) tally.offloads += 1;
          if (form === "features") tally.asCodes += 1;
        },
      },
    });
    try {
      return await runDevice({ device, source, profile, link, tally }, input, io);
    } finally {
      await device.stop();
    }
  } finally {
    unlock();
  }
}

type Running = {
  readonly device: Device;
  readonly source: SampleInput | undefined;
  readonly profile: Profile;
  readonly link: GatewayLink;
  /** Of this run. */
  readonly tally: { readonly windows: number; readonly offloads: number; readonly asCodes: number };
};

async function runDevice(running: Running, input: CommandInput, io: CommandIo): Promise<number> {
  const { device, source, link, tally } = running;
  // Of this run: the node's own number of windows goes on where the store left it.
  const status = () => ({ ...device.runtime.status(), ...tally });
  const ending = new AbortController();
  const timer = setInterval(() => io.note(statusLine(status())), STATUS_MS);
  let battery: BatteryFile | undefined;
  try {
    battery = followBattery(input, device, io);
    io.note(`${device.runtime.id}: ${source?.where ?? "a recording"} to ${addressOf(link.url)}`);
    const end = ended(AbortSignal.any([io.signal, ending.signal]), input.number("for"));
    const played =
      source === undefined
        ? await replay(running, input, end)
        : await readLines({ ...running, source }, input, io, end);
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
    battery?.stop();
    clearInterval(timer);
  }
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

/** Loaded only here: few nodes have an encoder, and it is what its codes cost that takes code. */
async function featuresIfAsked(input: CommandInput, factory: Uint8Array, io: CommandIo) {
  if (!input.flag("features")) return undefined;
  const { featuresOf } = await import("./link-option.ts");
  return featuresOf(input, undefined, factory, io);
}

function followBattery(input: CommandInput, { runtime }: Device, io: CommandIo) {
  const file = input.text("battery-file");
  if (file === undefined) return undefined;
  return followBatteryFile(
    file,
    (percent) => runtime.step({ kind: "battery", percent }),
    (text) => io.note(`${runtime.id}: ${file}: ${text}`),
  );
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

function statusLine(
  status: ReturnType<Device["runtime"]["status"]> & Omit<Running["tally"], "windows">,
): string {
  const { connected, windows, offloads, asCodes, outbox, releaseSequence } = status;
  const share = windows === 0 ? 0 : (100 * offloads) / windows;
  return [
    connected ? "connected" : "not connected",
    `${windows} windows`,
    `${share.toFixed(1)} % offloaded${asCodes === 0 ? "" : `, ${asCodes} of them as codes`}`,
    `${outbox} owed`,
    `release ${releaseSequence}`,
  ].join(", ");
}
