/**
 * The gateway's HTTP listener: sockets, answers and streams. What is answered to whom is decided in
 * `http-rules.ts`; what there is, is a table of routes.
 *
 * Plain on the loopback, over TLS everywhere else: a browser sends the token with each request.
 */

import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import {
  type Authentication,
  networkOf,
  type Peer,
  type Session,
} from "../access/authentication.ts";
import type { Log } from "../broker/link.ts";
import { urlOf } from "../broker/listeners.ts";
import type { ServerCertificates } from "../broker/tls-listener.ts";
import { credentialsOf, HTTP_LIMITS, headersOf, type Route, ruleOn } from "./http-rules.ts";
import { listenForRequests, openHttpServer, peerOfRequest } from "./http-server.ts";

export type HttpRoute = Route & {
  /** Writes the whole answer, or opens a stream. The headers that every answer has are set. */
  readonly answer: (response: ServerResponse, posted: Posted) => void;
};

/** What was posted, and the operator who did; of what is only read, nothing. */
export type Posted = { readonly body: Uint8Array; readonly user: string | undefined };

const NOTHING_POSTED: Posted = { body: new Uint8Array(), user: undefined };

export type HttpAt = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Names that people call the gateway by, besides addresses: `farm.local`. */
  readonly names: readonly string[];
};

export type HttpListener = {
  /** `http://127.0.0.1:8011` */
  readonly url: string;
  readonly close: () => Promise<void>;
};

const REALM = 'Basic realm="bellwether", charset="UTF-8"';

/** Throws `EdgeError` `broker-port`. */
export async function listenHttp(
  at: HttpAt,
  routes: readonly HttpRoute[],
  parts: {
    readonly authentication: Authentication | undefined;
    readonly certificates: ServerCertificates | undefined;
    readonly log: Log;
  },
): Promise<HttpListener> {
  const { certificates, authentication, log } = parts;
  const server = openServer(certificates);
  const sockets = limitSockets(server);
  server.on("request", (request, response) => {
    const secure = request.socket instanceof TLSSocket;
    for (const [name, value] of Object.entries(headersOf(secure))) response.setHeader(name, value);
    const ruling = ruleOn(askedOf(request, secure), routes, at.names);
    if (!ruling.ok) {
      if (ruling.allow !== undefined) response.setHeader("allow", ruling.allow);
      // What is left of it is not read.
      if (request.method === "POST" || ruling.status === 413) {
        response.setHeader("connection", "close");
      }
      return say(response, ruling.status, ruling.reason);
    }
    const { route } = ruling;
    if (route.for === "anyone") return route.answer(response, NOTHING_POSTED);
    const claim = credentialsOf(request.headers.authorization);
    admit(peerOfRequest(request), claim, authentication, route).then(
      (admitted) => {
        if (response.destroyed) return;
        if (admitted.ok) return answer(request, response, route, admitted.session, readers);
        const { reason, status } = admitted;
        if (claim !== undefined || status === 403) {
          log("warning", "page refused", { peer: request.socket.remoteAddress ?? "", reason });
        }
        if (status === 401) response.setHeader("www-authenticate", REALM);
        if (request.method === "POST") response.setHeader("connection", "close");
        say(response, status, reason);
      },
      () => say(response, 500, "something is wrong with this gateway"),
    );
  });
  const door = await listenForRequests(server, at, "http.port", certificates);
  const readers = new Readers(authentication);
  return {
    url: urlOf(certificates === undefined ? "http" : "https", at.host, door.port),
    close: () => {
      readers.stop();
      for (const socket of sockets) socket.destroy();
      return door.close();
    },
  };
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  route: HttpRoute,
  session: Session | undefined,
  readers: Readers,
): void {
  if (route.method !== "POST") {
    if (session !== undefined) readers.add(response, session);
    return route.answer(response, NOTHING_POSTED);
  }
  const principal = session?.principal;
  const user = principal?.role === "operator" ? principal.user : undefined;
  readBody(request, (body) => {
    if (body !== undefined) return route.answer(response, { body, user });
    response.setHeader("connection", "close");
    say(response, 413, "the body is too long");
  });
}

/** Undefined for one that is too long. Of one that ends early nothing is made; a slow one is ended by
 * the server's own time for a request. */
function readBody(request: IncomingMessage, then: (body: Uint8Array | undefined) => void): void {
  const parts: Buffer[] = [];
  let bytes = 0;
  request.on("data", (part: Buffer) => {
    const wasShort = bytes <= HTTP_LIMITS.bodyBytes;
    bytes += part.length;
    if (bytes <= HTTP_LIMITS.bodyBytes) parts.push(part);
    else if (wasShort) {
      request.pause();
      then(undefined);
    }
  });
  request.on("end", () => then(Buffer.concat(parts)));
  request.on("error", () => undefined);
}

function openServer(certificates: ServerCertificates | undefined): Server {
  const server = openHttpServer(certificates);
  server.keepAliveTimeout = HTTP_LIMITS.idleMs;
  server.maxRequestsPerSocket = HTTP_LIMITS.requestsOfConnection;
  // Nothing here speaks another protocol over the same port.
  server.on("upgrade", (_request, socket) => socket.destroy());
  return server;
}

/** Everybody who is connected; who comes when there are too many is sent away. */
function limitSockets(server: Server): ReadonlySet<Socket> {
  const sockets = new Set<Socket>();
  const ofPlace = new Map<string, number>();
  server.on("connection", (socket: Socket) => {
    const place = networkOf(socket.remoteAddress ?? "");
    const count = ofPlace.get(place) ?? 0;
    const { connections, connectionsOfPlace } = HTTP_LIMITS;
    socket.on("error", () => undefined);
    if (sockets.size >= connections || count >= connectionsOfPlace) return socket.destroy();
    sockets.add(socket);
    ofPlace.set(place, count + 1);
    socket.once("close", () => {
      sockets.delete(socket);
      const left = (ofPlace.get(place) ?? 1) - 1;
      if (left > 0) ofPlace.set(place, left);
      else ofPlace.delete(place);
    });
  });
  return sockets;
}

function askedOf(request: IncomingMessage, secure: boolean) {
  const { headers, socket } = request;
  const length = headers["content-length"];
  return {
    method: request.method ?? "",
    url: request.url ?? "",
    host: headers.host,
    origin: headers.origin,
    site: wordOf(headers["sec-fetch-site"]),
    mode: wordOf(headers["sec-fetch-mode"]),
    destination: wordOf(headers["sec-fetch-dest"]),
    bodyBytes: length === undefined ? undefined : Number(length),
    contentType: headers["content-type"],
    hasBody: headers["transfer-encoding"] !== undefined || (length !== undefined && length !== "0"),
    localAddress: socket.localAddress ?? "",
    secure,
  };
}

function wordOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

/** A stream lasts for days: it ends when what it rests on is taken away, as sessions of MQTT do. */
class Readers {
  readonly #sessions = new Map<ServerResponse, Session>();
  readonly #timer: NodeJS.Timeout;

  constructor(authentication: Authentication | undefined) {
    this.#timer = setInterval(() => {
      for (const [response, session] of this.#sessions) {
        if (authentication?.holds(session) === false) response.destroy();
      }
    }, HTTP_LIMITS.holdsMs);
  }

  add(response: ServerResponse, session: Session): void {
    this.#sessions.set(response, session);
    response.once("close", () => this.#sessions.delete(response));
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

type Admission =
  | { readonly ok: true; readonly session?: Session }
  | { readonly ok: false; readonly status: 401 | 403; readonly reason: string };

/**
 * Who asks, or why they may not. What a page shows is what readers may hear. What is posted is asked
 * by operators alone: also on this machine, where reading needs no credentials, a browser is asked for
 * the operator's.
 */
async function admit(
  peer: Peer,
  claim: ReturnType<typeof credentialsOf>,
  authentication: Authentication | undefined,
  route: Route,
): Promise<Admission> {
  const isForOperators = route.for === "operators" || route.method === "POST";
  if (authentication === undefined) {
    if (isForOperators) {
      return deny(403, "this gateway knows no operators: ask over MQTT, at the broker that does");
    }
    return peer.loopback
      ? { ok: true }
      : deny(401, "without a broker of our own only this machine may look");
  }
  const password = claim === undefined ? undefined : Buffer.from(claim.password);
  const claimed = authentication.claim(peer, { clientId: "", user: claim?.user, password });
  if (!claimed.ok) return deny(401, claimed.reason);
  const session = await authentication.prove(claimed, peer, password);
  if (!("principal" in session)) return deny(401, session.reason);
  const { role } = session.principal;
  if (role === "node" || role === "joining") return deny(401, "this is nobody who may read");
  const isFor = !isForOperators && (route.for !== "insiders" || role === "local");
  if (isFor || role === "operator") return { ok: true, session };
  return role === "local"
    ? deny(401, "this needs the credentials of an operator")
    : deny(403, "this is for operators, not for readers");
}

function deny(status: 401 | 403, reason: string): Admission {
  return { ok: false, status, reason };
}

function say(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}
