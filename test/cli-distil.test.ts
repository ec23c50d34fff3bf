/** `bellwether distil` on the data directory of a gateway that has stopped. */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, expect, test } from "vitest";
import { saveAnchor } from "../gateway/distil/anchor.ts";
import { gatewayCrypto } from "../gateway/release/release-keys.ts";
import { turnAbout } from "../src/signal/turn.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { gatewayOn, HandNode, until } from "./gateway-kit.ts";
import { turningAnchor, turningHerd, turningTeacher } from "./turning-herd.ts";

const folder = mkdtempSync(path.join(tmpdir(), "cli-distil-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function distil(...words: string[]): Promise<{ code: number; out: string; said: string }> {
  const main = path.join(import.meta.dirname, "..", "cli", "main.ts");
  const run = promisify(execFile);
  try {
    const { stdout, stderr } = await run(process.execPath, [main, "distil", ...words]);
    return { code: 0, out: stdout, said: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, said: stderr };
  }
}

test("tells what a distillation would do, and keeps away from a running gateway", async () => {
  const data = path.join(folder, "data");
  expect(await distil("--data-dir", data)).toMatchObject({
    code: 2,
    said: expect.stringMatching(/label-log-missing/),
  });
  mkdirSync(data);
  const anchor = turningAnchor();
  saveAnchor(path.join(data, "anchor.bin"), anchor, gatewayCrypto);
  const teacher = await turningTeacher(folder, anchor);
  const gateway = await gatewayOn(folder, teacher, {
    yaml: "data_directory: data\nbroker: { port: 0 }\n",
  });
  const node = await HandNode.connect(gateway.url, "collar-1");
  const herd = turningHerd(7, 9, turnAbout([0, 0, 1], 180));
  for (let i = 0; i < herd.count; i += 4) {
    await node.offload({ window: windowAt(herd, i), windowIndex: 20 * i, reason: "burst" });
  }
  await until("the answers", () => gateway.labels().softLabelCount().total === herd.count / 4);
  expect((await distil("--data-dir", data)).said).toMatch(/data-directory-in-use/);
  await node.close();
  await gateway.stop();
  await teacher.close();

  // The shipped student meets a herd that only this test knows: whether it improves is not the point.
  const { code, out } = await distil("--data-dir", data, "--labels", "40", "--json");
  const answer = JSON.parse(out) as {
    kind: string;
    report: { softLabels: number; heldOutLabels: number };
    leftOut: Record<string, number>;
  };
  expect(code).toBe(answer.kind === "candidate" ? 0 : 1);
  expect(answer.report.softLabels + answer.report.heldOutLabels).toBe(40);
  expect(answer.leftOut).toMatchObject({ "over-share": 14 });
}, 120_000);
