/** The demonstration as a person runs it, without recordings: starts, shows, ends, goes on. */

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { missingForNode } from "../deploy/firmware/tools/node-image.ts";
import { gatewayEnvironment } from "./gateway-kit.ts";

const missing = missingForNode("mps2-an386");
if (missing !== undefined) console.log(`the demonstration's firmware is skipped: ${missing}`);

const MAIN = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "demo-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Ended = { readonly code: number | null; readonly output: string; readonly news: string };

/** Runs until a line matches, then presses Ctrl-C. */
function demoUntil(pattern: RegExp, ...options: string[]): Promise<Ended> {
  const argv = [MAIN, "demo", "--port", "0", "--data", folder, "--data-dir", store, ...options];
  const child = spawn(process.execPath, argv, {
    env: gatewayEnvironment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  let news = "";
  // A second Ctrl-C ends a program at once, as it should.
  let pressed = false;
  child.stdout.on("data", (text: Buffer) => {
    output += text.toString();
    if (!pressed && pattern.test(output)) pressed = child.kill("SIGINT");
  });
  child.stderr.on("data", (text: Buffer) => {
    news += text.toString();
  });
  return new Promise((resolve) => child.on("exit", (code) => resolve({ code, output, news })));
}

const store = path.join(folder, "store");

it("shows behaviours from topics, ends cleanly at Ctrl-C, and starts again", async () => {
  const first = await demoUntil(/collar-0\d\/behaviour/, "--nodes", "4", "--for", "60");
  expect(first.news).toContain("animals are emulated");
  expect(first.output).toMatch(
    /bellwether\/collar-0\d\/behaviour: collar-0\d (grazing|still|walking) /,
  );
  expect(first.code).toBe(0);
  for (const kept of ["anchor.bin", "keys/release-key.pem", "registry", "collars/collar-01"]) {
    expect(existsSync(path.join(store, kept)), kept).toBe(true);
  }
  // The second time the last collar is real firmware, where that can be built and run.
  const shown = missing === undefined ? /collar-04\/behaviour/ : /collar-0\d\/behaviour/;
  const second = await demoUntil(shown, "--nodes", "4", "--firmware", "1", "--for", "60");
  expect(second.news).toContain(
    missing === undefined ? "collar-04 on an emulated Cortex-M4" : missing,
  );
  if (missing === undefined) expect(second.output).toMatch(/collar-04 (grazing|still|walking) /);
  expect(second.code).toBe(0);
}, 120_000);

it("goes through alarm, distillation and release when collars turn", async () => {
  const { code, output } = await demoUntil(
    /release-done|candidate-refused/,
    ...["--nodes", "6", "--speed", "60", "--turn-after", "300", "--for", "90"],
  );
  expect(output).toContain("drift-alarm");
  expect(output).toContain("distill-started");
  expect(output).toMatch(/canary-started|candidate-refused/);
  expect(code).toBe(0);
}, 150_000);
