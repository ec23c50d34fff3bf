/**
 * `/metrics` over HTTP, for Prometheus. It answers that one path and nothing else, and says nothing of
 * single animals.
 *
 * On the loopback a request must name the loopback as its host, so that a page in a browser on this
 * machine cannot read it by a name of its own that leads here.
 */

import { EdgeError } from "../../src/assert.ts";
import type { Log } from "../broker/link.ts";
import { isLoopback, urlOf } from "../broker/listeners.ts";
import { isOurHost } from "./http-rules.ts";
import { listenForRequests, openHttpServer } from "./http-server.ts";

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
const CONNECTIONS_MAX = 16;

/** A port that is taken is said in the log: figures are not worth a gateway that does not start. */
export async function listenForMetrics(
  { enabled, host, port }: MetricsConfig,
  text: () => string,
  log: Log,
): Promise<MetricsListener> {
  if (!enabled) return { url: undefined, close: () => Promise.resolve() };
  const server = openHttpServer(undefined);
  server.on("request", ({ url, headers, method, socket }, response) => {
    // What is asked for is compared and never parsed: `//` is no address, and no end of a gateway.
    const asked = url?.split("?")[0];
    const isNamed = isOurHost(headers.host, socket.localAddress ?? "", []);
    if (isLoopback(host) && !isNamed) response.writeHead(403).end();
    else if (asked !== "/metrics") response.writeHead(404).end("see /metrics\n");
    else if (method !== "GET") response.writeHead(405, { allow: "GET" }).end();
    else response.writeHead(200, { "content-type": CONTENT_TYPE }).end(text());
  });
  server.maxConnections = CONNECTIONS_MAX;
  try {
    const door = await listenForRequests(server, { host, port }, "metrics.port", undefined);
    return {
      url: `${urlOf("http", host, door.port)}/metrics`,
      close: () => {
        const closed = door.close();
        server.closeAllConnections();
        return closed;
      },
    };
  } catch (error) {
    if (!(error instanceof EdgeError)) throw error;
    const hint = "set metrics.port to a free one, or metrics.enabled to false";
    log("warning", "no metrics", { host, port, reason: error.message, hint });
    return { url: undefined, close: () => Promise.resolve() };
  }
}
