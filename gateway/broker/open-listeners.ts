/**
 * Which doors the embedded broker has: plain MQTT always, TLS and WebSocket where they are wanted.
 *
 * What is not encrypted stays on the loopback, unless somebody has said in the configuration that the
 * network may read along.
 */

import { EdgeError } from "../../src/assert.ts";
import type { GatewayConfig } from "../config/config.ts";
import type { Log } from "./link.ts";
import { type Hall, isLoopback, type Listener, listenPlain } from "./listeners.ts";
import { listenTls, type ServerCertificates } from "./tls-listener.ts";
import { listenWebSocket, type WebSocketAt } from "./websocket-listener.ts";

type At = { readonly host: string; readonly port: number };

export type ListenOptions = {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Where plain MQTT may be spoken: passwords and movements can be read by who is in between. */
  readonly plain?: "loopback" | "lan";
  /** MQTT over TLS. */
  readonly tls?: At & { readonly certificates: ServerCertificates };
  /** MQTT over WebSocket, over TLS where it has certificates. */
  readonly websocket?: WebSocketAt & { readonly certificates: ServerCertificates | undefined };
};

/** Which listeners show a certificate. Browsers are spoken to plainly on this machine only, unless
 * somebody has said otherwise. */
export function encryptedListeners({
  tls,
  websocket,
  http,
}: Pick<GatewayConfig, "tls" | "websocket" | "http">): {
  readonly tls: boolean;
  readonly websocket: boolean;
  readonly http: boolean;
} {
  const isWanted =
    websocket.tls === "on" || (websocket.tls === "auto" && !isLoopback(websocket.host));
  return {
    tls: tls.enabled,
    websocket: websocket.enabled && isWanted,
    http: http.enabled && !isLoopback(http.host),
  };
}

/** Origins that our own page has by the names that people call this machine: those of the list, which
 * nobody else can point here, and so as good as any that `websocket.origins` has. */
export function pageOrigins({ http }: Pick<GatewayConfig, "http">): readonly string[] {
  if (!http.enabled) return [];
  return http.names.map((name) => new URL(`https://${name}:${http.port}`).origin);
}

/** Plain text beyond this machine needs a word, and is worth one at every start. Throws `EdgeError`
 * `broker-open`. */
export function refuseOpen({ host, plain, websocket }: ListenOptions, log: Log): void {
  const isBare = websocket !== undefined && websocket.certificates === undefined;
  const open = [
    ...(isLoopback(host) ? [] : [{ host, where: "broker.host" }]),
    ...(isBare && !isLoopback(websocket.host)
      ? [{ host: websocket.host, where: "websocket.host" }]
      : []),
  ];
  for (const at of open) {
    const message = `plain MQTT on ${at.host} shows passwords and movements to everybody in between`;
    if (plain === "lan") {
      log("warning", message, { setting: "broker.plain_mqtt" });
      continue;
    }
    throw new EdgeError({
      code: "broker-open",
      message,
      where: at.where,
      hint:
        "Use 127.0.0.1 here and TLS for the network (`bellwether certs make`, then tls.enabled), or " +
        "say broker.plain_mqtt: lan if everybody on that network may see it.",
    });
  }
}

/** Opens every listener that is wanted into `opened`, so that those before a failure can be closed.
 * Throws `EdgeError` `broker-port`. */
export async function listenAll(
  options: ListenOptions,
  hall: Hall,
  log: Log,
  opened: Listener[],
): Promise<void> {
  const { tls, websocket } = options;
  opened.push(await listenPlain(options, hall));
  if (tls !== undefined) opened.push(await listenTls(tls, tls.certificates, hall));
  if (websocket !== undefined) {
    opened.push(await listenWebSocket(websocket, websocket.certificates, hall, log));
  }
  for (const { url } of opened) log("info", "listening", { url });
}
