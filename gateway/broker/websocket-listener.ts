/**
 * MQTT over WebSocket, for browsers: the same guard, the same broker, the same rights.
 *
 * The only file that knows ws. A browser sends along where a page came from, and any page on the web
 * can make a visitor's browser connect to this machine; so a page of a foreign origin is refused
 * before a byte of MQTT is read. What names are ours is a list and not what the browser says the host
 * is, since a name of an attacker's can be made to point here (DNS rebinding). Programs that are no
 * browser send no origin; they need credentials like everybody.
 */

import type { IncomingMessage } from "node:http";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer } from "ws";
import { listenForRequests, openHttpServer, peerOfRequest } from "../http/http-server.ts";
import type { Log } from "./link.ts";
import { type Hall, isLoopback, type Listener, urlOf } from "./listeners.ts";
import { type ServerCertificates, Visitors } from "./tls-listener.ts";

export type WebSocketAt = {
  readonly host: string;
  readonly port: number;
  /** Origins of pages that may connect besides those of this machine: `https://farm.local:8443`. */
  readonly origins: readonly string[];
};

const PATHS = ["/", "/mqtt"];
/** MQTT over WebSocket, section 6.0 of MQTT 3.1.1; the second is what MQTT 3.1 clients ask for. */
const PROTOCOLS = ["mqtt", "mqttv3.1"];
/** ws keeps a message until it is whole, a stranger's too, so it may be no larger than it must: a few
 * frames. A packet may come in several. */
const MESSAGE_BYTES_MAX = 64 * 1024;

/** Throws `EdgeError` `broker-port`. */
export async function listenWebSocket(
  at: WebSocketAt,
  certificates: ServerCertificates | undefined,
  hall: Hall,
  log: Log,
): Promise<Listener> {
  const server = openHttpServer(certificates);
  server.on("request", (_request, response) => {
    response.writeHead(426, { connection: "close", "content-type": "text/plain" });
    response.end("This port speaks MQTT over WebSocket.\n");
  });
  const visitors = new Visitors(server, hall);
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: (offered) => PROTOCOLS.find((known) => offered.has(known)) ?? false,
  });
  server.on("upgrade", (request, socket, head) => {
    const reason = whyNot(request, at.origins);
    const visitor = visitors.of(request.socket);
    if (reason !== undefined || visitor === undefined) {
      log("warning", "websocket refused", {
        peer: request.socket.remoteAddress ?? "unknown",
        reason: reason ?? "its socket is gone",
      });
      return refuse(socket);
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Text frames are a protocol error. [MQTT-6.0.0-1]
      webSocket.on("message", (_data, isBinary) => {
        if (!isBinary) webSocket.terminate();
      });
      webSocket.on("error", () => undefined);
      hall.greet(createWebSocketStream(webSocket), peerOfRequest(request), visitor);
    });
  });
  const door = await listenForRequests(server, at, "websocket.port", certificates);
  return {
    url: urlOf(certificates === undefined ? "ws" : "wss", at.host, door.port),
    close: () => {
      server.closeIdleConnections();
      return door.close();
    },
  };
}

/** Undefined where the request may become a connection. */
function whyNot(request: IncomingMessage, origins: readonly string[]): string | undefined {
  const path = request.url?.split("?")[0] ?? "";
  if (!PATHS.includes(path)) return "there is nothing at this path";
  const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim());
  if (!offered?.some((name) => PROTOCOLS.includes(name))) return "it does not offer mqtt";
  const { origin } = request.headers;
  if (origin === undefined || isOurs(origin, request.headers.host, origins)) return undefined;
  return `a page of ${origin} may not connect (websocket.origins)`;
}

/**
 * Whether a page's origin is ours: on the list, of this machine by a name that cannot be pointed
 * elsewhere, or of the very address that the request went to.
 */
export function isOurs(
  origin: string,
  host: string | undefined,
  origins: readonly string[],
): boolean {
  if (origins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, hostname } = new URL(origin);
  if (protocol !== "http:" && protocol !== "https:") return false;
  const name = hostname.replace(/^\[|\]$/g, "");
  if (isLoopback(name)) return true;
  return isIP(name) !== 0 && host !== undefined && hostOf(host) === hostname;
}

function hostOf(host: string): string | undefined {
  const url = `http://${host}`;
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}

function refuse(socket: Duplex): void {
  socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}
