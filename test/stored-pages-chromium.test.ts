/**
 * Pages of many nodes in a real browser, from a store: the curves of the loop, of a model that was
 * audited often and of one that was not; and a day of a group.
 */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  AlertsSchema,
  BehavioursSchema,
  toBehaviourConfig,
} from "../gateway/herd/behaviour-config.ts";
import { LABEL_LOG_FILE, LabelLog } from "../gateway/store/label-log.ts";
import { PageReader } from "../gateway/store/page-reader.ts";
import { Board } from "../gateway/telling/board.ts";
import type { ModelId } from "../src/wire/messages.ts";
import { bridgeTopic, nodeId } from "../src/wire/topics.ts";
import { fillAnimal } from "./animal-kit.ts";
import { infoOf } from "./board-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import {
  base,
  cattle,
  helloOf,
  offloadOf,
  removeFolder,
  temporaryFolder,
  until,
} from "./gateway-kit.ts";
import { type ServedPages, seriousFindings, servePages } from "./page-kit.ts";

const program = findChromium();
const NOW = Date.UTC(2026, 2, 15, 14, 20);
const YOUNG = "00112233aabbccdd" as ModelId;

describe.skipIf(program === undefined)("in chromium", { timeout: 60_000 }, () => {
  let folder: string;
  let chromium: Chromium;
  let served: ServedPages;

  beforeAll(async () => {
    folder = temporaryFolder();
    for (const name of ["collar-7", "collar-8"]) fillAnimal(folder, name, NOW);
    const node = nodeId("collar-young");
    const log = new LabelLog({ directory: folder, nowMs: NOW });
    const offload = offloadOf(1, { modelId: YOUNG, reason: "audit", chanceQ16: 3_277 });
    const nowMs = NOW;
    log.commit([
      { kind: "hello", node, nowMs, hello: helloOf({ modelId: YOUNG }) },
      { kind: "offload", node, nowMs, offload, teachable: true },
    ]);
    const [waits] = log.reader.waiting(node, 0, 1);
    const chosen = { audit: true, chanceQ16: 3_277 };
    const answer = { trusted: true, agrees: true, probabilities: Float32Array.of(0.8, 0.1, 0.1) };
    const label = { node, nowMs, offloadId: waits?.offloadId ?? 0, modelId: YOUNG, chosen };
    log.commit([{ kind: "label", ...label, ...answer, teacherId: "fedcba9876543210" }]);
    log.close();
    const board = new Board(base);
    board.take(bridgeTopic(base, "info"), JSON.stringify(infoOf()));
    const groups = { heifers: ["collar-7", "collar-8", "collar-nobody"] };
    const rule = toBehaviourConfig(BehavioursSchema.parse({ groups }), AlertsSchema.parse({}));
    const reader = new PageReader({
      file: `${folder}/${LABEL_LOG_FILE}`,
      classes: cattle.classes,
      rule,
    });
    served = await servePages(board, reader);
    chromium = await Chromium.start(program ?? "");
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    await served.close();
    removeFolder(folder);
  });

  it.each([
    ["wide", { width: 1280, height: 1000 }],
    ["on a phone, dark", { width: 390, height: 844, dark: true }],
  ])(
    "%s: one curve with its interval and table, and one that needs more audits",
    async (_l, look) => {
      await chromium.open(`${served.url}/loop`, look);
      const text = (): Promise<string> =>
        chromium.value<string>("document.getElementById('curves')?.innerText ?? ''");
      await until("curves", async () => (await text()).includes("answered windows"));
      expect(await text()).toMatch(
        /By \d+ answered windows, of them \d+ audits; \d+\.\d % are offloaded now/,
      );
      expect(await text()).toMatch(/model 00112233, 1 node\s+Not enough audits: 1 of the 30/);
      const count = (selector: string): Promise<number> =>
        chromium.value(`document.querySelectorAll("#curves ${selector}").length`);
      // Drawn anew with each event of the board: for a moment there may be none.
      for (const part of [".curve", ".band", ".now"]) {
        await until(`one ${part}`, async () => (await count(part)) === 1);
      }
      await chromium.value("document.querySelector('#curves details').open = true");
      expect(await count("tbody tr")).toBeGreaterThan(3);
      expect(await seriousFindings(chromium)).toEqual([]);
      const isNarrow =
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
      expect(await chromium.value<boolean>(isNarrow)).toBe(true);
    },
  );

  it.each([
    ["wide", { width: 1280, height: 900 }],
    ["on a phone, dark", { width: 390, height: 844, dark: true }],
  ])(
    "%s: a day of a group, each animal in a lane, with the average of those heard",
    async (_l, look) => {
      await chromium.open(`${served.url}/group?name=heifers&day=2026-03-14`, look);
      const textOf = (id: string): Promise<string> =>
        chromium.value<string>(`document.getElementById("${id}")?.innerText ?? ""`);
      await until("the day", async () => (await textOf("day-text")).startsWith("2026-03-14"));
      expect(await textOf("day-text")).toMatch(
        /the average animal: .*grazing .*; 2 of 3 animals heard/,
      );
      expect(await textOf("title")).toBe("heifers");
      expect(await textOf("budget-rows")).toMatch(
        /the average[\s\S]*collar-nobody[\s\S]*never heard/,
      );
      expect(await textOf("legend")).toMatch(/grazing[\s\S]*unknown/);
      const count = (selector: string): Promise<number> =>
        chromium.value(`document.querySelectorAll("${selector}").length`);
      expect(await count("#lanes .lane")).toBe(3);
      expect(await count("#lanes .part")).toBeGreaterThan(40);
      expect(await count("#bars .missing")).toBe(3);
      await chromium.value("document.getElementById('later').click()");
      await until("today", async () =>
        (await textOf("day-text")).startsWith("2026-03-15 until 14:20"),
      );
      expect(await chromium.value<string>("location.search")).toBe("?name=heifers&day=2026-03-15");
      expect(await seriousFindings(chromium)).toEqual([]);
      await chromium.open(`${served.url}/group?name=goats`, look);
      await until("a refusal", async () => (await textOf("day-text")).includes("no such group"));
    },
  );
});
