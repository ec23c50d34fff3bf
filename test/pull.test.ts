import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32, deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findRecordings } from "../recordings/find.ts";
import { type PullRequest, pull } from "../recordings/pull.ts";
import { readRecordings } from "../recordings/read.ts";
import { type RangeServer, startRangeServer } from "./range-server.ts";

/** A ZIP archive (APPNOTE.TXT 4.3) of deflated files. */
function zip(files: Readonly<Record<string, string>>): Uint8Array {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const raw = Buffer.from(text);
    const packed = deflateRawSync(raw);
    const nameBytes = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(raw), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(raw.length, 18);
    common.writeUInt16LE(nameBytes.length, 22);
    local.push(Buffer.from("PK\u0003\u0004"), common, nameBytes, packed);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    central.push(Buffer.from("PK\u0001\u0002\u0014\u0000"), common, tail, nameBytes);
    offset += 30 + nameBytes.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006", "latin1");
  end.writeUInt16LE(Object.keys(files).length, 8);
  end.writeUInt16LE(Object.keys(files).length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}

const HEADER = ["x", "y", "z"].flatMap((a) => [`gravity.${a}`, `userAcceleration.${a}`]).join(",");
const trial = (gravity: number): string => `${HEADER}\n${`0,0,${gravity},0.1,0,0\n`.repeat(200)}`;
const archive = zip({
  "data/A_DeviceMotion_data/wlk_7/sub_1.csv": trial(0.9),
  "data/A_DeviceMotion_data/sit_5/sub_2.csv": trial(-1),
  "data/A_DeviceMotion_data/../../sub_9.csv": "a path that leaves the folder",
  "data/README.md": "not a trial",
  "__MACOSX/data/A_DeviceMotion_data/wlk_7/sub_1.csv": "no table",
});
const sha256 = createHash("sha256").update(archive).digest("hex");

let folder = "";
let server: RangeServer;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-pull-"));
  server = await startRangeServer(archive);
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

function request(change: Partial<PullRequest> = {}): PullRequest {
  return { source: "motionsense", folder, url: server.url, firstPauseMs: 1, ...change };
}

describe("pull", () => {
  it("downloads over cut lines, unpacks the trials and imports them as people", async () => {
    server.mischief = (n) => (n === 0 ? { kind: "cut", afterBytes: 300 } : { kind: "none" });
    const steps: string[] = [];
    const { recordings, trust } = await pull(
      request({
        onStep: (step) => steps.push(step),
        onDownload: ({ bytes }) => {
          server.clientBytes = bytes;
        },
      }),
    );
    expect(trust).toBe("first-use");
    expect(server.ranges).toEqual([null, "bytes=300-"]);
    expect(new Set(steps)).toEqual(new Set(["unpack", "import"]));
    expect(findRecordings(folder).datasets).toEqual(["people"]);
    const read = await readRecordings(join(folder, "people"));
    expect(read).toEqual(recordings);
    expect(read.subjects).toEqual(["2", "1"]);
    expect(read.about.licence).toMatch(/MIT/);
    expect([...read.samples.subarray(-3)]).toEqual([0, 1000, 0]);
    expect((await readdir(folder)).sort()).toEqual([".archives", "people", "sources.json"]);
  });

  it("pins the hash at first use, needs no network again, and refuses a changed archive", async () => {
    await pull(request());
    expect(JSON.parse(await readFile(join(folder, "sources.json"), "utf8"))).toEqual({
      motionsense: { url: server.url, sha256 },
    });
    expect((await pull(request())).trust).toBe("pinned");
    expect(server.ranges).toHaveLength(1);
    await rm(join(folder, ".archives"), { recursive: true });
    server.content = zip({ "A_DeviceMotion_data/wlk_7/sub_1.csv": trial(0.9) });
    await expect(pull(request())).rejects.toThrow(/download-hash/);
    expect((await readRecordings(join(folder, "people"))).subjects).toEqual(["2", "1"]);
  });

  it("takes a hash that is given, and refuses another", async () => {
    await expect(pull(request({ sha256: "0".repeat(64) }))).rejects.toThrow(/download-hash/);
    expect((await pull(request({ sha256: sha256.toUpperCase() }))).trust).toBe("given");
  });

  it("refuses what is no archive, an archive of something else, and damaged pins", async () => {
    server.content = Buffer.from("<html>please sign in</html>");
    await expect(pull(request())).rejects.toThrow(/unzip/);
    server.content = zip({ "x.csv": "1" });
    await expect(pull(request())).rejects.toThrow(/motionsense-layout/);
    expect(findRecordings(folder).folder).toBeNull();
    await writeFile(join(folder, "sources.json"), "{");
    await expect(pull(request())).rejects.toThrow(/sources\.json.*pins/s);
    await expect(pull(request({ source: "imagenet" }))).rejects.toThrow(/Known: motionsense/);
  });
});
