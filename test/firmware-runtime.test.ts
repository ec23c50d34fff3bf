/** The runtime in C against the reference engine: the same bits, and the same students refused. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GATE_TABLES_FILE, gateTablesSource } from "../deploy/firmware/tools/gate-tables.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { decodeContainer } from "../src/model/container.ts";
import { withoutCompiler } from "./firmware-host.ts";
import { askRuntime, buildRuntimeHost, type HostExit } from "./firmware-runtime-host.ts";

const absent = withoutCompiler("the runtime in C");
const GOLDEN = path.join(import.meta.dirname, "golden", "students");
const NAMES = ["cnn", "gru", "small-cnn", "small-gru"].flatMap((name) => [
  `${name}-int8`,
  `${name}-dynamic-fixed-point`,
]);

type Golden = {
  readonly container: Uint8Array;
  readonly windows: readonly Int8Array[];
};

function golden(name: string): Golden {
  const container = new Uint8Array(readFileSync(path.join(GOLDEN, `${name}.container.bin`)));
  const { student } = decodeContainer(container);
  const bytes = student.windowSamples * student.channels;
  const all = new Int8Array(readFileSync(path.join(GOLDEN, `${name}.windows.bin`)));
  const windows = Array.from({ length: all.length / bytes }, (_, i) =>
    all.slice(i * bytes, (i + 1) * bytes),
  );
  return { container, windows };
}

/** What the reference engine says of windows that may be longer than it reads. */
function referenceExits(container: Uint8Array, windows: readonly Int8Array[]): HostExit[][] {
  const decoded = decodeContainer(container);
  const loaded = referenceEngine.load(decoded);
  const bytes = decoded.student.windowSamples * decoded.student.channels;
  return windows.map((window) => {
    loaded.begin(window.subarray(0, bytes));
    return Array.from({ length: loaded.exits }, () => {
      const { features, logits } = loaded.nextExit();
      return { features: features.slice(), logits: logits.slice() };
    });
  });
}

let folder: string;
let program: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-runtime-"));
  if (!absent) program = buildRuntimeHost(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(absent)("the runtime in C", () => {
  it.each(NAMES)("says of %s what the golden vectors say", (name) => {
    const { container, windows } = golden(name);
    const [answer] = askRuntime([program], windows, [{ container }]);
    expect(answer).toMatchObject({ code: "ok", windows: referenceExits(container, windows) });
  });
});

describe("its files", () => {
  it("hold the GRU's tables as the reference has them", () => {
    expect(readFileSync(GATE_TABLES_FILE, "utf8")).toBe(gateTablesSource());
  });
});
