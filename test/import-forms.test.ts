/** The forms in which recordings of others come: separators, packing, clocks, labels elsewhere. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { CsvImported } from "../recordings/csv-samples.ts";
import { parseTime, rateOfSteps } from "../recordings/csv-time.ts";
import { type CsvImport, importCsv } from "../recordings/import-csv.ts";
import { importWindows } from "../recordings/import-windows.ts";
import { LabelNames } from "../recordings/label-names.ts";
import { pathTemplate } from "../recordings/path-template.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-forms-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

let written = 0;
async function file(content: string | Uint8Array, name = `${++written}.csv`): Promise<string> {
  const path = join(folder, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  return path;
}

async function imported(
  content: string | Uint8Array,
  change: Partial<CsvImport> = {},
): Promise<CsvImported> {
  const files = change.files ?? [await file(content)];
  return importCsv({
    columns: ["x", "y", "z", "label", "who", "t"],
    units: "g",
    name: "test",
    ...change,
    files,
  });
}

const lines = (count: number, line: (i: number) => string, end = "\n"): string =>
  Array.from({ length: count }, (_, i) => `${line(i)}${end}`).join("");
const lengths = ({ recordings }: CsvImported): number[] => recordings.segments.map((s) => s.length);
const firstSample = ({ recordings }: CsvImported): number[] => [...recordings.samples.slice(0, 3)];

describe("text files of every sort", () => {
  it("reads WISDM's records, which end in a semicolon and may share a line", async () => {
    const record = (i: number): string => `33,Jogging,${49_105_962_326_000 + i * 5e7},-0.7,9.7,.5;`;
    const text = lines(30, (i) => record(2 * i) + (i % 3 ? "\n" : "\n\n") + record(2 * i + 1));
    const result = await imported(text, {
      columns: ["4", "5", "6", "2", "1", "3"],
      units: "m/s2",
      timeUnit: "ns",
    });
    expect(result.recordings).toMatchObject({ rateHz: 20, subjects: ["33"], labels: ["Jogging"] });
    expect(lengths(result)).toEqual([60]);
    expect(firstSample(result)).toEqual([-71, 989, 51]);
  });

  it("reads blanks between numbers, without a header, with words for what is missing", async () => {
    const text = lines(40, (i) => `${(8.38 + i / 100).toFixed(2)}  4 NaN   30 0.1 9.8 -0.1`);
    const columns = ["5", "6", "7", "2", "-", "1"];
    const result = await imported(text, { columns, units: "m/s2", labels: ["4=walking"] });
    expect(result.recordings).toMatchObject({ rateHz: 100, labels: ["walking"] });
    expect(firstSample(result)).toEqual([10, 999, -10]);
  });

  it("takes decimal commas for what they are beside semicolons, tabs, and by a word blanks", async () => {
    const row = (between: string): string => ["0,25", "-0,5", "0,75", "a", "b"].join(between);
    for (const [between, separator] of [[";"], ["\t"], [" ", "space" as const]] as const) {
      const text = lines(20, () => row(between), "\r\n");
      const columns = ["1", "2", "3", "4", "5"];
      const result = await imported(text, { columns, rateHz: 10, separator });
      expect(firstSample(result), JSON.stringify(between)).toEqual([250, -500, 750]);
    }
  });

  it("passes over lines of prose before the header", async () => {
    const prose = "------ Data File Created By A Logger v6 date format M/d/yyyy at 30 Hz ------\n";
    const text = `${prose}Serial Number: X1\n${prose}x,y,z\n${lines(20, () => "0,0.5,-1")}`;
    const change = { columns: ["x", "y", "z"], label: "a", rateHz: 30 };
    expect(lengths(await imported(text, change))).toEqual([20]);
    const numbered = await imported(text, { ...change, columns: ["1", "2", "3"] });
    expect(lengths(numbered)).toEqual([20]);
    await expect(imported(text, { ...change, columns: ["ax", "y", "z"] })).rejects.toThrow(
      /:4: there is no column "ax".*x, y, z/s,
    );
  });

  it("unpacks gzip, reads UTF-16, and says what is no text", async () => {
    const text = `x,y,z\n${lines(2000, (i) => `0,0.5,-${1 + (i % 7) / 100}`)}`;
    const change = { columns: ["x", "y", "z"], label: "a", rateHz: 10 };
    const seen: number[] = [];
    const packed = await imported("", {
      ...change,
      files: [await file(gzipSync(text), "cow.csv.gz")],
      onProgress: (bytes, total) => seen.push(bytes / total),
    });
    expect(lengths(packed)).toEqual([2000]);
    expect(packed.recordings.subjects).toEqual(["cow"]);
    expect(seen.at(-1)).toBe(1);
    const wide = Buffer.from(`\uFEFF${text}`, "utf16le");
    expect(lengths(await imported(wide, change))).toEqual([2000]);
    const zip = Buffer.from("PK\u0003\u0004rest");
    await expect(imported(zip, change)).rejects.toThrow(/csv-binary.*as CSV/s);
    await expect(imported(Buffer.alloc(64), change)).rejects.toThrow(/csv-binary/);
    const cut = gzipSync(text).subarray(0, 60);
    const files = [await file(cut, "cut.csv.gz")];
    await expect(imported("", { ...change, files })).rejects.toThrow(/csv-missing.*whole/s);
  });

  it("reads a sensor's own counts", async () => {
    const text = `x,y,z\n${lines(20, () => "2048,2148,1024")}`;
    const change = { columns: ["x", "y", "z"], label: "a", rateHz: 10 };
    const result = await imported(text, { ...change, units: { perG: 1000, zero: 2048 } });
    expect(firstSample(result)).toEqual([0, 100, -1024]);
    await expect(imported(text, { ...change, units: "mg" })).rejects.toThrow(/--counts-per-g/);
  });
});

describe("clocks", () => {
  it.each([
    ["2024-05-13T12:00:09.5Z", 1_715_601_609.5],
    ["2024-05-13 14:00:09,5+02:00", 1_715_601_609.5],
    ["2024-05-13 14:00:09.500 +0200 [Europe/Berlin]", 1_715_601_609.5],
    ["13.05.2024 12:00:09,500", 1_715_601_609.5],
    ["2024/05/13 12:00", 1_715_601_600],
    ["01:02:03.25", 3723.25],
    ["12:00:09 AM", 9],
    ["1:00:00 pm", 46_800],
    ["1715601609500", 1_715_601_609.5],
    ["3,5", 3.5],
  ])("reads %s", (text, seconds) => {
    expect(parseTime(text, "here")).toBeCloseTo(seconds, 6);
  });

  it("reads days of a spreadsheet, and dates with slashes when told their order", () => {
    expect(parseTime("45425,5", "", { unit: "days" })).toBe(45_425.5 * 86_400);
    const may = parseTime("2024-05-06 07:00", "");
    expect(parseTime("6/5/2024 7:00", "", { dateOrder: "dmy" })).toBe(may);
    expect(parseTime("5/6/2024 7:00:00 AM", "", { dateOrder: "mdy" })).toBe(may);
    expect(() => parseTime("6/5/2024 7:00", "f:2")).toThrow(/f:2.*--date-order/s);
    expect(() => parseTime("31.02.2024 07:00", "f:2")).toThrow(/not a time/);
    expect(() => parseTime("13.13.2024", "f:2")).toThrow(/not a time/);
  });

  it("joins a date and a time of day, and takes the rate of a clock coarser than the sensor", async () => {
    const columns = ["x", "y", "z", "label", "-", "day+clock"];
    const text = (gap: number): string =>
      `day;clock;x;y;z;label\n${lines(300, (i) => {
        const second = Math.floor(i / 12.5) + (i < 150 ? 0 : gap);
        return `13.05.2024;10:0${Math.floor(second / 60)}:${`${second % 60}`.padStart(2, "0")};0;0;1;a`;
      })}`;
    const whole = await imported(text(0), { columns });
    expect(whole.recordings.rateHz).toBe(12.5);
    expect(lengths(whole)).toEqual([300]);
    const gap = await imported(text(30), { columns });
    expect([gap.gaps, lengths(gap).length]).toEqual([1, 2]);
    expect(rateOfSteps([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])).toBe(4);
  });

  it("leaves strays out when told to, and goes on where a clock was set", async () => {
    const at = (t: number): string => `0,0,1,a,b,${t.toFixed(2)}`;
    const times = Array.from({ length: 200 }, (_, i) => i / 10);
    times.splice(120, 0, 11.9, 11.2);
    times.splice(60, 0, 5.9);
    const set = Array.from({ length: 100 }, (_, i) => 3 + i / 10);
    const text = `x,y,z,label,who,t\n${[...times, ...set].map(at).join("\n")}\n`;
    await expect(imported(text)).rejects.toThrow(/:62: has the same time.*--skip-bad-rows/s);
    const result = await imported(text, { skipBadRows: true });
    expect(lengths(result)).toEqual([200, 81]);
    expect(result.skippedRows).toBe(3 + 19);
  });

  it("draws lines over short holes when told to, and no further", async () => {
    const row = (i: number): string =>
      i === 20 ? "NaN,,1,a,b,2.0" : `${(i / 100).toFixed(2)},0,1,a,b,${(i / 10).toFixed(1)}`;
    const kept = Array.from({ length: 100 }, (_, i) => i).filter(
      (i) => i !== 40 && i !== 41 && !(i > 60 && i < 70),
    );
    const text = `x,y,z,label,who,t\n${kept.map(row).join("\n")}\n`;
    const cut = await imported(text, { skipBadRows: true });
    expect(lengths(cut)).toEqual([20, 19, 19, 30]);
    const filled = await imported(text, { skipBadRows: true, fillSeconds: 0.2 });
    expect(lengths(filled)).toEqual([61, 30]);
    expect(filled.filledSamples).toBe(3);
    expect(filled.recordings.samples[40 * 3]).toBe(400);
    expect(filled.recordings.samples[41 * 3]).toBe(410);
  });
});

describe("labels", () => {
  const columns = ["x", "y", "z", "label", "who"];
  const row = (label: string) => (): string => `0,0,1,${label},b`;

  it("get other names, and are left out where they say nothing", async () => {
    const text = `x,y,z,label,who\n${lines(10, row("RES"))}${lines(10, row("unknown"))}${lines(10, row("MOV"))}`;
    const change = { columns, rateHz: 10 };
    const renamed = await imported(text, { ...change, labels: ["RES=lying", "unknown=-"] });
    expect(renamed.recordings.labels).toEqual(["lying", "MOV"]);
    expect(renamed.unlabelledRows).toBe(10);
    const one = await imported(text, { ...change, labels: ["RES=lying", "*=-"] });
    expect(one.recordings.labels).toEqual(["lying"]);
    const rest = await imported(text, { ...change, labels: ["RES=lying", "*=other"] });
    expect(rest.recordings.labels).toEqual(["lying", "other"]);
    await expect(imported(text, { ...change, labels: ["RAS=lying"] })).rejects.toThrow(
      /"RAS" \(csv-labels\).*RES, unknown, MOV/s,
    );
    expect(() => new LabelNames(["walking"])).toThrow(/old=new/);
  });

  it("are called as a file of two columns says, where there are many", async () => {
    const text = `x,y,z,label,who\n${lines(10, row('"5 walking;MET 3, in"'))}${lines(10, row("7"))}${lines(10, row("8"))}`;
    const labelFile = await file('annotation,name\n"5 walking;MET 3, in",walking\n9,cycling\n8,\n');
    const change = { columns, rateHz: 10, labelFile };
    expect((await imported(text, change)).recordings.labels).toEqual(["walking", "7"]);
    const rest = await imported(text, { ...change, labels: ["7=lying", "*=-"] });
    expect(rest.recordings.labels).toEqual(["walking", "lying"]);
    const narrow = { ...change, labelFile: await file("one\n") };
    await expect(imported(text, narrow)).rejects.toThrow(/:1: has one column.*csv-labels/);
  });

  it("are refused where the header of recordings could not hold them", async () => {
    const text = `x,y,z,label,who\n${lines(10, row("w".repeat(65)))}`;
    await expect(imported(text, { columns, rateHz: 10 })).rejects.toThrow(/recording-label.*\*=-/s);
    const many = `x,y,z,label,who\n${lines(2600, (i) => row(`l${Math.floor(i / 10)}`)())}`;
    await expect(imported(many, { columns, rateHz: 10 })).rejects.toThrow(/260 labels/);
  });

  it("come from the files' paths, like subjects", async () => {
    const text = `x,y,z\n${lines(10, () => "0,0,1")}`;
    const files = [
      await file(text, "dog1/acc_walking_chest.csv"),
      await file(text, "dog2/acc_lying_chest.csv"),
    ];
    const change = { columns: ["x", "y", "z"], rateHz: 10, files };
    const result = await imported("", { ...change, path: "{subject}/acc_{label}_{}.csv" });
    expect(result.recordings.segments).toMatchObject([
      { subject: "dog1", label: "walking" },
      { subject: "dog2", label: "lying" },
    ]);
    await expect(imported("", { ...change, path: "{subject}/gyr_{label}.csv" })).rejects.toThrow(
      /acc_walking_chest\.csv: does not end like/,
    );
    expect(() => pathTemplate("{animal}.csv")).toThrow(/\{subject\}/);
    expect(() => pathTemplate("x.csv")).toThrow(/csv-path/);
    expect(pathTemplate("{label}.csv")("a/run.csv.gz")).toEqual({ label: "run" });
  });

  const samples = `t,x,y,z\n${lines(300, (i) => `${1_700_000_000_000 + i * 100},0,0,1`)}`;
  const bouts =
    "Subject\tBehavior\tStart (s)\tStop (s)\n" +
    "ewe\tgrazing\t2.05\t9.95\newe\tlying\t9.5\t20.05\newe\tsneeze\t12\tNA\nram\twalking\t0\t25\n";
  const asked = (boutFile: string, change: object = {}) => ({
    columns: ["x", "y", "z", "-", "-", "t"],
    intervals: {
      file: boutFile,
      columns: ["Start (s)", "Stop (s)", "Behavior", "Subject"],
      zero: "start",
      ...change,
    },
  });

  it("come from a file of bouts, which counts from each recording's start", async () => {
    const boutFile = await file(bouts);
    const files = [await file(samples, "ewe.csv"), await file(samples, "ram.csv")];
    const result = await imported("", { ...asked(boutFile), files });
    expect(result.recordings.segments).toMatchObject([
      { subject: "ewe", label: "grazing", length: 74 },
      { subject: "ewe", label: "lying", length: 106 },
      { subject: "ram", label: "walking", length: 250 },
    ]);
    expect(result.unlabelledRows).toBe(120 + 50);
  });

  it("come from a file of bouts for each subject, in the samples' own time", async () => {
    await file("start,end,what\n1700000005000,1700000009000,lying\n", "bouts-goat.csv");
    const change = asked(join(folder, "bouts-{subject}.csv"), {
      columns: ["start", "end", "what"],
      zero: undefined,
    });
    const result = await imported("", { ...change, files: [await file(samples, "goat.csv")] });
    expect(result.recordings.segments).toMatchObject([{ label: "lying", length: 40 }]);
  });

  it("are asked about where bouts and samples do not meet, overlap or end before they start", async () => {
    const files = [await file(samples, "ewe.csv")];
    const boutFile = await file(bouts);
    await expect(imported("", { ...asked(boutFile, { zero: undefined }), files })).rejects.toThrow(
      /2023-11-14.*2\.0 s to 20\.1 s \(interval-span\).*--interval-zero/s,
    );
    const both = await file(`${bouts}ewe\tstanding\t15\t22\n`);
    await expect(imported("", { ...asked(both), files })).rejects.toThrow(
      /:6: standing begins 5\.1 s before lying of .*:3 ends \(interval-overlap\)/,
    );
    const leftOut = { ...asked(both), files, labels: ["standing=-"] };
    expect((await imported("", leftOut)).recordings.labels).toEqual(["grazing", "lying"]);
    const back = await file(`${bouts}ewe\tstanding\t25\t22\n`);
    await expect(imported("", { ...asked(back), files })).rejects.toThrow(/:6: ends before/);
    const noTime = { ...asked(boutFile), files, columns: ["x", "y", "z"], rateHz: 10 };
    await expect(imported("", noTime)).rejects.toThrow(/intervals need a time/);
  });
});

describe("importWindows", () => {
  const signal = (axis: number, i: number): number => Math.sin(i * (axis + 1)) / 10 + axis / 2;
  const rows = (axis: number, starts: readonly number[]): string =>
    starts.map((s) => lines(8, (i) => ` ${signal(axis, s + i).toExponential(7)}`, "")).join("\n");

  it("puts windows that overlap together, and begins anew where they do not", async () => {
    const starts = [0, 4, 8, 40, 44];
    const files = [
      ...(await Promise.all([0, 1, 2].map((axis) => file(rows(axis, starts))))),
      await file("1\n1\n1\n1\n2\n"),
      await file("7\n7\n7\n7\n7\n"),
    ];
    const request = { files, units: "g" as const, rateHz: 50, name: "har" };
    const { recordings, joinedWindows } = await importWindows({
      ...request,
      labels: ["1=walking", "2=sitting"],
    });
    expect(joinedWindows).toBe(2);
    expect(recordings.segments).toMatchObject([
      { subject: "7", label: "walking", start: 0, length: 16 },
      { subject: "7", label: "walking", start: 16, length: 8 },
      { subject: "7", label: "sitting", start: 24, length: 8 },
    ]);
    const x = Array.from({ length: 16 }, (_, i) => recordings.samples[3 * i]);
    expect(x).toEqual(Array.from({ length: 16 }, (_, i) => Math.round(1000 * signal(0, i)) + 0));
    await expect(importWindows({ ...request, files: files.slice(1) })).rejects.toThrow(
      /x, y, z, labels, subjects/,
    );
    const short = await file("1\n1\n");
    await expect(
      importWindows({ ...request, files: [...files.slice(0, 3), short, short] }),
    ).rejects.toThrow(/has 2 rows.*windows-rows/s);
  });
});
