/**
 * Home Assistant's add-on, without a Home Assistant: its options are what the start script takes, and
 * what that makes of a Supervisor's answer are settings that a gateway takes.
 */

import { spawn, spawnSync } from "node:child_process";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { environmentOf } from "../deploy/home-assistant/settings.ts";
import { parseConfig } from "../gateway/config/config.ts";
import { removeFolder, temporaryFolder } from "./gateway-kit.ts";

const FOLDER = "deploy/home-assistant";
const addon = parse(readFileSync(`${FOLDER}/config.yaml`, "utf8")) as {
  readonly version: string;
  readonly slug: string;
  readonly arch: readonly string[];
  readonly options: Record<string, string>;
  readonly schema: Record<string, string>;
};
const SERVICE = {
  result: "ok",
  data: { host: "core-mosquitto", port: 1883, ssl: false, username: "addons", password: "s3 cret" },
};

let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

describe("the add-on's description", () => {
  it("has the program's version, and a schema for each of its options", () => {
    const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };
    expect(addon.version).toBe(version);
    expect(readFileSync(`${FOLDER}/Dockerfile`, "utf8")).toContain(`io.hass.version="${version}"`);
    expect(Object.keys(addon.schema)).toEqual(Object.keys(addon.options));
    for (const [name, rule] of Object.entries(addon.schema)) {
      expect(/^list\((.*)\)$/.exec(rule)?.[1]?.split("|")).toContain(addon.options[name]);
    }
  });

  it("copies what the gateway's own image does, and starts with a script that shellcheck accepts", () => {
    // What that one copies exists and is all that is imported: its own test.
    const [own, gateways] = [FOLDER, "deploy/docker"].map((folder) =>
      readFileSync(`${folder}/Dockerfile`, "utf8")
        .split("\n")
        .filter((line) => /^(FROM|COPY|WORKDIR|RUN npm|STOPSIGNAL) ?/.test(line)),
    );
    expect(own?.length).toBeGreaterThan(10);
    expect(own).toEqual(gateways);
    const checked = spawnSync("shellcheck", [`${FOLDER}/run.sh`], { encoding: "utf8" });
    if (checked.error !== undefined) console.log("run.sh is not looked at: no shellcheck here");
    else expect(checked.stdout).toBe("");
  });
});

describe("what it starts with", () => {
  it("is what a gateway takes, for every choice in its schema", () => {
    const choices = (name: string): string[] =>
      /^list\((.*)\)$/.exec(addon.schema[name] ?? "")?.[1]?.split("|") ?? [];
    let looked = 0;
    for (const profile of choices("profile")) {
      for (const log_level of choices("log_level")) {
        const made = environmentOf({ profile, log_level }, SERVICE, "/data/private/mqtt-password");
        const config = parseConfig("{}", "bellwether.yaml", made.environment);
        expect(config.broker.url).toBe("mqtt://addons@core-mosquitto:1883");
        expect(config.broker.passwordFile).toBe("/data/private/mqtt-password");
        expect(config.profile).toBe(profile);
        expect(config.logLevel).toBe(log_level);
        looked++;
      }
    }
    expect(looked).toBe(8);
  });

  it("refuses a host that would be more than a host", () => {
    const evil = { data: { ...SERVICE.data, host: "x/$(reboot)" } };
    expect(() => environmentOf(addon.options, evil, "file")).toThrow();
  });
});

describe("the start script's program", () => {
  it("asks the Supervisor with its token and keeps the password to itself", async () => {
    const asked: (string | undefined)[] = [];
    const server = createServer((request, response) => {
      asked.push(request.url, request.headers.authorization);
      response.end(JSON.stringify(SERVICE));
    });
    const said = await withServer(server, (url) => start({ url, token: "t0ken" }));
    expect(asked).toEqual(["/services/mqtt", "Bearer t0ken"]);
    expect(said.code).toBe(0);
    expect(said.text).toContain("BELLWETHER_CONFIG_BROKER_URL=mqtt://addons@core-mosquitto:1883");
    expect(said.text).not.toContain("s3 cret");
    const file = path.join(folder, "private", "mqtt-password");
    expect(readFileSync(file, "utf8")).toBe("s3 cret");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it("says what to do where there is no broker", async () => {
    const server = createServer((_request, response) => {
      response.statusCode = 400;
      response.end("{}");
    });
    const said = await withServer(server, (url) => start({ url, token: "t" }));
    expect(said.code).toBe(1);
    expect(said.text).toContain("Install the Mosquitto add-on first");
  });
});

async function withServer<T>(server: Server, use: (url: string) => Promise<T>): Promise<T> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as { port: number };
    return await use(`http://127.0.0.1:${port}`);
  } finally {
    server.close();
  }
}

async function start({ url, token }: { url: string; token: string }) {
  const options = path.join(folder, "options.json");
  writeFileSync(options, JSON.stringify(addon.options));
  const args = [`${FOLDER}/settings.ts`, options, path.join(folder, "private")];
  const env = { ...process.env, SUPERVISOR_URL: url, SUPERVISOR_TOKEN: token };
  const child = spawn(process.execPath, args, { env });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { code, text };
}
