/**
 * A phone as a node, in a real browser against a real gateway, with the shipped teacher and student of
 * people. `BELLWETHER_PICTURES=docs` keeps the picture that is in the documentation.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import { phoneLink } from "../src/wire/phone.ts";
import { nodeId } from "../src/wire/topics.ts";
import { bellwether } from "./access-kit.ts";
import { findChromium } from "./chromium.ts";
import { until } from "./gateway-kit.ts";
import { seriousFindings } from "./page-kit.ts";
import { PhoneWorld, people } from "./phone-kit.ts";

const program = findChromium();
const PHONE = nodeId("phone-1");
const GRAVITY = 9.80665;
/** Those that a browser puts `devicemotion` together from. */
const SENSORS = ["accelerometer", "linear-acceleration", "gyroscope"];

describe.skipIf(program === undefined)("a phone", { timeout: 120_000 }, () => {
  const world = new PhoneWorld();
  beforeAll(() => world.open(program ?? ""), 60_000);
  afterAll(() => world.close(), 30_000);

  const known = () => world.gateway.nodes().find(({ node }) => node === PHONE);
  /** Which windows the gateway has stored, in their order. */
  const storedWindows = (): number[] =>
    world.gateway
      .labels()
      .behaviours(PHONE, 0, people.classes.length)
      .windows.map(({ windowIndex }) => windowIndex)
      .sort((a, b) => a - b);
  const address = (): string => `${world.gateway.pageUrl}/node`;

  it("joins by a link that is opened over the page, and takes the code out of the address", async () => {
    await world.openPage(address());
    await world.untilText("link", /^has not joined$/);
    const { code } = await bellwether("nodes", "add", PHONE, "--data-dir", world.folder);
    await world.openPage(phoneLink(world.gateway.pageUrl ?? "", String(code), PHONE));
    await world.untilText("link", /^connected$/);
    expect(await world.chromium.value<string>("location.href")).toBe(address());
    await until("the gateway to know it", () => known()?.online === true);
    expect(known()).toMatchObject({ cohort: "people/25.00Hz/128x3", releaseSequence: 0 });
    console.log(`opened for the first time: ${await opening()}`);
    expect(await world.textOf("fact-engine")).toBe("wasm");
    expect(await seriousFindings(world.chromium)).toEqual([]);
    expect(await world.textOf("fact-model")).toContain("factory");
  });

  it("reads the accelerometer in milli-g with an iPhone's signs, and its behaviour is on the topic", async () => {
    const walk = await walking();
    for (const type of SENSORS) {
      await world.chromium.ask("Emulation.setSensorOverrideEnabled", {
        enabled: true,
        type,
        metadata: { available: true, minimumFrequency: 1, maximumFrequency: 60 },
      });
      await tellReading({ x: 0, y: 0, z: type === "accelerometer" ? GRAVITY : 0 }, type);
    }
    await world.choose("sensor");
    const sentence = () =>
      world.chromium.value<string>("document.getElementById('trace').ariaLabel ?? ''");
    // Lying on its back: z points up and reads +9.8 by the standard, which browsers round to tenths.
    await until("the signal", async () => (await sentence()).endsWith("now x 0, y 0, z -999 mg"));
    let step = 0;
    const timer = setInterval(() => {
      const [x = 0, y = 0, z = 0] = walk.subarray(3 * step, 3 * step + 3);
      step = (step + 1) % (walk.length / 3);
      const standard = { x: -x, y: -y, z: -z };
      void tellReading(scaled(standard, GRAVITY / 1000)).catch(() => undefined);
    }, 40);
    try {
      await until("behaviours", () => world.behavioursOf(PHONE).length >= 3, 40_000);
    } finally {
      clearInterval(timer);
    }
    const last = world.behavioursOf(PHONE).at(-1);
    expect(last).toMatchObject({ release: 0, source: expect.stringMatching(/^(exit|teacher)/) });
    expect(Math.abs(Date.now() - (last?.time ?? 0))).toBeLessThan(20_000);
    expect(await world.textOf("behaviour")).toMatch(/^(walking|jogging|upstairs|downstairs)$/);
  });

  it("goes on as the same node after a reload, told by events of the page itself", async () => {
    const before = known()?.windows ?? 0;
    await world.openPage(address());
    await world.untilText("link", /^connected$/);
    await world.choose("sensor");
    await world.chromium.value(`void setInterval(() => window.dispatchEvent(
      new DeviceMotionEvent("devicemotion", {
        accelerationIncludingGravity: { x: 0, y: ${GRAVITY}, z: 0 }, interval: 16 })), 16)`);
    await until("more windows", () => (known()?.windows ?? 0) > before, 30_000);
    expect(await world.textOf("fact-name")).toBe(PHONE);
  });

  it("takes a release that the gateway offers: activated, confirmed, and run", async () => {
    await world.openPage(address());
    await world.untilText("link", /^connected$/);
    await world.choose("emulator", 16);
    const modelId = world.release(1);
    await world.untilText("fact-release", /^1: (activated|confirmed)$/, 40_000);
    await world.untilText("fact-release", /^1: confirmed$/, 40_000);
    await world.untilText("fact-model", new RegExp(`^${modelId}, release 1$`));
    await until("the gateway to know", () => known()?.releaseSequence === 1);
    await until("a behaviour by it", () =>
      world.behavioursOf(PHONE).some(({ release, model }) => release === 1 && model === modelId),
    );
  });

  it("refuses a release that somebody else has signed, and runs on", async () => {
    const model = await world.textOf("fact-model");
    world.offerForeign(PHONE, 2);
    await world.untilText("fact-release", /^an offer: bad-signature$/);
    expect(await world.textOf("fact-model")).toBe(model);
    expect(known()?.releaseSequence).toBe(1);
  });

  it("offloads, and shows what the teacher says", async () => {
    const labels = () => world.gateway.counters().softLabels;
    await until("soft labels", () => labels() >= 3, 30_000);
    await world.untilText("fact-verdict", /, of window \d+$/);
    await world.untilText("fact-offloads", /^[1-9]\d* of \d+ here/);
    await world.chromium.open(address(), { width: 400, height: 1_290 });
    await world.untilText("link", /^connected$/);
    console.log(`opened again, from its worker: ${await opening()}`);
    await world.choose("emulator", 16);
    await world.untilText("fact-verdict", /, of window \d+$/);
    await world.untilText("fact-offloads", /^[2-9]\d* of/);
    await keep("phone.png");
  });

  it("replays a recording that is chosen, at the rate of the node", async () => {
    const rows = [...(await walking())].map((value) => value / 1000);
    const lines = Array.from({ length: rows.length / 3 }, (_, i) =>
      [i / 25, ...rows.slice(3 * i, 3 * i + 3)].join(","),
    );
    const file = path.join(world.folder, "walk.csv");
    writeFileSync(file, `time,x,y,z\n${lines.join("\n")}\n`);
    await world.openPage(address());
    await world.untilText("link", /^connected$/);
    await world.chromium.value('document.querySelector("[value=file]").click()');
    const { root } = (await world.chromium.ask("DOM.getDocument")) as { root: { nodeId: number } };
    const found = await world.chromium.ask("DOM.querySelector", {
      nodeId: root.nodeId,
      selector: "#file",
    });
    await world.chromium.ask("DOM.setFileInputFiles", { nodeId: found.nodeId, files: [file] });
    await until("the questions of a CSV", () =>
      world.chromium.value<boolean>("!document.getElementById('csv-choice').hidden"),
    );
    await world.chromium.value('document.getElementById("columns").value = "x,y,z,-,-,time"');
    await world.chromium.value('document.getElementById("speed").value = "16"');
    await world.chromium.value('document.getElementById("start").click()');
    await world.untilText("behaviour", /^(walking|jogging|upstairs|downstairs)$/);
    expect(await world.textOf("problem")).toBe("");
  });

  it("loses nothing while the gateway is gone, not even by a reload then", async () => {
    await world.chromium.value("navigator.serviceWorker.ready.then(() => undefined)");
    await world.stopGateway();
    await world.untilText("link", /^no link/);
    const windows = async () => Number(await world.textOf("fact-windows"));
    const owed = async () => Number.parseInt(await world.textOf("fact-owed"), 10);
    const atStop = await windows();
    await until("windows without a gateway", async () => (await windows()) > atStop + 30, 30_000);
    await until("something owed", async () => (await owed()) > 3);
    await world.openPage(address());
    await world.untilText("link", /^no link/);
    expect(await owed()).toBeGreaterThan(3);
    expect(await windows()).toBeGreaterThan(atStop + 20);
    expect(await world.textOf("fact-model")).toMatch(/release 1$/);
    await world.choose("emulator", 16);
    await world.startGateway();
    await world.untilText("link", /^connected$/, 45_000);
    await world.chromium.value('document.getElementById("start").click()');
    await until("nothing owed", async () => (await owed()) === 0, 30_000);
    await until("all windows", async () => known()?.windows === (await windows()), 15_000);
    expect(storedWindows()).toEqual(Array.from({ length: await windows() }, (_, i) => i));
  });

  it("gives no number twice after its browser was killed", async () => {
    await world.openPage(address());
    await world.untilText("link", /^connected$/);
    await world.choose("emulator", 16);
    const before = known()?.windows ?? 0;
    await until("windows", () => (known()?.windows ?? 0) > before + 3, 30_000);
    await world.killBrowser(program ?? "");
    await world.openPage(address());
    await world.untilText("link", /^connected$/);
    await world.choose("emulator", 16);
    const after = known()?.windows ?? 0;
    await until("windows again", () => (known()?.windows ?? 0) > after + 3, 30_000);
    await world.chromium.value('document.getElementById("start").click()');
    const shown = async () => Number(await world.textOf("fact-windows"));
    await until("all windows", async () => known()?.windows === (await shown()), 15_000);
    expect(storedWindows()).toEqual(Array.from({ length: await shown() }, (_, i) => i));
  });

  it("is for keyboards and screen readers, in the dark, and fits a small screen", async () => {
    await world.chromium.open(address(), { width: 320, height: 640, dark: true });
    await world.untilText("link", /^connected$/);
    const { nodes } = (await world.chromium.ask("Accessibility.getFullAXTree")) as {
      nodes: { role?: { value: string }; name?: { value: string }; ignored: boolean }[];
    };
    const of = (role: string): string[] =>
      nodes
        .filter((node) => !node.ignored && node.role?.value === role)
        .map(({ name }) => name?.value ?? "");
    expect(of("heading")).toEqual(["This phone as a node", "What it sees now", "The node"]);
    expect(of("radio")).toEqual(["this phone moves", "an emulated one", "a recording"]);
    expect(of("button")).toEqual(["Start", "Leave this gateway"]);
    expect(of("meter")).toEqual(["How sure"]);
    expect(of("image")).toHaveLength(1);
    const fits = "document.documentElement.scrollWidth <= document.documentElement.clientWidth";
    expect(await world.chromium.value<boolean>(fits)).toBe(true);
    await world.chromium.value("document.getElementById('start').focus()");
    for (const type of ["keyDown", "keyUp"]) {
      const key = { type, key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" };
      await world.chromium.ask("Input.dispatchKeyEvent", key);
    }
    await world.untilText("start", /^Stop$/);
    await world.untilText("fact-owed", /^\d/);
    expect(await seriousFindings(world.chromium)).toEqual([]);
    // A browser writes a line for every attempt to connect while there was no gateway.
    const others = world.chromium.problems.filter(({ text }) => !text.includes("ERR_CONNECTION_"));
    expect(others).toEqual([]);
  });

  it("leaves, forgets what it was given, and asks to join anew with nothing serious for axe", async () => {
    await world.chromium.value("window.confirm = () => true");
    await world.chromium.value("document.getElementById('leave').click()");
    await world.untilText("link", /^has not joined$/);
    const isShown = "document.getElementById('join').checkVisibility()";
    expect(await world.chromium.value<boolean>(isShown)).toBe(true);
    expect(await seriousFindings(world.chromium)).toEqual([]);
    await until("the gateway to know that it is gone", () => known()?.online === false);
  });

  it("is told by a link that it is a node already, and joins by it once it has left", async () => {
    const linkFor = async (name: string): Promise<string> => {
      const { code } = await bellwether("nodes", "add", name, "--data-dir", world.folder);
      return phoneLink(world.gateway.pageUrl ?? "", String(code), nodeId(name));
    };
    await world.openPage(await linkFor("phone-2"));
    await world.untilText("link", /^connected$/);
    await world.untilText("fact-name", /^phone-2$/);
    await world.openPage(await linkFor("phone-3"));
    await world.untilText("problem", /^This phone is phone-2 already/);
    expect(await world.chromium.value<string>("location.href")).toBe(address());
    expect(await world.textOf("fact-name")).toBe("phone-2");
    await world.chromium.value("window.confirm = () => true");
    await world.chromium.value("document.getElementById('leave').click()");
    await world.untilText("fact-name", /^phone-3$/);
    await world.untilText("link", /^connected$/);
    expect(await world.textOf("problem")).toBe("");
  });

  /** How long until the page can be used, joining included, and what came over the network. */
  function opening(): Promise<string> {
    return world.chromium.value<string>(`(() => {
      const parts = performance.getEntriesByType("resource").filter((e) => !e.name.endsWith("worker.js"));
      const bytes = parts.reduce((sum, { transferSize }) => sum + transferSize, 0);
      const sent = parts.filter(({ transferSize }) => transferSize > 0).length;
      const [ready] = performance.getEntriesByName("ready");
      return \`\${Math.round(ready.startTime)} ms, \${sent} of \${parts.length} parts and \${bytes} bytes sent\`;
    })()`);
  }

  async function tellReading(
    xyz: { x: number; y: number; z: number },
    type = "accelerometer",
  ): Promise<void> {
    await world.chromium.ask("Emulation.setSensorOverrideReadings", { type, reading: { xyz } });
  }

  async function keep(name: string): Promise<void> {
    const folder = process.env.BELLWETHER_PICTURES;
    if (folder === undefined) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, name), await world.chromium.picture());
  }
});

/** A minute of somebody who walks, milli-g, `[time][axis]`, 25 times a second. */
async function walking(): Promise<Int16Array> {
  const parameters = await readShippedEmulator("people");
  const emulator = createEmulator(parameters, { seed: 3, variation: 0 });
  emulator.startBout(parameters.classes.indexOf("walking"), 1_500);
  return emulator.next(1_500).samples;
}

function scaled({ x, y, z }: { x: number; y: number; z: number }, by: number) {
  return { x: x * by, y: y * by, z: z * by };
}
