/** The pages for tests in a browser: served as a gateway serves them, and looked at by axe. */

import axe from "axe-core";
import { animalRoutes } from "../gateway/http/http-animal.ts";
import { EventStreams } from "../gateway/http/http-events.ts";
import { listenHttp } from "../gateway/http/http-listener.ts";
import { boardRoutes } from "../gateway/http/http-routes.ts";
import { readPage } from "../gateway/http/page-files.ts";
import type { PageReader } from "../gateway/store/page-reader.ts";
import type { Board } from "../gateway/telling/board.ts";
import type { Chromium } from "./chromium.ts";

export type ServedPages = {
  readonly url: string;
  readonly streams: EventStreams;
  close(): Promise<void>;
};

/** @param reader of the store, which is closed with the pages; without it there are those of the board
 * alone */
export async function servePages(board: Board, reader?: PageReader): Promise<ServedPages> {
  const streams = new EventStreams(board);
  const routes = [
    ...boardRoutes(readPage(), board, streams, () => ({ degraded: null })),
    ...(reader === undefined ? [] : animalRoutes(reader)),
  ];
  const parts = { authentication: undefined, certificates: undefined, log: () => undefined };
  const listener = await listenHttp({ host: "127.0.0.1", port: 0, names: [] }, routes, parts);
  return {
    url: listener.url,
    streams,
    close: async () => {
      streams.close();
      await listener.close();
      await reader?.close();
    },
  };
}

/** What axe finds serious or critical on the page as it is now: the rule, and some places. */
export async function seriousFindings(chromium: Chromium): Promise<readonly string[]> {
  await chromium.value(`(() => { ${axe.source}; return true; })()`);
  return chromium.value<string[]>(
    "axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations" +
      ".filter(({ impact }) => impact === 'serious' || impact === 'critical')" +
      ".map(({ id, nodes }) => id + ': ' + nodes.slice(0, 5).map(({ html }) => html).join(' ')))",
  );
}
