/** The label inbox on a store and a gateway: what is kept of answers, who may answer, and the page. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { peopleWindows } from "../gateway/distil/people-labels.ts";
import { LABEL_LOG_FILE, LabelLog } from "../gateway/store/label-log.ts";
import { openLabelReader } from "../gateway/store/label-reader.ts";
import type { StoreRow } from "../gateway/store/label-rows.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { nodeId } from "../src/wire/topics.ts";
import { bellwether } from "./access-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import {
  cattle,
  gatewayOn,
  HandNode,
  MODEL,
  offloadOf,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

const first = nodeId("collar-1");
const TEACHER = "feedfeedfeedfeed";

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => removeFolder(folder));

const ids = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

describe("the store", () => {
  function filled(directory: string, windows: number): LabelLog {
    const log = new LabelLog({ directory, nowMs: 1 });
    const chosen = { audit: false, chanceQ16: 65_535 };
    const about = { node: first, nowMs: 2, modelId: MODEL, chosen, teacherId: TEACHER };
    log.commit(
      ids(0, windows).map((seq): StoreRow => {
        return { kind: "offload", node: first, nowMs: 1, offload: offloadOf(seq), teachable: true };
      }),
    );
    log.commit(
      ids(1, windows).map((offloadId): StoreRow => {
        const probabilities = Float32Array.of(0.7, 0.2, 0.1);
        return { kind: "label", ...about, offloadId, trusted: false, agrees: true, probabilities };
      }),
    );
    return log;
  }
  const said = (offloadId: number, deed: "label" | "skip" | "undo", classIndex = 0): StoreRow => {
    return { kind: "person", node: first, nowMs: 5, offloadId, deed, classIndex, who: "anna" };
  };

  it("keeps the last word, each once, and who said what when", () => {
    const place = temporaryFolder();
    const log = filled(place, 4);
    const fresh = (row: StoreRow): boolean | undefined => {
      const result = log.commit([row]);
      return result.ok ? result.stored[0]?.fresh : undefined;
    };
    expect(fresh(said(1, "label", 2))).toBe(true);
    expect(fresh(said(1, "label", 2))).toBe(false);
    expect(fresh(said(1, "label", 1))).toBe(true);
    expect(fresh(said(2, "skip"))).toBe(true);
    expect(fresh(said(3, "undo"))).toBe(false);
    expect(fresh(said(99, "label", 0))).toBe(false);
    const { reader } = log;
    expect(reader.personLabels(10)).toMatchObject([
      { offloadId: 1, personClass: 1, who: "anna", labelledMs: 5 },
    ]);
    expect(reader.personAnswers()).toEqual({ labelled: new Set([1]), skipped: new Set([2]) });
    expect(reader.personFresh(0)).toEqual({ fresh: 1, newestMs: 5 });
    expect(fresh(said(1, "undo"))).toBe(true);
    expect(reader.personLabels(10)).toEqual([]);
    log.close();
    removeFolder(place);
  });

  it("has after a kill every label that was acknowledged, and none twice", async () => {
    const place = temporaryFolder();
    filled(place, 2_000).close();
    for (let round = 0; round < 4; round++) {
      const script = fileURLToPath(new URL("person-writer.ts", import.meta.url));
      const child = spawn(process.execPath, [script, place], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let text = "";
      child.stdout.on("data", (bytes: Buffer) => {
        text += bytes.toString();
      });
      await until("labels", () => text.split("\n").length > 20 + 7 * round, 30_000);
      child.kill("SIGKILL");
      await once(child, "exit");
      const acknowledged = text.split("\n").slice(0, -1).map(Number);
      const reader = openLabelReader(path.join(place, LABEL_LOG_FILE));
      const { labelled } = reader.personAnswers();
      reader.close();
      expect(acknowledged.filter((id) => !labelled.has(id))).toEqual([]);
    }
    const database = new DatabaseSync(path.join(place, LABEL_LOG_FILE));
    const twice = database
      .prepare("SELECT offload FROM person_labels GROUP BY offload HAVING count(*) > 1")
      .all();
    expect(twice).toEqual([]);
    database.close();
    removeFolder(place);
  }, 60_000);
});

describe("a gateway", () => {
  let teacher: OpenTeacher;
  beforeAll(async () => {
    teacher = await untrainedTeacher(folder);
  });
  afterAll(() => teacher.close());

  it("asks an operator, keeps what is said, and listens to no reader", async () => {
    const gateway = await gatewayOn(folder, teacher, {
      yaml: "data_directory: asked\nbroker: { port: 0 }\nhttp: { port: 0 }",
      dependencies: { trust: () => false },
    });
    const token = (await gateway.beginOperator()) ?? "";
    const data = path.join(folder, "asked");
    const { password } = await bellwether("users", "add", "anna", "--data-dir", data);
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello();
    for (const seq of ids(0, 5)) await collar.send(offloadOf(seq, { windowIndex: 100 * seq }));
    await until("answers", () => gateway.counters().softLabels === 5);
    const { origin } = new URL(gateway.pageUrl ?? "");
    const post = async (name: string, body: object, user = "operator", secret = token) => {
      const basic = Buffer.from(`${user}:${secret}`).toString("base64");
      const headers = {
        "content-type": "application/json",
        authorization: `Basic ${basic}`,
        origin,
      };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      const response = await fetch(new URL(`/api/request/${name}`, gateway.pageUrl), init);
      const text = await response.text();
      return { status: response.status, body: text.startsWith("{") ? JSON.parse(text) : text };
    };
    const asked = await post("labels/inbox", {});
    expect(asked.body).toMatchObject({ data: { classes: cattle.classes, waiting: 5, labels: 0 } });
    const [window] = asked.body.data.windows.map((one: { window: number }) => one.window);
    const label = { window, behaviour: cattle.classes[1] };
    expect((await post("labels/label", label)).body.data).toMatchObject({
      changed: true,
      labels: 1,
    });
    expect((await post("labels/label", label)).body.data).toMatchObject({
      changed: false,
      labels: 1,
    });
    expect(gateway.labels().personLabels(5)).toMatchObject([
      { offloadId: window, personClass: 1, who: "operator" },
    ]);
    expect((await post("labels/inbox", {})).body.data.waiting).toBe(4);
    expect((await post("labels/undo", { window })).body.data).toMatchObject({
      changed: true,
      labels: 0,
    });
    expect((await post("labels/label", { window, behaviour: "<b>" })).body.code).toBe(
      "behaviour-unknown",
    );
    expect((await post("labels/skip", { window: 999 })).body.code).toBe("window-unknown");
    const refused = await post("labels/label", label, "anna", String(password));
    expect([401, 403]).toContain(refused.status);
    expect(gateway.labels().personLabels(5)).toEqual([]);
    await collar.close();
    await gateway.stop();
  }, 60_000);
});

const program = findChromium();
if (program === undefined) console.log("the inbox in a browser is skipped: there is no chromium");
describe.skipIf(program === undefined)("in a browser", { timeout: 90_000 }, () => {
  it("three windows are labelled by keys, passed over and taken back, and are in the anchor set", async () => {
    const teacher = await untrainedTeacher(folder);
    const gateway = await gatewayOn(folder, teacher, {
      yaml: "data_directory: page\nbroker: { port: 0 }\nhttp: { port: 0 }",
      dependencies: { trust: () => false },
    });
    const token = (await gateway.beginOperator()) ?? "";
    const collar = await HandNode.connect(gateway.url, "collar-1");
    await collar.hello();
    // Two by two they are close to each other.
    for (const seq of ids(0, 6)) {
      const windowIndex = 100 * Math.floor(seq / 2) + (seq % 2);
      await collar.send(
        offloadOf(seq, { windowIndex, timeMs: 1_700_000_000_000 + 5_000 * windowIndex }),
      );
    }
    await until("answers", () => gateway.counters().softLabels === 6);
    const chromium = await Chromium.start(program ?? "");
    const authorization = `Basic ${Buffer.from(`operator:${token}`).toString("base64")}`;
    await chromium.ask("Network.enable");
    await chromium.ask("Network.setExtraHTTPHeaders", { headers: { authorization } });
    await chromium.open(new URL("/labels", gateway.pageUrl).href, { width: 390, height: 844 });
    const waits = (count: number) =>
      until(`${count} waiting`, async () =>
        (
          await chromium.value<string>("document.getElementById('about')?.textContent ?? ''")
        ).startsWith(`${count} windows wait`),
      );
    const press = async (key: string): Promise<void> => {
      await until("room for an answer", () =>
        chromium.value("!document.getElementById('answers').hasAttribute('aria-busy')"),
      );
      await chromium.ask("Input.dispatchKeyEvent", { type: "keyDown", key, text: key });
      await chromium.ask("Input.dispatchKeyEvent", { type: "keyUp", key });
    };
    await waits(6);
    await until("the signal", () =>
      chromium.value("document.querySelectorAll('#signal path.axis').length === 3"),
    );
    await until("the windows beside it", () =>
      chromium.value("document.querySelectorAll('#near-list li svg').length === 2"),
    );
    expect(await chromium.value<string>("document.getElementById('near').innerText")).toMatch(
      /close to it.*(5 s before.*this window|this window.*5 s after)/s,
    );
    // Keys that are switched off say nothing.
    await chromium.value("document.getElementById('keys').click()");
    await press("1");
    await chromium.value("document.getElementById('keys').click()");
    await waits(6);
    const pictures = process.env.BELLWETHER_PICTURES;
    if (pictures !== undefined)
      writeFileSync(path.join(pictures, "labels.png"), await chromium.picture());
    for (const [key, left] of [
      ["1", 5],
      ["2", 4],
      ["3", 3],
      ["1", 2],
    ] as const) {
      await press(key);
      await waits(left);
    }
    await press("u");
    await waits(3);
    await press("s");
    await waits(2);
    const people = gateway.labels().personLabels(9);
    expect(people.map(({ personClass }) => personClass)).toEqual([2, 1, 0]);
    const { train, heldOut } = peopleWindows(people, cattle, 1);
    expect([...train.windows.labels, ...heldOut.windows.labels].sort((a, b) => a - b)).toEqual([
      0, 1, 2,
    ]);
    expect(chromium.problems).toEqual([]);
    await chromium.close();
    await collar.close();
    await gateway.stop();
    await teacher.close();
  });
});
