/**
 * The firmware in QEMU and a gateway's process, by nothing but the command line: a model with an
 * encoder and operating points is pushed to the node, which runs it, sends codes of its doubts, and
 * offloads as much as an operator says.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FirmwareNode, startFirmwareNode } from "../deploy/firmware/tools/firmware-node.ts";
import { buildNodeImage, missingForNode } from "../deploy/firmware/tools/node-image.ts";
import type { FeaturesSettings } from "../device-sim/node-types.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { decodeContainer } from "../src/model/container.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import { bellwether } from "./access-kit.ts";
import { untilFed } from "./firmware-kit.ts";
import { startTap, type Tap } from "./firmware-tap.ts";
import {
  base,
  freePort,
  gatewayEnvironment,
  removeFolder,
  temporaryFolder,
  until,
} from "./gateway-kit.ts";

const BOARD = "mps2-an386";
const missing = missingForNode(BOARD);
if (missing !== undefined) console.log(`the node on ${BOARD} is skipped: ${missing}`);

const ROOT = path.join(import.meta.dirname, "..");
const PROFILE = path.join(ROOT, "profiles/cattle");
const PUSHED = path.join(PROFILE, "student.bwm");
const ID = nodeId("collar-01");
const RATE_HZ = 10;
const HOP = 25;
/** At each point. */
const WINDOWS = 120;

let folder: string;
let port: number;
let gateway: ChildProcess;
let node: FirmwareNode;
let tap: Tap;
/** What ends what came to be, also where not all of it did: a gateway that is left would go on. */
const ends: (() => Promise<void>)[] = [];

const asked = (): string[] => ["--config", path.join(folder, "farm.yaml")];

async function startGateway(): Promise<void> {
  const options = ["--profile", "cattle", "--student", "plain", "--quiet"];
  const all = [path.join(ROOT, "cli/main.ts"), "gateway", ...options, ...asked()];
  gateway = spawn(process.execPath, all, {
    env: gatewayEnvironment(),
    stdio: ["ignore", "pipe", "inherit"],
  });
  ends.push(async () => {
    gateway.kill("SIGTERM");
    await once(gateway, "exit");
  });
  let said = "";
  gateway.stdout?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  await until("the gateway to listen", () => said.includes("listening on"), 60_000);
}

/** What an encoder's sums cost beside a byte is the provisioning block's to say. */
const FEATURES: FeaturesSettings = {
  rule: DEFAULT_FORM_RULE,
  costs: () => ({ raw: undefined, features: undefined }),
};

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = temporaryFolder();
  port = await freePort();
  writeFileSync(
    path.join(folder, "farm.yaml"),
    `data_directory: data
broker: { port: ${port} }
http: { enabled: false }
metrics: { enabled: false }
releases: { soak_minutes: 0, audits_least: 0, windows_least: 0 }
`,
  );
  await startGateway();
  tap = await startTap(base, port);
  ends.push(tap.close);
  const key = readFileSync(path.join(folder, "data/keys/release-key.pub"), "utf8").trim();
  node = await startFirmwareNode({
    board: BOARD,
    image: buildNodeImage({
      board: BOARD,
      factory: readFileSync(path.join(PROFILE, "student-plain.bwm")),
    }),
    broker: { host: "127.0.0.1", port: tap.port },
    folder: path.join(folder, "collar"),
    provision: {
      id: ID,
      base,
      publicKeys: [Buffer.from(key, "hex")],
      seed: 11,
      connectMs: 200,
      connectMsMax: 1_000,
      macsPerByte: 1_000,
      settings: { trialWindows: 6, offloadEncoding: "companded4", features: FEATURES },
    },
  });
  ends.push(node.stop);
  // Two animals in one collar: behaviours between which a student is seldom sure.
  const parameters = await readShippedEmulator("cattle");
  const [one, other] = [1, 2].map((seed) => createEmulator(parameters, { seed, name: ID }));
  source = () => {
    const second = other?.next(HOP).samples;
    const first = one?.next(HOP).samples ?? new Int16Array();
    return first.map((millig, i) => Math.round((millig + (second?.[i] ?? 0)) / 2));
  };
}, 120_000);

afterAll(async () => {
  if (missing !== undefined) return;
  for (const end of ends.reverse()) await end();
  removeFolder(folder);
});

let source: () => Int16Array;
let taken = 0;

async function feed(windows: number): Promise<void> {
  for (let i = 0; i < windows; i++) {
    const at = { startSample: taken, timeMs: Date.now(), rateHz: RATE_HZ };
    await node.feed({ ...at, millig: source(), channels: 3 });
    taken += HOP;
  }
}

const untilWithWindows = untilFed(feed);

const saidOf = <K extends UpMessage["kind"]>(kind: K) =>
  tap.up.filter((message): message is Extract<UpMessage, { kind: K }> => message.kind === kind);
const entries = () => saidOf("report").flatMap((report) => report.entries);
const answered = (): number => new Set(entries().map(({ windowIndex }) => windowIndex)).size;
/** Offloads of one life; what is sent again counts once. */
const offloads = () => [...new Map(saidOf("offload").map((one) => [one.seq, one])).values()];

function isConfirmed({ outcome }: { readonly outcome: string }): boolean {
  return outcome === "confirmed";
}

/** What the node sends of so many windows after an operator has moved it. */
async function offloadedAt(point: number): Promise<ReturnType<typeof offloads>> {
  const moved = await bellwether("nodes", "point", ID, String(point), ...asked());
  expect(moved).toMatchObject({ node: ID, point });
  const before = offloads().length;
  const windows = answered();
  await feed(WINDOWS);
  await until("its answers", () => answered() >= windows + WINDOWS - 8, 30_000);
  expect(saidOf("report").at(-1)).toMatchObject({ operatingPoint: point, dropped: 0 });
  return offloads().slice(before);
}

describe.skipIf(missing !== undefined)("a model with encoder and points", () => {
  it("is pushed to the firmware and runs there", async () => {
    await until("the node to join", () => saidOf("hello").length > 0, 20_000);
    await feed(4);
    const model = createHash("sha256").update(readFileSync(PUSHED)).digest("hex").slice(0, 16);
    await bellwether("models", "push", PUSHED, "--detach", ...asked());
    await untilWithWindows("its end", () => saidOf("outcome").some(isConfirmed));
    expect(saidOf("outcome").map(({ outcome }) => outcome)).toEqual(["activated", "confirmed"]);
    await untilWithWindows("a report of it", () => saidOf("report").at(-1)?.modelId === model);
    const { encoder, points } = decodeContainer(readFileSync(PUSHED));
    expect([encoder, points]).not.toContain(undefined);
  }, 120_000);

  it("sends what its operator says, and codes where they are cheaper", async () => {
    const few = await offloadedAt(1);
    const many = await offloadedAt(5);
    // 3 % and 45 % at most, and what the bucket holds.
    expect(few.length).toBeLessThan(0.15 * WINDOWS);
    expect(many.length).toBeGreaterThan(0.3 * WINDOWS);
    const codes = many.filter(({ encoding }) => encoding === "features");
    expect(codes.length).toBeGreaterThan(0.6 * many.length);
    expect(many.length).toBeGreaterThan(codes.length);
    await until("the tail's verdicts", () => {
      const indices = new Set(codes.map(({ windowIndex }) => windowIndex));
      const told = tap.down.filter(
        (message) => message.kind === "verdict" && indices.has(message.windowIndex),
      );
      return told.length > 0.8 * codes.length;
    });
  }, 120_000);

  it("stays where it was sent when its battery is pulled, and goes back when it is told", async () => {
    const lives = saidOf("hello").length;
    await node.powerCycle();
    await until("another life", () => saidOf("hello").length > lives, 20_000);
    await feed(12);
    await until("a report", () => saidOf("report").at(-1)?.epoch === saidOf("hello").at(-1)?.epoch);
    expect(saidOf("report").at(-1)?.operatingPoint).toBe(5);
    await bellwether("nodes", "point", ID, "released", ...asked());
    await untilWithWindows(
      "the gate as released",
      () => saidOf("report").at(-1)?.operatingPoint === 0,
    );
  }, 60_000);
});
