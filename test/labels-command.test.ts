/** `bellwether labels`: the inbox of a running gateway from a terminal. */

import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { axisLines } from "../cli/window-lines.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { bellwether } from "./access-kit.ts";
import {
  cattle,
  gatewayOn,
  HandNode,
  offloadOf,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const folder = temporaryFolder();
const data = path.join(folder, "bellwether-data");
let teacher: OpenTeacher;
let gateway: RunningGateway;
let collar: HandNode;

beforeAll(async () => {
  teacher = await untrainedTeacher(folder);
  gateway = await gatewayOn(folder, teacher, { dependencies: { trust: () => false } });
  collar = await HandNode.connect(gateway.url, "collar-1");
  await collar.hello();
  for (let seq = 0; seq < 4; seq++) {
    await collar.send(offloadOf(seq, { windowIndex: 100 * seq }));
  }
  await until("answers", () => gateway.counters().softLabels === 4);
});
afterAll(async () => {
  await collar.close();
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

const labels = (...words: readonly string[]) =>
  bellwether("labels", ...words, "--data-dir", data, "--broker", gateway.url);
type Listed = { readonly window: number }[];

describe("bellwether labels", () => {
  it("lists, takes an answer, passes over and takes back, as whoever it says", async () => {
    const before = await labels("list");
    expect(before).toMatchObject({ classes: cattle.classes, waiting: 4, labels: 0 });
    const [first, second] = (before.windows as Listed).map(({ window }) => String(window));
    const [, behaviour = ""] = cattle.classes;
    const said = await labels("answer", String(first), behaviour);
    expect(said).toMatchObject({ window: Number(first), node: "collar-1", changed: true });
    expect(await labels("answer", String(first), behaviour)).toMatchObject({ changed: false });
    expect(await labels("skip", String(second))).toMatchObject({ changed: true, labels: 1 });
    expect(await labels("list", "--limit", "1")).toMatchObject({ waiting: 2, labels: 1 });
    const [kept] = gateway.labels().personLabels(5);
    expect(kept).toMatchObject({ offloadId: Number(first), personClass: 1 });
    // The operator of the moment, who is gone again.
    expect(kept?.who).toMatch(/^cli-[0-9a-f]{8}$/);
    const users = await bellwether("users", "list", "--data-dir", data);
    expect(JSON.stringify(users)).not.toContain(kept?.who);
    expect(await labels("undo", String(second))).toMatchObject({ changed: true });
    expect(await labels("list")).toMatchObject({ waiting: 3 });
  }, 60_000);

  it("shows a window as the store has it, with what was said of it", async () => {
    const [window] = (await labels("list")).windows as Listed;
    const id = String(window?.window);
    await labels("answer", id, String(cattle.classes[2]));
    const shown = await bellwether("labels", "show", id, "--data-dir", data);
    const stored = gateway.labels().softLabel(Number(id));
    expect(shown).toMatchObject({
      ...{ node: "collar-1", time: stored?.timeMs, rate_hz: 10 },
      teacher: { trusted: false },
      person: { behaviour: cattle.classes[2] },
    });
    const samples = (shown.samples as number[][]).flat();
    const step = stored?.inputMilligPerStep ?? 0;
    expect(samples).toEqual(Array.from(stored?.window ?? [], (value) => value * step));
    expect(Object.keys((shown.teacher as { chances: object }).chances)).toEqual(cattle.classes);
  }, 60_000);

  it("says what is wrong and how to mend it", async () => {
    await expect(labels("answer", "1", "flying")).rejects.toThrow(/behaviour-unknown.*grazing/s);
    await expect(labels("skip", "999")).rejects.toThrow(/window-unknown/);
    await expect(labels("skip", "first")).rejects.toThrow(/no window's number.*labels list/s);
    const show = bellwether("labels", "show", "999", "--data-dir", data);
    await expect(show).rejects.toThrow(/window-unknown.*labels list/s);
  }, 60_000);
});

describe("a window's lines", () => {
  it("draw each axis in its own range, as wide as there is room", () => {
    const samples = Array.from({ length: 16 }, (_, t) => [t * 10, 0, t < 8 ? -1000 : 1000]);
    const lines = axisLines(samples, 80);
    expect(lines).toEqual([
      "x  0 to 150 mg          ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██",
      "y  0 to 0 mg            ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁",
      "z  -1000 to 1000 mg     ▁▁▁▁▁▁▁▁████████",
    ]);
    expect(axisLines(samples, 32).map((line) => line.length)).toEqual([32, 32, 32]);
    expect(axisLines(samples, 10)[0]).toHaveLength(25);
  });
});
