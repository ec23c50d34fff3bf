/** The page's listener on a running gateway: what it shows, to whom, and how. */

import { readFileSync } from "node:fs";
import { request } from "node:http";
import { request as requestSecurely } from "node:https";
import { connect } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openAuthority, tlsFiles, writeServer } from "../gateway/access/certificate-files.ts";
import { issueServer } from "../gateway/access/certificates.ts";
import { PAGES } from "../gateway/dashboard/pages.ts";
import { HTTP_LIMITS } from "../gateway/http/http-rules.ts";
import { readPage } from "../gateway/http/page-files.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import type { BoardChange, BoardState } from "../gateway/telling/board.ts";
import { bellwether } from "./access-kit.ts";
import {
  gatewayOn,
  HandNode,
  type LogLine,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

type Answer = { status: number; headers: Record<string, unknown>; text: string };

let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway & { readonly lines: readonly LogLine[] };

const PLAIN = "broker: { port: 0 }\nhttp: { port: 0 }";

beforeEach(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
});

afterEach(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

function get(
  path: string,
  options: { headers?: Record<string, string>; method?: string; ca?: Buffer } = {},
): Promise<Answer> {
  const url = new URL(path, gateway.pageUrl);
  const ask = url.protocol === "https:" ? requestSecurely : request;
  return new Promise((resolve, reject) => {
    const asked = ask(url, { agent: false, ...options }, (response) => {
      let text = "";
      response.on("data", (bytes: Buffer) => {
        text += bytes.toString("latin1");
      });
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      });
    });
    asked.on("error", reject);
    asked.end();
  });
}

const basic = (user: string, password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`,
});

describe("on the loopback", () => {
  beforeEach(async () => {
    gateway = await gatewayOn(folder, teacher, { yaml: PLAIN });
  });

  it("shows the page and its parts, each with every header, and nothing inline", async () => {
    for (const path of [
      "/",
      "/page.css",
      "/herd-page.ts",
      "/herd-view.ts",
      "/api/state",
      "/healthz",
    ]) {
      const { status, headers } = await get(path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers["x-content-type-options"]).toBe("nosniff");
      expect(headers["cache-control"]).toBe("no-store");
      expect(headers["access-control-allow-origin"]).toBeUndefined();
      const policy = String(headers["content-security-policy"]);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
    }
  });

  it("is laid out whole: every page linked, nothing inline, every module that is asked for there", () => {
    const files = new Map(readPage().map((file) => [file.path, file.text()]));
    for (const { path, title, script } of PAGES) {
      const html = files.get(path) ?? "";
      expect(html).toContain(`<h1 id="title">${title}</h1>`);
      expect(html).toContain(`src="/${script}"`);
      for (const one of PAGES) {
        if (one.link !== undefined) expect(html).toContain(`<a href="${one.path}"`);
      }
      expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son[a-z]+=|https?:|\$\w/);
      for (const [, part] of html.matchAll(/(?:src|href)="(\/[^"]*\.[a-z]+)"/g)) {
        expect([path, part, files.has(part ?? "")]).toEqual([path, part, true]);
      }
    }
    for (const [path, text] of files) {
      for (const [, part] of text.matchAll(/^(?:import|\} from) .*"\.(\/[^"]+)";$/gm)) {
        expect([path, part, files.has(part ?? "")]).toEqual([path, part, true]);
      }
    }
  });

  it("is under 150 KB as it is sent, whole", () => {
    const bytes = readPage().reduce((sum, { gzipped }) => sum + gzipped().length, 0);
    console.log(`all pages and their parts as they are sent: ${bytes} bytes`);
    expect(bytes).toBeGreaterThan(1_000);
    expect(bytes).toBeLessThan(150_000);
  });

  it("refuses other names, other origins, other methods and bodies, over the wire", async () => {
    const statusOf = async (...asked: Parameters<typeof get>) => (await get(...asked)).status;
    expect(await statusOf("/api/state", { headers: { host: "evil.example" } })).toBe(421);
    const origin = { origin: "http://evil.example" };
    expect(await statusOf("/api/state", { headers: origin })).toBe(403);
    expect(await statusOf("/api/state", { method: "POST" })).toBe(405);
    expect(await statusOf("/api/state", { headers: { "content-length": "5" } })).toBe(413);
    expect(await statusOf("/../../package.json")).toBe(404);
    const forwarded = { "x-forwarded-for": "203.0.113.7" };
    expect(await statusOf("/api/state", { headers: forwarded })).toBe(401);
    expect(await statusOf("/api/state", { headers: basic("operator", "wrong") })).toBe(401);
    const long = { "x-long": "x".repeat(HTTP_LIMITS.headerBytes) };
    expect(await statusOf("/api/state", { headers: long })).toBe(431);
  });

  it("is reached by a link from elsewhere, every page of it, and by nothing else from there", async () => {
    const link = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    const frame = { ...link, "sec-fetch-dest": "iframe" };
    const fetched = { ...link, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "empty" };
    const statusOf = async (path: string, headers: Record<string, string>) => [
      path,
      (await get(path, { headers })).status,
    ];
    const pages = [...PAGES.map(({ path }) => path), "/animal?node=collar-1"];
    for (const path of pages) {
      expect(await statusOf(path, link)).toEqual([path, 200]);
      for (const other of [frame, fetched])
        expect(await statusOf(path, other)).toEqual([path, 403]);
    }
    for (const path of ["/page.css", "/herd-page.ts", "/api/state", "/api/events", "/api/animal"]) {
      expect(await statusOf(path, link)).toEqual([path, 403]);
    }
  });

  it("closes on who does not finish a request", { timeout: 20_000 }, async () => {
    const socket = connect(Number(new URL(gateway.pageUrl ?? "").port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.resume();
    socket.write("GET / HTTP/1.1\r\nHost: local");
    await until("the close", () => socket.destroyed, HTTP_LIMITS.requestMs + 5_000);
  });

  it("tells what a node does, as it is told on the topics", async () => {
    const events: string[] = [];
    const stream = request(new URL("/api/events", gateway.pageUrl), (response) => {
      response.on("data", (bytes: Buffer) => events.push(bytes.toString()));
      response.on("error", () => undefined);
    });
    stream.on("error", () => undefined);
    stream.end();
    await until("the board", () => events.join("").includes("event: board"));
    const node = await HandNode.connect(gateway.url, "collar-1");
    await node.hello();
    await node.report([0, 1]);
    const told = (): BoardChange[] =>
      [...events.join("").matchAll(/^event: changes\ndata: (.*)$/gm)].flatMap(
        ([, json]) => (JSON.parse(json ?? "") as { changes: BoardChange[] }).changes,
      );
    await until("its behaviour", () => told().some(({ kind }) => kind === "behaviour"));
    await until("its device", () => told().some(({ kind }) => kind === "device"));
    const behaviour = told().find((change) => change.kind === "behaviour");
    expect(behaviour).toMatchObject({ node: "collar-1", value: { sequence: 1, source: "exit 1" } });
    stream.destroy();
    const state = JSON.parse((await get("/api/state")).text) as BoardState;
    expect(state.changes).toContainEqual(behaviour);
    expect(state.changes.find(({ kind }) => kind === "info")).toBeDefined();
    await node.close();
  });
});

describe("elsewhere", () => {
  beforeEach(async () => {
    const files = tlsFiles(folder);
    const authority = openAuthority(files, "farm", Date.now());
    writeServer(files, issueServer(authority, ["localhost", "127.0.0.1"], Date.now()));
    gateway = await gatewayOn(folder, teacher, {
      yaml: "data_directory: .\nbroker: { port: 0 }\naccess: { loopback: closed }\nhttp: { host: 0.0.0.0, port: 0 }",
    });
  });

  it("is TLS, and shows nothing without the operator's token but that it is alive", async () => {
    const token = (await gateway.beginOperator()) ?? "";
    const ca = readFileSync(tlsFiles(folder).ca);
    const { port } = new URL(gateway.pageUrl ?? "");
    const url = (path: string): string => `https://127.0.0.1:${port}${path}`;
    const animal = ["/api/animal?node=collar-1", "/api/window?node=collar-1&id=1"];
    for (const path of ["/", "/herd-page.ts", "/api/state", "/api/events", ...animal]) {
      const { status, headers, text } = await get(url(path), { ca });
      expect([path, status]).toEqual([path, 401]);
      expect(headers["www-authenticate"]).toMatch(/^Basic/);
      expect(text).not.toContain("collar");
    }
    expect((await get(url("/healthz"), { ca })).status).toBe(200);
    const asOperator = { ca, headers: basic("operator", token) };
    const answer = await get(url("/api/state"), asOperator);
    expect(answer.status).toBe(200);
    expect(answer.headers["strict-transport-security"]).toBeDefined();
    for (let i = 0; i < 8; i++) {
      const wrong = { ca, headers: basic("operator", `guess ${i}`) };
      expect((await get(url("/api/state"), wrong)).status).toBe(401);
    }
    // The door stays shut for a while, for the right one too.
    expect((await get(url("/api/state"), asOperator)).status).toBe(401);
  });
});

it("a reader sees no windows, and loses the stream with the credentials; others go on", async () => {
  gateway = await gatewayOn(folder, teacher, { yaml: `data_directory: .\n${PLAIN}` });
  await bellwether("users", "add", "anna", "--data-dir", folder).then(async ({ password }) => {
    const ended: string[] = [];
    const follow = (name: string, headers: Record<string, string>): Promise<void> =>
      new Promise((resolve) => {
        const asked = request(new URL("/api/events", gateway.pageUrl), { headers }, (response) => {
          expect(response.statusCode).toBe(200);
          response.on("data", () => resolve());
          response.on("close", () => ended.push(name));
          response.on("error", () => undefined);
        });
        asked.on("error", () => undefined);
        asked.end();
      });
    const asAnna = { headers: basic("anna", String(password)) };
    // Samples of a window are on no topic that she may hear.
    expect((await get("/api/animal?node=collar-1", asAnna)).status).toBe(404);
    for (const path of ["windows?", "window?id=1&", "near?id=1&"].map(
      (question) => `/api/${question}node=collar-1`,
    )) {
      expect([path, (await get(path, asAnna)).status]).toEqual([path, 403]);
      expect([path, (await get(path)).status]).toEqual([path, 404]);
    }
    await follow("anna", basic("anna", String(password)));
    await follow("neighbour", {});
    await bellwether("users", "revoke", "anna", "--data-dir", folder);
    await until("hers to end", () => ended.length > 0);
    expect(ended).toEqual(["anna"]);
  });
});

it("a port that is in use costs the page, not the herd", async () => {
  gateway = await gatewayOn(folder, teacher, { yaml: PLAIN });
  const { port } = new URL(gateway.pageUrl ?? "");
  const other = temporaryFolder();
  const second = await gatewayOn(other, teacher, {
    yaml: `broker: { port: 0 }\nhttp: { port: ${port} }`,
  });
  expect(second.pageUrl).toBeUndefined();
  const warned = second.lines.filter(({ level }) => level === "warning");
  expect(warned.map(({ text }) => text).join()).toContain("no page");
  await second.stop();
  removeFolder(other);
});
