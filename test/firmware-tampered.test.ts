/**
 * The 25 kinds of tampered, stale or foreign releases, 50 of each, against the firmware: the outcome
 * of each is the one that a node in TypeScript gives, and none is ever run.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { prng } from "../src/prng.ts";
import { decodeManifest } from "../src/wire/release.ts";
import {
  buildUpdateHost,
  HOST_SETTINGS,
  type HostStatus,
  UpdateHost,
} from "./firmware-update-host.ts";
import { signRelease } from "./node-world.ts";
import {
  type Attempt,
  BY_HOLDERS_OF_THE_KEY,
  BY_STRANGERS,
  CONTAINERS,
  type Delivery,
  deliver,
  RUNNING,
  RUNNING_SEQUENCE,
} from "./tampered-releases.ts";

const SEEDS = 50;

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's tampered releases are skipped: they need gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-tampered-"));
const program = join(folder, "update");
afterAll(() => rmSync(folder, { recursive: true }));

/** A node that runs release 11, as flash holds it. */
let installed: Buffer;
let host: UpdateHost;

function send(delivery: Delivery): void {
  host.offerFrame(offerFrame(delivery));
  const sequence = sequenceOf(delivery.manifest);
  for (const { index, bytes } of delivery.chunks) {
    // Longer ones are no chunk frame at all, and an encoder refuses to make them.
    if (bytes.length <= 1024) host.chunk(sequence, index, bytes);
  }
  host.step();
}

async function receive(attempt: Attempt): Promise<string> {
  const { slotBytes, ramBytes } = attempt;
  if (slotBytes === undefined) {
    host.format(HOST_SETTINGS);
    host.restore(installed);
  } else host.format({ pageBytes: 512, slotBytes });
  host.set(HOST_SETTINGS);
  host.boot();
  host.connect();
  await host.status();
  host.set({ ...HOST_SETTINGS, ramBytes: ramBytes ?? HOST_SETTINGS.ramBytes });
  send(attempt);
  return whatBecameOf(await host.status(), slotBytes === undefined ? RUNNING_SEQUENCE : 0);
}

function whatBecameOf(status: HostStatus, before: number): string {
  const told = status.sent.flatMap((message) =>
    message.kind === "outcome" ? [message.outcome] : [],
  );
  if (status.onTrial || status.sequence !== before) return "runs";
  if (status.staging) return "incomplete";
  expect(told.length).toBeLessThan(2);
  return told[0] ?? "no frame";
}

/** As bytes, since some are not what an encoder would make. */
function offerFrame({ signature, manifest }: Delivery): Uint8Array {
  const length = Buffer.alloc(2);
  length.writeUInt16LE(manifest.length);
  return Buffer.concat([Buffer.of(1, 0x83), signature, length, manifest]);
}

function sequenceOf(manifest: Uint8Array): number {
  try {
    return decodeManifest(manifest).sequence;
  } catch {
    return RUNNING_SEQUENCE + 1;
  }
}

describe.skipIf(!there)("tampered, stale and foreign releases for firmware", () => {
  beforeAll(async () => {
    buildUpdateHost(program);
    host = new UpdateHost(program);
    host.make(RUNNING);
    host.boot();
    host.connect();
    const release = deliver(signRelease(RUNNING, RUNNING_SEQUENCE));
    send(release);
    for (let i = 0; i < 8; i++) {
      host.window(Int8Array.from({ length: 150 }, (_, at) => (at * i * 7) % 100));
    }
    host.heard(1);
    host.step();
    expect(await host.status()).toMatchObject({ sequence: RUNNING_SEQUENCE, onTrial: false });
    installed = await host.image();
  }, 60_000);
  afterAll(() => host?.close());

  it("are told from a good one, which runs", async () => {
    for (const container of CONTAINERS) {
      expect(await receive(deliver(signRelease(container, 12)))).toBe("runs");
    }
  });

  const kinds = [...BY_STRANGERS, ...BY_HOLDERS_OF_THE_KEY];
  it.each(kinds)(`%s: ${SEEDS} of ${SEEDS} refused`, async (name, make, refusals) => {
    for (let seed = 0; seed < SEEDS; seed++) {
      const attempt = make(prng(seed, name));
      const isFrame = attempt.signature.length === 64 && attempt.manifest.length > 0;
      expect(isFrame ? refusals : ["no frame"], `seed ${seed}`).toContain(await receive(attempt));
    }
  });

  it("were 1,250 in all", () => {
    expect(kinds.length * SEEDS).toBe(1250);
  });
});
