/**
 * Where the embedded broker listens: sockets in, byte streams with a known other end out.
 *
 * It counts those that have not said who they are, and sends away who comes when there are too many.
 * What is said on a stream is the packet guard's business, and then the broker's.
 */

import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { EdgeError } from "../../src/assert.ts";
import { networkOf, type Peer } from "../access/authentication.ts";
import type { Log } from "./link.ts";

/** A socket that has been let in. Its place among the strangers is given back once. */
export type Visitor = {
  /** It has shown who it is, or need not. */
  known(): void;
};

export type Listener = {
  /** `mqtt://127.0.0.1:1883` */
  readonly url: string;
  /** Resolves when no connection is left; see `Hall.cut`. */
  close(): Promise<void>;
};

export type HallOptions = {
  readonly connectionsMax: number;
  readonly log: Log;
  /** A stream is there, and what is known of who is at its other end. */
  readonly onStream: (stream: Duplex, peer: Peer, visitor: Visitor) => void;
};

/** Connections that have not said who they are: in all, and of one place, so that nobody keeps
 * everybody else out by saying nothing. */
const STRANGERS_MAX = 256;
const STRANGERS_OF_PLACE_MAX = 128;
/** Longer than every step of coming in may take by itself: the last word. */
const STRANGER_MS = 20_000;
const TCP_KEEPALIVE_MS = 30_000;

/** Everybody who is connected, by whichever door they came. */
export class Hall {
  readonly #options: HallOptions;
  readonly #sockets = new Set<Socket>();
  readonly #strangersOf = new Map<string, number>();
  #strangers = 0;

  constructor(options: HallOptions) {
    this.#options = options;
  }

  /** Undefined, and the socket gone, where there is no room. */
  enter(socket: Socket): Visitor | undefined {
    socket.on("error", () => undefined);
    if (this.#sockets.size >= this.#options.connectionsMax) {
      this.#options.log("warning", "connection refused", { reason: "too many connections" });
      socket.destroy();
      return undefined;
    }
    const place = networkOf(socket.remoteAddress ?? "");
    const ofPlace = this.#strangersOf.get(place) ?? 0;
    if (this.#strangers >= STRANGERS_MAX || ofPlace >= STRANGERS_OF_PLACE_MAX) {
      socket.destroy();
      return undefined;
    }
    this.#sockets.add(socket);
    this.#count(place, 1);
    let isStranger = true;
    const timer = setTimeout(() => socket.destroy(), STRANGER_MS);
    const known = (): void => {
      clearTimeout(timer);
      if (isStranger) this.#count(place, -1);
      isStranger = false;
    };
    socket.setNoDelay(true);
    socket.setKeepAlive(true, TCP_KEEPALIVE_MS);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      known();
    });
    return { known };
  }

  #count(place: string, change: 1 | -1): void {
    this.#strangers += change;
    const ofPlace = (this.#strangersOf.get(place) ?? 0) + change;
    if (ofPlace > 0) this.#strangersOf.set(place, ofPlace);
    else this.#strangersOf.delete(place);
  }

  greet(stream: Duplex, peer: Peer, visitor: Visitor): void {
    this.#options.onStream(stream, peer, visitor);
  }

  /** Ends every connection, however busy. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}

export function isLoopback(host: string): boolean {
  const plain = host.replace(/^::ffff:/, "");
  return plain === "localhost" || plain === "::1" || /^127\.\d+\.\d+\.\d+$/.test(plain);
}

/** Throws `EdgeError` `broker-port`. */
export async function listenPlain(
  at: { readonly host: string; readonly port: number },
  hall: Hall,
): Promise<Listener> {
  const server = createServer();
  server.on("connection", (socket) => {
    const visitor = hall.enter(socket);
    if (visitor !== undefined) hall.greet(socket, peerOf(socket), visitor);
  });
  const port = await listen(server, at, "broker.port");
  return { url: urlOf("mqtt", at.host, port), close: () => closeServer(server) };
}

export function peerOf(socket: Socket): Peer {
  const address = socket.remoteAddress ?? "unknown";
  return { address, loopback: isLoopback(address) };
}

export function urlOf(scheme: string, host: string, port: number): string {
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Throws `EdgeError` `broker-port`, with the setting that names the port. */
export function listen(
  server: Server,
  at: { readonly host: string; readonly port: number },
  setting: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      reject(
        new EdgeError({
          code: "broker-port",
          message:
            error.code === "EADDRINUSE"
              ? `port ${at.port} is in use`
              : `cannot listen: ${error.message}`,
          where: `${setting} ${at.port}`,
          hint: `Another broker or gateway may run already; choose another ${setting}, or 0.`,
        }),
      );
    });
    server.listen(at.port, at.host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : at.port);
    });
  });
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
