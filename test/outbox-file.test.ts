import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openOutboxFile } from "../device-sim/outbox-file.ts";
import { readOutboxLog } from "../device-sim/outbox-log.ts";
import { prng, uniform } from "../src/prng.ts";

const WRITER = fileURLToPath(new URL("./outbox-writer.ts", import.meta.url));
let folder = "";
let path = "";

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "bellwether-outbox-"));
  path = join(folder, "outbox");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the writer for so long, then kills it as a power switch would. Returns what it said. */
function writeAndKill(liveMs: number): Promise<string[]> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [WRITER, path, "fast"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    let said = "";
    child.stdout.on("data", (chunk: Buffer) => {
      // The clock starts when it works, whatever the machine is busy with.
      if (said === "") setTimeout(() => child.kill("SIGKILL"), liveMs);
      said += chunk.toString();
    });
    child.on("close", () => resolve(said.split("\n")));
  });
}

describe("an outbox file", () => {
  it("keeps what it said is durable through 25 kills", async () => {
    const random = prng(21, "kills");
    const owed = new Set<number>();
    const removed = new Set<number>();
    let highest = -1;
    let lives = 0;
    for (let kill = 0; kill < 25; kill++) {
      const said = await writeAndKill(uniform(random, 0, 120));
      for (const line of said) {
        const [word, ...numbers] = line.split(" ");
        if (word === "durable") {
          const upTo = Number(numbers[0]);
          for (let seq = highest + 1; seq <= upTo; seq++) owed.add(seq);
          highest = Math.max(highest, upTo);
          lives += 1;
        }
        if (word === "remove") for (const seq of numbers) removed.add(Number(seq));
        expect(word).not.toBe("failing");
      }
      const image = readOutboxLog(readFileSync(path));
      expect(image?.epoch).toBe(4711);
      const found = new Map(image?.entries.map((entry) => [entry.seq, entry.frame]));
      const lost = [...owed].filter((seq) => !removed.has(seq) && !found.has(seq));
      expect(lost).toEqual([]);
      expect(image?.nextSeq).toBeGreaterThan(highest);
      for (const [seq, frame] of found) {
        expect(frame.every((byte) => byte === seq % 251)).toBe(true);
      }
      // Numbers that were skipped after a torn end were never put.
      for (let seq = highest + 1; seq < (image?.nextSeq ?? 0); seq++) {
        if (!found.has(seq)) removed.add(seq);
      }
    }
    expect(highest).toBeGreaterThan(200);
    expect(lives).toBeGreaterThan(25);
  });

  it("goes on after the disk was full, without losing what it had taken", () => {
    const limit = `ulimit -f 300; exec "${process.execPath}" "${WRITER}" "${path}" fill`;
    const { stdout, status } = spawnSync("bash", ["-c", limit], { encoding: "utf8" });
    expect(stdout).toMatch(/^failing /m);
    const last = Number(/^done (\d+)$/m.exec(stdout)?.[1]);
    expect([status, last > 150]).toEqual([0, true]);
    const image = readOutboxLog(readFileSync(path));
    expect(image?.entries.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 21 }, (_, i) => last - 20 + i),
    );
    expect(image).toMatchObject({ nextSeq: last + 1, damagedBytes: 0 });
  });

  it("is written anew when it is mostly history", async () => {
    const store = await openOutboxFile({
      path,
      newEpoch: () => 12,
      listener: { durable: () => {}, failing: () => {} },
    });
    let largest = 0;
    for (let seq = 0; seq < 3000; seq++) {
      const entry = { seq, kind: "report", frame: new Uint8Array(200) } as const;
      store.append({ kind: "put", entry, nextWindow: seq });
      if (seq >= 5) store.append({ kind: "remove", seqs: [seq - 5] });
      if (seq % 50 !== 0) continue;
      await store.flush();
      largest = Math.max(largest, statSync(path).size);
    }
    await store.close();
    // 3,000 entries are 800 KB; a rewrite is due at 64 KiB, looked at every 50 entries.
    expect(largest).toBeGreaterThan(64 * 1024);
    expect(largest).toBeLessThan(96 * 1024);
    expect(readOutboxLog(readFileSync(path))?.entries).toHaveLength(5);
  });

  it("puts a file aside in which nothing can be read, and begins another epoch", async () => {
    writeFileSync(path, "this was never an outbox");
    const store = await openOutboxFile({
      path,
      newEpoch: () => 12,
      listener: { durable: () => {}, failing: () => {} },
    });
    expect(store.image).toMatchObject({ epoch: 12, nextSeq: 0, damagedBytes: 24 });
    await store.close();
    expect(readFileSync(`${path}.damaged`, "utf8")).toBe("this was never an outbox");
  });
});
