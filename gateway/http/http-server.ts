/**
 * What every listener of the gateway that speaks HTTP has in common: how long somebody may take to
 * ask, how much he may say, which certificate he is shown, and where he is.
 */

import { createServer, type IncomingMessage, type Server } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Peer } from "../access/authentication.ts";
import { closeServer, listen, peerOf } from "../broker/listeners.ts";
import { type ServerCertificates, securePeer } from "../broker/tls-listener.ts";
import { HTTP_LIMITS } from "./http-rules.ts";

/** Plain without certificates. */
export function openHttpServer(certificates: ServerCertificates | undefined): Server {
  const limits = {
    maxHeaderSize: HTTP_LIMITS.headerBytes,
    headersTimeout: HTTP_LIMITS.requestMs,
    requestTimeout: HTTP_LIMITS.requestMs,
    // Node looks only every half minute otherwise.
    connectionsCheckingInterval: 1_000,
  };
  const server =
    certificates === undefined
      ? createServer(limits)
      : createSecureServer({ ...limits, ...certificates.options() });
  server.on("tlsClientError", (_error: Error, socket: Socket) => socket.destroy());
  return server;
}

/**
 * Listens, and shows new certificates as they come. `close` resolves when no connection is left.
 *
 * @throws EdgeError `broker-port`, with the setting that names the port
 */
export async function listenForRequests(
  server: Server,
  at: { readonly host: string; readonly port: number },
  setting: string,
  certificates: ServerCertificates | undefined,
): Promise<{ readonly port: number; readonly close: () => Promise<void> }> {
  const port = await listen(server, at, setting);
  const unfollow = certificates?.follow(server as ReturnType<typeof createSecureServer>);
  return {
    port,
    close: () => {
      unfollow?.();
      return closeServer(server);
    },
  };
}

/** Behind a proxy on this machine everybody seems to be on it. */
export function peerOfRequest({ socket, headers }: IncomingMessage): Peer {
  const peer = socket instanceof TLSSocket ? securePeer(socket) : peerOf(socket);
  const isForwarded = ["forwarded", "x-forwarded-for", "x-real-ip", "via"].some(
    (name) => headers[name] !== undefined,
  );
  return isForwarded ? { ...peer, loopback: false } : peer;
}
