import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findRecordings } from "../recordings/find.ts";
import { importMotionSense } from "../recordings/import-motionsense.ts";
import { importWaspCow } from "../recordings/import-wasp-cow.ts";
import { readRecordings } from "../recordings/read.ts";
import { type Recordings, segmentSamples } from "../src/signal/recordings.ts";

const found = findRecordings();
const upstream = found.folder === null ? "" : join(found.folder, "upstream");
const missing =
  !found.datasets.includes("people") || !found.datasets.includes("cows")
    ? `no recordings of people and cows in ${found.lookedAt.join(", ")}`
    : null;
if (missing !== null) console.warn(`import tests on published files are skipped: ${missing}`);

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-import-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** The samples of every imported segment beside those of the data set's segment of that source. */
function compare(imported: Recordings, known: Recordings): void {
  expect(imported.segments.length).toBeGreaterThan(0);
  for (const segment of imported.segments) {
    const same = known.segments.find((other) => other.source.split(" @")[0] === segment.source);
    expect(same, segment.source).toMatchObject({
      subject: segment.subject,
      label: segment.label,
      length: segment.length,
    });
    if (same === undefined) continue;
    const wanted = segmentSamples(known, same);
    expect(Buffer.from(segmentSamples(imported, segment)).equals(Buffer.from(wanted))).toBe(true);
  }
}

describe.skipIf(missing !== null)("the files as their authors publish them", () => {
  it("MotionSense gives the same bits as the data set made from it", async () => {
    const seen: number[] = [];
    const imported = await importMotionSense({
      folder: join(upstream, "motionsense"),
      name: "people",
      onProgress: (files) => seen.push(files),
    });
    expect(imported.segments).toHaveLength(12);
    expect(seen.at(-1)).toBe(12);
    compare(imported, await readRecordings(join(found.folder ?? "", "people")));
  });

  it("the cow collars give the same bits as the data set made from them", async () => {
    const imported = await importWaspCow({ folder: join(upstream, "wasp-cow"), name: "cows" });
    expect(imported.segments).toHaveLength(6);
    compare(imported, await readRecordings(join(found.folder ?? "", "cows")));
  });
});

const COW_HEADER = "Time,BNO055_ARX,BNO055_AX,BNO055_AY,BNO055_AZ\n";

function cowRows(startSecond: number, count: number): string {
  return Array.from({ length: count }, (_, i) => {
    const second = (startSecond + i / 10).toFixed(1).padStart(4, "0");
    return `2024-05-13 12:00:${second},0.0,0.0,0.0,-9.80665\n`;
  }).join("");
}

describe("importWaspCow", () => {
  it("takes each moment of a cow once, splits at gaps, and names mounts as mounting", async () => {
    const cows = join(folder, "cows");
    await cp(new URL(import.meta.url), join(cows, "a", "README"), { force: true });
    const at = (name: string): string => join(cows, "a", name);
    await writeFile(at("1_Walking_1319_20240513_120000.csv"), COW_HEADER + cowRows(0, 20));
    // Starts inside the first file; then loses two seconds.
    const second = cowRows(1, 20) + cowRows(5, 10);
    await writeFile(at("2_Grazing_1319_20240513_120001.csv"), COW_HEADER + second);
    await writeFile(at("active_mount_77_20240513_70000.csv"), COW_HEADER + cowRows(0, 10));
    const { segments, samples } = await importWaspCow({ folder: cows, name: "cows" });
    expect(segments.map(({ subject, label, length }) => [subject, label, length])).toEqual([
      ["77", "Mounting", 10],
      ["1319", "Walking", 20],
      ["1319", "Grazing", 10],
      ["1319", "Grazing", 10],
    ]);
    expect([...samples.subarray(0, 3)]).toEqual([0, 0, -1000]);
  });

  it("refuses another layout", async () => {
    const other = join(folder, "other");
    await cp(new URL(import.meta.url), join(other, "README"));
    await expect(importWaspCow({ folder: other, name: "x" })).rejects.toThrow(/wasp-layout/);
    await writeFile(join(other, "1_Walking_1_20240513_120000.csv"), "Time,x\n");
    await expect(importWaspCow({ folder: other, name: "x" })).rejects.toThrow(
      /\.csv:1: there is no column BNO055_AX.*import csv/s,
    );
  });
});

describe("importMotionSense", () => {
  it("refuses another layout, missing columns and values that are no numbers", async () => {
    const other = join(folder, "ms");
    await expect(importMotionSense({ folder: other, name: "x" })).rejects.toThrow(
      /motionsense-layout.*pull motionsense/s,
    );
    const trial = join(other, "A_DeviceMotion_data", "wlk_7", "sub_1.csv");
    await cp(new URL(import.meta.url), trial);
    await writeFile(trial, "time,x,y,z\n1,2,3,4\n");
    await expect(importMotionSense({ folder: other, name: "x" })).rejects.toThrow(
      /sub_1\.csv:1: there is no column gravity\.x/,
    );
    const header = ["x", "y", "z"].flatMap((a) => [`gravity.${a}`, `userAcceleration.${a}`]);
    await writeFile(trial, `${header.join(",")}\n0,0,1,0,0,0\n0,0,,0,0,0\n`);
    await expect(importMotionSense({ folder: other, name: "x" })).rejects.toThrow(
      /sub_1\.csv:3: y is not a number/,
    );
  });
});
