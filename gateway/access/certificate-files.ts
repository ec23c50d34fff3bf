/**
 * The authority and the gateway's certificate as files: `tls/` in the data directory.
 *
 *     ca.pem            for every client        ca-key.pem       0600; may be kept elsewhere
 *     server.pem        what listeners show     server-key.pem   0600
 *
 * Renewing takes the authority's key and the names of the present certificate, so that a gateway that
 * nobody looks after does not lock its nodes out after a year.
 */

import { createPrivateKey, X509Certificate } from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../../src/assert.ts";
import { type Disk, nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";
import {
  type Authority,
  DAY_MS,
  type Issued,
  issueServer,
  makeAuthority,
  namesOf,
} from "./certificates.ts";

export type TlsFiles = {
  readonly folder: string;
  readonly ca: string;
  readonly caKey: string;
  readonly server: string;
  readonly serverKey: string;
};

/** As many public certificates are renewed a third of their life before the end; this is enough. */
const RENEW_DAYS = 60;

export function tlsFiles(dataDirectory: string): TlsFiles {
  const folder = path.join(dataDirectory, "tls");
  const at = (name: string): string => path.join(folder, name);
  return {
    folder,
    ca: at("ca.pem"),
    caKey: at("ca-key.pem"),
    server: at("server.pem"),
    serverKey: at("server-key.pem"),
  };
}

/** The authority of a data directory, made where there is none. Throws as `readAuthority`. */
export function openAuthority(
  files: TlsFiles,
  name: string,
  nowMs: number,
  disk: Disk = nodeDisk,
): Authority {
  if (readIfThere(files.ca) === undefined) {
    disk.makeFolder(files.folder);
    const made = makeAuthority(name, nowMs);
    // The key first: an authority without it could sign nothing and would never be made again.
    writeDurably(disk, files.caKey, Buffer.from(made.key), 0o600);
    writeDurably(disk, files.ca, Buffer.from(made.certificate));
  }
  return readAuthority(files);
}

/** Throws `EdgeError` `authority-unreadable` and `key-readable-by-others`. */
export function readAuthority(files: TlsFiles): Authority {
  const pem = readIfThere(files.ca);
  const key = readPrivateKey(files.caKey);
  if (pem === undefined || key === undefined) {
    throw new EdgeError({
      code: "authority-unreadable",
      message: `${pem === undefined ? files.ca : files.caKey} is missing`,
      where: files.folder,
      hint: "Run `bellwether certs make`, or bring the key back from where it is kept.",
    });
  }
  return { certificate: new X509Certificate(pem), key: createPrivateKey(Buffer.from(key)) };
}

export function writeServer(files: TlsFiles, issued: Issued, disk: Disk = nodeDisk): void {
  writeDurably(disk, files.serverKey, Buffer.from(issued.key), 0o600);
  writeDurably(disk, files.server, Buffer.from(issued.certificate));
}

/** True where the gateway's own certificate was near its end and there is a new one. */
export function renewServer(files: TlsFiles, nowMs: number, disk: Disk = nodeDisk): boolean {
  const pem = readIfThere(files.server);
  if (pem === undefined || readIfThere(files.caKey) === undefined) return false;
  const present = new X509Certificate(pem);
  if (daysLeft(present, nowMs) > RENEW_DAYS) return false;
  writeServer(files, issueServer(readAuthority(files), namesOf(present), nowMs), disk);
  return true;
}

export function daysLeft(certificate: X509Certificate, nowMs: number): number {
  return (Date.parse(certificate.validTo) - nowMs) / DAY_MS;
}

/** Undefined where there is none. Throws `EdgeError` `key-readable-by-others`. */
export function readPrivateKey(file: string): Uint8Array | undefined {
  const pem = readIfThere(file);
  if (pem === undefined) return undefined;
  // Windows has no such bits: there the folder's access list is what protects the key.
  if (process.platform !== "win32" && (statSync(file).mode & 0o077) !== 0) {
    throw new EdgeError({
      code: "key-readable-by-others",
      message: "others may read this private key",
      where: file,
      hint: `If nobody else uses this machine run \`chmod 600 ${file}\`; otherwise make a new one.`,
    });
  }
  return pem;
}
