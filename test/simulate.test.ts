import { type SpawnOptions, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { missingForNode } from "../deploy/firmware/tools/node-image.ts";
import type { Link } from "../gateway/broker/link.ts";
import { acknowledgingBroker, type Received } from "./acknowledging-broker.ts";
import { sampleContainer } from "./node-world.ts";

const missing = missingForNode("mps2-an386");
if (missing !== undefined) console.log(`firmware in a simulated herd is skipped: ${missing}`);

const ROOT = join(import.meta.dirname, "..");
const folder = mkdtempSync(join(tmpdir(), "bellwether-simulate-"));
const student = join(folder, "student.bwm");
let received: Received[];
let broker: Link;

beforeAll(async () => {
  writeFileSync(student, sampleContainer(1));
  ({ link: broker, received } = await acknowledgingBroker());
});
afterAll(async () => {
  await broker.close();
  rmSync(folder, { recursive: true });
});

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };

/** @param stop sends Ctrl-C, once, when it resolves */
function simulate(args: readonly string[], stop?: Promise<void>): Promise<Ended> {
  const options: SpawnOptions = { cwd: folder, stdio: ["ignore", "pipe", "pipe"] };
  return new Promise((resolve) => {
    const child = spawn(
      process.execPath,
      [join(ROOT, "cli/main.ts"), "simulate", ...args],
      options,
    );
    let out = "";
    let err = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr?.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    void stop?.then(() => child.kill("SIGINT"));
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

const emulated = (...more: string[]): string[] => [
  "--student",
  student,
  "--data",
  folder,
  "--gateway",
  broker.url,
  ...more,
];

/** Resolves when so many more reports have come. */
async function reportsOver(more: number): Promise<void> {
  const reports = () => received.filter(({ message }) => message.kind === "report").length;
  const enough = reports() + more;
  while (reports() < enough) await wait(20);
}

describe("bellwether simulate", () => {
  it("runs a herd of emulated animals over MQTT and tells how it went", async () => {
    const asked = ["--nodes", "3", "--speed", "40", "--for", "3", "--turn", "2@30s", "--json"];
    const { code, out, err } = await simulate(emulated(...asked));
    expect(code).toBe(0);
    expect(err).toContain("sensors emulate animals");
    expect(err).toContain("these nodes accept no release");
    const result = JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    expect(result.windows).toBeGreaterThan(30);
    expect(result.accuracy).toEqual(expect.any(Number));
    const nodes = new Set(received.map(({ node }) => node));
    expect(nodes).toEqual(new Set(["collar-01", "collar-02", "collar-03"]));
    expect(received.filter(({ message }) => message.kind === "report").length).toBeGreaterThan(20);
  });

  it("runs on the engine that is asked for", async () => {
    const asked = ["--nodes", "2", "--speed", "40", "--for", "1.5", "--json"];
    const run = async (...more: string[]) => {
      const { code, out } = await simulate(emulated(...asked, ...more));
      expect(code).toBe(0);
      return JSON.parse(out.trim().split("\n").at(-1) ?? "") as Record<string, unknown>;
    };
    const [fast, slow] = await Promise.all([run(), run("--engine", "reference")]);
    expect(fast.engine).toBe("wasm");
    expect(slow.engine).toBe("reference");
    expect(slow.windows).toBeGreaterThan(0);
  });

  it("puts nodes on a radio, and reports a battery that falls", async () => {
    const before = received.length;
    const asked = ["--nodes", "2", "--speed", "150", "--for", "4", "--json", "--link", "lorawan"];
    const { code, out } = await simulate(emulated(...asked, "--battery", "0.05"));
    expect(code).toBe(0);
    const result = JSON.parse(out.trim().split("\n").at(-1) ?? "") as {
      energy: { batteryPercent: number; uplinks: number; radioMillijoule: number }[];
    };
    expect(result.energy.length).toBe(2);
    for (const { batteryPercent, uplinks, radioMillijoule } of result.energy) {
      expect(batteryPercent).toBeLessThan(100);
      expect(uplinks).toBeGreaterThan(1);
      expect(radioMillijoule).toBeGreaterThan(0);
    }
    const percents = received
      .slice(before)
      .flatMap(({ message }) => (message.kind === "report" ? [message.batteryPercent] : []));
    expect(Math.min(...percents)).toBeLessThan(100);
  });

  it.skipIf(missing !== undefined)(
    "makes the last nodes of the herd real firmware",
    async () => {
      const before = received.length;
      const asked = ["--nodes", "2", "--firmware", "1", "--speed", "20", "--for", "6"];
      const { code, err } = await simulate(emulated(...asked));
      expect(code).toBe(0);
      expect(err).toContain("collar-02 on an emulated Cortex-M4");
      const said = received.slice(before).filter(({ node }) => node === "collar-02");
      const firmware = said.map(({ message }) =>
        message.kind === "hello" ? message.firmware : "",
      );
      expect(firmware).toContain("bellwether-fw 0.1.0");
      expect(said.some(({ message }) => message.kind === "report")).toBe(true);
    },
    60_000,
  );

  it("ends cleanly at Ctrl-C, and goes on from its store", async () => {
    const store = join(folder, "collars");
    const args = emulated("--nodes", "2", "--speed", "20", "--store", store);
    const before = received.length;
    for (let life = 0; life < 2; life++) {
      const { code, out } = await simulate(args, reportsOver(20));
      expect(code).toBe(0);
      expect(out).toContain("2 of 2 connected");
    }
    const hellos = received
      .slice(before)
      .flatMap(({ node, message }) =>
        message.kind === "hello" ? [`${node} ${message.epoch}`] : [],
      );
    expect(hellos).toHaveLength(4);
    expect(new Set(hellos).size).toBe(2);
  });

  it("says what is wrong and how to mend it", async () => {
    const cases: [readonly string[], RegExp][] = [
      [["--student", "nowhere.bwm"], /student-missing.*bellwether train/s],
      [emulated("--gateway", "farm"), /broker-url.*mqtt:\/\/host:1883/s],
      [emulated("--turn", "many"), /bad-turn.*6@300s/s],
      [emulated("--profile", "sheep"), /unknown-profile/],
      [emulated("--nodes", "0"), /usage/],
      [emulated("--engine", "abacus"), /usage.*wasm, reference/s],
    ];
    for (const [args, problem] of cases) {
      const { code, err } = await simulate(args);
      expect([args, code]).toEqual([args, 2]);
      expect(err).toMatch(problem);
    }
  });
});
