/**
 * What `doctor` looks at that is a gateway's: its data directory, its databases and keys, its
 * certificates, its ports or the broker that it is a client of. It changes nothing.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { existsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { gatewayFilters } from "../gateway/access/access.ts";
import { ACCESS_FILE } from "../gateway/access/access-store.ts";
import { daysLeft, readPrivateKey, tlsFiles } from "../gateway/access/certificate-files.ts";
import { connectBroker } from "../gateway/broker/external-broker.ts";
import { closeServer, listen } from "../gateway/broker/listeners.ts";
import { encryptedListeners } from "../gateway/broker/open-listeners.ts";
import type { GatewayConfig } from "../gateway/config/config.ts";
import { lockDataDirectory } from "../gateway/store/data-lock.ts";
import { databaseDamage } from "../gateway/store/database-files.ts";
import { readIfThere } from "../gateway/store/durable-file.ts";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { EdgeError } from "../src/assert.ts";
import { problemOf } from "./doctor-machine.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";

/** Renewed by hand, a certificate wants some weeks. */
const EXPIRY_NEAR_DAYS = 30;
const BROKER_MS = 8_000;
const BROKER_LOOK_MS = 50;

/** Whether a gateway runs on the directory now; never makes a file. */
export function gatewayRuns(dataDirectory: string): boolean {
  if (!existsSync(path.join(dataDirectory, "gateway.lock"))) return false;
  try {
    lockDataDirectory(dataDirectory)();
    return false;
  } catch (error) {
    if (error instanceof EdgeError) return true;
    // Who may not open the lock is told by the check of the directory.
    return false;
  }
}

export function checkDataDirectory(dataDirectory: string, runs: boolean): Finding[] {
  const check = "data directory";
  if (!existsSync(dataDirectory)) {
    return [note(check, `${dataDirectory} is not there`, "A gateway makes it at its first start.")];
  }
  const { uid, mode } = statSync(dataDirectory);
  const findings = [ok(check, `${dataDirectory}${runs ? ", a gateway runs on it" : ""}`)];
  const me = process.getuid?.();
  if (me !== undefined && me !== uid) {
    findings.push(
      warning(
        "owner",
        `${dataDirectory} belongs to user ${uid}, and this is user ${me}`,
        "Run bellwether as the user who owns it (`sudo -u bellwether bellwether …`), or files of two users mix.",
      ),
    );
  }
  if (process.platform !== "win32" && (mode & 0o002) !== 0) {
    findings.push(
      problem(
        "permissions",
        `everybody may write ${dataDirectory}`,
        `Run \`chmod o-w ${dataDirectory}\`.`,
      ),
    );
  }
  return [...findings, ...checkSecrets(dataDirectory), ...checkDatabases(dataDirectory)];
}

/** Private files are 0600, and the release key is one. */
function checkSecrets(dataDirectory: string): Finding[] {
  const releaseKey = path.join(dataDirectory, "keys", "release-key.pem");
  const tls = tlsFiles(dataDirectory);
  const secret = [releaseKey, path.join(dataDirectory, ACCESS_FILE), tls.caKey, tls.serverKey];
  const there = secret.filter((file) => existsSync(file));
  const findings: Finding[] = [];
  for (const file of there) {
    try {
      readPrivateKey(file);
    } catch (error) {
      findings.push(problemOf(path.basename(file), error));
    }
  }
  if (findings.length > 0) return findings;
  if (there.includes(releaseKey) && !isReleaseKey(releaseKey)) {
    return [
      problem(
        "release-key.pem",
        `${releaseKey} is not an Ed25519 key`,
        "Bring it back from a backup: nodes take releases of this key only.",
      ),
    ];
  }
  return there.length === 0
    ? []
    : [ok("keys", `${there.length} private files, readable by their owner only`)];
}

function isReleaseKey(file: string): boolean {
  try {
    const pem = readIfThere(file) ?? new Uint8Array();
    return createPrivateKey(Buffer.from(pem)).asymmetricKeyType === "ed25519";
  } catch {
    return false;
  }
}

function checkDatabases(dataDirectory: string): Finding[] {
  return [LABEL_LOG_FILE, ACCESS_FILE]
    .map((name) => path.join(dataDirectory, name))
    .filter((file) => existsSync(file))
    .map((file) => {
      const name = path.basename(file);
      const damage = databaseDamage(file);
      if (damage === undefined) return ok(name, "whole");
      return problem(
        name,
        `${file} is damaged: ${damage}`,
        "Stop the gateway and `bellwether restore` a backup; a damaged label log is set aside at the next start, never deleted.",
      );
    });
}

/** The certificate that clients would be shown, and who signed it. */
export function checkCertificates(config: GatewayConfig): Finding[] {
  const { tls, dataDirectory } = config;
  const wanted = Object.values(encryptedListeners(config)).includes(true);
  const own = tlsFiles(dataDirectory);
  const file = tls.certificateFile ?? own.server;
  if (!wanted && !existsSync(file)) return [];
  const renewsItself = tls.certificateFile === undefined && existsSync(own.caKey);
  const server = checkCertificate("certificate", file, tls.keyFile ?? own.serverKey, renewsItself);
  const authority = tls.clientCaFile ?? own.ca;
  if (!existsSync(authority)) return [server];
  return [server, checkCertificate("authority", authority, undefined, false)];
}

function checkCertificate(
  check: string,
  file: string,
  keyFile: string | undefined,
  renewsItself: boolean,
): Finding {
  const todo = renewsItself
    ? "Start the gateway: it renews its own certificate."
    : "Run `bellwether certs make`, or bring a new one from whoever signed it.";
  const pem = readIfThere(file);
  if (pem === undefined) return problem(check, `there is no ${file}`, todo);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
    const key = keyFile === undefined ? undefined : readPrivateKey(keyFile);
    if (keyFile !== undefined && key === undefined) {
      return problem(check, `there is no ${keyFile}`, todo);
    }
    if (key !== undefined && !certificate.checkPrivateKey(createPrivateKey(Buffer.from(key)))) {
      return problem(check, `${keyFile} is not the key of ${file}`, todo);
    }
  } catch (error) {
    return problemOf(check, error);
  }
  const nowMs = Date.now();
  const days = daysLeft(certificate, nowMs);
  if (Date.parse(certificate.validFrom) > nowMs) {
    return problem(check, `${file} counts from ${certificate.validFrom} on`, "Set the clock.");
  }
  if (days < 0 && !renewsItself) {
    return problem(check, `${file} ended on ${certificate.validTo}`, todo);
  }
  const found = `${file} until ${certificate.validTo}`;
  return days < EXPIRY_NEAR_DAYS ? warning(check, found, todo) : ok(check, found);
}

/** Ports that a gateway would listen on: free, or taken by the gateway that runs here. It does without
 * the page and the figures where theirs are taken. */
export async function checkPorts(config: GatewayConfig, runs: boolean): Promise<Finding[]> {
  const { broker, tls, websocket, http, metrics } = config;
  const wanted = [
    ...(broker.url === undefined ? [{ setting: "broker.port", at: broker, spared: false }] : []),
    ...(broker.url === undefined && tls.enabled
      ? [{ setting: "tls.port", at: tls, spared: false }]
      : []),
    ...(broker.url === undefined && websocket.enabled
      ? [{ setting: "websocket.port", at: websocket, spared: false }]
      : []),
    ...(http.enabled ? [{ setting: "http.port", at: http, spared: true }] : []),
    ...(metrics.enabled ? [{ setting: "metrics.port", at: metrics, spared: true }] : []),
  ];
  const findings: Finding[] = [];
  for (const { setting, at, spared } of wanted) {
    const check = `port ${at.port}`;
    const server = createServer();
    try {
      await listen(server, at, setting);
      await closeServer(server);
      findings.push(ok(check, `free on ${at.host}`));
    } catch (error) {
      const found = problemOf(check, error);
      if (runs) findings.push(ok(check, "taken, while a gateway runs here"));
      else findings.push(spared ? { ...found, status: "warning" } : found);
    }
  }
  return findings;
}

/** Whether an external broker answers and lets the gateway subscribe to what it needs. */
export async function checkBroker({ broker, base }: GatewayConfig): Promise<Finding[]> {
  const { url, passwordFile, caFile } = broker;
  if (url === undefined) return [ok("broker", "our own, in the gateway")];
  const check = "broker";
  let reason = "no answer";
  try {
    const link = connectBroker(
      { url, base, passwordFile, caFile, filters: gatewayFilters(base) },
      {
        onMessage: () => undefined,
        onConnection: () => undefined,
        log: (level, text, fields = {}) => {
          if (level !== "info") reason = `${text}: ${String(fields.reason ?? "")}`;
        },
      },
    );
    const endMs = Date.now() + BROKER_MS;
    while (!link.isOpen() && Date.now() < endMs) {
      await new Promise((resolve) => setTimeout(resolve, BROKER_LOOK_MS));
      if (reason !== "no answer") break;
    }
    const isOpen = link.isOpen();
    await link.close();
    if (isOpen) return [ok(check, `${link.url} answers and lets the gateway subscribe`)];
    return [
      problem(
        check,
        `${link.url}: ${reason}`,
        "Start that broker, or check broker.url, its user and password_file; a gateway waits for it and serves nobody meanwhile.",
      ),
    ];
  } catch (error) {
    return [problemOf(check, error)];
  }
}
