/** Lines brought to a node: in which order, what they end with, and a port that goes and comes back. */

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openSampleInput } from "../cli/sample-input.ts";
import { followBatteryFile } from "../device-sim/battery-file.ts";
import { feedLines } from "../device-sim/line-feed.ts";
import { createLineSensor } from "../device-sim/line-sensor.ts";
import { createSampleLines } from "../device-sim/sample-lines.ts";
import { AXES } from "../src/signal/recordings.ts";
import { removeFolder, temporaryFolder, until } from "./gateway-kit.ts";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));
const RATE_HZ = 10;

async function* chunksOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield new TextEncoder().encode(text);
}

/** What happens to a node while these lines are fed to it. */
async function fed(chunks: AsyncIterable<Uint8Array>): Promise<string[]> {
  const happened: string[] = [];
  const lines = createSampleLines({ where: "port", milligPerUnit: 1 });
  const sensor = createLineSensor({
    ...{ fromHz: RATE_HZ, rateHz: RATE_HZ, milligPerUnit: 1, where: "port" },
  });
  const feed = { chunks, lines, sensor, rateHz: RATE_HZ, speed: undefined };
  await feedLines(
    {
      ...{ ...feed, signal: new AbortController().signal },
      battery: (percent) => happened.push(`battery ${percent}`),
    },
    { samples: (_, millig) => happened.push(`${millig.length / AXES} samples`) },
  );
  return happened;
}

/** `count` lines from a sample on, with more behind each. */
const linesOf = (from: number, count: number, more = ""): string =>
  Array.from({ length: count }, (_, i) => `${(from + i) * 100},0,0,1000${more}\n`).join("");

describe("lines", () => {
  it("say the battery before the samples that follow, and once until it changes", async () => {
    const half = linesOf(0, 7, ",80");
    expect(
      await fed(chunksOf(half, linesOf(7, 5), linesOf(12, 3, ",80") + linesOf(15, 4, ",19"))),
    ).toEqual([
      ...["battery 80", "7 samples", "5 samples", "3 samples", "battery 19", "4 samples"],
    ]);
  });

  it("of another rate are told as such, and as lines to be mended where some could not be read", async () => {
    const all = linesOf(0, 500).split("\n");
    const rate = fed(chunksOf(all.filter((_, i) => i % 2 === 0).join("\n")));
    await expect(rate).rejects.toThrow(/5 Hz|5\.000 Hz.*recording-rate/);
    const holes = fed(chunksOf(all.map((line, i) => (i % 2 === 0 ? line : `${line}x`)).join("\n")));
    await expect(holes).rejects.toThrow(/port, line 2: z is no number.*sample-lines/);
  });
});

/** Opens a terminal and prints its name; ends it and opens another when it is told to. */
const PORT = `
import os, pty, sys, tty
link = sys.argv[1]
def plug():
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    os.symlink(os.ttyname(theirs), link + ".new")
    os.rename(link + ".new", link)
    return ours, theirs
ours, theirs = plug()
print("plugged", flush=True)
for line in sys.stdin:
    if line.startswith("unplug"):
        os.unlink(link)
        os.close(ours); os.close(theirs)
    elif line.startswith("plug"): ours, theirs = plug()
    else: os.write(ours, line.encode())
`;
const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

describe("a port", () => {
  it.skipIf(!hasPython)(
    "that goes away is waited for, and a line that was cut off is none",
    async () => {
      const link = path.join(folder, "ttyUSB0");
      const python = spawn("python3", ["-c", PORT, link], { stdio: ["pipe", "pipe", "inherit"] });
      await new Promise((resolve) => python.stdout.once("data", resolve));
      const news: string[] = [];
      let heard = "";
      const ending = new AbortController();
      const { live, chunks } = openSampleInput(link);
      expect(live).toBe(true);
      const reading = (async () => {
        for await (const chunk of chunks(ending.signal, (text) => news.push(text))) {
          heard += new TextDecoder().decode(chunk);
        }
      })();
      python.stdin.write("0,1,2,3\n");
      await until("the first line", () => heard === "0,1,2,3\n");
      python.stdin.write("unplug\n");
      await until("that it is missed", () => news.length === 1);
      python.stdin.write("plug\n");
      await until("that it is back", () => news.length === 2);
      python.stdin.write("1,1,2,3\n");
      await until("the second line", () => heard === "0,1,2,3\n\n1,1,2,3\n");
      expect(news[0]).toMatch(/ttyUSB0 went away \(.+\): waiting for it/);
      ending.abort();
      await reading;
      python.stdin.end();
    },
  );
});

describe("a battery's file", () => {
  it("is read again, and missed once while it is gone", async () => {
    const file = path.join(folder, "capacity");
    writeFileSync(file, "87\n");
    const said: number[] = [];
    const news: string[] = [];
    const following = followBatteryFile(
      file,
      (percent) => said.push(percent),
      (text) => news.push(text),
      5,
    );
    expect(said).toEqual([87]);
    writeFileSync(file, "nothing");
    await until("that it is missed", () => news.length > 0);
    const before = said.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect([news, said.length]).toEqual([[expect.stringContaining("no percentage")], before]);
    writeFileSync(file, "12.6");
    await until("the new word", () => said.at(-1) === 13);
    following.stop();
  });

  it("that waits for a writer is not waited for", () => {
    const pipe = path.join(folder, "pipe");
    execFileSync("sh", ["-c", 'mkfifo "$0"', pipe]);
    const follow = () =>
      followBatteryFile(
        pipe,
        () => undefined,
        () => undefined,
      );
    expect(follow).toThrow(/battery-file/);
  });
});
