/** The table of cuts: every figure follows from the models it is made of, and the mark is where it says. */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { SplitDescription } from "../cli/describe-split.ts";
import { encoderOn } from "../src/cost/encoder-on-target.ts";
import { estimateOn } from "../src/cost/student-on-target.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { sendingCost } from "../src/link/offload-costs.ts";
import { type Cut, cheapestCut, splitPoints } from "../src/link/split-points.ts";
import { type Container, decodeContainer, encodeContainer } from "../src/model/container.ts";
import { offloadBytes } from "../src/wire/offload-frame.ts";
import { ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import { randomContainer, SMALL_GRU_SPEC } from "./student-samples.ts";

const folder = mkdtempSync(path.join(tmpdir(), "split-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, ["cli/main.ts", ...args], {
    ...{ encoding: "utf8", timeout: 30_000, env: { ...process.env, NO_COLOR: "1" } },
  });
  return { code: status, stdout, stderr };
}

const SHIPPED = decodeContainer(readFileSync("profiles/cattle/student.bwm"));
const CONTAINER = { ...SHIPPED, encoder: randomEncoder(ENCODER_SPEC, 1) };
const cutsOn = (
  name: "ble" | "wifi" | "lorawan",
  dataRate: number,
  container: Container = CONTAINER,
) => {
  const profile = linkProfile(name, dataRate);
  const { target } = profile;
  return splitPoints({ container, target, profile, offloadShare: 0.1 });
};
function named(cuts: readonly Cut[], name: string): Cut {
  const cut = cuts.find((one) => one.name === name);
  if (cut === undefined) throw new Error(`no cut ${name}`);
  return cut;
}

describe("the cuts of a window", () => {
  it("cost what the models of processor and link say", () => {
    const cuts = cutsOn("ble", 0);
    const profile = linkProfile("ble", 0);
    const raw = named(cuts, "window, int8");
    const bytes = offloadBytes("int8", SHIPPED.student);
    expect(raw).toMatchObject({
      bytes,
      totalMicrojoules: sendingCost(profile, bytes)?.microjoules,
    });
    const local = named(cuts, "local, nothing offloaded");
    const [student] = estimateOn("nrf52840", SHIPPED.student, 4000).exits.slice(-1);
    expect(local.node).toEqual(student);
    const codes = named(cuts, "encoder, its codes");
    expect(codes.node).toEqual(encoderOn("nrf52840", CONTAINER.encoder));
    // A window's part of a report of 64, whose header is 29 bytes.
    expect(local.bytes).toBe(13 + 29 / 64);
    const report = sendingCost(profile, 29 + 13 * 64);
    expect(local.link?.microjoules).toBeCloseTo(Number(report?.microjoules) / 64, 9);
    const doubts = named(cuts, "local, doubts as int8");
    expect(doubts.bytes).toBeCloseTo(local.bytes + 0.1 * bytes, 9);
    const expected = Number(local.totalMicrojoules) + 0.1 * Number(raw.totalMicrojoules);
    expect(doubts.totalMicrojoules).toBeCloseTo(expected, 6);
    const asCodes = named(cuts, "local, doubts as codes");
    expect(asCodes.node.instructions).toBe(
      local.node.instructions + Math.round(0.1 * codes.node.instructions),
    );
  });

  it("further in compute more, and are no more than the whole student", () => {
    const cuts = cutsOn("wifi", 0);
    const stages = cuts.filter(({ name }) => name.startsWith("after stage"));
    expect(stages).toHaveLength(SHIPPED.student.stages.length);
    const instructions = stages.map(({ node }) => node.instructions);
    expect(instructions).toEqual([...instructions].sort((a, b) => a - b));
    const whole = named(cuts, "local, nothing offloaded").node.instructions;
    for (const one of instructions) expect(one).toBeLessThan(whole);
    expect(stages.every(({ offered }) => !offered)).toBe(true);
  });

  it("of a student without an encoder have none, and of a GRU send its state", () => {
    const { encoder: _encoder, ...bare } = SHIPPED;
    expect(cutsOn("ble", 0, bare).some(({ name }) => /codes/.test(name))).toBe(false);
    const gru = cutsOn("ble", 0, randomContainer(SMALL_GRU_SPEC, 1));
    expect(named(gru, "after stage 1, its map").bytes).toBe(42 + 2 * 11);
  });

  it("say what a link does not carry, and how much of the rest its band lets through", () => {
    const slowest = cutsOn("lorawan", 0);
    expect(named(slowest, "window, int8")).toMatchObject({ link: null, totalMicrojoules: null });
    expect(named(slowest, "local, doubts as int8").link).toBeNull();
    const codes = named(slowest, "encoder, its codes");
    const busyMs = Number(codes.link?.airtimeMs) + Number(codes.link?.restMs);
    expect(busyMs).toBeCloseTo(100 * Number(codes.link?.airtimeMs), 6);
    expect(codes.carriedShare).toBeCloseTo(2500 / busyMs, 9);
    for (const cut of cutsOn("ble", 0)) expect(cut.carriedShare).toBe(1);
  });

  it("have their cheapest among those that can be sent and answer as much", () => {
    for (const cuts of [cutsOn("ble", 0), cutsOn("wifi", 0), cutsOn("lorawan", 0)]) {
      for (const answers of ["every", "doubts"] as const) {
        const best = cheapestCut(cuts, answers);
        expect(best?.offered).toBe(true);
        for (const cut of cuts) {
          if (!cut.offered || cut.answers !== answers || cut.totalMicrojoules === null) continue;
          expect(cut.totalMicrojoules).toBeGreaterThanOrEqual(Number(best?.totalMicrojoules));
        }
      }
    }
    expect(cheapestCut([], "every")).toBeUndefined();
  });
});

describe("bellwether models split", () => {
  const file = path.join(folder, "student.bwm");
  writeFileSync(file, encodeContainer(CONTAINER));

  it("prints the table for people, and the same for programs", () => {
    const people = run("models", "split", file, "--link", "lorawan", "--data-rate", "0");
    expect(people.code).toBe(0);
    expect(people.stdout).toMatch(/^\* encoder, its codes /m);
    expect(people.stdout).toMatch(/^ {2}window, int8 .* no$/m);
    const args = ["--link", "lorawan", "--data-rate", "0", "--json"];
    const { code, stdout } = run("models", "split", file, ...args);
    expect(code).toBe(0);
    const split = JSON.parse(stdout) as SplitDescription;
    expect(split.cheapest).toEqual({
      every: "encoder, its codes",
      doubts: "local, doubts as codes",
    });
    expect(split.cuts).toEqual(cutsOn("lorawan", 0));
  });

  it("refuses what is no data rate, no link and no container", () => {
    const rate = run("models", "split", file, "--link", "lorawan", "--data-rate", "1.5");
    expect([rate.code, rate.stderr]).toEqual([2, expect.stringContaining("data-rate")]);
    const link = run("models", "split", file, "--link", "string");
    expect(link.code).toBe(2);
    writeFileSync(path.join(folder, "none.bwm"), "no container");
    const none = run("models", "split", path.join(folder, "none.bwm"));
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining("container")]);
  });
});
