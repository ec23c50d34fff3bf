import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { openDataset, requireDataset } from "../recordings/open.ts";
import { readRecordings, writeRecordings } from "../recordings/read.ts";
import type { Recordings } from "../src/signal/recordings.ts";

const tiny: Recordings = {
  name: "tiny",
  rateHz: 10,
  labels: ["a"],
  subjects: ["1"],
  segments: [{ subject: "1", label: "a", start: 0, length: 1, source: "" }],
  samples: Int16Array.of(0, 0, 1000),
  about: {},
};

/** A home with `recordings-data/tiny`, beside `shared/data/cows`, and `other/goats`. */
const root = mkdtempSync(join(tmpdir(), "bellwether-find-"));
const home = join(root, "home");
beforeAll(async () => {
  await writeRecordings(join(home, "recordings-data", "tiny"), tiny);
  await writeRecordings(join(root, "shared", "data", "cows"), tiny);
  await writeRecordings(join(root, "other", "goats"), tiny);
  mkdirSync(join(root, "other", "notes"));
  mkdirSync(join(root, "empty"));
});
afterAll(() => rmSync(root, { recursive: true }));

describe("findRecordings", () => {
  it("looks at --data, else the variable, else its own places in turn", () => {
    const find = (option?: string, variable?: string, from = home) =>
      findRecordings(option, { BELLWETHER_DATA: variable }, from).datasets;
    expect(find()).toEqual(["tiny"]);
    expect(find(undefined, undefined, join(root, "empty"))).toEqual(["cows"]);
    expect(find(undefined, join(root, "other"))).toEqual(["goats"]);
    expect(find(undefined, "")).toEqual(["tiny"]);
    expect(find(join(root, "shared", "data"), join(root, "other"))).toEqual(["cows"]);
    expect(find("../other")).toEqual(["goats"]);
  });

  it("does not fall back when a place was named, and tells the places", () => {
    const found = findRecordings(join(root, "empty"), {}, home);
    expect(found).toEqual({ folder: null, datasets: [], lookedAt: [join(root, "empty")] });
    expect(findRecordings(undefined, {}, join(root, "other", "notes")).lookedAt).toEqual([
      join(root, "other", "notes", "recordings-data"),
      join(root, "other", "shared", "data"),
    ]);
  });

  it("takes the folder of one data set", () => {
    const found = findRecordings(join(root, "other", "goats"), {}, home);
    expect(found).toMatchObject({ folder: join(root, "other"), datasets: ["goats"] });
    expect(datasetFolder(found, "goats")).toBe(join(root, "other", "goats"));
    expect(datasetFolder(found, "notes")).toBeNull();
  });
});

describe("opening and reading", () => {
  it("opens a data set by name and names the others when it is not there", async () => {
    expect(await openDataset("goats", join(root, "other"))).toEqual(tiny);
    expect(() => requireDataset("cats", join(root, "other"))).toThrow(/There are goats\./);
  });

  it("names the file that is missing or cut short", async () => {
    await expect(readRecordings(join(root, "empty"))).rejects.toThrow(
      /segments\.json.*recording-missing.*data import/s,
    );
    const cut = join(root, "cut");
    await writeRecordings(cut, tiny);
    writeFileSync(join(cut, "acc.i16"), new Uint8Array(5));
    await expect(readRecordings(cut)).rejects.toThrow(/acc\.i16.*5 bytes.*take 6/s);
  });

  it("replaces a data set", async () => {
    const folder = join(root, "again");
    await writeRecordings(folder, tiny);
    await writeRecordings(folder, { ...tiny, rateHz: 20 });
    expect((await readRecordings(folder)).rateHz).toBe(20);
  });
});
