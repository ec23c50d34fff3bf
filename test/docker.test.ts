/**
 * The container files, without an engine to build them: what they name exists, what the program
 * imports is copied, settings are settings, and `bellwether health` says the truth.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../gateway/config/config.ts";
import { gatewayOn, removeFolder, temporaryFolder, untrainedTeacher } from "./gateway-kit.ts";
import { projectFiles, readSource } from "./house-sources.ts";

const DOCKER = "deploy/docker";
const COMPOSE = ["compose.yaml", "compose.mosquitto.yaml"];

/** Instructions with their lines joined, comments gone. */
const instructions = readFileSync(`${DOCKER}/Dockerfile`, "utf8")
  .replace(/^#.*\n/gm, "")
  .replace(/\\\n/g, " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => line.trim().split(/\s+/));

function all(name: string): string[][] {
  return instructions.filter(([word]) => word === name).map((words) => words.slice(1));
}

const copied = all("COPY")
  .filter(([first]) => !first?.startsWith("--from"))
  .flatMap((words) => words.slice(0, -1));

describe("the Dockerfile", () => {
  it("copies what exists and what .dockerignore lets through", () => {
    const ignore = readFileSync(".dockerignore", "utf8").split("\n");
    expect(ignore).toContain("*");
    expect(copied.length).toBeGreaterThan(10);
    expect(copied.filter((part) => !existsSync(part))).toEqual([]);
    expect(copied.filter((part) => !ignore.includes(`!${part}`))).toEqual([]);
  });

  it("copies every folder that the program imports from", () => {
    const sources = projectFiles()
      .filter((file) => file.endsWith(".ts") && copied.includes(file.split("/")[0] ?? ""))
      .map(readSource);
    const folders = sources.flatMap(({ imports }) =>
      imports.flatMap(({ file }) => (file === undefined ? [] : [file.split("/")[0] ?? ""])),
    );
    expect(new Set(folders).has("src")).toBe(true);
    // Benchmarks that tests run look into `test`; no command of the gateway does.
    const missing = [...new Set(folders)].filter((folder) => !copied.includes(folder));
    expect(missing.filter((folder) => folder !== "test")).toEqual([]);
  });

  it("is not root, without development packages, and begins and looks with commands that are there", () => {
    expect(all("USER").at(-1)?.[0]).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(all("RUN").some((words) => words.join(" ").startsWith("npm ci --omit=dev"))).toBe(true);
    const jsonOf = (words: string[]): string[] =>
      JSON.parse(words.join(" ").replace(/^.*?\[/, "[")) as string[];
    const entry = jsonOf(all("ENTRYPOINT")[0] ?? []);
    const health = jsonOf(all("HEALTHCHECK")[0] ?? []);
    for (const [node, main, ...words] of [[...entry, ...jsonOf(all("CMD")[0] ?? [])], health]) {
      expect(existsSync(node ?? "")).toBe(true);
      const { status } = spawnSync(process.execPath, [main ?? "", ...words, "--help"]);
      expect(status).toBe(0);
    }
    expect(all("FROM").every(([image]) => /^node:\d+-[a-z]+-slim$/.test(image ?? ""))).toBe(true);
  });
});

describe.each(COMPOSE)("%s", (name) => {
  type Compose = {
    readonly services: Record<string, Record<string, unknown>>;
    readonly volumes: Record<string, unknown>;
  };
  const compose = parse(readFileSync(`${DOCKER}/${name}`, "utf8"), { merge: true }) as Compose;

  it("gives the gateway settings that it takes, and nothing open", () => {
    const gateway = compose.services.gateway as {
      build: { context: string; dockerfile: string };
      environment: Record<string, string>;
    };
    const context = path.join(DOCKER, gateway.build.context);
    expect(existsSync(path.join(context, gateway.build.dockerfile))).toBe(true);
    const config = parseConfig("", "x.yaml", gateway.environment);
    expect(config.broker).toMatchObject({ plain: "loopback", host: "127.0.0.1" });
    expect(config.tls.enabled || config.broker.url !== undefined).toBe(true);
    expect(() => parseConfig("", "x.yaml", { BELLWETHER_CONFIG_TLS_ENABLD: "true" })).toThrow();
  });

  it("declares its volumes, bounds its logs, and takes rights away", () => {
    for (const service of Object.values(compose.services)) {
      expect(service).toMatchObject({ cap_drop: ["ALL"], read_only: true });
      expect(service.logging).toMatchObject({ options: { "max-size": "10m" } });
      for (const volume of service.volumes as string[]) {
        expect(Object.keys(compose.volumes)).toContain(volume.split(":")[0]);
      }
    }
  });
});

describe("bellwether health", () => {
  it("knows a gateway that answers from none, and from one whose port is another", async () => {
    const folder = temporaryFolder();
    const data = path.join(folder, "data");
    const health = (port: string): { status: number | null; stdout: string } =>
      spawnSync(process.execPath, ["cli/main.ts", "health", "--data-dir", data], {
        encoding: "utf8",
        env: { ...process.env, BELLWETHER_CONFIG_BROKER_PORT: port },
      });
    expect(health("1")).toMatchObject({ status: 1, stdout: expect.stringContaining("no gateway") });
    const teacher = await untrainedTeacher(folder);
    const yaml = `data_directory: ${data}\nbroker: { port: 0 }\naccess: { loopback: closed }`;
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const { port } = new URL(gateway.url);
    // Not spawnSync: the gateway is in this process and has to answer meanwhile.
    const child = spawn(process.execPath, ["cli/main.ts", "health", "--data-dir", data], {
      env: { ...process.env, BELLWETHER_CONFIG_BROKER_PORT: port },
    });
    const code = await new Promise((resolve) => child.once("exit", resolve));
    const wrong = health("1");
    await gateway.stop();
    await teacher.close();
    const after = health(port);
    removeFolder(folder);
    expect(code).toBe(0);
    expect(wrong).toMatchObject({ status: 1, stdout: "the broker does not answer\n" });
    expect(after.status).toBe(1);
  });
});
