/**
 * `/metrics` over HTTP, for Prometheus. It answers that one path and nothing else, and says nothing of
 * single animals.
 *
 * On the loopback a request must name the loopback as its host, so that a page in a browser on this
 * machine cannot read it by a name of its own that leads here.
 */

import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Log } from "./link.ts";
import { isLoopback } from "./listeners.ts";

export type MetricsConfig = {
  readonly enabled: boolean;
  readonly host: string;
  readonly port: number;
};

export type MetricsListener = {
  /** `http://127.0.0.1:9464/metrics`; undefined where it does not listen. */
  readonly url: string | undefined;
  readonly close: () => Promise<void>;
};

const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";
const REQUEST_MS = 5_000;
const CONNECTIONS_MAX = 16;

/** A port that is taken is said in the log: figures are not worth a gateway that does not start. */
export async function listenForMetrics(
  { enabled, host, port }: MetricsConfig,
  text: () => string,
  log: Log,
): Promise<MetricsListener> {
  if (!enabled) return { url: undefined, close: () => Promise.resolve() };
  const server = createServer({ requestTimeout: REQUEST_MS }, (request, response) => {
    const asked = new URL(request.url ?? "/", "http://here").pathname;
    const named = (request.headers.host ?? "").replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
    if (isLoopback(host) && !isLoopback(named)) response.writeHead(403).end();
    else if (asked !== "/metrics") response.writeHead(404).end("see /metrics\n");
    else if (request.method !== "GET") response.writeHead(405, { allow: "GET" }).end();
    else response.writeHead(200, { "content-type": CONTENT_TYPE }).end(text());
  });
  server.maxConnections = CONNECTIONS_MAX;
  const problem = await listen(server, host, port);
  if (problem !== undefined) {
    const hint = "set metrics.port to a free one, or metrics.enabled to false";
    log("warning", "no metrics", { host, port, reason: problem, hint });
    return { url: undefined, close: () => Promise.resolve() };
  }
  const shown = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${shown}:${(server.address() as AddressInfo).port}/metrics`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once("error", (error) => resolve(error.message));
    server.listen(port, host, () => resolve(undefined));
  });
}
