/** The page for phones, put together from what this gateway is set to. */

import { existsSync, readFileSync } from "node:fs";
import { emulatorPath } from "../../recordings/shipped-emulator.ts";
import { publicReleaseKey } from "../access/open-access.ts";
import type { GatewayConfig } from "../config/config.ts";
import type { HttpRoute } from "./http-listener.ts";
import { phoneRoutes } from "./phone-routes.ts";

/**
 * None where there is no model that a phone could begin with.
 *
 * @param urls where this gateway's own broker is spoken to
 */
export function openPhone(
  config: Pick<GatewayConfig, "base" | "dataDirectory" | "profile">,
  urls: readonly string[],
  factory: Uint8Array | undefined,
): readonly HttpRoute[] {
  if (factory === undefined) return [];
  const { base, dataDirectory, profile } = config;
  const file = emulatorPath(profile);
  const emulator = existsSync(file) ? readFileSync(file, "utf8") : undefined;
  const socket = urls.map((url) => new URL(url)).find(({ protocol }) => /^wss?:$/.test(protocol));
  return phoneRoutes({ factory, emulator }, () => ({
    v: 1,
    base,
    profile,
    websocket:
      socket === undefined
        ? null
        : { port: Number(socket.port), secure: socket.protocol === "wss:" },
    key: publicReleaseKey(dataDirectory),
    emulator: emulator !== undefined,
  }));
}
