/** Trained models that are kept between two runs. */

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { keptFiles } from "../bench/kept-files.ts";
import { temporaryFolder } from "./gateway-kit.ts";

const WHAT = { part: "teacher", seed: 1 };

/** Asks for two files and counts how often they are made. */
function asker(folder: string | undefined, shouldStop?: () => boolean) {
  let made = 0;
  const ask = async (what: unknown) => {
    const files = await keptFiles({ folder, shouldStop }, what, ["a.onnx", "b"], () => {
      made++;
      return Promise.resolve({ "a.onnx": Uint8Array.of(1, 2, made), b: Uint8Array.of(made) });
    });
    return { made, a: [...files["a.onnx"]], b: [...files.b], copy: files["a.onnx"] };
  };
  return ask;
}

describe("kept files", () => {
  it("are made once for all that they depend on", async () => {
    const folder = join(temporaryFolder(), "kept");
    const ask = asker(folder);
    expect(await ask(WHAT)).toMatchObject({ made: 1, a: [1, 2, 1], b: [1] });
    expect(await ask({ ...WHAT })).toMatchObject({ made: 1, a: [1, 2, 1], b: [1] });
    expect(await ask({ ...WHAT, seed: 2 })).toMatchObject({ made: 2, a: [1, 2, 2] });
    expect(readdirSync(folder)).toHaveLength(4);
  });

  it("come back with memory of their own, which decoders cut pieces out of", async () => {
    const ask = asker(temporaryFolder());
    await ask(WHAT);
    const { copy } = await ask(WHAT);
    expect(copy.slice(1).buffer.byteLength).toBe(2);
  });

  it("of a training that was stopped are not kept", async () => {
    const folder = temporaryFolder();
    let stopped = true;
    const ask = asker(folder, () => stopped);
    expect((await ask(WHAT)).made).toBe(1);
    expect(readdirSync(folder)).toEqual([]);
    stopped = false;
    expect((await ask(WHAT)).made).toBe(2);
    expect((await ask(WHAT)).made).toBe(2);
  });

  it("are made each time where no folder is named", async () => {
    const ask = asker(undefined);
    await ask(WHAT);
    expect((await ask(WHAT)).made).toBe(2);
  });
});
