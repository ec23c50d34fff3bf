/**
 * Updates over the air in C, against the releases that a gateway signs: the firmware's own code under
 * the address and undefined-behaviour sanitizers, over flash that insists on its rules.
 *
 * What a node in TypeScript does is in `staging.test.ts` and `boot-slots.test.ts`; the same is
 * expected here.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { judgeTrial, startTrial, watchTrial } from "../device-sim/trial.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { decodeContainer } from "../src/model/container.ts";
import { hashLogits } from "../src/model/self-test.ts";
import { below, prng } from "../src/prng.ts";
import { chunksOfWant } from "../src/wire/assembly.ts";
import { encodeDown } from "../src/wire/frames.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { buildUpdateHost, HOST_SETTINGS } from "./firmware-update-host.ts";
import {
  connected,
  FACTORY,
  install,
  outcomes,
  showWindows,
  windowOf,
  withHost,
} from "./firmware-update-steps.ts";
import { constantContainer, sampleContainer, signRelease } from "./node-world.ts";

const there = findProgram("gcc") !== undefined;
if (!there) console.log("the firmware's updates are skipped: they need gcc");

const folder = mkdtempSync(join(tmpdir(), "bellwether-update-"));
const program = join(folder, "update");
afterAll(() => rmSync(folder, { recursive: true }));

const TRIAL = { ...COLLAR, trialWindows: HOST_SETTINGS.trialWindows };
const BETTER = sampleContainer(2);
const FIRST = signRelease(BETTER, 5);
const SECOND = signRelease(sampleContainer(3), 6);

describe.skipIf(!there)("a release for firmware", () => {
  beforeAll(() => buildUpdateHost(program), 60_000);

  it("is the shipped cattle student: pulled, checked, tried, confirmed, and the same bits", () =>
    withHost(program, async (host) => {
      const read = (name: string): Uint8Array => {
        const path = join(import.meta.dirname, "../profiles/cattle", name);
        return Uint8Array.from(readFileSync(path));
      };
      const student = read("student.bwm");
      const release = signRelease(student, 7);
      host.make(read("student-plain.bwm"));
      host.boot();
      host.connect();
      host.time(1000);
      host.offer(release);
      let status = await host.status();
      const asked: number[] = [];
      while (status.staging) {
        const [want] = status.sent;
        if (want?.kind !== "want") throw new Error("the node asks for what is missing");
        expect(want).toMatchObject({ releaseSequence: 7, modelId: release.manifest.modelId });
        const chunks = chunksOfWant(want);
        asked.push(...chunks);
        for (const index of chunks) host.chunkOf(release, index);
        if (status.missing === chunks.length) break;
        status = await host.status();
      }
      expect(asked).toEqual(Array.from({ length: Math.ceil(student.length / 1024) }, (_, i) => i));
      host.step();
      status = await host.status();
      expect(outcomes(status.sent)).toEqual(["7 activated"]);
      expect(status).toMatchObject({ sequence: 7, slot: 0, onTrial: true, floor: 7, changed: 1 });
      showWindows(host, student, 8);
      host.step();
      expect(await host.status()).toMatchObject({ onTrial: true, sent: [] });
      host.heard(1);
      host.step();
      status = await host.status();
      expect(status).toMatchObject({ onTrial: false, modelId: release.manifest.modelId });
      expect(outcomes(status.sent)).toEqual(["7 confirmed"]);
      const loaded = referenceEngine.load(decodeContainer(student));
      loaded.begin(windowOf(student, 7));
      let hash = 0x811c_9dc5;
      for (let exit = 0; exit < loaded.exits; exit++) {
        hash = hashLogits(hash, loaded.nextExit().logits);
      }
      expect(status.lastHash).toBe(hash);
    }));

  it("asks with patience, at once on a new connection, and only for what is missing", () =>
    withHost(program, async (host) => {
      await connected(host);
      host.offer(FIRST);
      const wants = (sent: readonly UpMessage[]): number[][] =>
        sent.flatMap((message) => (message.kind === "want" ? [chunksOfWant(message)] : []));
      const all = Array.from({ length: Math.ceil(BETTER.length / 1024) }, (_, i) => i);
      expect(wants((await host.status()).sent)).toEqual([all.slice(0, 8)]);
      // 5 s, 10 s, 20 s, …, and never longer than five minutes.
      const times: number[] = [];
      for (let seconds = 1; seconds < 1500; seconds++) {
        host.time(1000 * seconds);
        if (wants((await host.status()).sent).length > 0) times.push(seconds);
      }
      expect(times).toEqual([5, 15, 35, 75, 155, 315, 615, 915, 1215]);
      host.disconnect();
      host.chunkOf(FIRST, 2);
      host.connect();
      expect(wants((await host.status()).sent)).toEqual([all.filter((i) => i !== 2).slice(0, 8)]);
      // What does not belong is ignored: other releases, other lengths, other bytes, twice.
      const chunk = BETTER.slice(0, 1024);
      host.chunk(6, 0, chunk);
      host.chunk(5, 0, chunk.subarray(1));
      host.chunk(5, 1, chunk);
      host.chunk(5, 2047, chunk);
      host.chunkOf(FIRST, 2);
      expect(await host.status()).toMatchObject({ missing: all.length - 1, sent: [] });
      host.chunk(5, 0, chunk);
      expect(await host.status()).toMatchObject({ missing: all.length - 2 });
    }));

  it("goes on where it was after a reset at every chunk", () =>
    withHost(program, async (host) => {
      const chunks = Math.ceil(BETTER.length / 1024);
      for (let received = 0; received <= chunks; received++) {
        await connected(host);
        host.offer(FIRST);
        for (let index = 0; index < received; index++) host.chunkOf(FIRST, index);
        await host.status();
        host.boot();
        const status = await host.status();
        expect(status).toMatchObject({ sequence: 0, staging: true, missing: chunks - received });
        host.connect();
        const { sent } = await host.status();
        const [want] = sent.filter((message) => message.kind === "want");
        expect(want?.kind === "want" ? want.firstChunk : chunks).toBe(received);
        for (let index = received; index < chunks; index++) host.chunkOf(FIRST, index);
        host.step();
        expect(await host.status()).toMatchObject({ sequence: 5, onTrial: true });
      }
    }));

  it("does not fetch again what the slot holds of another release", () =>
    withHost(program, async (host) => {
      await connected(host);
      host.offer(FIRST);
      host.chunksOf(FIRST);
      host.offer(signRelease(BETTER, 6));
      const status = await host.status();
      expect(status).toMatchObject({ staging: true, missing: 0 });
      host.step();
      expect(await host.status()).toMatchObject({ sequence: 6, onTrial: true });
    }));

  it("reverts when it answers always the same, and never comes back", () =>
    withHost(program, async (host) => {
      await connected(host);
      await install(host, FIRST);
      const dull = signRelease(constantContainer(2), 6);
      const status = await install(host, dull);
      expect(outcomes(status.sent)).toEqual(["6 activated", "6 reverted"]);
      expect(status).toMatchObject({ sequence: 5, onTrial: false, floor: 6 });
      host.offer(dull);
      host.boot();
      host.connect();
      host.offer(dull);
      const again = await host.status();
      expect(outcomes(again.sent)).toEqual(["6 reverted", "6 reverted"]);
      expect(again).toMatchObject({ sequence: 5, floor: 6 });
    }));

  it("is judged window by window as the node in TypeScript judges it", () =>
    withHost(program, async (host) => {
      await connected(host);
      await install(host, FIRST);
      const image = await host.image();
      const verdicts = new Set<string>();
      for (let seed = 0; seed < 40; seed++) {
        const random = prng(seed, "trials");
        const release = signRelease(seed % 4 === 0 ? constantContainer(seed) : BETTER, 6);
        const student = referenceEngine.load(decodeContainer(release.container));
        host.restore(image);
        host.time(0);
        host.boot();
        host.offer(release);
        host.chunksOf(release);
        host.step();
        const trial = startTrial(0, { uptimeMs: 0, wallMs: 0 });
        let verdict = "go-on";
        for (let i = 1; i <= 30 && verdict === "go-on"; i++) {
          // Now and then the animal changes what it does, or says nothing for hours.
          const window = windowOf(BETTER, below(random, 3) === 0 ? below(random, 9) : 0);
          student.begin(window);
          watchTrial(trial, windowStatistics(window, 3), student.nextExit().logits);
          host.window(window);
          const uptimeMs = i * (seed % 3 === 0 ? 3_600_000 : 5_000);
          host.time(uptimeMs);
          if (below(random, 12) === 0) {
            trial.heard = true;
            host.heard(0xffff_ffff);
          }
          host.step();
          verdict = judgeTrial(trial, TRIAL, { uptimeMs, wallMs: 0 });
          const { onTrial, sequence } = await host.status();
          const found = onTrial ? "go-on" : sequence === 6 ? "confirm" : "revert";
          expect([seed, i, found]).toEqual([seed, i, verdict]);
        }
        verdicts.add(verdict);
      }
      expect([...verdicts].toSorted()).toEqual(["confirm", "go-on", "revert"]);
    }));

  it("gets three starts of the node, and a day, to prove itself", () =>
    withHost(program, async (host) => {
      await connected(host);
      host.offer(FIRST);
      host.chunksOf(FIRST);
      host.step();
      const seen: number[] = [];
      for (let start = 0; start < 3; start++) {
        host.boot();
        seen.push((await host.status()).sequence);
      }
      expect(seen).toEqual([5, 5, 0]);
      host.connect();
      expect(outcomes((await host.status()).sent)).toEqual(["5 reverted"]);
      host.offer(SECOND);
      host.chunksOf(SECOND);
      host.step();
      showWindows(host, FACTORY, 20);
      host.time(24 * 3600 * 1000 - 1);
      host.step();
      expect(await host.status()).toMatchObject({ sequence: 6, onTrial: true });
      host.time(24 * 3600 * 1000);
      host.step();
      expect(await host.status()).toMatchObject({ sequence: 0, onTrial: false, floor: 6 });
    }));

  it("gives way to a rollback during its trial, and to nothing else", () =>
    withHost(program, async (host) => {
      await connected(host);
      await install(host, FIRST);
      host.offer(SECOND);
      host.chunksOf(SECOND);
      host.step();
      const third = signRelease(FACTORY, 7);
      host.offer(third);
      const waiting = await host.status();
      expect(waiting).toMatchObject({ sequence: 6, onTrial: true, staging: false, hellos: 0 });
      const back = signRelease(FACTORY, 8, { purpose: "rollback" });
      const status = await install(host, back);
      expect(outcomes(status.sent)).toEqual(["6 reverted", "8 activated", "8 confirmed"]);
      expect(status).toMatchObject({ sequence: 8, slot: 1, onTrial: false });
      expect(status.modelId).toBe(
        waiting.modelId === back.manifest.modelId ? "" : back.manifest.modelId,
      );
      // An offer that could not be kept is asked for again once the trial is over.
      const fourth = signRelease(BETTER, 9);
      host.offer(fourth);
      host.chunksOf(fourth);
      host.step();
      host.offer(signRelease(FACTORY, 10));
      showWindows(host, FACTORY, 8);
      host.heard(0xffff_ffff);
      const before = (await host.status()).hellos;
      host.step();
      expect((await host.status()).hellos).toBe(before + 1);
    }));

  it("is told about again on each connection, and to strangers once a second", () =>
    withHost(program, async (host) => {
      await connected(host);
      await install(host, FIRST);
      for (let i = 0; i < 3; i++) {
        host.disconnect();
        host.connect();
        expect(outcomes((await host.status()).sent)).toEqual(["5 confirmed"]);
      }
      const signature = Uint8Array.from(FIRST.signature);
      signature[40] = (signature[40] ?? 0) ^ 1;
      const told: string[] = [];
      for (let ms = 10_000; ms <= 12_000; ms += 100) {
        host.time(ms);
        host.offer({ ...SECOND, signature });
        told.push(...outcomes((await host.status()).sent));
      }
      expect(told).toEqual(Array.from({ length: 3 }, () => "4294967295 bad-signature"));
      host.offer(FIRST);
      expect(outcomes((await host.status()).sent)).toEqual(["5 confirmed"]);
    }));

  it("in chunks that do not fill units of flash is of a format that this node does not take", () =>
    withHost(program, async (host) => {
      await connected(host);
      const { sizeBytes } = FIRST.manifest;
      const chunkHashes = new Uint8Array(8 * Math.ceil(sizeBytes / 1000));
      host.offer(signRelease(BETTER, 5, { chunkBytes: 1000, chunkHashes }));
      expect(outcomes((await host.status()).sent)).toEqual(["5 wrong-format"]);
    }));

  it("survives frames that are none", () =>
    withHost(program, async (host) => {
      await connected(host);
      const { manifestBytes: manifest, signature } = FIRST;
      const frame = encodeDown({ kind: "offer", manifest, signature });
      for (let length = 0; length < frame.length; length++) {
        host.offerFrame(frame.subarray(0, length));
      }
      host.offerFrame(Buffer.concat([frame, Buffer.of(0)]));
      expect(await host.status()).toMatchObject({ staging: false, sent: [] });
      host.offerFrame(frame);
      expect(await host.status()).toMatchObject({ staging: true });
    }));

  it("has the model's name that the gateway gives it", () =>
    withHost(program, async (host) => {
      const { modelId } = await connected(host);
      const { createHash } = await import("node:crypto");
      expect(modelId).toBe(modelIdOf(createHash("sha256").update(FACTORY).digest()));
    }));
});
