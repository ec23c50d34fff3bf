/**
 * What there is to read over HTTP: the page, its parts, the board, and whether the gateway is well.
 *
 * The page's script is TypeScript like everything here; its types are stripped when the gateway
 * starts, so that there is no build and nothing built in the repository.
 */

import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import type { Board } from "./board.ts";
import type { EventStreams } from "./http-events.ts";
import type { HttpRoute } from "./http-listener.ts";

/** The page's files, by the path that they are asked for under. */
const PAGE_FILES = [
  { path: "/", file: "page.html", type: "text/html; charset=utf-8" },
  { path: "/page.css", file: "page.css", type: "text/css; charset=utf-8" },
  { path: "/page.ts", file: "page.ts", type: "text/javascript; charset=utf-8" },
  { path: "/herd-view.ts", file: "herd-view.ts", type: "text/javascript; charset=utf-8" },
] as const;

export type PageFile = {
  readonly path: string;
  readonly type: string;
  readonly text: string;
  readonly gzipped: Buffer;
};

export function readPage(): readonly PageFile[] {
  return PAGE_FILES.map(({ path, file, type }) => {
    const source = readFileSync(new URL(`dashboard/${file}`, import.meta.url), "utf8");
    const text = file.endsWith(".ts") ? withoutTypes(source) : source;
    return { path, type, text, gzipped: gzipSync(text) };
  });
}

export function boardRoutes(
  page: readonly PageFile[],
  board: Board,
  streams: EventStreams,
  health: () => { readonly degraded: string | null },
): readonly HttpRoute[] {
  return [
    ...page.map(
      ({ path, type, gzipped }): HttpRoute => ({
        path,
        for: "readers",
        answer: (response) => {
          response.writeHead(200, { "content-type": type, "content-encoding": "gzip" });
          response.end(gzipped);
        },
      }),
    ),
    {
      path: "/api/state",
      for: "readers",
      answer: (response) => sayJson(response, 200, board.state(Date.now())),
    },
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

function sayJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { "content-type": "application/json; charset=utf-8" });
  response.end(JSON.stringify(value));
}

/** Node says at the first call that this may change; the version that runs us is pinned. */
function withoutTypes(source: string): string {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
