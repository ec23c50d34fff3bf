/**
 * The pages for operators in a real browser, on a real gateway with simulated nodes: what a person
 * presses is done, and what needs an operator is not shown to anybody else.
 *
 * `BELLWETHER_PICTURES=docs` keeps the pictures, which are in the documentation.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Fleet } from "../device-sim/fleet.ts";
import { PAGES } from "../gateway/dashboard/pages.ts";
import type { LoopGateway } from "../gateway/start-loop.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { phoneLink } from "../src/wire/phone.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { better, factory, idOf, largeModel, releaseGateway, releaseHerd } from "./release-kit.ts";
import { cattle } from "./turning-herd.ts";

const program = findChromium();
const NODES = 4;

describe.skipIf(program === undefined)("in chromium", { timeout: 120_000 }, () => {
  let folder: string;
  let teacher: OpenTeacher;
  let open: LoopGateway;
  let fleet: Fleet;
  let chromium: Chromium;

  beforeAll(async () => {
    folder = temporaryFolder();
    mkdirSync(path.join(folder, "data"));
    teacher = await openOnnxTeacher("profiles/cattle/teacher.onnx", cattle);
    // More audits than come: the canary stays one until a person says otherwise.
    open = await releaseGateway(folder, teacher, 10_000, "http: { port: 0 }");
    fleet = await releaseHerd(folder, open, NODES);
    chromium = await Chromium.start(program ?? "");
    await chromium.ask("Network.enable");
    await chromium.ask("DOM.enable");
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    await fleet.stop();
    await open.stop();
    await teacher.close();
    removeFolder(folder);
  });

  const at = (page: string): string => `${open.gateway.pageUrl}${page}`;
  const press = (id: string): Promise<void> =>
    chromium.value(`document.getElementById(${JSON.stringify(id)}).click()`);
  const textOf = (selector: string): Promise<string> =>
    chromium.value<string>(
      `document.querySelector(${JSON.stringify(selector)})?.textContent ?? ""`,
    );
  const says = async (selector: string, text: string): Promise<void> => {
    let said = "";
    const isSaid = async (): Promise<boolean> => {
      said = await textOf(selector);
      return said.includes(text);
    };
    await until(`${selector} to say ${text}`, isSaid, 20_000).catch((error: unknown) => {
      throw new Error(`${selector} says: ${said}`, { cause: error });
    });
  };
  const running = (container: Uint8Array): number =>
    open.gateway.nodes().filter(({ modelId }) => modelId === idOf(container)).length;

  /** A browser also counts an answer that says no, which the page has told. */
  const problems = () => chromium.problems.filter(({ text }) => !text.includes("status of 409"));

  async function opened(page: string, width = 1280, dark = false): Promise<void> {
    await chromium.open(at(page), { width, height: 900, dark });
    await says("#line", "live");
  }

  async function signIn(): Promise<void> {
    const token = (await open.gateway.beginOperator()) ?? "";
    const authorization = `Basic ${Buffer.from(`operator:${token}`).toString("base64")}`;
    await chromium.ask("Network.setExtraHTTPHeaders", { headers: { authorization } });
  }

  async function choose(id: string, file: string): Promise<void> {
    const { root } = (await chromium.ask("DOM.getDocument")) as { root: { nodeId: number } };
    const found = await chromium.ask("DOM.querySelector", {
      nodeId: root.nodeId,
      selector: `#${id}`,
    });
    await chromium.ask("DOM.setFileInputFiles", {
      nodeId: found.nodeId,
      files: [path.resolve(file)],
    });
  }

  it("nothing is done for somebody without an operator's credentials", async () => {
    await opened("/models");
    expect(await textOf("#none")).toContain("No release yet");
    for (const id of ["pause", "resume", "abort", "rollback"]) {
      expect(await chromium.value<boolean>(`document.getElementById("${id}").disabled`)).toBe(true);
    }
    const answer = await fetch(at("/api/request/models/list"), {
      method: "POST",
      headers: { "content-type": "application/json", origin: open.gateway.pageUrl ?? "" },
      body: "{}",
    });
    expect(answer.status).toBe(401);
  });

  it("a model is pushed, held, let go on, and taken back by pressing", async () => {
    await signIn();
    await opened("/models");
    await choose("container", "profiles/cattle/student.bwm");
    await choose("floats", "profiles/cattle/student.onnx");
    await chromium.value("document.getElementById('push').requestSubmit()");
    await says("#said", "Release 1 goes to its canary.");
    await until("the canary to run it", () => running(better.container) === 1, 30_000);
    await says("#waves [data-state=now]", "Canary");
    await says("#facts", "spreading");
    await press("pause");
    await says("#said", "held");
    await says("#facts", "paused");
    await press("list");
    await says("#models", idOf(better.container));
    expect(await textOf("#models")).toContain(idOf(factory.container));
    expect(await textOf("#verdict")).not.toBe("");
    await keep(chromium, "models.png");
    await press("resume");
    await says("#said", "goes on");
    await press("abort");
    await says("#said", "Really abort?");
    expect(running(better.container)).toBe(1);
    await press("abort");
    await says("#said", "The release went back.");
    await until("all to be back", () => running(factory.container) === NODES, 30_000);
    await press("hold");
    await says("#said", "Nothing is distilled");
    await press("distil");
    await says("#said", "trusted answers");
    // What one request cannot hold goes in parts.
    const large = largeModel();
    for (const [id, bytes] of [
      ["container", large.container],
      ["floats", large.student],
    ] as const) {
      const file = path.join(folder, id);
      writeFileSync(file, bytes);
      await choose(id, file);
    }
    await chromium.value("document.getElementById('push').requestSubmit()");
    await says("#said", "Release 3 goes to its canary.");
    await until("a node to run it", () => running(large.container) > 0, 30_000);
    expect(problems()).toEqual([]);
  });

  it("a join code is shown with its QR code, is listed, and is closed by pressing twice", async () => {
    await opened("/settings", 420, true);
    await chromium.value("document.getElementById('node').value = 'phone-1'");
    await chromium.value("for (const _ of [1, 2]) document.getElementById('add').requestSubmit()");
    await says("#said", "The join code is");
    const asked = "performance.getEntriesByName(location.origin + '/api/request/nodes/add').length";
    expect(await chromium.value<number>(asked)).toBe(1);
    expect(await textOf("#letters")).toMatch(/^[0-9A-Z]{4}-[0-9A-Z]{4}$/);
    const link = await chromium.value<string>("document.getElementById('link').href");
    expect(link).toBe(phoneLink(open.gateway.pageUrl ?? "", await textOf("#letters"), undefined));
    const drawn = await chromium.value<string>(
      "document.getElementById('qr-dark').getAttribute('d')",
    );
    expect(drawn.length).toBeGreaterThan(2_000);
    await keep(chromium, "settings.png");
    await press("show");
    await says("#codes", "phone-1");
    await chromium.value("document.querySelector('#codes button').click()");
    await says("#said", "Really close");
    await chromium.value("document.querySelector('#codes button').click()");
    await says("#said", "is not known any more");
    await until("no code", async () => (await textOf("#codes")) === "");
    await press("read");
    await says("#rows", "releases.policy.audits_least");
    expect(await textOf("#rows")).toContain("10000");
    expect(problems()).toEqual([]);
  });

  it("a node is told on its animal's page how much to offload, and goes back", async () => {
    // The canary's large model was made with one point alone.
    const onFactory = open.gateway
      .nodes()
      .find(({ modelId }) => modelId === idOf(factory.container));
    const name = onFactory?.node ?? "";
    await opened(`/animal?node=${name}`);
    await says("#point", "as released, ");
    const choose = (percent: number): Promise<void> =>
      chromium.value(
        `{ document.getElementById("percent").value = "${percent}"; ` +
          "document.getElementById('point-form').requestSubmit(); }",
      );
    await choose(5);
    await says("#said", "5.0 % of its windows: the gate for 5.0 % is nearest.");
    await says("#point", "5.0 % wanted; it aims at 5.0 %");
    await opened(`/animal?node=${name}`);
    await says("#point", "5.0 % wanted; it aims at 5.0 %");
    await chromium.value("document.getElementById('percent').value = ''");
    await press("released");
    await says("#said", "as released");
    await says("#point", "as released, ");
    expect(problems()).toEqual([]);
  });

  it("every page names its fields and buttons, and scrolls no phone sideways", async () => {
    expect(PAGES.length).toBeGreaterThan(2);
    for (const { path: page } of PAGES.filter((one) => !one.path.includes(":"))) {
      await chromium.open(at(page), { width: 390, height: 800 });
      const isThere = `location.pathname === "${page}" && document.readyState === "complete"`;
      await until("the page with its styles", () => chromium.value<boolean>(isThere));
      const wide = await chromium.value<number>(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth",
      );
      expect([page, wide]).toEqual([page, 0]);
      const { nodes } = (await chromium.ask("Accessibility.getFullAXTree")) as {
        nodes: { role?: { value: string }; name?: { value: string }; ignored: boolean }[];
      };
      const controls = ["button", "textbox", "searchbox", "combobox", "spinbutton", "checkbox"];
      const unnamed = nodes.filter(
        ({ role, name, ignored }) =>
          !ignored && controls.includes(role?.value ?? "") && (name?.value ?? "") === "",
      );
      expect([page, unnamed]).toEqual([page, []]);
      expect([page, nodes.filter(({ role }) => role?.value === "heading").length > 0]).toEqual([
        page,
        true,
      ]);
    }
  });
});

async function keep(chromium: Chromium, name: string): Promise<void> {
  const folder = process.env.BELLWETHER_PICTURES;
  if (folder === undefined) return;
  writeFileSync(path.join(folder, name), await chromium.picture());
}
