/** The label log under power cuts, with a writer beside it that does not flush and must be caught. */

import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { LabelLog } from "../gateway/store/label-log.ts";
import { nodeId } from "../src/wire/topics.ts";
import { removeFolder } from "./gateway-kit.ts";
import { createDisk, diskReason, freeze } from "./power-cut.ts";

const WRITER = fileURLToPath(new URL("./label-writer.ts", import.meta.url));
const CUTS = Number(process.env.BELLWETHER_CUTS ?? 5);
const reason = diskReason();
if (reason !== undefined) console.info(`label-log-power-cut.test.ts is skipped: ${reason}`);

describe.skipIf(reason !== undefined)("power cuts", () => {
  it("take nothing that was committed, and the log opens whole", async () => {
    expect(await lostAfterCuts("store", CUTS)).toEqual(Array.from({ length: CUTS }, () => 0));
  }, 60_000);

  it("do find out a writer that does not flush", async () => {
    expect(Math.max(...(await lostAfterCuts("careless", CUTS)))).toBeGreaterThan(0);
  }, 60_000);
});

/** Offloads that were said to be stored and are not there, after each of a few cuts. */
async function lostAfterCuts(mode: "store" | "careless", cuts: number): Promise<number[]> {
  const disk = createDisk();
  const child = spawn(process.execPath, [WRITER, disk.folder, mode], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise((resolve) => child.on("close", resolve));
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  try {
    while (said === "") await wait(10);
    const lost: number[] = [];
    for (let cut = 0; cut < cuts; cut++) {
      await wait(80 + 41 * cut);
      await freeze(child);
      // The last line may be cut in its middle: it was not said yet.
      const stored = Math.max(0, ...said.split("\n").slice(0, -1).map(Number));
      lost.push(disk.cut((folder) => missingIn(folder, stored)));
      child.kill("SIGCONT");
    }
    return lost;
  } finally {
    child.kill("SIGKILL");
    await ended;
    disk.remove();
  }
}

/** Opens a copy as a gateway that starts would: what it sets aside counts as lost. */
function missingIn(folder: string, stored: number): number {
  const copy = mkdtempSync(path.join(tmpdir(), "bellwether-after-cut-"));
  for (const name of readdirSync(folder).filter((file) => file.startsWith("labels.db"))) {
    copyFileSync(path.join(folder, name), path.join(copy, name));
  }
  const log = new LabelLog({ directory: copy, nowMs: 1 });
  try {
    const rows = log.reader.waiting(nodeId("collar-1"), 0, 10_000_000);
    const there = new Set(rows.map(({ offload }) => offload.seq));
    return Array.from({ length: stored }, (_, seq) => seq).filter((seq) => !there.has(seq)).length;
  } finally {
    log.close();
    removeFolder(copy);
  }
}
