/**
 * Every page in a real browser: without serious findings of axe, light and dark, wide and on a phone;
 * and the page of one animal, with a day from a store and hostile names.
 *
 * Pages that stand in `dashboard/pages.ts` are looked at without being named here.
 * `BELLWETHER_PICTURES=docs` keeps the pictures, which are in the documentation.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PAGES } from "../gateway/dashboard/pages.ts";
import {
  AlertsSchema,
  BehavioursSchema,
  toBehaviourConfig,
} from "../gateway/herd/behaviour-config.ts";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { PageReader } from "../gateway/store/page-reader.ts";
import { Board } from "../gateway/telling/board.ts";
import { bridgeTopic, groupTopic, nodeId, nodeTopic } from "../src/wire/topics.ts";
import { fillAnimal } from "./animal-kit.ts";
import { alertOf, auditOf, behaviourOf, deviceOf, infoOf } from "./board-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { base, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { type ServedPages, seriousFindings, servePages } from "./page-kit.ts";

const program = findChromium();
const NOW = Date.UTC(2026, 2, 15, 14, 20);
const NODE = "collar-7";
/** As long as a name may be, without a place to break it. */
const LONGEST = "x".repeat(64);
const HOSTILE = "<img src=x onerror=alert(1)>";
const CLASSES = ["grazing", "still", "walking"];
const WIDE = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

describe.skipIf(program === undefined)("in chromium", { timeout: 120_000 }, () => {
  let folder: string;
  let chromium: Chromium;
  let reader: PageReader;
  let served: ServedPages;

  beforeAll(async () => {
    folder = temporaryFolder();
    fillAnimal(folder, NODE, NOW);
    const board = new Board(base);
    tellHerd(board);
    reader = readerOf(folder, CLASSES);
    served = await servePages(board, reader);
    chromium = await Chromium.start(program ?? "");
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    await served.close();
    removeFolder(folder);
  });

  const textOf = (selector: string): Promise<string> =>
    chromium.value(`document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`);
  const countOf = (selector: string): Promise<number> =>
    chromium.value(`document.querySelectorAll(${JSON.stringify(selector)}).length`);

  async function openAnimal(
    day: string,
    look = WIDE as { width: number; height: number; dark?: boolean },
  ) {
    await chromium.open(`${served.url}/animal?node=${NODE}&day=${day}`, look);
    await until("the day", async () => (await textOf("#day-text")).startsWith(day));
    await until("the windows", async () => (await textOf("#windows-text")).includes("offloaded"));
  }

  describe.each(PAGES.map((page) => page.path))("%s", (page) => {
    it.each([
      ["wide and light", { ...WIDE, dark: false }],
      ["wide and dark", { ...WIDE, dark: true }],
      ["on a phone, light", { ...PHONE, dark: false }],
      ["on a phone, dark", { ...PHONE, dark: true }],
    ])("%s: nothing serious for axe, nothing to the side", async (_look, look) => {
      await chromium.open(`${served.url}${page}?node=${NODE}`, look);
      await until("the page", async () => (await countOf("main section")) > 0);
      await chromium.value("document.querySelectorAll('details').forEach(d => { d.open = true; })");
      // What it asks the gateway for comes after that.
      await new Promise((resolve) => setTimeout(resolve, 700));
      expect(await seriousFindings(chromium)).toEqual([]);
      const isNarrow =
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
      expect(await chromium.value<boolean>(isNarrow)).toBe(true);
      const links = PAGES.filter(({ link }) => link !== undefined).length;
      expect(await countOf("header nav a")).toBe(links);
    });
  });

  it("is looked at by one who finds things", async () => {
    await chromium.open(`${served.url}/`, WIDE);
    await until("the page", async () => (await countOf("main section")) > 0);
    await chromium.value("document.querySelector('main').append(document.createElement('button'))");
    expect(await seriousFindings(chromium)).toEqual([expect.stringMatching(/^button-name: /)]);
  });

  it("shows a day of an animal in lanes, in hours, and against the days before", async () => {
    await openAnimal("2026-03-14");
    expect(await textOf("#title")).toBe(NODE);
    expect(await textOf("#day-text")).toMatch(
      /^2026-03-14: grazing .* still .* walking .* unknown/,
    );
    expect(await countOf("#ribbon rect.part")).toBeGreaterThan(20);
    expect(await countOf("#ribbon .mark")).toBeGreaterThan(50);
    expect(await countOf("#hours rect.missing")).toBe(24);
    expect(await countOf("#days rect.missing")).toBe(8);
    expect(await countOf("#change-rows tr")).toBe(4);
    await until("what it does now", async () => (await textOf("#now-text")).includes("grazing"));
    expect(await textOf("#point")).toBe("5.0 % wanted; it aims at 5.0 %");
    expect(await textOf("#agreement")).toMatch(
      /^\d+\.\d % \(\d+\.\d to \d+\.\d\) of 4,000 windows/,
    );
    const bouts = await countOf("#ribbon rect.part");
    await chromium.value("document.querySelector('#bouts-table summary').click()");
    await until("the table", async () => (await countOf("#bouts tr")) === bouts);
  });

  it("shows a window that is chosen, with what both said, and links to it", async () => {
    await openAnimal("2026-03-14");
    const options = await countOf("#window option");
    await chromium.value(
      "{ const c = document.querySelector('#choice'); c.value = 'changed'; c.dispatchEvent(new Event('change')); }",
    );
    const changed = await countOf("#window option");
    expect(changed).toBeGreaterThan(1);
    expect(changed).toBeLessThan(options);
    await chromium.value("document.querySelector('#next').click()");
    await until("a window", async () => (await textOf("#teacher")).includes("says otherwise"));
    const colour = (of: string): Promise<string> =>
      chromium.value(`getComputedStyle(document.querySelector("${of}")).color`);
    expect(await colour("#next")).toBe(await colour("nav a"));
    expect(await countOf("#signal path.axis")).toBe(3);
    expect(await countOf("#chances tr")).toBe(CLASSES.length);
    expect(await textOf("#student")).toMatch(/^(grazing|still|walking), \d+ % sure, from exit \d/);
    expect(await countOf("#ribbon .mark[data-shown]")).toBe(1);
    const address = await chromium.value<string>("location.href");
    expect(address).toMatch(/node=collar-7&day=2026-03-14&window=\d+$/);
    await keep(chromium, "page-animal.png", { ...WIDE, height: 2_060 });
    const said = await textOf("#student");
    await chromium.open(address, { ...PHONE, dark: true });
    await until("the same", async () => (await textOf("#student")) === said);
    expect(await seriousFindings(chromium)).toEqual([]);
  });

  it("shows the loop: audits with intervals, every node where it is, drift, groups and alerts", async () => {
    await chromium.open(`${served.url}/loop`, WIDE);
    await until("audits", async () => (await textOf("#audits")).includes("of 4,000 windows"));
    expect(await textOf("#audits")).toMatch(/30 nodes93\.0 % \(91\.9 to 94\.1\)/);
    expect(await countOf("#points .dot")).toBe(2 * 26);
    expect(await countOf("#points .interval")).toBe(2 * 26);
    expect(await textOf("#points-text")).toMatch(/^26 of 30 nodes .* mends \d\.\d of a hundred/);
    expect(await countOf("#drifts .stroke")).toBe(30);
    expect(await countOf("#drifts .stroke[data-alarm]")).toBe(3);
    expect(await textOf("#drift-rows tr")).toContain("drift alarm");
    expect(await textOf("#group-rows")).toContain("calves, 4 animals, today31 min20 min4 min5 min");
    expect(await textOf("#alerts li")).toContain(HOSTILE);
    expect(await countOf("main img")).toBe(0);
    await keep(chromium, "page-loop.png", { ...WIDE, height: 1_500 });
    await chromium.open(`${served.url}/loop`, { ...PHONE, dark: true });
    await until("audits", async () => (await textOf("#audits")).includes("of 4,000 windows"));
  });

  describe("the label inbox", () => {
    const classes = [HOSTILE, "still", "</button><script>alert(3)</script>"];
    const pressed = (): Promise<string[]> => chromium.value("pressed");
    const isOff = (selector: string): Promise<boolean> =>
      chromium.value(`document.querySelector(${JSON.stringify(selector)}).disabled`);
    const key = async (name: string): Promise<void> => {
      await chromium.ask("Input.dispatchKeyEvent", { type: "keyDown", key: name, text: name });
      await chromium.ask("Input.dispatchKeyEvent", { type: "keyUp", key: name });
    };

    /** Its requests are answered in the page: whether a gateway does is `label-inbox-gateway.test.ts`. */
    async function openInbox(node: string, look: { width: number; height: number; dark: boolean }) {
      const day = { day: "2026-03-14", afterMs: undefined };
      const told = await reader.ask({ kind: "windows", node: NODE, ...day });
      const listed = JSON.parse(told?.json ?? "") as { windows: { id: number }[] };
      const asked = { window: listed.windows[0]?.id, node, time: NOW, reason: "unsure" };
      const data = { classes, windows: [asked], waiting: 1, labels: 2, wanted: 3 };
      const source = `
        window.pressed = [];
        const asks = window.fetch;
        window.fetch = (path, options) => {
          if (!path.startsWith("/api/request/")) return asks(path, options);
          if (!path.endsWith("/inbox")) pressed.push(path.split("/").at(-1) + options.body);
          return Promise.resolve(Response.json(${JSON.stringify({ status: "ok", data })}));
        };`;
      const { identifier } = await chromium.ask("Page.addScriptToEvaluateOnNewDocument", {
        source,
      });
      await chromium.open(`${served.url}/labels`, look);
      await until("the question", async () => (await textOf("#whose")) === node);
      await until("room for an answer", async () => (await countOf("#answers[aria-busy]")) === 0);
      await chromium.ask("Page.removeScriptToEvaluateOnNewDocument", { identifier });
      return asked.window;
    }

    it.each([
      ["wide and light", { ...WIDE, dark: false }],
      ["on a phone, dark", { ...PHONE, dark: true }],
    ])("%s: asks with classes as text, nothing serious for axe", async (_look, look) => {
      const before = chromium.problems.length;
      const window = await openInbox(NODE, look);
      expect(await countOf("#signal path.axis")).toBe(3);
      expect(await textOf("#answers")).toContain(`${HOSTILE} (1)still (2)${classes[2]} (3)`);
      expect(await countOf("main img, main script")).toBe(0);
      expect(await seriousFindings(chromium)).toEqual([]);
      const isNarrow =
        "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
      expect(await chromium.value<boolean>(isNarrow)).toBe(true);
      await key("1");
      await until("the answer", async () => (await pressed()).length === 1);
      expect(await pressed()).toEqual([`label${JSON.stringify({ window, behaviour: HOSTILE })}`]);
      await until(
        "its echo",
        async () => (await textOf("#said")) === `${NODE}: ${HOSTILE}, stored.`,
      );
      expect(await countOf("main img, main script")).toBe(0);
      expect(chromium.problems.slice(before)).toEqual([]);
    });

    it("takes no answer for a window that nobody has seen, but passes over it", async () => {
      const window = await openInbox(HOSTILE, { ...WIDE, dark: false });
      expect(await textOf("#said")).toContain("cannot be shown: node is a node's name");
      expect(await countOf("main img")).toBe(0);
      expect([await isOff("#answers button"), await isOff("#skip")]).toEqual([true, false]);
      await key("1");
      await key("s");
      await until("an answer", async () => (await pressed()).length > 0);
      expect(await pressed()).toEqual([`skip${JSON.stringify({ window })}`]);
    });
  });

  it("goes from day to day, as far as something is known", async () => {
    await openAnimal("2026-03-15");
    const isOff = (id: string): Promise<boolean> =>
      chromium.value(`document.querySelector('${id}').disabled`);
    expect(await isOff("#later")).toBe(true);
    await chromium.value("document.querySelector('#earlier').click()");
    await until("the day before", async () => (await textOf("#day-text")).startsWith("2026-03-14"));
    expect(await isOff("#earlier")).toBe(true);
    expect(await isOff("#later")).toBe(false);
  });

  it("says what is not there", async () => {
    await chromium.open(`${served.url}/animal?node=nobody`, WIDE);
    await until("the answer", async () => (await textOf("#day-text")).includes("no such node"));
    const isSeen = (selector: string): Promise<boolean> =>
      chromium.value(`document.querySelector("${selector}").checkVisibility()`);
    const parts = ["#day-text", "#earlier", "#bouts-table", "#hours", "#window-tools"];
    expect(await Promise.all(parts.map(isSeen))).toEqual([true, false, false, false, false]);
    await chromium.open(`${served.url}/animal?node=${encodeURIComponent(HOSTILE)}`, WIDE);
    await until("the refusal", async () => (await textOf("#day-text")).includes("a node's name"));
    expect(await textOf("#title")).toBe(HOSTILE);
    expect(await countOf("img")).toBe(0);
  });

  it("writes what classes are called as text, whatever it is", async () => {
    const before = chromium.problems.length;
    const own = temporaryFolder();
    fillAnimal(own, NODE, NOW);
    const hostile = [HOSTILE, "still", "</svg><script>alert(2)</script>"];
    const others = await servePages(new Board(base), readerOf(own, hostile));
    await chromium.open(`${others.url}/animal?node=${NODE}&day=2026-03-14`, WIDE);
    await until("the day", async () => (await textOf("#day-text")).includes(HOSTILE));
    await until("the windows", async () => (await countOf("#window option")) > 1);
    await chromium.value("document.querySelector('#next').click()");
    await until("a window", async () => (await countOf("#chances tr")) === 3);
    expect(await textOf("#chances")).toContain(HOSTILE);
    expect(await textOf("#ribbon")).toContain("</svg><script>");
    expect(await countOf("main img, main script")).toBe(0);
    expect(chromium.problems.slice(before)).toEqual([]);
    await chromium.open("about:blank", WIDE);
    await others.close();
    removeFolder(own);
  });
});

function readerOf(folder: string, classes: readonly string[]): PageReader {
  const rules = [{ name: "less-grazing", behaviours: [classes[0] ?? ""], change_percent: -10 }];
  const rule = toBehaviourConfig(BehavioursSchema.parse({}), AlertsSchema.parse({ rules }));
  return new PageReader({ file: path.join(folder, LABEL_LOG_FILE), classes, rule });
}

/** Thirty nodes with audits, one of them the animal of the store. */
function tellHerd(board: Board): void {
  const devices = Array.from({ length: 30 }, (_, i) =>
    deviceOf(i === 21 ? LONGEST : `collar-${i + 1}`, {
      state: i % 15 === 11 ? "offline" : "online",
      last_seen: Date.now() - 4_000 * i,
      alarm: i % 10 === 3,
      drift: 1 + (i % 10 === 3 ? 2.5 : 0.06 * (i % 7)),
      release: 3,
      windows: 4_000,
      offloads: 200 + 20 * (i % 9),
      offload_ratio: (200 + 20 * (i % 9)) / 4_000,
      audit: i % 8 === 5 ? null : auditOf(0.9 + 0.002 * (i % 30), 40 + 5 * i),
    }),
  );
  board.take(bridgeTopic(base, "devices"), JSON.stringify({ v: 1, devices }));
  for (const { node } of devices) {
    const more = {
      behaviour: "grazing",
      confidence: 0.93,
      time: Date.now(),
      since: Date.now() - 600_000,
    };
    board.take(nodeTopic(base, nodeId(node), "behaviour"), JSON.stringify(behaviourOf(node, more)));
  }
  const state = { operating_point: 2, operating_share: 0.05, wanted_share: 0.05 };
  board.take(
    nodeTopic(base, nodeId(NODE), "state"),
    JSON.stringify({ v: 1, node: NODE, ...state }),
  );
  const span = {
    start: NOW,
    end: NOW,
    minutes: { grazing: 31, still: 20, walking: 4 },
    unknown_minutes: 5,
  };
  const group = {
    v: 1,
    group: "calves",
    nodes: 4,
    time: NOW,
    hour: span,
    day: span,
    yesterday: span,
  };
  board.take(groupTopic(base, "calves", "budget"), JSON.stringify(group));
  board.take(
    nodeTopic(base, nodeId("collar-5"), "alert"),
    JSON.stringify(alertOf("collar-5", HOSTILE)),
  );
  const cohort = { cohort: "cattle/neck/10.00Hz/50x3", model: "0123456789abcdef", nodes: 30 };
  const cohorts = [{ ...cohort, audit: auditOf(0.93, 2_100) }];
  const info = infoOf({ nodes: 30, classes: CLASSES, soft_labels: 18_412, cohorts });
  board.take(bridgeTopic(base, "info"), JSON.stringify(info));
  board.take(bridgeTopic(base, "state"), JSON.stringify({ state: "online" }));
}

async function keep(
  chromium: Chromium,
  name: string,
  look: { width: number; height: number; dark?: boolean },
): Promise<void> {
  const folder = process.env.BELLWETHER_PICTURES;
  if (folder === undefined) return;
  const { width, height } = look;
  const size = { width, height, deviceScaleFactor: 1, mobile: width < 600 };
  await chromium.ask("Emulation.setDeviceMetricsOverride", size);
  await new Promise((resolve) => setTimeout(resolve, 300));
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, name), await chromium.picture());
}
