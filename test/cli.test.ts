/** The command line as a person or a script meets it: a process, its streams and its exit code. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startBroker } from "../gateway/broker/broker.ts";
import type { Link } from "../gateway/broker/link.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { encodeContainer } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { DEFAULT_BASE } from "../src/wire/topics.ts";
import { ROOT } from "./house-sources.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";
import {
  containerAround,
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
} from "./student-samples.ts";

type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

function start(args: readonly string[], launcher = "cli/main.ts") {
  const child = spawn(process.execPath, [join(ROOT, launcher), ...args], {
    env: { ...process.env, NO_COLOR: "1" },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended, stdout: () => stdout };
}
const run = (...args: string[]): Promise<Ended> => start(args).ended;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "bellwether-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe("bellwether", () => {
  it("says with --help what there is, with examples and exit codes", async () => {
    const { code, stdout } = await run("--help");
    expect(code).toBe(0);
    for (const text of ["watch", "models", "Examples", "Exit codes", "--json"]) {
      expect(stdout).toContain(text);
    }
  });

  it("offers every command that there is, with its own words", async () => {
    const { stdout } = await run("--help");
    const files = readdirSync(join(ROOT, "cli")).filter((file) => file.endsWith(".ts"));
    for (const file of files) {
      const text = readFileSync(join(ROOT, "cli", file), "utf8");
      const source = text.split(/^export const command: CommandSpec/m)[1];
      if (source === undefined) continue;
      const name = /\bname: "([a-z]+)"/.exec(source)?.[1] ?? file;
      const summary = /\bsummary:\s+"([^"]+)"/.exec(source)?.[1] ?? "";
      expect(stdout.replace(/\s+/g, " ")).toContain(`${name} ${summary}`);
    }
  });

  it("has help with examples for a command, in both spellings", async () => {
    const [long, short] = await Promise.all([run("watch", "--help"), run("help", "watch")]);
    expect(long).toMatchObject({ code: 0, stderr: "" });
    expect(long.stdout).toContain("$ bellwether watch --broker");
    expect(short.stdout).toBe(long.stdout);
  });

  it("tells its version", async () => {
    expect((await run("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [["wach"], /unknown command 'wach'[\s\S]*watch/],
    [["watch", "--brocker", "x"], /unknown option '--brocker'[\s\S]*--broker/],
    [["watch", "--for", "soon"], /--for.*"soon" is no number/],
    [["watch", "--broker", "http://x"], /--broker: "http:\/\/x" is no broker.*mqtt:\/\//],
    [["watch", "--base", "farm/#"], /--base.*cannot stand before topics/],
    [["models", "inspect"], /missing required argument 'file'/],
    [["models", "inspect", "nowhere.bwm"], /nowhere\.bwm.*no such file/],
  ])("answers %j with code 2 and a way out, not with a stack", async (args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain("    at ");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("starts from its launcher too", async () => {
    const { code, stdout } = await start(["--version"], "bin/bellwether.js").ended;
    expect({ code, stdout }).toEqual({ code: 0, stdout: (await run("--version")).stdout });
  });
});

describe("bellwether models", () => {
  const spec = SMALL_CNN_SPEC;
  const student = quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 4, 1), 31.25);
  const gate = uncalibratedGate({ exits: spec.stages.length, classes: spec.classes });
  const bytes = encodeContainer({ ...containerAround(student), gate: encodeGate(gate) });

  it("inspects a container, for people and for programs", async () => {
    const file = join(folder, "student.bwm");
    writeFileSync(file, bytes);
    const { code, stdout, stderr } = await run("models", "inspect", file, "--json");
    expect(stderr).toBe("");
    const lines = stdout.trimEnd().split("\n");
    const model = JSON.parse(lines.at(-1) ?? "");
    expect(code).toBe(0);
    expect(model).toMatchObject({ bytes: bytes.length, rateHz: 10, cohort: "test/noise" });
    expect(model.exits).toHaveLength(spec.stages.length);
    expect(lines[0]).toContain(model.model);
    expect(model).not.toHaveProperty("cost");
  });

  it("tells each operating point with what its offloads cost on a link", async () => {
    const file = join(folder, "points.bwm");
    const operatingPoints = OPERATING_POINTS.map((point) => ({
      ...point,
      sureMarginsQ8: gate.exits.map(() => 0),
    }));
    const points = encodePoints({ ...gate, operatingPoints });
    const around = { ...containerAround(student), gate: encodeGate(gate) };
    writeFileSync(file, encodeContainer({ ...around, ...(points && { points }) }));
    const inspect = async (...more: string[]) => {
      const { stdout } = await run("models", "inspect", file, "--json", ...more);
      return {
        lines: stdout.trimEnd().split("\n"),
        ...JSON.parse(stdout.split("\n").at(-2) ?? ""),
      };
    };
    const ble = await inspect();
    expect(ble.points.map((point: { share: number }) => point.share.toFixed(3))).toEqual([
      ...["0.100", "0.020", "0.300"],
    ]);
    const [released, low, high] = ble.points;
    expect(released).toMatchObject({ point: 0, overTeacher: null });
    expect(low).toMatchObject({ point: 1, overTeacher: -2.04 });
    expect(high.bytesPerDay / low.bytesPerDay).toBeCloseTo(19661 / 1311, 9);
    expect(ble.lines.join("\n")).toMatch(/2 +30\.0 % +45\.0 % +\+0\.12/);
    const wifi = await inspect("--link", "wifi");
    expect(wifi.points[1].bytesPerDay).toBe(low.bytesPerDay);
    expect(wifi.points[1].millijoulesPerDay).toBeGreaterThan(low.millijoulesPerDay);
  });

  it("estimates what a student costs on a processor, with the source of each constant", async () => {
    const file = join(folder, "student.bwm");
    writeFileSync(file, bytes);
    const args = ["models", "inspect", file, "--target", "nrf52840", "--json"];
    const { code, stdout } = await run(...args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/on {8}nRF52840, estimated: times and energies within 30\.0 %/);
    expect(stdout).toMatch(/currentMilliampere 3\.3 mA, derived: Nordic nRF52840 Product/);
    const { cost } = JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "");
    expect(cost.exits).toHaveLength(spec.stages.length);
    expect(cost.exits[0]).toEqual({
      instructions: expect.any(Number),
      cycles: expect.any(Number),
      milliseconds: expect.any(Number),
      microjoules: expect.any(Number),
    });
    expect(cost.flashBytes).toBeGreaterThan(bytes.length);
    const refused = await run("models", "inspect", file, "--target", "abacus");
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toContain("nrf52840, stm32l4, esp32c3, pi4");
  });

  it("lists a folder, and fails where a file does not hold", async () => {
    const inner = join(folder, "registry", "models");
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, "good.bwm"), bytes);
    expect(await run("models", "list", join(folder, "registry"))).toMatchObject({ code: 0 });
    writeFileSync(join(inner, "torn.bwm"), bytes.subarray(0, 100));
    const { code, stdout } = await run("models", "list", join(folder, "registry"));
    expect(code).toBe(1);
    expect(stdout).toMatch(/good\.bwm {2}model [0-9a-f]{16}/);
    expect(stdout).toMatch(/torn\.bwm {2}BROKEN: .*\(container-length\)/);
  });
});

describe("bellwether watch", () => {
  let broker: Link;
  const topic = `${DEFAULT_BASE}/1217/behaviour`;
  const behaviour = {
    v: 1,
    node: "1217",
    behaviour: "Grazing",
    confidence: 0.97,
    source: "exit 1",
    trusted: true,
    model: "9f2c61d0a4b87e35",
    release: 3,
    since: 1,
    time: 2,
    epoch: 7,
    sequence: 12,
  };
  beforeAll(async () => {
    broker = await startBroker(
      {
        host: "127.0.0.1",
        port: 0,
        base: DEFAULT_BASE,
        connectionsMax: 20,
        packetsPerSecond: 1000,
        packetsBurst: 1000,
      },
      { onMessage: () => undefined, onConnection: () => undefined, log: () => undefined },
    );
    broker.publish(topic, JSON.stringify(behaviour), { qos: 1, retain: true });
  });
  afterAll(() => broker.close());

  it("prints the retained behaviour of a node as one JSON line", async () => {
    const { code, stdout } = await run(
      ...["watch", "--broker", broker.url, "--json", "--count", "1", "--for", "20"],
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual({ topic, ...behaviour });
  });

  it("prints plain lines without a terminal, and ends cleanly at Ctrl-C", async () => {
    const watch = start(["watch", "--broker", broker.url]);
    await until(() => watch.stdout().includes("Grazing"), watch.child);
    watch.child.kill("SIGINT");
    const { code, stdout, stderr } = await watch.ended;
    expect(stdout).toMatch(/^\S+Z 1217 Grazing 0\.97 \(exit 1, model 9f2c61d0, release 3\)\n$/);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("fails where nobody listens, and says so once", async () => {
    const { code, stderr } = await run(
      ...["watch", "--broker", "mqtt://127.0.0.1:9", "--for", "2.5"],
    );
    expect(code).toBe(1);
    expect(stderr.match(/nobody listens there/g)).toHaveLength(1);
  });
});

async function until(condition: () => boolean, child: ChildProcess): Promise<void> {
  const endMs = performance.now() + 20_000;
  while (!condition()) {
    if (performance.now() > endMs || child.exitCode !== null) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
