/**
 * MQTT over TLS, and the certificates that every encrypted listener of the gateway shows.
 *
 * TLS 1.2 and 1.3. Files are looked at again every few seconds, so that a renewed certificate counts
 * for the next connection without a restart; a certificate of our own authority is renewed here.
 */

import { statSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createSecureContext, createServer, type TLSSocket, type TlsOptions } from "node:tls";
import { EdgeError } from "../../src/assert.ts";
import type { Peer } from "../access/authentication.ts";
import { readPrivateKey, renewServer, tlsFiles } from "../access/certificate-files.ts";
import { readIfThere } from "../store/durable-file.ts";
import type { Log } from "./link.ts";
import {
  closeServer,
  type Hall,
  type Listener,
  listen,
  peerOf,
  urlOf,
  type Visitor,
} from "./listeners.ts";

export type TlsSettings = {
  readonly dataDirectory: string;
  /** Brought ones; both undefined for those of `bellwether certs make`. */
  readonly certificateFile: string | undefined;
  readonly keyFile: string | undefined;
  /** Who signs clients' certificates; undefined for our own authority. */
  readonly clientCaFile: string | undefined;
  readonly clientCertificates: "off" | "optional" | "required";
};

const HANDSHAKE_MS = 5_000;
const LOOK_MS = 2_000;
const RENEW_MS = 12 * 3600 * 1000;

/** What a server of TLS is made from. */
export class ServerCertificates {
  readonly #settings: TlsSettings;
  readonly #log: Log;
  readonly #files: { readonly certificate: string; readonly key: string; readonly ca: string };
  readonly #isOurs: boolean;
  readonly #stamp: string;
  #renewedMs = Number.NEGATIVE_INFINITY;

  /** Throws `EdgeError` `certificate-missing`, `certificate-unusable`, `key-readable-by-others`. */
  constructor(settings: TlsSettings, log: Log) {
    this.#settings = settings;
    this.#log = log;
    const own = tlsFiles(settings.dataDirectory);
    this.#isOurs = settings.certificateFile === undefined;
    this.#files = {
      certificate: settings.certificateFile ?? own.server,
      key: settings.keyFile ?? own.serverKey,
      ca: settings.clientCaFile ?? own.ca,
    };
    this.#renew();
    this.#stamp = this.#stampNow();
    this.#context();
  }

  options(): TlsOptions {
    const { clientCertificates } = this.#settings;
    return {
      ...this.#context(),
      requestCert: clientCertificates !== "off",
      rejectUnauthorized: clientCertificates === "required",
      handshakeTimeout: HANDSHAKE_MS,
      minVersion: "TLSv1.2",
    };
  }

  /** Shows new files to a server as they come. Returns the function that ends it. */
  follow(server: { setSecureContext(options: TlsOptions): void }): () => void {
    // Each server's own: what one has been shown the others may not have.
    let shown = this.#stamp;
    const timer = setInterval(() => {
      this.#renew();
      const stamp = this.#stampNow();
      if (stamp === shown) return;
      try {
        server.setSecureContext({ ...this.#context(), minVersion: "TLSv1.2" });
        shown = stamp;
        this.#log("info", "certificate read again", { file: this.#files.certificate });
      } catch (error) {
        // A certificate and its key are two files: the other may still be on its way.
        this.#log("warning", "certificate not usable yet", { reason: (error as Error).message });
      }
    }, LOOK_MS);
    return () => clearInterval(timer);
  }

  #renew(): void {
    if (!this.#isOurs || performance.now() - this.#renewedMs < RENEW_MS) return;
    this.#renewedMs = performance.now();
    try {
      if (renewServer(tlsFiles(this.#settings.dataDirectory), Date.now())) {
        this.#log("info", "certificate renewed", { file: this.#files.certificate });
      }
    } catch (error) {
      this.#log("error", "certificate cannot be renewed", { reason: (error as Error).message });
    }
  }

  #context(): { readonly cert: Buffer; readonly key: Buffer; readonly ca?: Buffer } {
    const { certificate, key, ca } = this.#files;
    const wantsClients = this.#settings.clientCertificates !== "off";
    const keyBytes = readPrivateKey(key);
    const context = {
      cert: needed(readIfThere(certificate), certificate),
      key: needed(keyBytes, key),
      ...(wantsClients && { ca: needed(readIfThere(ca), ca) }),
    };
    try {
      createSecureContext(context);
    } catch (error) {
      throw new EdgeError({
        code: "certificate-unusable",
        message: (error as Error).message,
        where: certificate,
        hint: `It must be PEM and fit the key in ${key}.`,
      });
    }
    return context;
  }

  #stampNow(): string {
    return Object.values(this.#files)
      .map((file) => {
        const stat = statSync(file, { throwIfNoEntry: false });
        return stat === undefined ? "none" : `${stat.ino} ${stat.size} ${stat.mtimeMs}`;
      })
      .join("|");
  }
}

function needed(bytes: Uint8Array | undefined, file: string): Buffer {
  if (bytes !== undefined) return Buffer.from(bytes);
  throw new EdgeError({
    code: "certificate-missing",
    message: "there is no such file",
    where: file,
    hint: "Run `bellwether certs make`, or name files of yours in tls.certificate_file and so on.",
  });
}

/** Throws `EdgeError` `broker-port`. */
export async function listenTls(
  at: { readonly host: string; readonly port: number },
  certificates: ServerCertificates,
  hall: Hall,
): Promise<Listener> {
  const server = createServer(certificates.options());
  const visitors = new Visitors(server, hall);
  server.on("secureConnection", (socket) => {
    socket.on("error", () => undefined);
    const visitor = visitors.of(socket);
    if (visitor === undefined) socket.destroy();
    else hall.greet(socket, securePeer(socket), visitor);
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  const port = await listen(server, at, "tls.port");
  const unfollow = certificates.follow(server);
  return {
    url: urlOf("mqtts", at.host, port),
    close: () => {
      unfollow();
      return closeServer(server);
    },
  };
}

/** Counts sockets from their first byte on, long before a handshake shows what they want; and finds
 * them again under TLS, which does not tell what lies below it. */
export class Visitors {
  readonly #arrived = new Map<string, Visitor>();

  constructor(server: Server, hall: Hall) {
    server.on("connection", (socket: Socket) => {
      const visitor = hall.enter(socket);
      if (visitor === undefined) return;
      const place = placeOf(socket);
      this.#arrived.set(place, visitor);
      socket.once("close", () => this.#arrived.delete(place));
    });
  }

  of(socket: Socket): Visitor | undefined {
    return this.#arrived.get(placeOf(socket));
  }
}

function placeOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** The other end, with the certificate that it has shown, if our authority has signed it. */
export function securePeer(socket: TLSSocket): Peer {
  const peer = peerOf(socket);
  if (!socket.authorized) return peer;
  const { subject, fingerprint256 } = socket.getPeerCertificate();
  // Two common names are an array, and nobody's.
  const name: unknown = subject?.CN;
  if (typeof name !== "string" || fingerprint256 === undefined) return peer;
  const fingerprint = fingerprint256.replaceAll(":", "").toLowerCase();
  return { ...peer, certificate: { name, fingerprint } };
}
