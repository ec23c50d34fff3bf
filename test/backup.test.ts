/** A backup taken while nodes send, and what a gateway makes of it; and backups that are no good. */

import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AccessStore } from "../gateway/access/access-store.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import { makeBackup, restoreBackup } from "../gateway/store/backup.ts";
import { isArchiveName, tarHeader } from "../gateway/store/tar-stream.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { bellwether } from "./access-kit.ts";
import {
  gatewayOn,
  HandNode,
  offloadOf,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const ABOUT = { nowMs: Date.parse("2026-11-01T12:00:00Z"), version: "test" };

let folder: string;
let data: string;
let file: string;
let restored: string;

beforeEach(() => {
  folder = temporaryFolder();
  data = path.join(folder, "data");
  file = path.join(folder, "farm.tar.gz");
  restored = path.join(folder, "restored");
});

afterEach(() => removeFolder(folder));

describe("a backup of a running gateway", () => {
  let teacher: OpenTeacher;
  beforeEach(async () => {
    teacher = await untrainedTeacher(folder);
  });
  afterEach(() => teacher.close());

  it("has every label that was acknowledged before, and a gateway starts from it", async () => {
    const yaml = (directory: string): string =>
      `data_directory: ${directory}\nbroker: { port: 0 }\n`;
    const gateway = await gatewayOn(folder, teacher, { yaml: yaml(data) });
    const token = await gateway.beginOperator();
    const keys = openReleaseKeys(path.join(data, "keys"));
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    let sending = true;
    let sent = 0;
    const ingest = (async () => {
      while (sending) {
        await node.offload();
        sent++;
        await new Promise((resolve) => setTimeout(resolve, 4));
      }
    })();
    await until("a hundred acknowledgements", () => node.acked().length >= 100, 20_000);
    const before = node.acked();
    const sentBefore = sent;
    const told = await bellwether("backup", file, "--data-dir", data);
    // Ingest went on all the while, or this would not be a test of a running gateway.
    await until("more acknowledgements", () => node.acked().length > before.length);
    sending = false;
    await ingest;
    expect(sent).toBeGreaterThan(sentBefore);
    const online = gateway.labels().softLabelCount().total;
    await node.close();
    await gateway.stop();

    expect(told).toMatchObject({ file });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).filter((name) => name.includes("making"))).toEqual([]);
    await bellwether("restore", file, "--data-dir", restored);
    expect(openReleaseKeys(path.join(restored, "keys")).publicKey).toEqual(keys.publicKey);
    expect(statSync(path.join(restored, "keys", "release-key.pem")).mode & 0o777).toBe(0o600);
    const access = new AccessStore(restored);
    expect(access.identities().map(({ name }) => name)).toEqual(["operator"]);
    access.close();

    const again = await gatewayOn(folder, teacher, { yaml: yaml(restored) });
    try {
      expect(token).toBeDefined();
      expect(await again.beginOperator()).toBeUndefined();
      const waiting = again.labels().waiting("collar-1" as never, 0, 100_000);
      const labelled = again.labels().softLabels();
      const kept = new Set([
        ...waiting.map(({ offload }) => offload.seq),
        ...labelled.map(({ seq }) => seq),
      ]);
      expect(before.filter((seq) => !kept.has(seq))).toEqual([]);
      await until("the rest is answered", () => again.counters().teacherQueue === 0);
      console.info(
        `${before.length} acknowledged before the backup, ${kept.size} in it, ` +
          `${online} labels when the gateway ended`,
      );
      const back = await HandNode.connect(again.url, "collar-1");
      await back.send(offloadOf(sent));
      await until("an acknowledgement", () => back.acked().length === 1);
      await back.close();
    } finally {
      await again.stop();
    }
  });
});

describe("a restore", () => {
  beforeEach(() => {
    mkdirSync(path.join(data, "registry", "models"), { recursive: true });
    openReleaseKeys(path.join(data, "keys"));
    new AccessStore(data).close();
    writeFileSync(
      path.join(data, "registry", "models", "0123456789abcdef.bwm"),
      randomBytes(70_000),
    );
    writeFileSync(path.join(data, "gateway.lock"), "");
    writeFileSync(path.join(data, "anchor.bin.tmp"), "half");
  });

  it("brings back every byte, and leaves locks and unfinished files behind", async () => {
    const manifest = await makeBackup(data, file, ABOUT);
    const names = manifest.files.map(({ name }) => name);
    expect(names).toEqual([
      "keys/release-key.pem",
      "keys/release-key.pub",
      "registry/models/0123456789abcdef.bwm",
      "access.db",
    ]);
    expect(await restoreBackup(file, restored)).toEqual(manifest);
    for (const name of names.slice(0, 3)) {
      expect(readFileSync(path.join(restored, name))).toEqual(readFileSync(path.join(data, name)));
    }
    // Anybody's tar can list it, where there is one.
    const listed = execFileSync("tar", ["tzf", file], { encoding: "utf8" }).trim().split("\n");
    expect(listed).toEqual(["manifest.json", ...names]);
  });

  it("refuses to go over a directory, and a backup over a file or into its own directory", async () => {
    await makeBackup(data, file, ABOUT);
    await expect(restoreBackup(file, data)).rejects.toThrow("restore-over");
    await expect(makeBackup(data, file, ABOUT)).rejects.toThrow("backup-exists");
    await expect(makeBackup(data, path.join(data, "b"), ABOUT)).rejects.toThrow("backup-inside");
    await expect(restoreBackup(`${file}x`, restored)).rejects.toThrow("backup-unreadable");
    mkdirSync(restored);
    await restoreBackup(file, restored);
    expect(readdirSync(restored).sort()).toEqual(["access.db", "keys", "registry"]);
  });

  it("makes nothing of what was cut off or changed anywhere", async () => {
    await makeBackup(data, file, ABOUT);
    const whole = readFileSync(file);
    const tar = gunzipSync(whole);
    const changed = (at: number): Buffer => {
      expect(at).toBeGreaterThan(0);
      const copy = Buffer.from(tar);
      copy[at] = (copy[at] as number) ^ 1;
      return gzipSync(copy, { level: 1 });
    };
    // Every block is padded with zeros, which no hash covers: places within headers and contents.
    const inContent = tar.indexOf("BEGIN PRIVATE KEY");
    const bad = {
      "cut short": whole.subarray(0, whole.length - 40),
      "half of it": whole.subarray(0, whole.length / 2),
      empty: new Uint8Array(0),
      "no archive": randomBytes(3000),
      "a byte of the manifest": changed(tar.indexOf('"sha256"') + 20),
      "a byte of a header": changed(tar.lastIndexOf("registry/models/0123")),
      "a byte of a file": changed(inContent),
      "goes on after its end": gzipSync(Buffer.concat([tar, Buffer.alloc(512, "more")])),
      "ends without its last file": gzipSync(
        Buffer.concat([tar.subarray(0, tar.lastIndexOf("access.db")), Buffer.alloc(1024)]),
      ),
    };
    for (const [what, bytes] of Object.entries(bad)) {
      writeFileSync(file, bytes);
      await expect(restoreBackup(file, restored), what).rejects.toThrow("archive-damaged");
      expect(existsSync(restored), what).toBe(false);
    }
    expect(readdirSync(folder).filter((name) => name.includes("restoring"))).toEqual([]);
  });

  it("takes no name that leads elsewhere", () => {
    for (const name of ["../x", "a/../b", "/etc/x", "a//b", "a\\b", "", ".", "a/.", "é", "a b"]) {
      expect(isArchiveName(name), name).toBe(false);
      expect(() => tarHeader({ name, bytes: 1 }, 0o600, 0), name).toThrow("archive-name");
    }
    expect(isArchiveName(`registry/cohorts/${"a".repeat(99)}`)).toBe(true);
    expect(isArchiveName("a".repeat(101))).toBe(false);
    // A length has eleven octal digits.
    expect(tarHeader({ name: "a", bytes: 8 ** 11 - 1 }, 0o600, 0)).toHaveLength(512);
    expect(() => tarHeader({ name: "a", bytes: 8 ** 11 }, 0o600, 0)).toThrow("archive-name");
  });
});
