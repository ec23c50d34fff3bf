/**
 * The page for people, opened beside a running gateway: its board, its streams, its listener.
 */

import { EdgeError } from "../../src/assert.ts";
import type { Authentication } from "../access/authentication.ts";
import type { Log } from "../broker/link.ts";
import { encryptedListeners } from "../broker/open-listeners.ts";
import { ServerCertificates } from "../broker/tls-listener.ts";
import type { GatewayConfig } from "../config/config.ts";
import { requestRoutes } from "../requests/http-requests.ts";
import type { RequestDesk } from "../requests/request-desk.ts";
import { PageReader } from "../store/page-reader.ts";
import { Board } from "../telling/board.ts";
import { animalRoutes } from "./http-animal.ts";
import { EventStreams } from "./http-events.ts";
import { listenHttp } from "./http-listener.ts";
import { boardRoutes } from "./http-routes.ts";
import { openPhone } from "./open-phone.ts";
import { readPage } from "./page-files.ts";

export type OpenPage = {
  readonly url: string;
  /** Everything that goes out on public topics. */
  readonly take: (topic: string, json: string) => void;
  readonly close: () => Promise<void>;
};

/** What the page stands on. */
export type PageLink = {
  readonly authentication: Authentication;
  readonly urls: readonly string[];
  readonly close: () => Promise<void>;
};

export type PageParts = {
  readonly health: () => { readonly degraded: string | null };
  /** Answers what operators post. */
  readonly desk: Pick<RequestDesk, "answer">;
  /** Bytes of the container that a phone begins with; without it no phone can be a node. */
  readonly factory: Uint8Array | undefined;
  /** What is asked of single animals is read from there. */
  readonly store: { readonly file: string };
  readonly classes: readonly string[];
  readonly log: Log;
};

/**
 * Undefined where no page is wanted, or where its port is in use: a herd is served without one. Where
 * it fails, the gateway's link is closed again.
 *
 * @throws EdgeError `certificate-…`
 */
export async function openPage(
  config: GatewayConfig,
  link: PageLink,
  parts: PageParts,
): Promise<OpenPage | undefined> {
  try {
    return await open(config, link, parts);
  } catch (error) {
    await link.close();
    throw error;
  }
}

async function open(
  config: GatewayConfig,
  { authentication, urls }: PageLink,
  { health, desk, factory, store, classes, log }: PageParts,
): Promise<OpenPage | undefined> {
  const { http, tls, dataDirectory, base } = config;
  if (!http.enabled) return undefined;
  const isOpen = encryptedListeners(config).http;
  // A browser shows a choice of certificates to whom it asks for one, so nobody is asked.
  const settings = { ...tls, clientCertificates: "off", dataDirectory } as const;
  const certificates = isOpen ? new ServerCertificates(settings, log) : undefined;
  const board = new Board(base);
  const streams = new EventStreams(board);
  const reader = new PageReader({ file: store.file, classes, rule: config.behaviours });
  try {
    const routes = [
      ...boardRoutes(readPage(), board, streams, health),
      ...animalRoutes(reader),
      ...requestRoutes(desk),
      ...openPhone(config, urls, factory),
    ];
    const listener = await listenHttp(http, routes, { authentication, certificates, log });
    log("info", "page", { url: listener.url });
    return {
      url: listener.url,
      take: (topic, json) => board.take(topic, json),
      close: async () => {
        streams.close();
        await listener.close();
        await reader.close();
      },
    };
  } catch (error) {
    if (!(error instanceof EdgeError) || error.code !== "broker-port") throw error;
    log("warning", "no page", { reason: error.message, hint: "choose another http.port" });
    return undefined;
  }
}
