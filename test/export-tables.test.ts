/**
 * `bellwether export bouts | budgets | labels` and `history --group` on a store that was written as a
 * gateway writes it. Parquet is read back by `hyparquet`, which shares its authors with the writer,
 * and by DuckDB, which does not, where Python has it.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { LabelLog } from "../gateway/store/label-log.ts";
import type { StoreRow } from "../gateway/store/label-rows.ts";
import { DAY_MS, HOUR_MS } from "../src/behaviour/budget.ts";
import { nodeId } from "../src/wire/topics.ts";
import { cattle, MODEL, offloadOf, removeFolder, temporaryFolder } from "./gateway-kit.ts";

const CLI = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const MONDAY = Date.UTC(2026, 2, 9);
/** A name that a spreadsheet would take apart. */
const CLASSES = ["grazing", 'still, or "resting"', "walking"];
const TEACHER = "feedfeedfeedfeed";
const first = nodeId("collar-1");
const second = nodeId("collar-2");

let folder: string;
const at = (name: string): string => path.join(folder, name);

beforeAll(() => {
  folder = temporaryFolder();
  const teacher = { id: TEACHER, classes: CLASSES };
  const log = new LabelLog({ directory: folder, nowMs: 1, teacher });
  // Seven hours each, so that bouts lie across hours, days and the stretches that are read at once.
  log.commit([boutsOf(first, 40), boutsOf(second, 4)]);
  log.commit([0, 1, 2].map((seq) => offloadRow(seq)));
  log.commit([
    labelRow(1, true, Float32Array.of(0.7, 0.2, 0.1)),
    labelRow(2, false, Float32Array.of(0.1, 0.15, 0.75)),
    labelRow(3, true, Float32Array.of(0.5, 0.5)),
  ]);
  const about = { kind: "person", node: first, nowMs: 5, deed: "label", who: "anna" } as const;
  log.commit([{ ...about, offloadId: 2, classIndex: 1 }]);
  log.close();
  writeFileSync(at("farm.yaml"), "behaviours: { groups: { heifers: [collar-1, collar-2] } }\n");
});
afterAll(() => removeFolder(folder));

function boutsOf(node: typeof first, count: number): StoreRow {
  const put = Array.from({ length: count }, (_, i) => ({
    number: i + 1,
    classIndex: i % 3,
    startMs: MONDAY + i * 7 * HOUR_MS,
    endMs: MONDAY + (i + 1) * 7 * HOUR_MS,
    confidence: 0.9,
    windows: 7_200,
    taught: 3,
    over: i < count - 1,
    stands: true,
  }));
  return { kind: "bouts", node, put, drop: [] };
}

function offloadRow(seq: number): StoreRow {
  const offload = { ...offloadOf(seq, { reason: "audit", chanceQ16: 32_768 }) };
  offload.timeMs = MONDAY + seq * DAY_MS;
  return { kind: "offload", node: first, nowMs: 3, offload, teachable: true };
}

function labelRow(offloadId: number, trusted: boolean, probabilities: Float32Array): StoreRow {
  const chosen = { audit: true, chanceQ16: 32_768 };
  const about = { node: first, nowMs: 4, offloadId, modelId: MODEL, chosen, teacherId: TEACHER };
  return { kind: "label", ...about, trusted, agrees: false, probabilities };
}

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const all = [CLI, ...args, "--data-dir", folder];
  return spawnSync(process.execPath, all, { encoding: "utf8" });
}

function exported(...args: string[]): number {
  const { status, stdout, stderr } = run("export", ...args, "--json");
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return (JSON.parse(stdout) as { rows: number }).rows;
}

type Read = Record<string, unknown>;

async function readParquet(file: string): Promise<Read[]> {
  const rows: Read[] = await parquetReadObjects({
    file: await asyncBufferFromFile(file),
    // What is not said to be text stays bytes.
    utf8: false,
  });
  // 64-bit integers come as BigInt; none here is beyond what a double holds.
  const plain = (value: unknown): unknown => (typeof value === "bigint" ? Number(value) : value);
  return rows.map((row) => {
    return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, plain(value)]));
  });
}

describe("bouts", () => {
  it("are the same in both formats, each once wherever the reading was cut", async () => {
    expect(exported("bouts", "--out", at("bouts.csv"))).toBe(44);
    expect(exported("bouts", "--out", at("bouts.parquet"))).toBe(44);
    const lines = readFileSync(at("bouts.csv"), "utf8").trimEnd().split("\n");
    const rows = await readParquet(at("bouts.parquet"));
    expect(rows.filter(({ node }) => node === "collar-1").map(({ number }) => number)).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    expect(lines).toHaveLength(45);
    expect(lines[0]).toBe(Object.keys(rows[0] ?? {}).join(","));
    expect(lines[2]).toBe(
      `collar-1,2,"still, or ""resting""",${MONDAY + 7 * HOUR_MS},${MONDAY + 14 * HOUR_MS},` +
        "true,25200,0.9,7200,3",
    );
    expect(rows[1]).toMatchObject({
      behaviour: CLASSES[1],
      start_ms: MONDAY + 7 * HOUR_MS,
      over: true,
      confidence: 0.9,
    });
  });

  it("of a span and of some nodes are those that touch it", async () => {
    const span = ["--since", "2026-03-10", "--until", "2026-03-10T06:00Z"];
    expect(exported("bouts", "--out", at("some.parquet"), ...span, "--node", "collar-1")).toBe(2);
    expect(await readParquet(at("some.parquet"))).toMatchObject([{ number: 4 }, { number: 5 }]);
  });
});

describe("budgets", () => {
  it("add up to each hour", async () => {
    exported("budgets", "--out", at("hours.parquet"), "--until", "2026-03-10");
    const rows = await readParquet(at("hours.parquet"));
    const hours = Map.groupBy(rows, (row) => `${String(row.of)} ${String(row.start_ms)}`);
    expect(hours.size).toBe(48);
    for (const hour of hours.values()) {
      expect(hour).toHaveLength(4);
      expect(hour.reduce((sum, row) => sum + Number(row.minutes), 0)).toBeCloseTo(60, 3);
    }
  });

  it("of a group are the mean of its members, by days that begin where its clock's do", async () => {
    const options = ["--group", "heifers", "--config", at("farm.yaml"), "--per", "day"];
    exported("budgets", "--out", at("group.parquet"), ...options, "--utc-offset", "1");
    const rows = await readParquet(at("group.parquet"));
    // Monday from one in the morning on: bouts of seven hours from midnight UTC.
    const tuesday = MONDAY + DAY_MS - HOUR_MS;
    const day = rows.filter((row) => row.start_ms === tuesday);
    expect(day.map(({ of, nodes }) => [of, nodes])).toEqual(Array(4).fill(["heifers", 2]));
    // One of both is known until 28 o'clock only: after that half of the mean is unknown.
    expect(day.find(({ behaviour }) => behaviour === "unknown")?.minutes).toBe((19 * 60) / 2);
  });

  it("leave out spans of which nobody knows anything", () => {
    const lost = temporaryFolder();
    const log = new LabelLog({ directory: lost, nowMs: 1 });
    const row = boutsOf(first, 1) as Extract<StoreRow, { kind: "bouts" }>;
    const [bout] = row.put;
    if (bout === undefined) throw new Error("there is one");
    // A clock that had not been set yet.
    const old = { ...bout, number: 2, startMs: 0, endMs: HOUR_MS };
    log.commit([{ ...row, put: [bout, old] }]);
    log.close();
    const out = path.join(lost, "budgets.csv");
    const { stdout } = spawnSync(
      process.execPath,
      [CLI, "export", "budgets", "--out", out, "--data-dir", lost, "--json"],
      { encoding: "utf8" },
    );
    expect(JSON.parse(stdout)).toMatchObject({ rows: 8 * 4 });
    removeFolder(lost);
  });
});

describe("labels", () => {
  it("say who said what, and of another teacher's classes nothing", async () => {
    expect(exported("labels", "--out", at("labels.parquet"), "--windows")).toBe(3);
    const rows = await readParquet(at("labels.parquet"));
    expect(rows[0]).toMatchObject({
      node: "collar-1",
      time_ms: MONDAY,
      reason: "audit",
      chance: 0.5,
      teacher: "grazing",
      trusted: true,
      chance_grazing: 0.7,
      samples: cattle.windowSamples,
      millig_per_step: cattle.inputMilligPerStep,
    });
    expect(rows[0]).toMatchObject({ person: null, who: null });
    const says = { person: CLASSES[1], who: "anna" };
    expect(rows[1]).toMatchObject({ teacher: "walking", trusted: false, ...says });
    expect(rows[2]).toMatchObject({ teacher: "class 0", chance_grazing: null });
    const [one] = rows;
    expect(Int8Array.from(one?.window_int8 as Uint8Array)).toEqual(offloadOf(0, {}).window);
  });

  it("of a span alone, and without windows unless asked", () => {
    const span = ["--since", "2026-03-10", "--until", "2026-03-11"];
    expect(exported("labels", "--out", at("day.csv"), ...span)).toBe(1);
    expect(readFileSync(at("day.csv"), "utf8")).not.toContain("window_int8");
  });
});

describe("Parquet", () => {
  const python = spawnSync("python3", ["-c", "import duckdb"]).status === 0;
  if (!python) console.log("DuckDB's reading of Parquet is skipped: python3 has no duckdb");
  it.skipIf(!python)("is what DuckDB reads, with 64-bit integers and names", () => {
    const file = at("duck.parquet");
    exported("bouts", "--out", file);
    const query =
      "select count(*), sum(duration_seconds), max(end_ms), min(behaviour), typeof(max(end_ms)), " +
      `bool_and(over) from read_parquet('${file}')`;
    const script = `import duckdb, json; print(json.dumps(duckdb.sql("${query}").fetchall()[0]))`;
    const { stdout, stderr } = spawnSync("python3", ["-c", script], { encoding: "utf8" });
    expect(stderr).toBe("");
    const last = MONDAY + 40 * 7 * HOUR_MS;
    expect(JSON.parse(stdout)).toEqual([44, 44 * 25_200, last, "grazing", "BIGINT", false]);
  });

  it("of a long table needs the memory of a short one", async () => {
    const long = temporaryFolder();
    new LabelLog({ directory: long, nowMs: 1 }).close();
    const database = new DatabaseSync(path.join(long, "labels.db"));
    const many = 300_000;
    database.exec(`INSERT INTO nodes (name) VALUES ('collar-1');
      WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${many - 1})
      INSERT INTO bouts SELECT 1, i + 1, i % 3, ${MONDAY} + i * 60000.0, ${MONDAY} + i * 60000.0
        + 60000, .9, 24, 1, 1, 1 FROM n;`);
    database.close();
    for (const format of ["csv", "parquet"]) {
      const out = path.join(long, `bouts.${format}`);
      // Rows alone would be over 40 MB of JavaScript's heap; what is held at once is two thousand.
      const { status, stderr } = spawnSync(
        process.execPath,
        ["--max-old-space-size=40", CLI, "export", "bouts", "--out", out, "--data-dir", long],
        { encoding: "utf8" },
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
      expect(statSync(out).size).toBeGreaterThan(many);
    }
    const file = await asyncBufferFromFile(path.join(long, "bouts.parquet"));
    const { num_rows: count, row_groups: groups } = await parquetMetadataAsync(file);
    expect([Number(count), groups.length]).toEqual([many, Math.ceil(many / 2_048)]);
    removeFolder(long);
  }, 60_000);
});

describe("what is refused", () => {
  it.each([
    [["bouts"], "--out"],
    [["bouts", "--out", "table.xlsx"], "--format"],
    [["bouts", "--out", "x.csv", "--since", "yesterday"], "--since"],
    [["bouts", "--out", "x.csv", "--node", "nobody"], "nobody"],
    [["budgets", "--out", "x.csv", "--group", "heifers"], "--config"],
    [["bouts", "--out", "/nowhere/at/all.csv"], "/nowhere/at/all.csv"],
  ])("export %j names %s", (args, named) => {
    const { status, stderr } = run("export", ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(named);
    expect(existsSync("x.csv")).toBe(false);
  });

  it("a file that is there, until it may be written over", () => {
    writeFileSync(at("mine.csv"), "precious");
    expect(run("export", "bouts", "--out", at("mine.csv")).status).toBe(2);
    expect(readFileSync(at("mine.csv"), "utf8")).toBe("precious");
    expect(exported("bouts", "--out", at("mine.csv"), "--force")).toBe(44);
  });
});

describe("history of a group", () => {
  it("is each member's budget and the mean, named by the store's own classes", () => {
    const group = ["history", "--group", "heifers", "--config", at("farm.yaml")];
    const { status, stdout } = run(...group, "--day", "2026-03-10", "--json");
    expect(status).toBe(0);
    const history = JSON.parse(stdout);
    expect(history.nodes.map(({ node }: { node: string }) => node)).toEqual([first, second]);
    // The fourth bout, of the first class, ends at four; the other collar knows no more of the day.
    expect(history.nodes[1].budget).toMatchObject({
      minutes: { grazing: 240 },
      unknown_minutes: 1_200,
    });
    expect(history.budget.unknown_minutes).toBe(600);
    const words = run(...group, "--day", "2026-03-10")
      .stdout.trim()
      .split("\n");
    expect(words).toHaveLength(4);
    expect(words[3]).toMatch(
      /^heifers, mean of 2 {2}grazing .*still, or "resting" .*unknown 600\.0$/,
    );
  });

  it("is asked of a node or a group, and of one that is there", () => {
    expect(run("history").stderr).toContain("--group");
    expect(run("history", "collar-1", "--group", "heifers").status).toBe(2);
    const missing = run("history", "--group", "bulls", "--config", at("farm.yaml"));
    expect(missing.stderr).toContain("heifers");
  });
});
