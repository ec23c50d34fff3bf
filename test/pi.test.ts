/**
 * What a Raspberry Pi gets: the notices on a real datagram socket, the unit as systemd's own tools
 * judge it, and the installer's texts. `deploy/pi/try-install.sh` runs the installer itself.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { findProgram } from "../deploy/firmware/tools/toolchain.ts";
import { supervisor } from "../gateway/supervisor-notice.ts";
import { removeFolder, temporaryFolder, until, untrainedTeacher } from "./gateway-kit.ts";

const PI = path.join(import.meta.dirname, "../deploy/pi");
const INSTALLER = path.join(PI, "install.sh");
const UNITS = ["bellwether.service", "bellwether-node@.service"] as const;
const EXPOSURE_MOST = 3;

/** Says why something is left out, where it is. */
function lacks(...programs: readonly string[]): boolean {
  const missing = programs.filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) console.info(`skipped: ${missing.join(", ")} not installed`);
  return missing.length > 0;
}

let folder: string;
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  removeFolder(folder);
});

describe("systemd", () => {
  it.skipIf(lacks("systemd-notify", "python3"))(
    "is told when a gateway is ready, alive and ending",
    async () => {
      const socket = path.join(folder, "notify");
      const listener = spawn("python3", ["-u", "-c", LISTENER, socket]);
      children.push(listener);
      let heard = "";
      listener.stdout.on("data", (text) => {
        heard += text;
      });
      await until("the socket", () => existsSync(socket));
      await (await untrainedTeacher(folder)).close();
      const gateway = spawn(
        process.execPath,
        [
          ...["cli/main.ts", "gateway", "--serve-only", "--port", "0"],
          ...["--data-dir", path.join(folder, "data")],
          ...["--teacher", path.join(folder, "untrained.onnx")],
        ],
        // Not as in CI, where ONNX Runtime is silent by itself.
        {
          env: {
            ...{ PATH: process.env.PATH, HOME: folder },
            ...{ NOTIFY_SOCKET: socket, WATCHDOG_USEC: "900000" },
            BELLWETHER_CONFIG_HTTP_ENABLED: "false",
            BELLWETHER_CONFIG_METRICS_ENABLED: "false",
          },
        },
      );
      children.push(gateway);
      const words = (): string[] => heard.split("\n");
      await until(
        "signs of life",
        () => words().filter((w) => w === "WATCHDOG=1").length > 1,
        30_000,
      );
      expect(words()[0]).toBe("READY=1");
      expect(words()[1]).toMatch(/^STATUS=listening on mqtt:/);
      expect(heard).not.toContain("STOPPING");
      gateway.kill("SIGTERM");
      const endsMs = performance.now();
      const [code] = await once(gateway, "exit");
      expect(code).toBe(0);
      expect(performance.now() - endsMs).toBeLessThan(15_000);
      await until("the end", () => words().includes("STOPPING=1"));
      // Nothing was collected for the maker of the native library.
      expect(existsSync(path.join(folder, ".cache"))).toBe(false);
    },
  );

  it("is not spoken to where there is none, and its silence is told", async () => {
    const lines: string[] = [];
    const log = (level: string, text: string): void => void lines.push(`${level} ${text}`);
    await supervisor({}, log).ready("x");
    expect(lines).toEqual([]);
    const nobody = { NOTIFY_SOCKET: path.join(folder, "nobody"), PATH: folder };
    const path0 = process.env.PATH;
    process.env.PATH = folder;
    try {
      await supervisor(nobody, log).ready("x");
    } finally {
      process.env.PATH = path0;
    }
    expect(lines).toEqual(["error systemd was not told"]);
  });

  it.skipIf(lacks("systemd-analyze")).each(UNITS)("finds nothing wrong with %s", (name) => {
    const file = path.join(PI, name);
    // Under another root the program is where the unit says.
    const text = readFileSync(file, "utf8").replace(
      /^ExecStart=\S+/m,
      `ExecStart=${process.execPath}`,
    );
    const unit = path.join(folder, name.replace("@", "@collar-07"));
    writeFileSync(unit, text);
    const verified = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
    const about = verified.stderr.split("\n").filter((line) => line.includes("bellwether"));
    expect(about).toEqual([]);
    writeFileSync(unit, text.replace("Type=", "Typo="));
    expect(spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" }).stderr).toContain(
      "Typo",
    );
    const { stdout } = spawnSync("systemd-analyze", ["security", "--offline=true", file], {
      encoding: "utf8",
    });
    const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(stdout)?.[1]);
    console.info(`${name}: exposure ${exposure}`);
    expect(exposure).toBeLessThan(EXPOSURE_MOST);
  });

  it("runs a node by words that the command knows", () => {
    const unit = readFileSync(path.join(PI, "bellwether-node@.service"), "utf8");
    const [, words = ""] = /^ExecStart=\S+(.*)$/m.exec(unit) ?? [];
    const [, example = ""] = /^# +NODE_WORDS=(.*)$/m.exec(unit) ?? [];
    const help = spawnSync(process.execPath, ["cli/main.ts", "node", "--help"], {
      encoding: "utf8",
    }).stdout;
    const options = [...`${words} ${example}`.matchAll(/ (--[a-z]+)(?= )/g)].map(([, one]) => one);
    expect(options).toContain("--store");
    for (const option of options) {
      if (option !== "--max-semi-space-size") expect(help).toContain(` ${option} <`);
    }
  });
});

describe("the installer", () => {
  it("is sh, and shellcheck finds nothing", () => {
    for (const script of [INSTALLER, path.join(PI, "try-install.sh")]) {
      expect(spawnSync("sh", ["-n", script]).status).toBe(0);
      if (lacks("shellcheck")) continue;
      expect(spawnSync("shellcheck", [script], { encoding: "utf8" }).stdout).toBe("");
    }
  });

  it("says without root what it would do, in an order that never leaves half", () => {
    const said = execFileSync("sh", [INSTALLER, "--dry-run"], { encoding: "utf8" });
    const order = [
      "cp -R",
      "npm --prefix /opt/bellwether.new ci --omit=dev",
      "sha256sum /opt/bellwether.new/node_modules/node/bin/node must be",
      "doctor --config /etc/bellwether/bellwether.yaml",
      "mv /opt/bellwether.new /opt/bellwether",
      "/etc/systemd/system/bellwether.service",
      "systemctl daemon-reload",
      "systemctl restart bellwether.service",
    ].map((step) => said.indexOf(step));
    expect(order).not.toContain(-1);
    expect(order).toEqual([...order].sort((a, b) => a - b));
    // A second time, to run with what the first start has compiled.
    expect(said.match(/systemctl restart bellwether\.service/g)).toHaveLength(2);
    const kept = execFileSync("sh", [INSTALLER, "--uninstall", "--dry-run"], { encoding: "utf8" });
    expect(kept).not.toMatch(/rm .*\/var\/lib/);
    expect(kept).toContain("Kept: /var/lib/bellwether");
    const purged = execFileSync("sh", [INSTALLER, "--uninstall", "--purge", "--dry-run"]);
    expect(String(purged)).toContain("rm -rf /var/lib/bellwether");
  });

  it("refuses words that it does not know, and a purge of what is not removed", () => {
    const run = (...words: string[]) => spawnSync("sh", [INSTALLER, ...words, "--dry-run"]).status;
    expect([run("--upgrad"), run("--purge")]).toEqual([1, 1]);
  });

  it("takes along everything that package.json ships", () => {
    const { files } = JSON.parse(readFileSync("package.json", "utf8")) as { files: string[] };
    const parts = /^parts="(.*)"$/m.exec(readFileSync(INSTALLER, "utf8"))?.[1]?.split(" ") ?? [];
    expect(files.filter((file) => !parts.includes(file))).toEqual([]);
    expect(parts.filter((part) => !existsSync(part))).toEqual([]);
  });

  it("knows the hash of the Node that npm brings, for this version", () => {
    const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
    const lines = readFileSync(path.join(PI, "node-binaries.sha256"), "utf8").trim().split("\n");
    const known = lines.map((line) => line.split(/ +/));
    expect(known.map(([, platform]) => platform)).toEqual(["linux-arm64", "linux-x64"]);
    for (const [hash, , version] of known) {
      expect(hash).toMatch(/^[0-9a-f]{64}$/);
      expect(version).toBe(dependencies.node);
    }
    const mine = known.find(([, platform]) => platform === `${process.platform}-${process.arch}`);
    if (mine === undefined) return;
    const bytes = readFileSync("node_modules/node/bin/node");
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(mine[0]);
  });
});

/** A datagram socket that writes down what comes, one line each; a barrier's descriptor is let go. */
const LISTENER = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
`;
