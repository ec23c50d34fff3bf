/**
 * The loop of MCUboot's simulator on the firmware's own code: an update is run once to count what it
 * does to flash, then again with the power cut at each word and each page, before it and in the
 * middle of it. What is left must boot a valid model, and get there in the end.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { below, prng } from "../src/prng.ts";
import { buildUpdateHost, type HostStatus, type Torn, UpdateHost } from "./firmware-update-host.ts";
import {
  constantContainer,
  type SignedRelease,
  sampleContainer,
  signRelease,
} from "./node-world.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's power cuts are skipped: they need gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-cuts-"));
const program = join(folder, "update");
beforeAll(() => {
  if (there) buildUpdateHost(program);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true }));

/** Two chunks, so that thousands of lives take seconds. */
const SMALL_SPEC: StudentSpec = {
  windowSamples: 20,
  channels: 3,
  classes: 3,
  stages: [{ layers: [{ kind: "conv", filters: 8, kernel: 5, stride: 2 }], exit: { hidden: 8 } }],
};
const sample = (seed: number): Uint8Array => sampleContainer(seed, {}, SMALL_SPEC);
const FACTORY = sample(1);
const FIRST = signRelease(sample(2), 5);
const SECOND = signRelease(sample(3), 6);
const THIRD = signRelease(sample(4), 7);
const DULL = signRelease(constantContainer(2, SMALL_SPEC), 6);
const SETTINGS = { pageBytes: 512, slotBytes: 2048, ramBytes: 4096, trialWindows: 6 };

/** Each differs plainly from the first, so that a dull student is found out by the last. */
const WINDOWS = Array.from({ length: 6 }, (_, number) => {
  const random = prng(number, "windows");
  return Int8Array.from({ length: 60 }, () => (random.uint32() >> 27) - 20 * number);
});

function install(host: UpdateHost, release: SignedRelease): void {
  host.connect();
  host.offer(release);
  host.chunksOf(release);
  host.step();
  for (const window of WINDOWS) host.window(window);
  host.heard(0xffff_ffff);
  host.step();
}

const TORN: readonly Torn[] = [0, 1, 2];

type Scene = {
  readonly name: string;
  readonly before: readonly SignedRelease[];
  readonly release: SignedRelease;
  /** Releases that may run after a cut, and the one that must run in the end. */
  readonly allowed: readonly number[];
  readonly end: number;
};

const SCENES: readonly Scene[] = [
  { name: "a first release", before: [], release: FIRST, allowed: [0, 5], end: 5 },
  { name: "a second release", before: [FIRST], release: SECOND, allowed: [5, 6], end: 6 },
  { name: "a release that is given up", before: [FIRST], release: DULL, allowed: [5, 6], end: 5 },
  // Nothing that an erase leaves of it may bring the former back.
  { name: "one after that", before: [FIRST, DULL], release: THIRD, allowed: [5, 7], end: 7 },
];

/** Flash after what came before, and what the whole update does to it from there. */
async function prepare(
  host: UpdateHost,
  scene: Scene,
): Promise<{ readonly image: Buffer; readonly whole: HostStatus }> {
  host.make(FACTORY, SETTINGS);
  host.boot();
  for (const release of scene.before) install(host, release);
  const image = await host.image();
  host.boot();
  host.cutAt(0);
  host.refuseAt(0);
  install(host, scene.release);
  const whole = await host.status();
  expect(whole).toMatchObject({ sequence: scene.end, onTrial: false });
  return { image, whole };
}

type Cut = { readonly at: number; readonly torn: Torn };
type Lives = { readonly name: string; readonly ran: HostStatus[]; readonly end: HostStatus };

/** Cuts one after another, each counted from the boot before; then the power stays. */
async function live(
  host: UpdateHost,
  scene: Scene,
  image: Buffer,
  cuts: readonly Cut[],
): Promise<Lives> {
  const ran: Promise<HostStatus>[] = [];
  host.restore(image);
  for (const { at, torn } of cuts) {
    host.cutAt(at, torn);
    host.boot();
    install(host, scene.release);
  }
  host.cutAt(0);
  host.boot();
  ran.push(host.status());
  host.window(WINDOWS[0] as Int8Array);
  install(host, scene.release);
  const end = host.status();
  const name = `${scene.name}, ${JSON.stringify(cuts)}`;
  return { name, ran: await Promise.all(ran), end: await end };
}

function check(scene: Scene, lives: Lives): number {
  const [ran] = lives.ran as [HostStatus];
  expect(scene.allowed, lives.name).toContain(ran.sequence);
  expect([lives.name, lives.end.sequence, lives.end.onTrial]).toEqual([
    lives.name,
    scene.end,
    false,
  ]);
  return ran.sequence;
}

/** Many lives at once: they are answered in turn. */
async function inTurn<T>(jobs: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  for (let start = 0; start < jobs.length; start += 64) {
    results.push(...(await Promise.all(jobs.slice(start, start + 64).map((job) => job()))));
  }
  return results;
}

async function withHost(act: (host: UpdateHost) => Promise<void>): Promise<void> {
  const host = new UpdateHost(program);
  try {
    await act(host);
  } finally {
    await host.close();
  }
}

describe.skipIf(!there)("a firmware update that is cut off", () => {
  for (const scene of SCENES) {
    it(`${scene.name}: boots a valid model after a cut at every word, and gets there`, () =>
      withHost(async (host) => {
        const { image, whole } = await prepare(host, scene);
        expect(whole.operations).toBeGreaterThan(200);
        const cuts = Array.from({ length: 3 * whole.operations }, (_, i): readonly Cut[] => [
          { at: 1 + Math.floor(i / 3), torn: TORN[i % 3] as Torn },
        ]);
        const lives = await inTurn(cuts.map((cut) => () => live(host, scene, image, cut)));
        const seen = new Set(lives.map((life) => check(scene, life)));
        // The loop did meet both sides of the point of no return.
        expect([...seen].sort((a, b) => a - b)).toEqual(scene.allowed);
      }));
  }

  it("and cut off again while it recovers", () =>
    withHost(async (host) => {
      const scene = SCENES[1] as Scene;
      const { image, whole } = await prepare(host, scene);
      const random = prng(7, "cuts");
      const cutWithin = (operations: number): Cut => ({
        at: 1 + below(random, operations),
        torn: TORN[below(random, 3)] as Torn,
      });
      const jobs = Array.from({ length: 300 }, () => {
        // What is done after a start is little, so that the second cut comes early.
        const cuts = [cutWithin(whole.operations), cutWithin(40), cutWithin(whole.operations)];
        return () => live(host, scene, image, cuts);
      });
      for (const life of await inTurn(jobs)) check({ ...scene, allowed: [0, 5, 6] }, life);
    }));

  it("over and over at the very record that it writes at each start", () =>
    withHost(async (host) => {
      await prepare(host, SCENES[0] as Scene);
      host.format({ pageBytes: 512, slotBytes: 2048 });
      host.boot();
      host.connect();
      host.offer(FIRST);
      host.chunksOf(FIRST);
      host.step();
      expect(await host.status()).toMatchObject({ sequence: 5, onTrial: true });
      // A page has room for 32 records; torn ones are stepped over until it is full.
      for (let start = 0; start < 40; start++) {
        host.cutAt(3, 1);
        host.boot();
      }
      host.cutAt(0);
      host.boot();
      expect(await host.status()).toMatchObject({ sequence: 0, onTrial: false });
      install(host, SECOND);
      expect(await host.status()).toMatchObject({ sequence: 6, onTrial: false });
    }));

  it("and reset at each check of it is given up, lest the node never run again", () =>
    withHost(async (host) => {
      host.make(FACTORY, SETTINGS);
      host.boot();
      host.connect();
      host.offer(FIRST);
      host.chunksOf(FIRST);
      await host.status();
      for (let start = 0; start < 2; start++) {
        // After the record that a check has begun comes the one that it has ended.
        host.cutAt(5);
        host.step();
        host.cutAt(0);
        host.boot();
        host.connect();
        expect(await host.status()).toMatchObject({ sequence: 0, staging: true, missing: 0 });
      }
      host.step();
      const { sent, ...status } = await host.status();
      expect(status).toMatchObject({ sequence: 0, staging: false, floor: 5 });
      expect(sent).toMatchObject([{ outcome: "self-test-failed" }]);
    }));
});

describe.skipIf(!there)("the firmware's flash", () => {
  it("may refuse any one call: the node runs on, and gets there at a later offer", () =>
    withHost(async (host) => {
      const scene = SCENES[1] as Scene;
      const { image, whole } = await prepare(host, scene);
      expect(whole.calls).toBeGreaterThan(10);
      for (let call = 1; call <= whole.calls; call++) {
        host.restore(image);
        host.refuseAt(call);
        host.boot();
        install(host, scene.release);
        const after = await host.status();
        expect(scene.allowed).toContain(after.sequence);
        install(host, scene.release);
        host.boot();
        install(host, scene.release);
        const { sequence, onTrial } = await host.status();
        expect([call, sequence, onTrial]).toEqual([call, 6, false]);
      }
    }));

  it("may lose any bit of a slot: that slot is given up, and the one before runs", () =>
    withHost(async (host) => {
      const { image } = await prepare(host, SCENES[2] as Scene);
      // 0 to 1 floors; then record, header and image of slot 0, where release 5 is.
      const random = prng(3, "decay");
      const used = [...image.keys()].filter((at) => at >= 1024 && image[at] !== 0xff);
      let lost = 0;
      for (let i = 0; i < 150; i++) {
        const at = used[below(random, used.length)] as number;
        host.restore(image);
        host.flip(at, 1 << below(random, 8));
        host.boot();
        const { sequence, floor } = await host.status();
        expect([0, 5]).toContain(sequence);
        expect(floor).toBe(5);
        if (sequence === 0) lost += 1;
        host.connect();
        host.offer(FIRST);
        expect((await host.status()).staging).toBe(false);
      }
      expect(lost).toBeGreaterThan(100);
    }));

  it("keeps the highest sequence number in two places", () =>
    withHost(async (host) => {
      const { image } = await prepare(host, SCENES[1] as Scene);
      for (const page of [0, 512]) {
        const spoilt = Buffer.from(image);
        // Whatever becomes of one page, and of both slots.
        for (let at = page; at < page + 512; at++) spoilt[at] = (at * 37) & 0xff;
        spoilt.fill(0xff, 1024);
        host.restore(spoilt);
        host.boot();
        host.connect();
        expect(await host.status()).toMatchObject({ sequence: 0, floor: 5 });
        install(host, SECOND);
        expect(await host.status()).toMatchObject({ sequence: 6, floor: 6 });
      }
    }));
});
