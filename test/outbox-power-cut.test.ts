/** The outbox under power cuts, with a writer beside it that does not flush and must be caught. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { readOutboxLog } from "../device-sim/outbox-log.ts";
import { createDisk, diskReason, freeze } from "./power-cut.ts";

const WRITER = fileURLToPath(new URL("./outbox-writer.ts", import.meta.url));
const CUTS = 6;
const reason = diskReason();
if (reason !== undefined) console.warn(`outbox-power-cut.test.ts is skipped: ${reason}`);

/** Entries that were said to be durable and are not there after each of a few cuts. */
async function lostAfterCuts(mode: "fast" | "careless", cuts: number): Promise<number[]> {
  const disk = createDisk();
  const path = join(disk.folder, "outbox");
  const child = spawn(process.execPath, [WRITER, path, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  try {
    while (said === "") await wait(10);
    const lost: number[] = [];
    for (let cut = 0; cut < cuts; cut++) {
      await wait(60 + 37 * cut);
      await freeze(child);
      const { durable, removed } = claims(said);
      const found = disk.cut((folder) => readOutboxLog(readFileSync(join(folder, "outbox"))));
      const there = new Set(found?.entries.map(({ seq }) => seq));
      let missing = 0;
      for (let seq = 0; seq <= durable; seq++) {
        if (!there.has(seq) && !removed.has(seq)) missing += 1;
      }
      lost.push(missing);
      child.kill("SIGCONT");
    }
    return lost;
  } finally {
    child.kill("SIGKILL");
    await ended;
    disk.remove();
  }
}

function claims(said: string): { durable: number; removed: Set<number> } {
  const removed = new Set<number>();
  let durable = -1;
  // The last line may be cut in its middle: it was not said yet.
  for (const line of said.split("\n").slice(0, -1)) {
    const [word, ...numbers] = line.split(" ");
    if (word === "durable") durable = Math.max(durable, Number(numbers[0]));
    if (word === "remove") for (const seq of numbers) removed.add(Number(seq));
  }
  return { durable, removed };
}

describe.skipIf(reason !== undefined)("power cuts", () => {
  it("take nothing that the outbox said was durable", async () => {
    expect(await lostAfterCuts("fast", CUTS)).toEqual(Array.from({ length: CUTS }, () => 0));
  });

  it("do find out a writer that does not flush", async () => {
    const lost = await lostAfterCuts("careless", CUTS);
    expect(Math.max(...lost)).toBeGreaterThan(0);
  });
});
