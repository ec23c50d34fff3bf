/** Start-up code, linker scripts, the instruction counter and the emulator: boards that boot. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { BOARDS, type BoardName, buildImage } from "../deploy/firmware/tools/boards.ts";
import { canEmulate, emulate, startEmulator } from "../deploy/firmware/tools/emulator.ts";
import { findProgram, TARGETS } from "../deploy/firmware/tools/toolchain.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-boards-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A start takes some 30 ms, and this long on a machine that is busy. */
const SOON = { timeout: 20_000 };

function build(board: BoardName, source: string, flags: readonly string[] = []): string {
  const output = join(folder, `${board}-${source}${flags.join("")}.elf`);
  const sources = [join(import.meta.dirname, "firmware", source)];
  buildImage({ board, sources, output, flags: ["-O2", ...flags] });
  return output;
}

function isThere(board: BoardName): boolean {
  return canEmulate(board) && findProgram(TARGETS[BOARDS[board].target].compiler) !== undefined;
}

for (const { name, target, emulator, counterFlags } of Object.values(BOARDS)) {
  const needs = `${TARGETS[target].compiler} and ${emulator}`;
  if (!isThere(name)) console.log(`${name} is skipped: it needs ${needs}`);

  describe.skipIf(!isThere(name))(name, () => {
    it("boots, has its memory in order, and counts four instructions a turn exactly", async () => {
      const image = build(name, "counter.c");
      const run = () => emulate({ board: name, image, flags: counterFlags, timeoutMs: 30_000 });
      const [first, second] = await Promise.all([run(), run()]);
      expect(first).toMatchObject({ exitCode: 0, timedOut: false });
      expect(second.output).toBe(first.output);
      const counts = first.output.trim().split("\n").map(Number);
      expect(counts).toHaveLength(3);
      // What lies about the loop is in all three alike; a timer's tick is a part of an instruction.
      const around = (counts[0] as number) - 4_000;
      expect(around).toBeLessThan(12);
      expect(Math.abs((counts[1] as number) - around - 40_000)).toBeLessThanOrEqual(1);
      expect(Math.abs((counts[2] as number) - around - 400_000)).toBeLessThanOrEqual(1);
    });

    it("ends with 70 at an instruction that does not exist", async () => {
      const image = build(name, "resets.c", ["-DTRAP"]);
      expect(await emulate({ board: name, image, timeoutMs: 30_000 })).toMatchObject({
        exitCode: 70,
        timedOut: false,
      });
    });

    // The micro:bit's flash wants its controller to be told first, which is the node's business.
    if (name === "microbit") return;

    it("starts anew at a reset and keeps what flash holds", async () => {
      const emulator = startEmulator({ board: name, image: build(name, "resets.c") });
      try {
        await expect.poll(() => emulator.output(), SOON).toBe("1\n");
        emulator.reset();
        await expect.poll(() => emulator.output(), SOON).toBe("1\n2\n");
      } finally {
        expect(await emulator.stop()).toMatchObject({ exitCode: undefined });
      }
    });
  });
}

it.skipIf(!isThere("mps2-an385"))("says when a program does not end", async () => {
  const board = "mps2-an385";
  const image = build(board, "resets.c");
  const finished = await emulate({ board, image, timeoutMs: 2_000 });
  expect(finished).toMatchObject({ exitCode: undefined, timedOut: true, output: "1\n" });
});
