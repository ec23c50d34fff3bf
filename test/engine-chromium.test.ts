/**
 * Students in a real browser: the pure core as the browser loads it, types stripped and nothing
 * else, gives the golden logits by the engine that it chooses there by itself.
 */

import { readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Chromium, findChromium } from "./chromium.ts";
import { ROOT } from "./house-sources.ts";
import { GOLDEN_FOLDER, type Golden } from "./make-golden.ts";

const program = findChromium();
const students = readdirSync(GOLDEN_FOLDER)
  .filter((name) => name.endsWith(".json"))
  .map((name) => name.replace(/\.json$/, ""));

/** Run inside of the page. */
const COMPUTE = `async (name, windowBytes) => {
  const { chooseEngine } = await import("/src/engine/choose-engine.ts");
  const { decodeContainer } = await import("/src/model/container.ts");
  const bytes = async (kind) =>
    new Uint8Array(await (await fetch("/golden/" + name + "." + kind + ".bin")).arrayBuffer());
  const engine = chooseEngine();
  const loaded = engine.load(decodeContainer(await bytes("container")));
  const windows = new Int8Array((await bytes("windows")).buffer);
  const logits = [];
  for (let at = 0; at < windows.length; at += windowBytes) {
    loaded.begin(windows.subarray(at, at + windowBytes));
    logits.push(Array.from({ length: loaded.exits }, () => [...loaded.nextExit().logits]));
  }
  return { engine: engine.name, logits };
}`;

describe.skipIf(program === undefined)("in chromium", { timeout: 60_000 }, () => {
  let chromium: Chromium;
  let server: Server;

  beforeAll(async () => {
    server = createServer((request, response) => {
      const { type, body } = answerTo(request.url ?? "/");
      response.writeHead(body === undefined ? 404 : 200, { "content-type": type }).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    chromium = await Chromium.start(program ?? "");
    await chromium.open(`http://127.0.0.1:${port}/`, { width: 400, height: 400 });
  });

  afterAll(async () => {
    await chromium.close();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(students)("%s gives the golden logits by WebAssembly", async (name) => {
    const golden = JSON.parse(readFileSync(join(GOLDEN_FOLDER, `${name}.json`), "utf8")) as Golden;
    const { engine, logits } = await chromium.value<{ engine: string; logits: unknown }>(
      `(${COMPUTE})(${JSON.stringify(name)}, ${golden.windowBytes})`,
    );
    expect(engine).toBe("wasm");
    expect(logits).toEqual(golden.logits);
  });
});

function answerTo(url: string): {
  readonly type: string;
  readonly body: string | Buffer | undefined;
} {
  if (url === "/") return { type: "text/html", body: "<!doctype html><title>engine</title>" };
  if (/^\/src\/[a-z/0-9-]+\.ts$/.test(url)) {
    const body = stripTypeScriptTypes(readFileSync(join(ROOT, url), "utf8"));
    return { type: "text/javascript", body };
  }
  if (/^\/golden\/[a-z0-9-]+\.[a-z]+\.bin$/.test(url)) {
    const body = readFileSync(join(GOLDEN_FOLDER, url.replace("/golden/", "")));
    return { type: "application/octet-stream", body };
  }
  return { type: "text/plain", body: undefined };
}
