/**
 * The page that makes a phone a node: `/node`, its modules, its worker, and what it has to know.
 *
 * Anybody may open it: there is nothing in it but code and a model that ships, and who has only a
 * join code must be able to. What it then may, it may by MQTT, with the code.
 */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { gzipSync } from "node:zlib";
import { PHONE_PATH, type PhoneAbout } from "../../src/wire/phone.ts";
import type { HttpRoute } from "./http-listener.ts";
import { once, withoutTypes } from "./page-files.ts";
import { type PhoneModule, readPhoneModules } from "./phone-modules.ts";

const FOLDER = new URL("../../device-sim/browser/", import.meta.url);
const ENTRY = "device-sim/browser/phone-page.ts";
const WORKER = "phone-worker.ts";

export type PhoneFiles = {
  /** Bytes of the container that a phone begins with. */
  readonly factory: Uint8Array;
  /** Parameters of the profile's emulator as JSON, where it has some. */
  readonly emulator: string | undefined;
};

type Part = {
  readonly path: string;
  readonly type: string;
  readonly gzipped: () => Buffer;
};

const JSON_TYPE = "application/json; charset=utf-8";
const SCRIPT_TYPE = "text/javascript; charset=utf-8";

/** Files of the folder that are sent as they are. */
const PLAIN_FILES = [
  { path: PHONE_PATH, file: "phone.html", type: "text/html; charset=utf-8" },
  { path: "/node/phone.css", file: "phone.css", type: "text/css; charset=utf-8" },
  { path: "/node/icon.svg", file: "icon.svg", type: "image/svg+xml" },
  { path: "/node/icon-180.png", file: "icon-180.png", type: "image/png" },
  { path: "/node/icon-192.png", file: "icon-192.png", type: "image/png" },
  { path: "/node/icon-512.png", file: "icon-512.png", type: "image/png" },
  { path: "/node/app.webmanifest", file: "app.webmanifest", type: "application/manifest+json" },
] as const;

/** @param about asked for each time, since keys and ports come to be while a gateway starts */
export function phoneRoutes(files: PhoneFiles, about: () => PhoneAbout): readonly HttpRoute[] {
  const { modules, version } = readPhoneModules([ENTRY]);
  const whole = wholeFiles(files);
  const parts: Part[] = [
    ...whole.map(({ path, type, bytes }) => ({ path, type, gzipped: once(() => gzipSync(bytes)) })),
    ...modules.map(({ path, gzipped }: PhoneModule) => ({ path, type: SCRIPT_TYPE, gzipped })),
  ];
  const hash = createHash("sha256").update(version);
  for (const { path, bytes } of whole) hash.update(path).update(bytes);
  const kept = { version: hash.digest("hex").slice(0, 16), paths: parts.map(({ path }) => path) };
  const worker = once(() => gzipSync(workerScript(kept)));
  return [
    ...[...parts, { path: "/node-worker.js", type: SCRIPT_TYPE, gzipped: worker }].map(
      (part): HttpRoute => ({
        path: part.path,
        for: "anyone",
        isPage: part.path === PHONE_PATH,
        answer: (response) => {
          setHeaders(response, about());
          response.writeHead(200, { "content-type": part.type, "content-encoding": "gzip" });
          response.end(part.gzipped());
        },
      }),
    ),
    {
      path: "/node/about.json",
      for: "anyone",
      answer: (response) => {
        setHeaders(response, about());
        response.writeHead(200, { "content-type": JSON_TYPE });
        response.end(JSON.stringify(about()));
      },
    },
  ];
}

/** All but the modules. */
function wholeFiles({ factory, emulator }: PhoneFiles) {
  const model = "application/octet-stream";
  return [
    ...PLAIN_FILES.map(({ path, file, type }) => ({ path, type, bytes: read(file) })),
    { path: "/node/factory.bwm", type: model, bytes: factory },
    ...(emulator === undefined
      ? []
      : [{ path: "/node/emulator.json", type: JSON_TYPE, bytes: Buffer.from(emulator) }]),
  ];
}

/** The worker with the list of what it keeps and a name for its present state, so that the browser sees
 * a new worker where any of it has changed. */
function workerScript({ version, paths }: { version: string; paths: readonly string[] }): string {
  const known = `self.KEPT = ${JSON.stringify({ version, paths: [...paths, "/node/about.json"] })};`;
  return `${known}\n${withoutTypes(read(WORKER).toString())}`;
}

function read(file: string): Buffer {
  return readFileSync(new URL(file, FOLDER));
}

function setHeaders(response: ServerResponse, about: PhoneAbout): void {
  const { socket, headers } = response.req;
  const rules = phoneHeaders(about.websocket, headers.host ?? "", socket instanceof TLSSocket);
  for (const [name, value] of Object.entries(rules)) response.setHeader(name, value);
}

/**
 * What this page may beyond the others: compile WebAssembly (the student), connect to this gateway's
 * own WebSocket port, keep itself in a worker, be installed, and read the accelerometer. Browsers ask
 * for the gyroscope's right as well before they tell of motion at all.
 *
 * @param host as the request named it, which has been found to be a name of ours
 */
export function phoneHeaders(
  websocket: PhoneAbout["websocket"],
  host: string,
  secure: boolean,
): Readonly<Record<string, string>> {
  const name = new URL(`${secure ? "https" : "http"}://${host}`).hostname;
  const scheme = websocket?.secure === true ? "wss" : "ws";
  const link = websocket === null ? "" : ` ${scheme}://${name}:${websocket.port}`;
  return {
    "content-security-policy":
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; " +
      `connect-src 'self'${link}; img-src 'self' data:; manifest-src 'self'; worker-src 'self'; ` +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
      "require-trusted-types-for 'script'; trusted-types phone-worker",
    "permissions-policy":
      "accelerometer=(self), gyroscope=(self), screen-wake-lock=(self), camera=(), " +
      "geolocation=(), microphone=()",
  };
}
