/**
 * Links from other sites in a real browser: one leads to a page, as it should from an e-mail or another
 * program's dashboard; a frame, a script and a form of that site get nothing.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStreams } from "../gateway/http/http-events.ts";
import { type HttpListener, type HttpRoute, listenHttp } from "../gateway/http/http-listener.ts";
import { boardRoutes } from "../gateway/http/http-routes.ts";
import { readPage } from "../gateway/http/page-files.ts";
import { Board } from "../gateway/telling/board.ts";
import { bridgeTopic, nodeId, nodeTopic } from "../src/wire/topics.ts";
import { behaviourOf, deviceOf, infoOf } from "./board-kit.ts";
import { Chromium, findChromium } from "./chromium.ts";
import { base, until } from "./gateway-kit.ts";

const program = findChromium();
const LOOK = { width: 900, height: 700 };

describe.skipIf(program === undefined)("in chromium", { timeout: 60_000 }, () => {
  let chromium: Chromium;
  let listener: HttpListener;
  let streams: EventStreams;
  let foreign: Server;
  let elsewhere: string;
  /** What each answered request was to become, and where it went. */
  const answered: string[] = [];

  beforeAll(async () => {
    const board = new Board(base);
    board.take(bridgeTopic(base, "info"), JSON.stringify(infoOf()));
    const node = nodeId("collar-7");
    board.take(nodeTopic(base, node, "behaviour"), JSON.stringify(behaviourOf(node)));
    const devices = { v: 1, devices: [deviceOf(node)] };
    board.take(bridgeTopic(base, "devices"), JSON.stringify(devices));
    streams = new EventStreams(board);
    const routes = boardRoutes(readPage(), board, streams, () => ({ degraded: null })).map(
      (route): HttpRoute => ({
        ...route,
        answer: (response, posted) => {
          answered.push(`${response.req.headers["sec-fetch-dest"]} ${route.path}`);
          route.answer(response, posted);
        },
      }),
    );
    const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
    listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
    const animal = `${listener.url}/animal?node=collar-7`;
    foreign = createServer((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" });
      response.end(
        `<a id="link" href="${animal}">the animal</a><iframe id="frame" src="${animal}"></iframe>` +
          `<form id="form" method="post" action="${animal}"></form>`,
      );
    });
    await new Promise<void>((resolve) => foreign.listen(0, "127.0.0.1", resolve));
    // Another name is another site, on whatever port.
    elsewhere = `http://localhost:${(foreign.address() as AddressInfo).port}/`;
    chromium = await Chromium.start(program ?? "");
    await chromium.ask("Network.enable");
  }, 60_000);

  afterAll(async () => {
    await chromium.close();
    streams.close();
    await listener.close();
    await new Promise((resolve) => foreign.close(resolve));
  });

  async function openElsewhere(): Promise<void> {
    await chromium.open(elsewhere, LOOK);
    await until("the other site", () =>
      chromium.value<boolean>("document.getElementById('link') !== null"),
    );
  }
  const press = (does: string): Promise<void> => chromium.value(`void ${does}`);
  const text = (): Promise<string> =>
    chromium.value<string>("document.body?.innerText ?? ''").catch(() => "");

  it("a link leads to the page of an animal, which shows it", async () => {
    await openElsewhere();
    await press("document.getElementById('link').click()");
    await until("the animal", async () => (await text()).includes("grazing"));
    expect(await chromium.value<string>("location.href")).toBe(
      `${listener.url}/animal?node=collar-7`,
    );
    expect(await chromium.value<string>("document.title")).toContain("collar-7");
  });

  it("a frame, a script and a form of another site get nothing", async () => {
    await chromium.ask("Page.navigate", { url: "about:blank" });
    answered.length = 0;
    await openElsewhere();
    const isThere =
      "performance.getEntriesByType('resource').some((e) => e.initiatorType === 'iframe')";
    await until("the frame to be refused", () => chromium.value<boolean>(isThere));
    const asked = `fetch("${listener.url}/animal?node=collar-7", { mode: "no-cors" })`;
    expect(await chromium.value<string>(`${asked}.then(() => "got", () => "refused")`)).toBe(
      "refused",
    );
    await press("document.getElementById('form').submit()");
    await until("a refusal", async () => (await text()).includes("may not use this"));
    expect(answered).toEqual([]);
  });
});
