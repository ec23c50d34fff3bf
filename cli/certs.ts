/**
 * `bellwether certs`: a small certificate authority in the gateway's data directory.
 *
 * `make` gives the gateway's listeners a certificate, `client` gives a node or a person one, `show`
 * says what there is and when it ends. Whoever brings certificates of theirs needs none of this.
 */

import { X509Certificate } from "node:crypto";
import { hostname } from "node:os";
import path from "node:path";
import type { Role } from "../gateway/access/access-store.ts";
import {
  daysLeft,
  openAuthority,
  readAuthority,
  tlsFiles,
  writeServer,
} from "../gateway/access/certificate-files.ts";
import {
  commonNameOf,
  fingerprintOf,
  issueClient,
  issueServer,
  namesOf,
} from "../gateway/access/certificates.ts";
import { addressBytes } from "../gateway/access/der.ts";
import { nodeDisk, readIfThere, writeDurably } from "../gateway/store/durable-file.ts";
import { EdgeError } from "../src/assert.ts";
import { accessName, DATA_OPTIONS, dataDirectory, withAccess } from "./access-data.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ownAddresses } from "./own-addresses.ts";

const HOST_NAME = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;

export const command: CommandSpec = {
  name: "certs",
  summary: "certificates for TLS: an authority, the gateway, and nodes that have one",
  options: [],
  examples: ["bellwether certs make", "bellwether certs client collar-7 --out collar-7"],
  commands: [
    {
      name: "make",
      summary: "make an authority where there is none, and a certificate for the gateway",
      description:
        "Makes an authority where there is none, and a certificate for the gateway's listeners: for\n" +
        "this machine's names and addresses, and those that you name. A running gateway shows it\n" +
        "within seconds. Clients need tls/ca.pem of the data directory.",
      options: [
        {
          flags: "--names <list>",
          description: "more names and addresses, such as farm.example,192.168.1.5",
          kind: "list",
        },
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether certs make --names farm.example,192.168.1.5"],
      run: make,
    },
    {
      name: "client",
      summary: "make a certificate for a node or a user, which then needs no password",
      description:
        "Makes a certificate and a key for a node or a user, and lets its holder in by it. It needs\n" +
        "tls.client_certificates: optional (or required) in the gateway's settings.",
      arguments: [{ name: "<name>", description: "the node's or the user's name" }],
      options: [
        {
          flags: "--out <dir>",
          description: "where NAME.pem and NAME-key.pem go (default: the present folder)",
          kind: "text",
        },
        {
          flags: "--role <role>",
          description: "what somebody new may do",
          kind: "text",
          choices: ["node", "reader", "operator"],
          default: "node",
        },
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether certs client collar-7"],
      run: client,
    },
    {
      name: "show",
      summary: "the authority and the gateway's certificate: names, fingerprints, ends",
      options: DATA_OPTIONS,
      examples: ["bellwether certs show --json"],
      run: show,
    },
  ],
};

async function make(input: CommandInput, io: CommandIo): Promise<number> {
  const files = tlsFiles(dataDirectory(input));
  const names = [...new Set([...input.list("names").map(checkName), ...ownNames()])];
  const nowMs = Date.now();
  const authority = openAuthority(files, `Bellwether authority of ${hostname()}`, nowMs);
  writeServer(files, issueServer(authority, names, nowMs));
  if (io.json) io.printJson({ ca: files.ca, certificate: files.server, names });
  else io.print(`${files.server}  for ${names.join(", ")}`);
  io.note(`certs: give clients ${files.ca}; set tls.enabled to listen with it`);
  return EXIT.ok;
}

async function client(input: CommandInput, io: CommandIo): Promise<number> {
  const name = accessName(input.arguments[0]);
  const folder = path.resolve(input.text("out") ?? ".");
  const nowMs = Date.now();
  const issued = issueClient(readAuthority(tlsFiles(dataDirectory(input))), name, nowMs);
  const fingerprint = fingerprintOf(new X509Certificate(issued.certificate));
  const role = await withAccess(input, (store): Role => {
    const known = store.identity(name);
    const wanted = known?.role ?? (input.text("role") as Role);
    store.put({
      name,
      role: wanted,
      secret: known?.secret ?? null,
      mosquitto: known?.mosquitto ?? null,
      certificate: fingerprint,
      createdMs: known?.createdMs ?? nowMs,
      changedMs: nowMs,
      joinHash: known?.joinHash ?? null,
      proven: true,
    });
    return wanted;
  });
  nodeDisk.makeFolder(folder);
  const certificate = path.join(folder, `${name}.pem`);
  const key = path.join(folder, `${name}-key.pem`);
  writeDurably(nodeDisk, key, Buffer.from(issued.key), 0o600);
  writeDurably(nodeDisk, certificate, Buffer.from(issued.certificate));
  if (io.json) io.printJson({ name, role, certificate, key, fingerprint });
  else io.print(`${certificate} ${key}`);
  return EXIT.ok;
}

async function show(input: CommandInput, io: CommandIo): Promise<number> {
  const files = tlsFiles(dataDirectory(input));
  const found = [files.ca, files.server].flatMap((file) => {
    const pem = readIfThere(file);
    return pem === undefined ? [] : [{ file, certificate: new X509Certificate(pem) }];
  });
  const described = found.map(({ file, certificate }) => ({
    file,
    name: commonNameOf(certificate),
    names: namesOf(certificate),
    fingerprint: fingerprintOf(certificate),
    ends: new Date(certificate.validTo).toISOString(),
    days_left: Math.floor(daysLeft(certificate, Date.now())),
  }));
  if (io.json) io.printJson({ certificates: described });
  for (const { file, name, names, fingerprint, ends } of io.json ? [] : described) {
    io.print(
      `${file}  ${names.length > 0 ? names.join(", ") : name}  until ${ends}  ${fingerprint}`,
    );
  }
  if (described.length === 0) io.note("certs: there are none; `bellwether certs make` makes some");
  return described.length === 0 ? EXIT.failed : EXIT.ok;
}

/** By which clients on this network are likely to call this machine. */
function ownNames(): string[] {
  const host = hostname().toLowerCase();
  const names = HOST_NAME.test(host)
    ? [host, ...(host.includes(".") ? [] : [`${host}.local`])]
    : [];
  return [...names, "localhost", "127.0.0.1", "::1", ...ownAddresses("all")];
}

function checkName(name: string): string {
  if (HOST_NAME.test(name) || addressBytes(name) !== undefined) return name;
  throw new EdgeError({
    code: "certificate-name",
    message: `${JSON.stringify(name)} is neither a host's name nor an address`,
    where: "--names",
    hint: "Write names without a protocol or port: farm.example,192.168.1.5.",
  });
}
