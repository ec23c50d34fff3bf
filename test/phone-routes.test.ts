/** The phone's page over HTTP: who may have it, and what it alone may. */

import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import path from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../gateway/config/config.ts";
import { listenHttp } from "../gateway/http/http-listener.ts";
import { phoneOrigin } from "../gateway/http/phone-origin.ts";
import { phoneRoutes } from "../gateway/http/phone-routes.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import type { RunningGateway } from "../gateway/run-gateway.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { PhoneAboutSchema, phoneLink, readPhoneLink } from "../src/wire/phone.ts";
import { bellwether } from "./access-kit.ts";
import { gatewayOn, removeFolder, temporaryFolder, untrainedTeacher } from "./gateway-kit.ts";
import { ROOT } from "./house-sources.ts";

const FACTORY = readFileSync(path.join(ROOT, "profiles/cattle/student.bwm"));
let folder: string;
let teacher: OpenTeacher;
let gateway: RunningGateway;

type Answer = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
};

function get(at: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request(new URL(at, gateway.pageUrl), { headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => {
        const { statusCode: status = 0, headers: said } = response;
        const whole = Buffer.concat(chunks);
        const body = said["content-encoding"] === "gzip" ? gunzipSync(whole) : whole;
        resolve({ status, headers: said, body });
      });
    })
      .on("error", reject)
      .end();
  });
}

beforeAll(async () => {
  folder = temporaryFolder();
  teacher = await untrainedTeacher(folder);
  const yaml = [
    "data_directory: .",
    "broker: { port: 0 }",
    "access: { loopback: closed }",
    "websocket: { enabled: true, port: 0 }",
    "http: { port: 0, names: [farm.local] }",
  ].join("\n");
  openReleaseKeys(path.join(folder, "keys"));
  gateway = await gatewayOn(folder, teacher, { yaml, dependencies: { factory: FACTORY } });
});

afterAll(async () => {
  await gateway.stop();
  await teacher.close();
  removeFolder(folder);
});

describe("the phone's page", () => {
  const MODULE = "/node/m/device-sim/node.ts";

  it("is for anybody, as the others are not", async () => {
    expect((await get("/")).status).toBe(401);
    for (const at of [
      "/node",
      MODULE,
      "/node/about.json",
      "/node/factory.bwm",
      "/node-worker.js",
    ]) {
      expect([at, (await get(at)).status]).toEqual([at, 200]);
    }
    expect((await get("/node/factory.bwm")).body.equals(FACTORY)).toBe(true);
    const html = (await get("/node")).body.toString();
    expect(html).not.toMatch(/<script(?![^>]* src=)|<style|style=|\son[a-z]+=|https?:/);
  });

  it("has every file that it names, and no other of the repository", async () => {
    const html = (await get("/node")).body.toString();
    const named = [...html.matchAll(/(?:href|src)="(\/[^"]+)"/g)].map(([, at = ""]) => at);
    const manifest = JSON.parse((await get("/node/app.webmanifest")).body.toString());
    const icons: string[] = manifest.icons.map(({ src }: { src: string }) => src);
    expect(named.length + icons.length).toBeGreaterThan(4);
    for (const at of [...named, ...icons]) expect([at, (await get(at)).status]).toEqual([at, 200]);
    for (const at of [
      "/node/m/device-sim/fleet.ts",
      "/node/m/gateway/secrets.ts",
      "/node/m/package.json",
      "/node/m/../../package.json",
      "/node/phone-worker.ts",
    ]) {
      expect([at, (await get(at)).status]).toEqual([at, 404]);
    }
  });

  it("may be linked to from elsewhere, its parts may not be used from there", async () => {
    const foreign = {
      "sec-fetch-site": "cross-site",
      "sec-fetch-mode": "navigate",
      "sec-fetch-dest": "document",
    };
    expect((await get("/node", foreign)).status).toBe(200);
    for (const at of [MODULE, "/node/about.json", "/node-worker.js"]) {
      expect([at, (await get(at, foreign)).status]).toEqual([at, 403]);
    }
    expect((await get("/node", { host: "evil.example" })).status).toBe(421);
  });

  it("alone may compile, measure and reach the WebSocket port", async () => {
    const { port } = new URL(gateway.urls.find((url) => url.startsWith("ws:")) ?? "");
    const phone = (await get("/node")).headers;
    const policy = String(phone["content-security-policy"]);
    expect(policy).toContain("script-src 'self' 'wasm-unsafe-eval';");
    expect(policy).toContain(`connect-src 'self' ws://127.0.0.1:${port};`);
    expect(policy).not.toContain("*");
    expect(policy.replace("'wasm-unsafe-eval'", "")).not.toContain("unsafe");
    expect(phone["permissions-policy"]).toContain("accelerometer=(self)");
    expect(phone["x-content-type-options"]).toBe("nosniff");
    const named = await get("/node", { host: "farm.local:8811" });
    expect(named.headers["content-security-policy"]).toContain(` ws://farm.local:${port};`);
    for (const at of ["/", "/healthz", "/nothing"]) {
      const { headers } = await get(at);
      expect(headers["permissions-policy"]).toContain("accelerometer=()");
      expect(headers["content-security-policy"]).not.toMatch(/unsafe|ws:/);
    }
  });

  it("knows where to connect and whom to believe", async () => {
    const about = PhoneAboutSchema.parse(
      JSON.parse((await get("/node/about.json")).body.toString()),
    );
    const { port } = new URL(gateway.urls.find((url) => url.startsWith("ws:")) ?? "");
    expect(about).toEqual({
      v: 1,
      base: "bellwether",
      profile: "cattle",
      websocket: { port: Number(port), secure: false },
      key: readFileSync(path.join(folder, "keys/release-key.pub"), "utf8").trim(),
      emulator: true,
    });
  });

  it("is kept whole by its worker", async () => {
    const script = (await get("/node-worker.js")).body.toString();
    const kept = JSON.parse(/^self\.KEPT = (.*);$/m.exec(script)?.[1] ?? "{}") as {
      version: string;
      paths: string[];
    };
    expect(kept.version).toMatch(/^[0-9a-f]{16}$/);
    expect(kept.paths).toContain("/node");
    expect(kept.paths).toContain(MODULE);
    expect(kept.paths).toContain("/node/emulator.json");
    for (const at of kept.paths) expect([at, (await get(at)).status]).toEqual([at, 200]);
  });
});

it("the worker is another as soon as anything that it keeps is another", async () => {
  const about = {
    v: 1,
    base: "bellwether",
    profile: "cattle",
    websocket: null,
    key: null,
    emulator: false,
  } as const;
  const workerWith = async (factory: Uint8Array, emulator?: string): Promise<string> => {
    const routes = phoneRoutes({ factory, emulator }, () => about);
    const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
    const listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
    const text = await (await fetch(`${listener.url}/node-worker.js`)).text();
    await listener.close();
    return text;
  };
  const worker = await workerWith(FACTORY, "{}");
  expect(await workerWith(FACTORY, "{}")).toBe(worker);
  expect(await workerWith(FACTORY.subarray(1), "{}")).not.toBe(worker);
  expect(await workerWith(FACTORY, "[]")).not.toBe(worker);
});

it("there is none where no model is given to begin with", async () => {
  const other = temporaryFolder();
  const second = await gatewayOn(other, teacher, {
    yaml: "broker: { port: 0 }\nhttp: { port: 0 }",
  });
  const answer = await fetch(new URL("/node", second.pageUrl));
  expect(answer.status).toBe(404);
  await second.stop();
  removeFolder(other);
});

it("a link says code and name, and nothing else is believed of it", () => {
  const link = phoneLink("https://farm.local:8811", "K7QM-3XPA", "phone-1");
  expect(link).toBe("https://farm.local:8811/node#code=K7QM-3XPA&name=phone-1");
  expect(readPhoneLink(new URL(link).hash)).toEqual({ code: "K7QM-3XPA", node: "phone-1" });
  expect(phoneLink("http://[::1]:8811", undefined, undefined)).toBe("http://[::1]:8811/node");
  expect(readPhoneLink("")).toEqual({ code: undefined, node: undefined });
  expect(readPhoneLink("#code=%E0%A4%A&name")).toEqual({ code: undefined, node: undefined });
  expect(readPhoneLink(`#name=${"x".repeat(5_000)}`).node?.length).toBeLessThan(256);
});

describe("a link for a phone", () => {
  const settings = (yaml: string) => parseConfig(yaml, "gateway.yaml", {});
  const websocket = "websocket: { enabled: true }\n";
  const addresses = ["192.168.1.5", "10.0.0.2"];

  it.each([
    ["", "http://127.0.0.1:8811"],
    ["http: { host: 0.0.0.0, names: [farm.local, gw] }", "https://farm.local:8811"],
    ["http: { host: 0.0.0.0 }", "https://192.168.1.5:8811"],
    ["http: { host: 10.0.0.2, port: 443 }", "https://10.0.0.2:443"],
    ["http: { port: 0 }", undefined],
    ["http: { enabled: false }", undefined],
    ["broker: { url: 'mqtt://farm.local' }", undefined],
  ])("leads where the page is: %s", (yaml, origin) => {
    expect(phoneOrigin(settings(websocket + yaml), addresses)).toBe(origin);
  });

  it("is none where the page could not speak to the gateway", () => {
    expect(phoneOrigin(settings("{}"), addresses)).toBeUndefined();
    expect(phoneOrigin(settings(`${websocket}http: { host: 0.0.0.0 }`), [])).toBeUndefined();
  });

  it("is told with the code, when the settings are named", async () => {
    const file = path.join(folder, "gateway.yaml");
    const http = "http: { host: 0.0.0.0, names: [farm.local] }";
    writeFileSync(file, `data_directory: .\n${websocket}${http}\n`);
    const { code, link } = await bellwether("nodes", "add", "phone-7", "--config", file);
    expect(link).toBe(`https://farm.local:8811/node#code=${String(code)}&name=phone-7`);
    const plain = await bellwether("nodes", "add", "phone-8", "--data-dir", folder);
    expect(plain.link).toBeNull();
  });
});
