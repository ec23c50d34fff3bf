/** The store: once and for good, and what happens when the disk is full, damaged or not ours. */

import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { lockDataDirectory } from "../gateway/store/data-lock.ts";
import { LabelLog } from "../gateway/store/label-log.ts";
import { openLabelReader } from "../gateway/store/label-reader.ts";
import type { StoreRow } from "../gateway/store/label-rows.ts";
import { openStoreThread } from "../gateway/store/store-thread.ts";
import { EdgeError } from "../src/assert.ts";
import { below, prng } from "../src/prng.ts";
import { nodeId } from "../src/wire/topics.ts";
import {
  helloOf,
  MODEL,
  offloadOf,
  removeFolder,
  reportOf,
  temporaryFolder,
} from "./gateway-kit.ts";
import { asWindow, GOLDEN_FEATURES } from "./wire-samples.ts";

const node = nodeId("collar-1");
let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(() => removeFolder(folder));

function openLog(more: { pagesMax?: number; directory?: string } = {}): LabelLog {
  return new LabelLog({ directory: folder, nowMs: 1_000, ...more });
}

function offloadRow(seq: number, teachable = true): StoreRow {
  return { kind: "offload", node, nowMs: 5, offload: offloadOf(seq), teachable };
}

function labelRow(offloadId: number): StoreRow {
  return {
    kind: "label",
    node,
    nowMs: 9,
    offloadId,
    modelId: MODEL,
    chosen: { audit: true, chanceQ16: 6554 },
    teacherId: "feedfeedfeedfeed",
    trusted: true,
    agrees: true,
    probabilities: Float32Array.of(0.7, 0.2, 0.1),
  };
}

describe("rows", () => {
  it("are stored once however often they come, in one batch or in many", () => {
    const log = openLog();
    const first = log.commit([offloadRow(1), offloadRow(2), offloadRow(1)]);
    const second = log.commit([offloadRow(2), offloadRow(3)]);
    expect(first.ok && first.stored.map(({ fresh }) => fresh)).toEqual([true, true, false]);
    expect(second.ok && second.stored.map(({ fresh }) => fresh)).toEqual([false, true]);
    expect(first.ok && first.stored[0]?.offloadId).toBe(first.ok && first.stored[2]?.offloadId);
    expect(log.reader.waiting(node, 0, 10).map(({ offload }) => offload.seq)).toEqual([1, 2, 3]);
    expect(log.reader.nodes()[0]).toMatchObject({ offloads: 3 });
    log.close();
  });

  it("come back as they went in, after a restart", () => {
    const log = openLog();
    const result = log.commit([
      { kind: "hello", node, nowMs: 7, hello: helloOf({ epoch: 3 }) },
      { kind: "report", node, nowMs: 8, report: reportOf(1, [0, 1, 2], { epoch: 3, alarm: true }) },
      offloadRow(4),
      offloadRow(5, false),
    ]);
    if (!result.ok) throw new Error("not stored");
    const offloadId = result.stored[2]?.offloadId ?? 0;
    log.commit([labelRow(offloadId)]);
    log.close();

    const again = openLog();
    expect(again.setAside).toBeUndefined();
    expect(again.reader.waitingNodes()).toEqual([]);
    expect(again.reader.softLabels()).toHaveLength(1);
    const { kind: _kind, ...offload } = offloadOf(4);
    expect(again.reader.softLabels()[0]).toMatchObject({
      ...offload,
      node,
      teacherId: "feedfeedfeedfeed",
      probabilities: Float32Array.of(0.7, 0.2, 0.1),
    });
    expect(again.reader.nodes()[0]).toMatchObject({
      epoch: 3,
      alarm: true,
      batteryPercent: 87,
      windows: 3,
      offloads: 2,
      trusted: 1,
      agreed: 1,
      last: { windowIndex: 2, classIndex: 0 },
    });
    again.close();
  });

  it("say how their window came, in a log of before the column too", () => {
    const file = openLog();
    file.close();
    const old = new DatabaseSync(file.file);
    old.exec("ALTER TABLE offloads DROP COLUMN encoding");
    old.exec("ALTER TABLE offloads DROP COLUMN encoder");
    old.exec(`INSERT INTO nodes (name) VALUES ('collar-1'); INSERT INTO offloads VALUES
      (1, 1, 1, 0, 1, '0123456789abcdef', 0, 1, 0, 1, 0, 0, 0, 1, 1, 16, 1000, x'05')`);
    old.exec("INSERT INTO waiting VALUES (1, 1)");
    old.close();
    const reader = openLabelReader(file.file);
    expect(reader.waiting(node, 0, 9).map(({ offload }) => offload.encoding)).toEqual(["int8"]);
    reader.close();

    const log = openLog();
    const offload = offloadOf(1, { encoding: "companded4" });
    expect(log.commit([{ kind: "offload", node, nowMs: 5, offload, teachable: true }]).ok).toBe(
      true,
    );
    const [first, second] = log.reader.waiting(node, 0, 9);
    expect(first?.offload).toMatchObject({ encoding: "int8", window: Int8Array.of(5) });
    expect(second?.offload).toEqual(offload);
    log.close();
  });

  it("are found by what a distiller asks for", () => {
    const log = openLog();
    const result = log.commit(Array.from({ length: 10 }, (_, i) => offloadRow(i)));
    const ids = result.ok ? result.stored.map(({ offloadId }) => offloadId) : [];
    log.commit(ids.map((id, i) => ({ ...labelRow(id), trusted: i % 2 === 0 }) as StoreRow));
    const { reader } = log;
    expect(reader.softLabelCount()).toEqual({ total: 10, trusted: 5 });
    expect(reader.softLabels({ trustedOnly: true }).map(({ seq }) => seq)).toEqual([0, 2, 4, 6, 8]);
    expect(reader.softLabels({ afterId: ids[7] ?? 0 }).map(({ seq }) => seq)).toEqual([8, 9]);
    const newest = reader.softLabels({ newestFirst: true, limit: 3 });
    expect(newest.map(({ seq }) => seq)).toEqual([9, 8, 7]);
    expect(reader.softLabels({ sinceMs: 10 })).toEqual([]);
    log.close();
  });
});

describe("codes of a window", () => {
  const codesRow = (seq: number): StoreRow => ({
    ...{ kind: "offload", node, nowMs: 5, teachable: true },
    offload: { ...GOLDEN_FEATURES, seq },
  });
  const versionOf = (file: string): number => {
    const database = new DatabaseSync(file, { readOnly: true });
    const row = database.prepare("PRAGMA user_version").get();
    database.close();
    return Number(row?.user_version);
  };

  it("wait and come back as they came, and are no soft label when they are answered", () => {
    const log = openLog();
    const result = log.commit([codesRow(1), offloadRow(2)]);
    const ids = result.ok ? result.stored.map(({ offloadId }) => offloadId) : [];
    const waiting = log.reader.waiting(node, 0, 10).map(({ offload }) => offload);
    expect(waiting.map(({ seq }) => seq)).toEqual([1, 2]);
    expect(waiting[0]).toEqual({ ...GOLDEN_FEATURES, seq: 1 });
    log.commit(ids.map((id) => labelRow(id)));
    expect(log.reader.softLabelCount().total).toBe(2);
    expect(log.reader.softLabels().map(({ seq }) => seq)).toEqual([2]);
    expect(log.reader.waiting(node, 0, 10)).toEqual([]);
    log.close();
  });

  it("keep a gateway that knows no codes from a log that holds some, and from no other", () => {
    const log = openLog();
    log.commit([offloadRow(1)]);
    expect(versionOf(log.file)).toBe(1);
    log.commit([codesRow(2)]);
    log.close();
    expect(versionOf(log.file)).toBe(2);
    const again = openLog();
    expect(versionOf(again.file)).toBe(2);
    expect(again.reader.waiting(node, 0, 10)).toHaveLength(2);
    again.close();
  });
});

describe("a full disk", () => {
  /** Fills until it refuses, proves that nothing of the refused batch is there, makes room, goes on. */
  function fillAndRecover(log: LabelLog, makeRoom: () => void): void {
    let stored = 0;
    let seq = 0;
    for (;;) {
      const batch = Array.from({ length: 20 }, () => offloadRow(seq++));
      const result = log.commit(batch);
      if (result.ok) {
        stored += batch.length;
        expect(stored).toBeLessThan(1_000_000);
        continue;
      }
      expect(result.reason).toBe("full");
      break;
    }
    expect(log.reader.waiting(node, 0, 10_000_000)).toHaveLength(stored);
    const refused = Array.from({ length: 20 }, (_, i) => offloadRow(seq - 20 + i));
    expect(log.commit(refused)).toMatchObject({ ok: false, reason: "full" });
    makeRoom();
    expect(log.commit(refused).ok).toBe(true);
    expect(log.reader.waiting(node, 0, 10_000_000)).toHaveLength(stored + 20);
  }

  it("refuses whole batches and goes on when there is room (a real SQLITE_FULL)", () => {
    const log = openLog({ pagesMax: 60 });
    fillAndRecover(log, () => log.limitPages(10_000));
    log.close();
  });

  it("is survived on a real file system of 2 MB (ENOSPC)", (context) => {
    const mount = path.join(folder, "small");
    mkdirSync(mount);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=2m", "tmpfs", mount]);
    if (mounted.status !== 0) {
      context.skip(`a file system cannot be mounted here: ${String(mounted.stderr ?? "").trim()}`);
    }
    try {
      const ballast = path.join(mount, "ballast");
      writeFileSync(ballast, new Uint8Array(1_000_000));
      const log = openLog({ directory: mount });
      try {
        fillAndRecover(log, () => rmSync(ballast));
      } finally {
        log.close();
      }
    } finally {
      spawnSync("umount", [mount]);
    }
  });
});

describe("a damaged file", () => {
  it("is set aside whole, and a new one is begun", () => {
    const log = openLog();
    log.commit([offloadRow(1)]);
    const { file } = log;
    log.close();
    writeFileSync(file, "this is no database, but it is somebody's data");
    const again = openLog();
    expect(again.setAside).toBe(`${file}.damaged-1000`);
    expect(readFileSync(again.setAside ?? "", "utf8")).toContain("somebody's data");
    expect(again.commit([offloadRow(1)]).ok).toBe(true);
    again.close();
  });

  it("never stops the gateway from starting: cut or scratched anywhere", () => {
    const random = prng(5, "scratches");
    const log = openLog();
    for (let i = 0; i < 40; i++) {
      log.commit(Array.from({ length: 10 }, (_, k) => offloadRow(10 * i + k)));
    }
    const { file } = log;
    log.close();
    const size = statSync(file).size;
    const outcomes = { whole: 0, setAside: 0 };
    for (let round = 0; round < 60; round++) {
      const place = path.join(folder, `round-${round}`);
      mkdirSync(place);
      const copy = path.join(place, path.basename(file));
      copyFileSync(file, copy);
      if (round % 2 === 0) truncateSync(copy, below(random, size));
      else scratch(copy, below(random, size), 1 + below(random, 200));
      const opened = new LabelLog({ directory: place, nowMs: round });
      outcomes[opened.setAside === undefined ? "whole" : "setAside"]++;
      expect(opened.commit([offloadRow(1_000_000)]).ok).toBe(true);
      for (const { offload } of opened.reader.waiting(node, 0, 10_000)) {
        expect(asWindow(offload).window).toHaveLength(150);
      }
      opened.close();
    }
    // Both kinds were met, or this test shows nothing.
    expect(outcomes.setAside).toBeGreaterThan(5);
    expect(outcomes.whole).toBeGreaterThan(5);
  });

  it("of a newer version is refused and left alone", () => {
    const log = openLog();
    const { file } = log;
    log.close();
    const database = new DatabaseSync(file);
    database.exec("PRAGMA user_version = 99");
    database.close();
    expect(openLog).toThrow(expect.objectContaining({ code: "label-log-newer" }));
    expect(existsSync(file)).toBe(true);
  });
});

describe("the store's thread", () => {
  it("commits, reads, and tells bad input as what it is", async () => {
    const store = await openStoreThread({ directory: folder, nowMs: 1 });
    const result = await store.commit([offloadRow(1), offloadRow(1)]);
    expect(result.ok && result.stored.map(({ fresh }) => fresh)).toEqual([true, false]);
    expect(store.reader.waiting(node, 0, 5)[0]?.offload).toEqual(offloadOf(1));
    const distiller = openLabelReader(store.file);
    expect(distiller.waitingNodes()).toEqual([node]);
    distiller.close();
    await store.close();

    const database = new DatabaseSync(store.file);
    database.exec("PRAGMA user_version = 99");
    database.close();
    const refused = await openStoreThread({ directory: folder, nowMs: 1 }).catch(
      (error: unknown) => error,
    );
    expect(refused).toBeInstanceOf(EdgeError);
    expect(refused).toMatchObject({ code: "label-log-newer", where: store.file });
    expect((refused as EdgeError).message).toMatch(/^.*labels\.db: written by a newer version/);
  });
});

describe("the data directory", () => {
  it("belongs to one gateway at a time", () => {
    const unlock = lockDataDirectory(folder);
    expect(() => lockDataDirectory(folder)).toThrow(
      expect.objectContaining({ code: "data-directory-in-use", where: folder }),
    );
    unlock();
    lockDataDirectory(folder)();
  });

  it("is free again when its gateway was killed", () => {
    const script =
      `import { lockDataDirectory } from ${JSON.stringify(path.resolve("gateway/store/data-lock.ts"))};` +
      `lockDataDirectory(${JSON.stringify(folder)}); process.kill(process.pid, "SIGKILL");`;
    const killed = spawnSync(process.execPath, ["--input-type=module-typescript", "-e", script]);
    expect(killed.signal).toBe("SIGKILL");
    lockDataDirectory(folder)();
  });
});

function scratch(file: string, at: number, length: number): void {
  const bytes = readFileSync(file);
  bytes.fill(0xa5, at, at + length);
  writeFileSync(file, bytes);
}

describe("counts for audits", () => {
  it("grow with what is stored, once, and are those of the node's present model", () => {
    const log = openLog();
    log.commit([
      { kind: "hello", node, nowMs: 1, hello: helloOf({}) },
      { kind: "report", node, nowMs: 2, report: reportOf(1, [0, 1, 2, 3]) },
      offloadRow(2),
      { ...offloadRow(3), offload: offloadOf(3, { reason: "audit", chanceQ16: 6554 }) } as StoreRow,
    ]);
    const chosen = { audit: false, chanceQ16: 65535 };
    const untrusted = { ...labelRow(1), trusted: false } as StoreRow;
    const rows = [labelRow(2), { ...labelRow(1), chosen } as StoreRow, untrusted, labelRow(2)];
    log.commit([...rows, { kind: "report", node, nowMs: 3, report: reportOf(1, [0, 1, 2, 3]) }]);
    const weight = 65535 / 6554;
    const counts = {
      ...{ windows: 4, certain: 1, certainTrusted: 1, certainAgreed: 1 },
      ...{ audits: 1, auditsTrusted: 1, weight, weightSquared: weight ** 2, weightAgreed: weight },
    };
    expect(log.reader.nodes()[0]?.counts).toEqual(counts);
    // A gateway that starts anew goes on from there.
    log.close();
    const again = openLog();
    expect(again.reader.nodes()[0]?.counts).toEqual(counts);
    const other = helloOf({ modelId: "fedcba9876543210" as typeof MODEL });
    again.commit([{ kind: "hello", node, nowMs: 4, hello: other }]);
    expect(again.reader.nodes()[0]?.counts).toMatchObject({ windows: 0, audits: 0 });
    again.close();
  });

  it("are nothing in a log of before they were kept", () => {
    const log = openLog();
    log.commit([offloadRow(1)]);
    const { file } = log;
    log.close();
    const database = new DatabaseSync(file);
    database.exec("DROP TABLE audit_counts");
    database.close();
    const reader = openLabelReader(file);
    expect(reader.nodes()[0]?.counts).toMatchObject({ windows: 0, certain: 0 });
    reader.close();
  });
});
