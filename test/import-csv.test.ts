import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { splitLine } from "../recordings/csv-lines.ts";
import type { CsvImported } from "../recordings/csv-samples.ts";
import { type CsvImport, importCsv } from "../recordings/import-csv.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-csv-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let written = 0;

async function importText(
  text: string,
  change: Partial<CsvImport> = {},
): Promise<CsvImported & { file: string }> {
  const file = join(folder, `${++written}.csv`);
  await writeFile(file, text);
  const imported = await importCsv({
    files: [file],
    columns: ["ax", "ay", "az", "label", "subject"],
    units: "g",
    rateHz: 10,
    name: "test",
    ...change,
  });
  return { ...imported, file };
}

/** Rows at rest, `x,y,z,label,subject,time`. */
function rows(count: number, row: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => `${row(i)}\n`).join("");
}

const HEADER = "ax,ay,az,label,subject,t\n";
const still = (i: number): string => `0,0.${i % 10},-1,still,cow1,${(i / 10).toFixed(1)}`;

describe("importCsv", () => {
  it("joins rows of one subject and label into segments of milli-g", async () => {
    const { recordings } = await importText(
      HEADER + rows(20, still) + rows(30, () => "0.5,0,1,walking,cow1,"),
    );
    expect(recordings.segments).toEqual([
      { subject: "cow1", label: "still", start: 0, length: 20, source: "1.csv" },
      { subject: "cow1", label: "walking", start: 20, length: 30, source: "1.csv" },
    ]);
    expect([...recordings.samples.subarray(3, 6)]).toEqual([0, 100, -1000]);
    expect(recordings).toMatchObject({ rateHz: 10, labels: ["still", "walking"] });
  });

  it.each([
    ["mg" as const, 1000],
    ["g" as const, 1],
    ["m/s2" as const, 9.80665],
  ])("takes %s", async (units, one) => {
    const { recordings } = await importText(HEADER + rows(20, () => `0,0,${one},a,b,`), { units });
    expect(new Set(recordings.samples)).toEqual(new Set([0, 1000]));
  });

  it.each([
    ["g" as const, 9.81, /9\.81 g.*look like m\/s2/s],
    ["g" as const, 1000, /:2: z is 1000 g.*--units/s],
    ["mg" as const, 1, /gravity removed/],
    ["g" as const, 0.01, /gravity removed/],
  ])("finds a wrong unit: %s where rest is %d", async (units, one, message) => {
    const text = HEADER + rows(20, () => `0,0,${one},a,b,`);
    await expect(importText(text, { units })).rejects.toThrow(message);
  });

  it("lets a signal without gravity pass when told to", async () => {
    const text = HEADER + rows(20, () => "0,0,0.01,a,b,");
    const { recordings } = await importText(text, { anyMagnitude: true });
    expect(recordings.samples[2]).toBe(10);
  });

  it.each([
    ["NaN", /\d+\.csv:12: x is not a number.*--skip-bad-rows/s],
    ["", /:12: x is not a number/],
    ["abc", /:12: x is not a number/],
    ["inf", /:12: x is not a number/],
  ])(
    "names file, line and mend for a value of %j, or skips it when told to",
    async (bad, error) => {
      const text = `${HEADER}${rows(10, still)}${bad},0,1,still,cow1,1.0\n${rows(10, still)}`;
      await expect(importText(text)).rejects.toThrow(error);
      const { recordings, skippedRows } = await importText(text, { skipBadRows: true });
      expect(skippedRows).toBe(1);
      expect(recordings.segments.map((s) => s.length)).toEqual([10, 10]);
    },
  );

  it("names the columns that there are when one is missing", async () => {
    await expect(importText("x,y,z\n1,2,3\n")).rejects.toThrow(
      /:1: there is no column "ax", "ay", "az", "label", "subject".*first row is x, y, z/s,
    );
    await expect(importText(HEADER, { columns: ["ax", "ay"] })).rejects.toThrow(/x,y,z/);
    const noLabel = { columns: ["ax", "ay", "az"] };
    await expect(importText(HEADER + rows(9, still), noLabel)).rejects.toThrow(/--label/);
  });

  it("takes columns by number, one label and the file as subject", async () => {
    const { recordings } = await importText(
      rows(12, () => "7,0,0,1"),
      { columns: ["2", "3", "4"], label: "resting" },
    );
    expect(recordings.segments).toHaveLength(1);
    expect(recordings.segments[0]).toMatchObject({ label: "resting", length: 12 });
    expect(recordings.subjects[0]).toMatch(/^\d+$/);
    const headed = await importText(`n,a,b,c\n${rows(12, () => "7,0,0,1")}`, {
      columns: ["2", "3", "4"],
      label: "resting",
    });
    expect(headed.recordings.segments[0]?.length).toBe(12);
  });

  it("takes the rate from times, ends segments at gaps, and starts anew for each subject", async () => {
    const columns = ["ax", "ay", "az", "label", "subject", "t"];
    const later = (i: number): string => `0,0,1,still,cow1,${(9 + i / 10).toFixed(1)}`;
    const other = (i: number): string => `0,0,1,still,cow2,${(i / 10).toFixed(1)}`;
    const text = HEADER + rows(40, still) + rows(30, later) + rows(20, other);
    const { recordings, gaps } = await importText(text, { columns, rateHz: undefined });
    expect(recordings.rateHz).toBe(10);
    expect(gaps).toBe(1);
    expect(recordings.segments.map((s) => [s.subject, s.length])).toEqual([
      ["cow1", 40],
      ["cow1", 30],
      ["cow2", 20],
    ]);
  });

  it("refuses a rate that the times contradict, and times that go back", async () => {
    const columns = ["ax", "ay", "az", "label", "subject", "t"];
    const text = HEADER + rows(300, still);
    await expect(importText(text, { columns, rateHz: 25 })).rejects.toThrow(
      /recording-rate.*--rate 10/s,
    );
    await expect(importText(text, { columns, rateHz: undefined, timeUnit: "ms" })).rejects.toThrow(
      /10000 Hz is no rate.*--time-unit/s,
    );
    const back = `${HEADER}${rows(20, still)}0,0,1,still,cow1,0.3\n`;
    await expect(importText(back, { columns })).rejects.toThrow(/:22: goes back by 1\.60 s/);
    const bad = `${HEADER}0,0,1,still,cow1,soon\n`;
    await expect(importText(bad, { columns })).rejects.toThrow(/:2: "soon" is not a time/);
    await expect(importText(HEADER + rows(9, still), { rateHz: undefined })).rejects.toThrow(
      /Give --rate/,
    );
  });

  it.each([
    ["seconds", (i: number) => `${(i * 0.1).toFixed(1)}`],
    ["Unix milliseconds", (i: number) => `${1_700_000_000_000 + i * 100}`],
    ["Unix nanoseconds", (i: number) => `${1_700_000_000_000 + i * 100}000000`],
    ["dates", (i: number) => `2024-05-13 12:00:${(i / 10).toFixed(1).padStart(4, "0")}`],
    ["ISO dates", (i: number) => new Date(1_700_000_000_000 + i * 100).toISOString()],
  ])("reads times as %s", async (_, time) => {
    const { recordings } = await importText(HEADER + rows(50, (i) => `0,0,1,a,b,${time(i)}`), {
      columns: ["ax", "ay", "az", "label", "subject", "t"],
      rateHz: undefined,
    });
    expect(recordings.rateHz).toBe(10);
    expect(recordings.segments).toHaveLength(1);
  });

  it("finds one lost sample, and takes a phone's jitter for what it is", async () => {
    const columns = ["ax", "ay", "az", "label", "subject", "t"];
    const at = (times: readonly number[]): string =>
      HEADER + times.map((t) => `0,0,1,a,b,${t.toFixed(4)}\n`).join("");
    const lost = Array.from({ length: 200 }, (_, i) => (i < 100 ? i : i + 1) / 10);
    expect((await importText(at(lost), { columns })).gaps).toBe(1);
    const slow = Array.from({ length: 2000 }, (_, i) => i * 0.103);
    expect((await importText(at(slow), { columns })).gaps).toBe(0);
    const jitter = Array.from({ length: 3000 }, (_, i) => i / 10 + 0.045 * Math.sin(i * i));
    expect((await importText(at(jitter), { columns })).gaps).toBe(0);
    const both = jitter.map((t, i) => (i < 1500 ? t : t + 1));
    expect((await importText(at(both), { columns })).gaps).toBe(1);
  });

  it("refuses rows of several subjects one by one in turn", async () => {
    const text = HEADER + rows(40, (i) => `0,0,1,a,cow${i % 2},`);
    await expect(importText(text)).rejects.toThrow(/csv-interleaved.*Sort/s);
  });

  it("leaves out rows without a label and counts them", async () => {
    const text = HEADER + rows(10, still) + rows(5, () => "0,0,1,,cow1,") + rows(10, still);
    const { recordings, unlabelledRows } = await importText(text);
    expect(unlabelledRows).toBe(5);
    expect(recordings.segments.map((s) => s.length)).toEqual([10, 10]);
  });

  it("reads semicolons, decimal commas, quotes, byte order marks and Windows line ends", async () => {
    const text = `\uFEFFax;ay;az;label;subject\r\n${'0;0,25;-1;"still; lying";a\r\n'.repeat(9)}`;
    const { recordings } = await importText(text);
    expect(recordings.labels).toEqual(["still; lying"]);
    expect([...recordings.samples.subarray(0, 3)]).toEqual([0, 250, -1000]);
  });

  it("refuses a row that is cut short, an empty file and one that is not there", async () => {
    await expect(importText(`${HEADER}${rows(9, still)}0,0.1`)).rejects.toThrow(
      /:11: has 2 fields, 5 are needed/,
    );
    await expect(importText("")).rejects.toThrow(/recording-empty/);
    await expect(importText("", { files: ["/no/such.csv"] })).rejects.toThrow(/csv-missing/);
  });

  it("streams: the result does not depend on where reads end, and progress reaches the end", async () => {
    const seen: number[] = [];
    const { recordings } = await importText(
      HEADER + rows(60_000, () => "0.12345,0,-1,still,cow1,"),
      {
        onProgress: (bytes, total) => seen.push(bytes / total),
      },
    );
    expect(recordings.segments).toHaveLength(1);
    expect(recordings.segments[0]?.length).toBe(60_000);
    expect(new Set(recordings.samples)).toEqual(new Set([123, 0, -1000]));
    expect(seen.length).toBeGreaterThan(3);
    expect(seen.at(-1)).toBe(1);
  });
});

describe("splitLine", () => {
  it("takes apart what was quoted by RFC 4180", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string().filter((s) => s.trim() === s && !/[\r\n]/.test(s)),
          { minLength: 1 },
        ),
        (fields) => {
          const line = fields.map((field) => `"${field.replaceAll('"', '""')}"`).join(",");
          expect(splitLine(line, ",")).toEqual(fields);
        },
      ),
    );
  });
});
