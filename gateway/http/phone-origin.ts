/** Where a phone finds the page that makes it a node. Pure. */

import { isLoopback, urlOf } from "../broker/listeners.ts";
import type { GatewayConfig } from "../config/config.ts";

/**
 * `https://farm.local:8811`: by a name that people call the gateway, or by an address that a phone can
 * reach. Undefined where the page could not speak to the gateway: its listener for WebSocket is off or
 * the broker is not its own; and where nobody knows the port before it is opened.
 *
 * @param addresses of this machine, without the loopback's
 */
export function phoneOrigin(
  { http, websocket, broker }: Pick<GatewayConfig, "http" | "websocket" | "broker">,
  addresses: readonly string[],
): string | undefined {
  const isServed = http.enabled && websocket.enabled && broker.url === undefined;
  if (!isServed || http.port === 0) return undefined;
  if (isLoopback(http.host)) return urlOf("http", http.host, http.port);
  const isAny = http.host === "0.0.0.0" || http.host === "::";
  const name = http.names[0] ?? (isAny ? addresses[0] : http.host);
  return name === undefined ? undefined : urlOf("https", name, http.port);
}
