/** `bellwether report offload`, and its drawing by itself. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { frameBytes } from "../bench/frame-bytes.ts";
import { energyAtShare, nodeDayOf } from "../bench/node-day.ts";
import { bootstrapInterval } from "../bench/subject-bootstrap.ts";
import { type Chart, offloadChart } from "../cli/offload-chart.ts";
import { carriedShares, energyNote, energyText, reportEnergy } from "../cli/offload-energy.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { decodeContainer } from "../src/model/container.ts";
import { normal, prng } from "../src/prng.ts";
import { writeSwingingHerd } from "./swinging-herd.ts";

const CLI = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const PROFILE = fileURLToPath(new URL("../profiles/cattle", import.meta.url));
const data = mkdtempSync(join(tmpdir(), "report-offload-"));
beforeAll(() => writeSwingingHerd(join(data, "cows"), "cows", ["1", "2", "3", "4"]));
afterAll(() => rmSync(data, { recursive: true }));

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const all = [CLI, "report", "offload", "--data", data, "--dataset", "cows", ...args];
  return spawnSync("node", all, { encoding: "utf8" });
}

/** Numbers of every line and place of a drawing. */
function placesOf(svg: string): number[] {
  const paths = [...svg.matchAll(/ d="([^"]+)"/g)].map(([, path]) => path ?? "");
  return paths.flatMap((path) => [...path.matchAll(/-?[\d.]+/g)].map(([number]) => Number(number)));
}

describe("bellwether report offload", () => {
  it("measures given models and draws what it measured, as a page that needs nothing else", () => {
    const out = join(data, "page.html");
    const models = ["--model", join(PROFILE, "student.bwm"), "--teacher"];
    const asked = [...models, join(PROFILE, "teacher.onnx"), "--out", out, "--json"];
    const { status, stdout, stderr } = run(...asked);
    expect(status, stderr).toBe(0);
    const figures = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as {
      at: Record<string, Record<string, { mean: number }>>;
      source: string;
      files: string[];
      energy: { link: string; target: string };
    };
    expect(figures.source).toBe("given");
    const page = readFileSync(out, "utf8");
    expect(page).toContain((100 * (figures.at["10"]?.ours?.mean ?? 0)).toFixed(2));
    expect(page).not.toMatch(/src=|href=|@import|https?:\/\/(?!www\.w3\.org\/2000\/svg)/);
    expect(page.match(/<svg/g)).toHaveLength(3);
    expect(page).toContain("prefers-color-scheme:dark");
    expect(page).not.toContain(data);
    expect(figures.files).toHaveLength(4);
    expect(figures.energy).toMatchObject({ link: "BLE", target: "nrf52840" });
    for (const file of figures.files) {
      const text = readFileSync(file, "utf8");
      expect(text).not.toMatch(/NaN|Infinity|undefined/);
    }
  });

  it("trains where no model is given", () => {
    const out = join(data, "trained.html");
    const { status, stderr } = run("--quick", "--test", "3", "--out", out);
    expect(status, stderr).toBe(0);
    expect(existsSync(join(data, "trained.share.svg"))).toBe(true);
  });

  it.each([
    [["--model", join(PROFILE, "student.bwm")], "--teacher"],
    [["--quick", "--out", "/nowhere/at/all.html", "--test", "3"], "--out"],
    [["--model", "none.bwm", "--teacher", "none.onnx"], "student.bwm"],
    [["--quick", "--test", "3", "--link", "lorawan", "--data-rate", "2.5"], "whole number"],
  ])("refuses %j with a hint", (args, hint) => {
    const { status, stderr } = run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(hint);
  });
});

describe("the drawing", () => {
  const line = (values: readonly number[], name: string) => ({
    ...{ name, colour: "#000" },
    points: values.map((y, i) => ({ x: i + 1, y })),
  });
  const chart = (series: Chart["series"], scale: "linear" | "log" = "linear"): Chart => ({
    ...{ title: "a <title>", upLabel: "accuracy", series, level: { y: 0.9, name: "teacher" } },
    across: { label: "share", scale, ticks: [{ at: 1, text: "1" }] },
  });

  it.each(["linear", "log"] as const)("keeps every line inside, %s", (scale) => {
    const random = prng(1, `drawing-${scale}`);
    for (let round = 0; round < 20; round++) {
      const values = () => Array.from({ length: 6 }, () => 0.5 + 0.02 * normal(random));
      const svg = offloadChart(chart([line(values(), "a"), line(values(), "b & c")], scale));
      expect(svg).toContain("a &lt;title>");
      expect(svg).toContain("b &amp; c");
      const places = placesOf(svg);
      // Two lines of six places each, and whatever else is drawn.
      expect(places.length).toBeGreaterThanOrEqual(2 * 6 * 2);
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...places)).toBeLessThanOrEqual(760);
      expect(svg).not.toContain("NaN");
    }
  });

  it("moves names apart where lines end at one place", () => {
    const names = ["a", "b", "c", "d", "e", "f"];
    const svg = offloadChart(chart(names.map((name) => line([0.5, 0.9], name))));
    const heights = [...svg.matchAll(/y="([\d.]+)" style="fill/g)].map(([, y]) => Number(y));
    expect(heights).toHaveLength(names.length + 1);
    const sorted = [...heights].sort((a, b) => a - b);
    for (const [i, y] of sorted.slice(1).entries()) {
      expect(y - (sorted[i] ?? 0)).toBeGreaterThan(14);
    }
  });
});

describe("a node's day", () => {
  const bytes = readFileSync(join(PROFILE, "student.bwm"));
  const stripes = (each: number): number[] =>
    Array.from({ length: 640 }, (_, i) => Math.floor(i / each) % 3);
  const day = nodeDayOf(decodeContainer(bytes), bytes.length, stripes(40));

  it.each(["ble", "wifi", "lorawan"] as const)("costs more the more it offloads on %s", (name) => {
    const link = linkProfile(name, 5);
    const costs = [0, 0.01, 0.02].map((share) => energyAtShare(day, link, share));
    for (const [i, { totalMillijoule, carried }] of costs.entries()) {
      expect(carried).toBe(1);
      expect(totalMillijoule).toBeGreaterThan(costs[i - 1]?.totalMillijoule ?? 0);
    }
  });

  it("is cut by the duty cycle, and where nothing fits it says what to do", () => {
    expect(energyAtShare(day, linkProfile("lorawan", 5), 0.5).carried).toBeLessThan(0.5);
    const large = { ...day, offloadBytes: 600 };
    const asked = (): unknown => energyAtShare(large, linkProfile("lorawan", 0), 0.1);
    expect(asked).toThrow(expect.objectContaining({ code: "does-not-fit" }));
  });

  it("pays for a processor that is named, and for behaviours that change", () => {
    const ble = linkProfile("ble", 0);
    const named = energyAtShare(day, ble, 0, "esp32c3");
    expect(named.inferenceMillijoule).toBeGreaterThan(
      energyAtShare(day, ble, 0).inferenceMillijoule,
    );
    const restless = nodeDayOf(decodeContainer(bytes), bytes.length, stripes(1));
    const lorawan = linkProfile("lorawan", 5);
    expect(energyAtShare(restless, lorawan, 0).radioMillijoule).toBeGreaterThan(
      energyAtShare(day, lorawan, 0).radioMillijoule,
    );
  });

  it("is drawn as far as the link carries it", () => {
    const asked = { dataRate: 5, target: undefined };
    const energy = reportEnergy(day, linkProfile("lorawan", 5), asked);
    const carried = carriedShares(energy);
    expect(carried).toContain(2);
    expect(carried).not.toContain(20);
    expect(energyText(energy, 20)).toMatch(/^[\d,]+ \(\d+ % carried\)$/);
    expect(energyNote(energy)).toContain(`carries ${carried.at(-1)} %`);
  });
});

describe("intervals over subjects", () => {
  it("hold the truth about as often as they say, for subjects that differ", () => {
    const random = prng(4, "subjects");
    const rounds = 150;
    let covered = 0;
    for (let round = 0; round < rounds; round++) {
      const bySubject = Array.from({ length: 24 }, () => {
        const subject = 0.9 + 0.05 * normal(random);
        return [subject + 0.01 * normal(random), subject + 0.01 * normal(random)];
      });
      const mean = (values: readonly number[]): number =>
        values.reduce((a, b) => a + b, 0) / values.length;
      const { low, high } = bootstrapInterval(bySubject, mean, random);
      covered += Number(low <= 0.9 && 0.9 <= high);
    }
    // Percentile intervals of 24 are somewhat too narrow: about 93 in 100.
    expect(covered / rounds).toBeGreaterThan(0.86);
  });
});

describe("bytes", () => {
  it("of an offload are its window and a header, of a report a few a window", () => {
    const { offload, report } = frameBytes({ windowSamples: 50, channels: 3 });
    expect(offload - frameBytes({ windowSamples: 40, channels: 3 }).offload).toBe(30);
    expect(offload - 150).toBeGreaterThan(20);
    expect(offload - 150).toBeLessThan(64);
    expect(report).toBeLessThan(16);
  });
});
