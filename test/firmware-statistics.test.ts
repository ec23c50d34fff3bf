/** A window's statistics on processors that sum three channels at once, and on those that do not. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { type BoardName, buildImage } from "../deploy/firmware/tools/boards.ts";
import { emulate } from "../deploy/firmware/tools/emulator.ts";
import { missingFor } from "../deploy/firmware/tools/runtime-program.ts";
import { FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-statistics-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NODE = join(FIRMWARE_FOLDER, "node");

for (const board of ["mps2-an386", "mps2-an385"] satisfies BoardName[]) {
  const missing = missingFor(board);
  if (missing.length > 0) console.log(`${board} is skipped: no ${missing.join(", no ")}`);

  it.skipIf(missing.length > 0)(
    `${board} sums every length as one byte at a time does`,
    async () => {
      const output = join(folder, `${board}.elf`);
      const sources = [
        join(import.meta.dirname, "firmware", "statistics.c"),
        join(NODE, "bw_burst.c"),
      ];
      buildImage({ board, sources, output, flags: ["-O2", `-I${NODE}`] });
      const finished = await emulate({ board, image: output, timeoutMs: 30_000 });
      expect(finished).toEqual({ exitCode: 0, output: "1560", timedOut: false });
    },
  );
}
