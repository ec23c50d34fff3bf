/** A local HTTP server that serves one file as GitHub does, and misbehaves as told. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type RangeServer = {
  readonly url: string;
  /** Every request's `Range` header, in order; null where there was none. */
  readonly ranges: (string | null)[];
  content: Uint8Array;
  etag: string;
  /** Bytes of the file that the client has told of: a line is cut once what was sent has arrived. */
  clientBytes: number;
  /** Called per request, from 0: how to misbehave. */
  mischief: (request: number) => Mischief;
  close(): Promise<void>;
};

export type Mischief =
  | { readonly kind: "none" }
  /** Sends this many bytes of the answer, then cuts the line. */
  | { readonly kind: "cut"; readonly afterBytes: number }
  | { readonly kind: "status"; readonly status: number }
  /** Ignores `Range`. */
  | { readonly kind: "no-range" }
  /** Sends the head and one byte and then nothing. */
  | { readonly kind: "stall" };

export async function startRangeServer(content: Uint8Array): Promise<RangeServer> {
  const state: RangeServer = {
    url: "",
    ranges: [],
    content,
    etag: '"one"',
    clientBytes: 0,
    mischief: () => ({ kind: "none" }),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
  const server = createServer((request, response) => answer(state, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, { url: `http://127.0.0.1:${port}/data.zip` });
}

function answer(state: RangeServer, request: IncomingMessage, response: ServerResponse): void {
  const mischief = state.mischief(state.ranges.length);
  state.ranges.push(request.headers.range ?? null);
  if (mischief.kind === "status") {
    response.writeHead(mischief.status).end();
    return;
  }
  const wanted = /^bytes=(\d+)-$/.exec(request.headers.range ?? "");
  const same = request.headers["if-range"] === state.etag;
  const from = wanted !== null && same && mischief.kind !== "no-range" ? Number(wanted[1]) : 0;
  const body = state.content.subarray(from);
  const last = state.content.length - 1;
  const headers: Record<string, string> = { etag: state.etag, "content-length": `${body.length}` };
  if (from > 0) headers["content-range"] = `bytes ${from}-${last}/${state.content.length}`;
  response.writeHead(from > 0 ? 206 : 200, headers);
  if (mischief.kind === "stall") response.write(body.subarray(0, 1));
  else if (mischief.kind === "cut") {
    response.write(body.subarray(0, mischief.afterBytes));
    cutOnceArrived(state, from + mischief.afterBytes, response);
  } else response.end(body);
}

/** A client that tells nothing has its line cut after two seconds. */
function cutOnceArrived(state: RangeServer, bytes: number, response: ServerResponse): void {
  const startMs = performance.now();
  const timer = setInterval(() => {
    if (state.clientBytes < bytes && performance.now() - startMs < 2_000) return;
    clearInterval(timer);
    response.destroy();
  }, 5);
}
