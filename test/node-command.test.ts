/** `bellwether node`: one device on a real gateway, by a file, a pipe and a terminal's port. */

import { execFileSync, type SpawnOptions, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collarLines } from "../bench/collar-lines.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { bellwether } from "./access-kit.ts";
import { ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import {
  gatewayOn,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";
import { sampleContainer } from "./node-world.ts";

const folder = temporaryFolder();
const data = path.join(folder, "bellwether-data");
const csv = path.join(folder, "collar.csv");
let rows: readonly string[];
let teacher: OpenTeacher;
let gateway: RunningGateway;

beforeAll(async () => {
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher);
  rows = await collarLines(1200, 3);
  writeFileSync(csv, `t,x,y,z\n${rows.join("\n")}\n`);
});
afterAll(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

/** A pair of pseudoterminals: what it reads from us a program reads from the one that it names. */
const PORT = `
import os, pty, sys, tty
ours, theirs = pty.openpty()
tty.setraw(theirs)
print(os.ttyname(theirs), flush=True)
for line in sys.stdin: os.write(ours, line.encode())
`;
const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

type Ended = { readonly code: number | null; readonly out: string; readonly err: string };
type Result = Readonly<Record<string, string | number | boolean>>;

/** @param use what is done with the running process */
async function node(
  words: readonly string[],
  use?: (child: ReturnType<typeof spawn>) => Promise<void>,
): Promise<Ended> {
  const options: SpawnOptions = { cwd: folder, stdio: ["pipe", "pipe", "pipe"] };
  const command = [path.join(ROOT, "cli/main.ts"), "node", ...words];
  const child = spawn(process.execPath, command, options);
  let out = "";
  let err = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, out, err }));
  });
  await use?.(child);
  return ended;
}

const joined = (name: string, ...more: readonly string[]): string[] => [
  "--name",
  name,
  "--gateway",
  gateway.url,
  "--store",
  path.join(folder, `store-${name}`),
  ...more,
];
const resultOf = ({ out, err, code }: Ended): Result => {
  expect([code, err]).toEqual([0, err]);
  return JSON.parse(out.trim().split("\n").at(-1) ?? "");
};
const known = (name: string) => gateway.nodes().find((row) => row.node === name);

describe("bellwether node", () => {
  it("joins, plays a file to its end, owes nothing, and goes on from its store", async () => {
    const { code } = await bellwether("nodes", "add", "collar-07", "--data-dir", data);
    const play = joined("collar-07", "--input", csv, "--speed", "40", "--json");
    const first = resultOf(await node([...play, "--join", String(code)]));
    // Two minutes of samples, a window each 2.5 s after the first five.
    expect(first).toMatchObject({ windows: 47, outbox: 0, unreadLines: 0, gaps: 0 });
    expect(known("collar-07")?.online).toBe(false);
    const kept = path.join(folder, "store-collar-07/collar-07/credentials.json");
    expect(statSync(kept).mode & 0o077).toBe(0);
    const second = resultOf(await node(play));
    expect(second.epoch).toBe(first.epoch);
    expect(second.windows).toBe(first.windows);
    expect(known("collar-07")?.windows).toBe(2 * Number(first.windows));
    expect(existsSync(path.join(folder, "store-collar-07/fleet.lock"))).toBe(false);
  });

  it("takes what comes on standard input as it comes", async () => {
    const text = rows
      .map((row) => row.split(",").map(Number))
      .map(([t, x = 0, y = 0, z = 0]) =>
        JSON.stringify({ t, x: x / 1000, y: y / 1000, z: z / 1000 }),
      );
    const ended = await node(
      joined("piped", "--input", "-", "--units", "g", "--json"),
      async (child) => {
        child.stdin?.end(`half a li\n${text.join("\n")}\n{"t":\n`);
      },
    );
    expect(resultOf(ended)).toMatchObject({ windows: 47, outbox: 0, unreadLines: 1 });
  });

  it("stays on a pipe with a name when its writer goes, until Ctrl-C", async () => {
    const pipe = path.join(folder, "pipe");
    execFileSync("sh", ["-c", 'mkfifo "$0"', pipe]);
    const ended = await node(joined("fifo", "--input", pipe, "--json"), async (child) => {
      for (const part of [rows.slice(0, 600), rows.slice(600)]) {
        const text = `${part.join("\n")}\n`;
        execFileSync("sh", ["-c", 'cat > "$0"', pipe], { input: text });
      }
      await until("all windows", () => known("fifo")?.windows === 47);
      child.kill("SIGINT");
    });
    expect(resultOf(ended)).toMatchObject({ windows: 47, unreadLines: 0 });
  });

  it.skipIf(!hasPython)("reads a port that is a terminal, as serial ports are", async () => {
    const port = spawn("python3", ["-c", PORT], { stdio: ["pipe", "pipe", "inherit"] });
    const name = await new Promise<string>((resolve) => {
      port.stdout.once("data", (chunk: Buffer) => resolve(chunk.toString().trim()));
    });
    const ended = await node(joined("wired", "--input", name, "--json"), async (child) => {
      await until("it is online", () => known("wired")?.online === true);
      port.stdin.write(`${rows.slice(0, 200).join("\n")}\n`);
      await until("windows", () => known("wired")?.windows === 7);
      child.kill("SIGINT");
    });
    port.stdin.end();
    expect(resultOf(ended)).toMatchObject({ windows: 7, unreadLines: 0 });
  });

  it("tells what its battery holds, and sends codes when asked to", async () => {
    const battery = path.join(folder, "battery.csv");
    writeFileSync(battery, rows.map((row, i) => `${row},${i < 600 ? 80 : 9}\n`).join(""));
    const student = path.join(folder, "doubtful.bwm");
    const gate = uncalibratedGate({ exits: 2, classes: 3 });
    const doubtful = { ...gate.offload, unsureMarginQ8: [2000, 2000, 2000] };
    const encoder = randomEncoder(ENCODER_SPEC, 1);
    const always = encodeGate({ ...gate, offload: doubtful });
    writeFileSync(student, sampleContainer(2, { encoder, gate: always }));
    const play = (name: string, ...more: readonly string[]) =>
      node(
        joined(name, "--input", battery, "--speed", "100", "--json", "--student", student, ...more),
      );
    expect(resultOf(await play("cell", "--features")).asCodes).toBeGreaterThan(0);
    expect(known("cell")?.batteryPercent).toBe(9);
    const file = path.join(folder, "capacity");
    writeFileSync(file, "63\n");
    expect(resultOf(await play("gauge", "--battery-file", file)).asCodes).toBe(0);
    expect(known("gauge")?.batteryPercent).toBe(63);
  });

  it("says what is wrong and how to mend it", async () => {
    const other = path.join(folder, "other.csv");
    writeFileSync(other, "what is this\n".repeat(100));
    const empty = path.join(folder, "empty.csv");
    writeFileSync(empty, "t,x,y,z\n");
    const holes = path.join(folder, "holes.csv");
    // Every second sample has a hole, which leaves half of the rate.
    const holed = rows
      .slice(0, 600)
      .map((row, i) => (i % 2 === 0 ? row : row.replace(/[^,]*$/, "NaN")));
    writeFileSync(holes, `t,x,y,z\n${holed.join("\n")}\n`);
    const input = ["--input", csv];
    const cases: [readonly string[], RegExp][] = [
      [input, /--name.*node-id/s],
      [["--name", "Bad Name", ...input], /node-id/],
      [["--name", "a"], /no samples.*node-input/s],
      [["--name", "a", ...input, "--recording", folder], /two places.*node-input/s],
      [["--name", "a", "--input", "nowhere.csv"], /ENOENT.*input-unreadable/s],
      [["--name", "a", "--input", folder], /input-unreadable/],
      [["--name", "a", "--recording", folder], /recording-missing/],
      [["--name", "a", ...input, "--units", "kg"], /usage.*mg, g, m\/s2/s],
      [["--name", "a", "--recording", folder, "--rate", "10"], /--rate: .*node-input/s],
      [["--name", "a", "--recording", folder, "--units", "mg"], /--units: .*node-input/s],
      [["--name", "a", ...input, "--subjects", "b"], /--subjects: .*node-input/s],
      [joined("a", "--input", empty), /empty\.csv: there is no sample.*no-samples/s],
      [
        joined("a", "--input", holes),
        /holes\.csv, line 3: z is no number.*300 lines.*sample-lines/s,
      ],
      [joined("a", ...input, "--battery-file", other), /no percentage.*battery-file/s],
      [joined("a", ...input, "--battery-file", `${other}-no`), /ENOENT.*battery-file/s],
      [joined("a", "--input", other), /other\.csv:51.*sample-lines/s],
      [joined("a", ...input, "--rate", "50", "--speed", "100"), /10\.00 Hz.*recording-rate/s],
      [joined("a", ...input, "--join", "AAAA-BBBB"), /join-refused/],
    ];
    for (const [words, problem] of cases) {
      const { code, err } = await node(words);
      expect([words, code]).toEqual([words, 2]);
      expect(err).toMatch(problem);
    }
  }, 60_000);

  it("has compiled before its first start from the launcher", async () => {
    const cache = path.join(folder, "compiled");
    const launcher = path.join(ROOT, "bin/bellwether.js");
    const words = ["node", ...joined("launched", "--input", "-")];
    const child = spawn(process.execPath, [launcher, ...words], {
      ...{ cwd: folder, stdio: ["pipe", "ignore", "pipe"], detached: true },
      env: { ...process.env, NODE_COMPILE_CACHE: cache },
    });
    let err = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    await until("it runs", () => err.includes("standard input to mqtt://"), 30_000);
    // Killed with all of its group, the node itself has kept nothing.
    process.kill(-(child.pid ?? 0), "SIGKILL");
    await new Promise((resolve) => child.once("close", resolve));
    const kept = readdirSync(cache, { recursive: true, withFileTypes: true });
    expect(kept.filter((one) => one.isFile()).length).toBeGreaterThan(50);
  });

  it("loads none of what reads schemas, settings or recordings, and no runtime of teachers", () => {
    const script = `
      import { registerHooks } from "node:module";
      const loaded = [];
      registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
      await import(${JSON.stringify(path.join(ROOT, "cli/main.ts"))});
      await import(${JSON.stringify(path.join(ROOT, "cli/node.ts"))});
      console.log(JSON.stringify(loaded));`;
    const args = ["--input-type=module", "-e", script, "x", "node", "--help"];
    const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const loaded: string[] = JSON.parse(stdout.trim().split("\n").at(-1) ?? "[]");
    const packages = new Set(
      loaded.flatMap((url) => /node_modules\/([^/]+)/.exec(url)?.slice(1) ?? []),
    );
    expect(packages).toContain("mqtt");
    for (const heavy of ["zod", "yaml", "aedes", "onnxruntime-node", "@tensorflow"]) {
      expect(packages).not.toContain(heavy);
    }
    expect(loaded.filter((url) => /\/gateway\//.test(url))).toEqual([]);
  });
});
