/**
 * `bellwether nodes`: which nodes have credentials on the embedded broker, and how others get some.
 *
 * It changes the gateway's data directory, so it needs no password but the right to write there, and
 * works whether a gateway runs or not.
 */

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { AccessStore } from "../gateway/access/access-store.ts";
import { commonNameOf, fingerprintOf } from "../gateway/access/certificates.ts";
import {
  CODE_MINUTES,
  CODE_MINUTES_MAX,
  CODE_USES_MAX,
  type CodeWish,
  freeName,
  givePassword,
  knownIdentity,
  listNodes,
  openCode,
  revokeNode,
} from "../gateway/access/credentials.ts";
import { readConfig } from "../gateway/config/config.ts";
import { credentialsElsewhere } from "../gateway/requests/node-requests.ts";
import { EdgeError } from "../src/assert.ts";
import { JOIN_USER } from "../src/wire/join.ts";
import { accessName, DATA_OPTIONS, withAccess } from "./access-data.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";
import { exportNodes } from "./nodes-export.ts";
import { POINT } from "./nodes-point.ts";
import { linkForPhone } from "./phone-link.ts";

const MINUTES: OptionSpec = {
  flags: "--minutes <count>",
  description: "how long the code is good",
  kind: "number",
  default: CODE_MINUTES,
  low: 1,
  high: CODE_MINUTES_MAX,
};

export const command: CommandSpec = {
  name: "nodes",
  summary: "let nodes join, list them, take their credentials away",
  options: [],
  examples: [
    "bellwether nodes add collar-7",
    "bellwether nodes add --uses 12",
    "bellwether nodes list",
  ],
  commands: [
    {
      name: "add",
      summary: "make a join code, for one name or for any",
      description:
        "Makes a join code. A device connects with the user `join` and the code as its password, and\n" +
        "is given credentials of its own. With a name the code is good for that name only.\n" +
        "--password makes the credentials at once, for a device that is set up by hand.\n" +
        "With --config of a gateway that phones reach, the link for a phone's browser is told too.",
      arguments: [{ name: "[node]", description: "the node's name; without it any free name" }],
      options: [
        {
          flags: "--uses <count>",
          description: "how many nodes may join by it",
          kind: "number",
          default: 1,
          low: 1,
          high: CODE_USES_MAX,
        },
        MINUTES,
        { flags: "--password", description: "credentials instead of a code", kind: "flag" },
        {
          flags: "--certificate <file>",
          description: "let it in by this client certificate, PEM, instead of a code",
          kind: "text",
        },
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether nodes add collar-7", "bellwether nodes add --uses 12 --minutes 60"],
      run: add,
    },
    {
      name: "list",
      summary: "nodes that have credentials, and join codes that are open",
      options: DATA_OPTIONS,
      examples: ["bellwether nodes list --json"],
      run: list,
    },
    {
      name: "revoke",
      summary: "take a node's credentials away, or close a join code; ends its session at once",
      arguments: [{ name: "<name>", description: "a node, or the label of a code" }],
      options: DATA_OPTIONS,
      examples: ["bellwether nodes revoke collar-7"],
      run: revoke,
    },
    {
      name: "rotate",
      summary: "give a node new credentials; the old ones end at once",
      arguments: [{ name: "<node>", description: "the node's name" }],
      options: [
        {
          flags: "--code",
          description: "a join code, by which the device fetches them itself",
          kind: "flag",
        },
        MINUTES,
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether nodes rotate collar-7", "bellwether nodes rotate collar-7 --code"],
      run: rotate,
    },
    POINT,
    {
      name: "export",
      summary: "the same nodes, users and rights for a Mosquitto",
      description:
        "Writes a password file, an access list and a fragment of configuration for Mosquitto 2.0 and\n" +
        "later, with a user for the gateway itself. Passwords stay as they are. Export again after\n" +
        "every change, and have Mosquitto read them again (SIGHUP).",
      options: [
        {
          flags: "--mosquitto <dir>",
          description: "where the files go",
          kind: "text",
          default: "mosquitto",
        },
        {
          flags: "--port <number>",
          description: "where Mosquitto listens on the loopback",
          kind: "number",
          default: 1883,
          low: 1,
          high: 65_535,
        },
        {
          flags: "--base <topic>",
          description: "what stands before the topics (default: that of --config)",
          kind: "text",
        },
        ...DATA_OPTIONS,
      ],
      examples: ["bellwether nodes export --mosquitto mosquitto"],
      run: exportNodes,
    },
  ],
};

async function add(input: CommandInput, io: CommandIo): Promise<number> {
  const [wanted] = input.arguments;
  const node = wanted === undefined ? undefined : accessName(wanted);
  const uses = input.number("uses") ?? 1;
  if (node !== undefined && uses > 1) throw oneUse();
  const isWhole = input.flag("password") || input.text("certificate") !== undefined;
  if (!isWhole) refuseCode(input);
  return withAccess(input, async (store) => {
    if (node !== undefined) freeName(store, node);
    const certificate = input.text("certificate");
    if (certificate !== undefined)
      return takeCertificate(store, accessName(wanted), certificate, io);
    if (input.flag("password")) return tellPassword(store, accessName(wanted), input, io);
    return tellCode(store, { node, uses, replaces: false, minutes: minutesOf(input) }, input, io);
  });
}

async function rotate(input: CommandInput, io: CommandIo): Promise<number> {
  const node = accessName(input.arguments[0]);
  if (input.flag("code")) refuseCode(input);
  return withAccess(input, async (store) => {
    knownIdentity(store, node, ["node"]);
    if (!input.flag("code")) return tellPassword(store, node, input, io);
    return tellCode(store, { node, uses: 1, replaces: true, minutes: minutesOf(input) }, input, io);
  });
}

/** Nobody can join by a code but on our own broker. */
function refuseCode(input: CommandInput): void {
  if (isElsewhere(input)) throw credentialsElsewhere("join code");
}

function isElsewhere(input: CommandInput): boolean {
  return readConfig(input.text("config"), process.env).broker.url !== undefined;
}

/** What is changed here counts there when it has been written out. */
function noteExport(input: CommandInput, io: CommandIo): void {
  if (isElsewhere(input)) {
    io.note("nodes: the broker is another's; a Mosquitto learns of it by `nodes export`");
  }
}

async function revoke(input: CommandInput, io: CommandIo): Promise<number> {
  const name = input.arguments[0] ?? "";
  return withAccess(input, (store) => {
    const { codes, node } = revokeNode(store, name);
    if (io.json) io.printJson({ revoked: name, codes, node });
    else io.print(node ? `${name} is not known any more` : `code ${name} is closed`);
    noteExport(input, io);
    return EXIT.ok;
  });
}

async function list(input: CommandInput, io: CommandIo): Promise<number> {
  return withAccess(input, (store) => {
    const { nodes, codes } = listNodes(store, Date.now());
    if (io.json) {
      io.printJson({ nodes, codes });
      return EXIT.ok;
    }
    for (const { node, changed, password, certificate } of nodes) {
      const by = [
        ...(password ? ["password"] : []),
        ...(certificate === null ? [] : ["certificate"]),
      ];
      io.print(`${node}  ${by.join(", ")}  since ${new Date(changed).toISOString()}`);
    }
    for (const { label, node, uses, expires } of codes) {
      const who = node ?? "any name";
      const until = new Date(expires).toISOString();
      io.print(`code ${label}  ${who}  ${uses} uses left  until ${until}`);
    }
    if (nodes.length + codes.length === 0) io.note("nodes: none has credentials");
    noteExport(input, io);
    return EXIT.ok;
  });
}

async function tellPassword(
  store: AccessStore,
  node: string,
  input: CommandInput,
  io: CommandIo,
): Promise<number> {
  const password = await givePassword(store, node, "node");
  if (io.json) io.printJson({ node, user: node, password });
  else io.print(`user ${node} password ${password}`);
  io.note("nodes: shown this once; the client id is the user's name too");
  noteExport(input, io);
  return EXIT.ok;
}

/** A certificate that somebody else's authority has signed: it alone, and no other of that name. */
function takeCertificate(store: AccessStore, node: string, file: string, io: CommandIo): number {
  const fingerprint = readFingerprint(file, node);
  const nowMs = Date.now();
  store.put({
    name: node,
    role: "node",
    secret: null,
    mosquitto: null,
    certificate: fingerprint,
    createdMs: nowMs,
    changedMs: nowMs,
    joinHash: null,
    proven: true,
  });
  if (io.json) io.printJson({ node, fingerprint });
  else io.print(`${node} is let in by ${fingerprint}`);
  return EXIT.ok;
}

function readFingerprint(file: string, node: string): string {
  const wrong = (message: string): EdgeError =>
    new EdgeError({
      code: "certificate-unusable",
      message,
      where: file,
      hint: `Give the client certificate in PEM, with ${node} as its common name.`,
    });
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(readFileSync(file));
  } catch (error) {
    throw wrong((error as Error).message);
  }
  const name = commonNameOf(certificate);
  if (name !== node) throw wrong(`its common name is ${JSON.stringify(name)}`);
  return fingerprintOf(certificate);
}

async function tellCode(
  store: AccessStore,
  wish: CodeWish,
  input: CommandInput,
  io: CommandIo,
): Promise<number> {
  const opened = await openCode(store, wish, Date.now());
  const link = linkForPhone(input, opened.code, wish.node);
  if (io.json) {
    io.printJson({ ...opened, link });
    return EXIT.ok;
  }
  const { code, node, uses, expires } = opened;
  io.print(`join code ${code}`);
  if (link !== null) io.print(`for a phone ${link}`);
  const who = node ?? (uses === 1 ? "a node of any name" : `${uses} nodes of any name`);
  io.note(`nodes: good for ${who}, until ${new Date(expires).toISOString()}; shown this once`);
  io.note(`nodes: a device connects with user ${JOIN_USER} and the code as its password`);
  return EXIT.ok;
}

function minutesOf(input: CommandInput): number {
  return input.number("minutes") ?? CODE_MINUTES;
}

function oneUse(): EdgeError {
  return new EdgeError({
    code: "usage",
    message: "a code for one name is good for one node",
    where: "--uses",
    hint: "Leave the name out, or --uses.",
  });
}
