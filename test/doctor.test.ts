/** `bellwether doctor` on machines and data directories that are really broken, each in one way. */

import { execFile } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { Aedes } from "aedes";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkBroker,
  checkCertificates,
  checkDataDirectory,
  checkPorts,
} from "../cli/doctor-gateway.ts";
import { checkClock, checkDisk, checkMemory, checkNode } from "../cli/doctor-machine.ts";
import type { Finding } from "../cli/finding.ts";
import { AccessStore } from "../gateway/access/access-store.ts";
import { openAuthority, tlsFiles, writeServer } from "../gateway/access/certificate-files.ts";
import { DAY_MS, issueServer, makeAuthority } from "../gateway/access/certificates.ts";
import { closeServer, listen } from "../gateway/broker/listeners.ts";
import { parseConfig } from "../gateway/config/config.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import { nodeDisk } from "../gateway/store/durable-file.ts";
import { LabelLog } from "../gateway/store/label-log.ts";
import { nodeId } from "../src/wire/topics.ts";
import {
  gatewayOn,
  offloadOf,
  removeFolder,
  temporaryFolder,
  untrainedTeacher,
} from "./gateway-kit.ts";

let folder: string;
let data: string;

beforeEach(() => {
  folder = temporaryFolder();
  data = path.join(folder, "data");
  mkdirSync(data);
});

afterEach(() => removeFolder(folder));

type Report = {
  readonly code: number;
  readonly ok: boolean;
  readonly problems: number;
  readonly findings: readonly Finding[];
};

/** The command itself, on settings. */
function doctor(settings: string): Promise<Report> {
  const file = path.join(folder, "gateway.yaml");
  // A gateway of another test may have those ports just now.
  writeFileSync(file, `${settings}\nmetrics: { enabled: false }\nhttp: { enabled: false }\n`);
  const args = ["cli/main.ts", "doctor", "--config", file, "--data-dir", data, "--json"];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, (error, out, err) => {
      const code = error === null ? 0 : Number(error.code);
      if (out === "") reject(new Error(err));
      else resolve({ ...(JSON.parse(out) as Report), code });
    });
  });
}

function finding(findings: readonly Finding[], check: string): Finding | undefined {
  return findings.find((one) => one.check === check);
}

describe("a machine on which all is well", () => {
  it("is told so, and nothing is changed", async () => {
    openReleaseKeys(path.join(data, "keys"));
    new AccessStore(data).close();
    new LabelLog({ directory: data, nowMs: Date.now() }).close();
    const before = readdirSync(data).sort();
    const report = await doctor("broker: { port: 0 }");
    expect(report.findings.filter(({ status }) => status === "problem")).toEqual([]);
    expect(report).toMatchObject({ code: 0, ok: true, problems: 0 });
    for (const check of ["node", "onnx runtime", "disk writes", "keys", "labels.db", "access.db"]) {
      expect(finding(report.findings, check)?.status, check).toBe("ok");
    }
    expect(readdirSync(data).sort()).toEqual(before);
  });

  it("may have a gateway running: its port is taken then, and that is as it should be", async () => {
    const teacher = await untrainedTeacher(folder);
    const yaml = `data_directory: ${data}\nbroker: { port: 0 }`;
    const gateway = await gatewayOn(folder, teacher, { yaml });
    try {
      const report = await doctor(`broker: { port: ${new URL(gateway.url).port} }`);
      expect(report).toMatchObject({ code: 0, problems: 0 });
      expect(finding(report.findings, "data directory")?.found).toContain("a gateway runs on it");
    } finally {
      await gateway.stop();
      await teacher.close();
    }
  });
});

describe("what would stop a gateway", () => {
  it("is all told at once: settings, an occupied port, a cut-off log, an expired certificate", async () => {
    truncateLog();
    const files = tlsFiles(data);
    const longAgoMs = Date.now() - 800 * DAY_MS;
    writeServer({ ...files, ...brought() }, issueServer(authorityOf(files), ["farm"], longAgoMs));
    const server = createServer();
    const port = await listen(server, { host: "127.0.0.1", port: 0 }, "test");
    const settings = `broker: { port: ${port} }
tls: { enabled: true, port: 0, certificate_file: brought.pem, key_file: brought-key.pem }`;
    const report = await doctor(settings);
    await closeServer(server);
    expect(report).toMatchObject({ code: 1, ok: false, problems: 3 });
    const problems = report.findings.filter(({ status }) => status === "problem");
    expect(problems.map(({ check }) => check)).toEqual([
      "labels.db",
      "certificate",
      `port ${port}`,
    ]);
    expect(problems[0]?.found).toContain("damaged");
    expect(problems[1]?.found).toContain("ended on");
    expect(problems[2]?.found).toContain("in use");
    for (const { todo } of problems) expect(todo?.length).toBeGreaterThan(20);
    expect((await doctor("broker: { prot: 1 }")).findings).toContainEqual(
      expect.objectContaining({ check: "settings", status: "problem" }),
    );
  });

  it("is no port of the page or of the figures: a gateway does without, and is told so", async () => {
    const server = createServer();
    const port = await listen(server, { host: "127.0.0.1", port: 0 }, "test");
    const at = (where: string): string => `broker: { port: 0 }\n${where}: { port: ${port} }`;
    for (const [where, other] of [
      ["http", "metrics"],
      ["metrics", "http"],
    ]) {
      const yaml = `${at(where ?? "")}\n${other}: { enabled: false }`;
      const config = parseConfig(yaml, "gateway.yaml", {});
      const found = finding(await checkPorts(config, false), `port ${port}`);
      expect(found, where).toMatchObject({ status: "warning" });
      expect(found?.todo).toContain(`${where}.port`);
      expect(finding(await checkPorts(config, true), `port ${port}`)?.status).toBe("ok");
    }
    await closeServer(server);
  });

  it.each([
    ["tls: { enabled: true }", 1],
    ["http: { host: 0.0.0.0 }", 1],
    ["websocket: { enabled: true, host: 0.0.0.0 }", 1],
    ["websocket: { enabled: true, tls: on }", 1],
    ["websocket: { enabled: true }", 0],
  ])("is a certificate that %s wants and that is not there: %i", (yaml, count) => {
    const config = parseConfig(`data_directory: ${data}\n${yaml}`, "gateway.yaml", {});
    const problems = checkCertificates(config).filter(({ status }) => status === "problem");
    expect(problems.map(({ check }) => check)).toEqual(Array(count).fill("certificate"));
  });

  it("is a log of no bytes, and a key of another certificate", async () => {
    truncateLog(0);
    const files = tlsFiles(data);
    writeServer(files, issueServer(authorityOf(files), ["farm"], Date.now()));
    writeFileSync(files.serverKey, makeAuthority("other", Date.now()).key, { mode: 0o600 });
    const report = await doctor("broker: { port: 0 }\ntls: { enabled: true, port: 0 }");
    expect(finding(report.findings, "labels.db")?.found).toContain("cut off");
    expect(finding(report.findings, "certificate")?.found).toContain("is not the key of");
  });

  it("is a private key that others may read, or that is none", () => {
    openReleaseKeys(path.join(data, "keys"));
    const key = path.join(data, "keys", "release-key.pem");
    chmodSync(key, 0o644);
    expect(finding(checkDataDirectory(data, false), "release-key.pem")?.todo).toContain(
      "chmod 600",
    );
    chmodSync(key, 0o600);
    writeFileSync(key, readFileSync(key).subarray(0, 40));
    expect(finding(checkDataDirectory(data, false), "release-key.pem")?.status).toBe("problem");
  });

  // Root may write everywhere, so root becomes nobody for this one.
  it.skipIf(process.platform === "win32")("is a folder that cannot be written", () => {
    chmodSync(folder, 0o755);
    chmodSync(data, 0o555);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65_534);
    try {
      const [, writes] = checkDisk(data, nodeDisk);
      expect(writes).toMatchObject({ status: "problem" });
      expect(writes?.found).toMatch(/EACCES|EROFS/);
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
    chmodSync(data, 0o755);
    expect(checkDisk(data, nodeDisk).map(({ status }) => status)).not.toContain("problem");
    expect(readdirSync(data)).toEqual([]);
  });

  it("is a Node without types, a clock of the past, and a broker that is not there", async () => {
    expect(checkNode("20.20.2")).toMatchObject({ status: "problem" });
    expect(checkNode("22.17.0").status).toBe("problem");
    expect(["22.18.0", "24.0.0"].map((version) => checkNode(version).status)).toEqual(["ok", "ok"]);
    expect(checkMemory(400 * 1024 * 1024).status).toBe("warning");
    expect(checkClock(data, Date.parse("2025-01-01T00:00:00Z")).status).toBe("problem");
    writeFileSync(path.join(data, "new"), "");
    const ahead = new Date(Date.now() + DAY_MS);
    utimesSync(path.join(data, "new"), ahead, ahead);
    expect(checkClock(data).status).toBe("warning");

    const aedes = await Aedes.createBroker();
    const server = createServer(aedes.handle);
    const port = await listen(server, { host: "127.0.0.1", port: 0 }, "test");
    const config = parseConfig(`broker: { url: "mqtt://127.0.0.1:${port}" }`, "x.yaml", {});
    expect(await checkBroker(config)).toMatchObject([{ check: "broker", status: "ok" }]);
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
    await closeServer(server);
    const [gone] = await checkBroker(config);
    expect(gone).toMatchObject({
      status: "problem",
      found: expect.stringContaining("ECONNREFUSED"),
    });
  });
});

function authorityOf(files: ReturnType<typeof tlsFiles>): ReturnType<typeof openAuthority> {
  return openAuthority(files, "farm", Date.now() - 900 * DAY_MS);
}

function brought(): { readonly server: string; readonly serverKey: string } {
  return {
    server: path.join(folder, "brought.pem"),
    serverKey: path.join(folder, "brought-key.pem"),
  };
}

/** A log of some pages that a copy or a disk has cut. */
function truncateLog(bytes?: number): void {
  const log = new LabelLog({ directory: data, nowMs: Date.now() });
  const rows = Array.from({ length: 400 }, (_, seq) => ({
    kind: "offload" as const,
    node: nodeId("collar-1"),
    offload: offloadOf(seq),
    nowMs: 1,
    teachable: true,
  }));
  expect(log.commit(rows).ok).toBe(true);
  log.close();
  const { size } = statSync(log.file);
  expect(size).toBeGreaterThan(100_000);
  truncateSync(log.file, bytes ?? Math.round(size / 2));
}
