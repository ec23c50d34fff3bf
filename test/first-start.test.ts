/** A gateway's first start as a process: its token is told once, its settings open the ways in. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { bellwether, subscribeTo, tryConnect } from "./access-kit.ts";
import {
  base,
  gatewayEnvironment,
  removeFolder,
  temporaryFolder,
  until,
  untrainedTeacher,
} from "./gateway-kit.ts";

let folder: string;
let running: ChildProcess | undefined;

beforeEach(async () => {
  folder = temporaryFolder();
  await (await untrainedTeacher(folder)).close();
});

afterEach(async () => {
  await stop();
  removeFolder(folder);
});

async function stop(): Promise<void> {
  const child = running;
  running = undefined;
  if (child === undefined || child.exitCode !== null) return;
  child.kill("SIGTERM");
  await once(child, "exit");
}

type Started = { readonly urls: readonly string[]; readonly token: string | undefined };

async function start(
  ...more: readonly string[]
): Promise<Started & { readonly log: () => string }> {
  const child = spawn(
    process.execPath,
    [
      path.resolve("cli/main.ts"),
      ...["gateway", "--serve-only", "--json", "--config", path.join(folder, "farm.yaml")],
      ...["--teacher", path.join(folder, "untrained.onnx"), ...more],
    ],
    { env: gatewayEnvironment(), stdio: ["ignore", "pipe", "pipe"] },
  );
  running = child;
  let out = "";
  let log = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString();
  });
  await until("the gateway to listen", () => out.includes("\n"), 40_000);
  const told = JSON.parse(out) as { urls: string[]; operator_token?: string };
  return { urls: told.urls, token: told.operator_token, log: () => log };
}

it("tells the operator's token once, keeps no secret readable, and listens where it is told to", async () => {
  const data = path.join(folder, "data");
  writeFileSync(
    path.join(folder, "farm.yaml"),
    [
      "data_directory: data",
      "broker: { port: 0 }",
      "access: { loopback: closed }",
      "tls: { enabled: true, host: 127.0.0.1, port: 0 }",
      "websocket: { enabled: true, port: 0 }",
      "log: { level: debug }",
    ].join("\n"),
  );
  await bellwether("certs", "make", "--data-dir", folder).then(async (made) => {
    // The data directory is the gateway's to make; certificates of yours are named to it.
    expect(made.names).toContain("localhost");
  });
  const brought = path.join(folder, "tls");
  process.env.BELLWETHER_CONFIG_TLS_CERTIFICATE_FILE = path.join(brought, "server.pem");
  process.env.BELLWETHER_CONFIG_TLS_KEY_FILE = path.join(brought, "server-key.pem");
  try {
    const first = await start();
    expect(first.token).toMatch(/^[\w-]{32}$/);
    expect(first.urls.map((url) => url.split(":")[0])).toEqual(["mqtt", "mqtts", "ws"]);
    const ca = readFileSync(path.join(brought, "ca.pem"));
    for (const url of first.urls) {
      await expect(tryConnect(url, { ca })).rejects.toThrow("refused 5");
      const operator = await tryConnect(url, {
        ca,
        username: "operator",
        password: first.token ?? "",
      });
      expect(await subscribeTo(operator, `${base}/#`), url).toBe(1);
      await operator.endAsync();
    }
    await stop();
    const everything = readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), "latin1"))
      .join();
    for (const place of [first.log(), everything]) expect(place).not.toContain(first.token);
    expect(statSync(path.join(data, "access.db")).mode & 0o077).toBe(0);
    const second = await start();
    expect(second.token).toBeUndefined();
    await stop();
  } finally {
    delete process.env.BELLWETHER_CONFIG_TLS_CERTIFICATE_FILE;
    delete process.env.BELLWETHER_CONFIG_TLS_KEY_FILE;
  }
}, 90_000);
