/**
 * What there is to read over HTTP: the pages, their parts, the board, and whether the gateway is well.
 */

import type { ServerResponse } from "node:http";
import type { Board } from "../telling/board.ts";
import type { EventStreams } from "./http-events.ts";
import type { HttpRoute } from "./http-listener.ts";
import type { PageFile } from "./page-files.ts";

const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

export function boardRoutes(
  page: readonly PageFile[],
  board: Board,
  streams: EventStreams,
  health: () => { readonly degraded: string | null },
): readonly HttpRoute[] {
  return [
    ...page.map(
      ({ path, type, isPage, gzipped }): HttpRoute => ({
        path,
        for: "readers",
        isPage,
        answer: (response) => {
          response.writeHead(200, { "content-type": type, "content-encoding": "gzip" });
          response.end(gzipped());
        },
      }),
    ),
    {
      path: "/api/state",
      for: "readers",
      answer: (response) => sayJson(response, 200, board.state(Date.now())),
    },
    { path: "/api/node", for: "readers", answer: (response) => sayNode(response, board) },
    { path: "/api/events", for: "readers", answer: (response) => openStream(response, streams) },
    {
      path: "/healthz",
      for: "anyone",
      // Why it is not well is for those who may read; a watchdog needs no more.
      answer: (response) => {
        const isWell = health().degraded === null;
        sayJson(response, isWell ? 200 : 503, { state: isWell ? "ok" : "degraded" });
      },
    },
  ];
}

/** As it was told on `<base>/<node>/state`. */
function sayNode(response: ServerResponse, board: Board): void {
  const [, query = ""] = (response.req.url ?? "").split("?");
  const told = board.nodeState(new URLSearchParams(query).get("node") ?? "");
  if (told === undefined) return sayJson(response, 404, { error: "nothing was told of that node" });
  response.writeHead(200, JSON_TYPE);
  response.end(told);
}

function openStream(response: ServerResponse, streams: EventStreams): void {
  if (response.req.method === "HEAD") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.end();
    return;
  }
  if (!streams.hasRoom) {
    response.setHeader("retry-after", "10");
    return sayJson(response, 503, { error: "too many pages are open" });
  }
  response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" });
  streams.add(response);
}

export function sayJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, JSON_TYPE);
  response.end(JSON.stringify(value));
}
