/**
 * Downloads one large file so that neither a cut line nor a changed file at the other end matters:
 * it resumes by HTTP Range (RFC 9110, section 14) where the server's validator is still the same,
 * starts over where it is not, and hands the file over only when its SHA-256 is the expected one.
 */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { EdgeError } from "../src/assert.ts";

export type DownloadRequest = {
  readonly url: string;
  /** Where the file goes; beside it lie `.part` and `.part.json` while it is not whole. */
  readonly path: string;
  /** Lower-case hexadecimal; undefined takes what comes and reports its hash. */
  readonly sha256?: string | undefined;
  readonly onProgress?: (progress: DownloadProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** Tries after the first, each after twice the pause of the one before. */
  readonly retries?: number;
  readonly firstPauseMs?: number;
  /** Without a byte for this long the connection counts as cut. */
  readonly stallMs?: number;
};

export type DownloadProgress = {
  readonly bytes: number;
  /** Undefined where the server does not say. */
  readonly total: number | undefined;
  /** Set before a pause: why the last try ended. */
  readonly retrying?: string;
};

/** What the server said of the file when the first part came: only the same file may be resumed. */
type PartState = {
  readonly url: string;
  readonly validator: string | null;
  readonly total: number | null;
};

const FIRST_PAUSE_MS = 1_000;
const STALL_MS = 30_000;
const RETRIES = 6;

/**
 * @returns the SHA-256 of the file that now lies at `path`
 * @throws EdgeError `download-url`, `download-status`, `download-cut`, `download-hash`,
 * `download-aborted`
 */
export async function download(request: DownloadRequest): Promise<{ readonly sha256: string }> {
  checkUrl(request.url);
  await mkdir(dirname(request.path), { recursive: true });
  const part = `${request.path}.part`;
  let pauseMs = request.firstPauseMs ?? FIRST_PAUSE_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      await fetchRest(request, part);
      break;
    } catch (error) {
      if (error instanceof EdgeError) throw error;
      if (request.signal?.aborted === true) throw abortedError(request);
      const reason = reasonOf(error);
      if (attempt >= (request.retries ?? RETRIES)) throw cutError(request, reason);
      const bytes = await sizeOf(part);
      request.onProgress?.({ bytes, total: undefined, retrying: reason });
      await pause(pauseMs, request.signal);
      pauseMs *= 2;
    }
  }
  const sha256 = await sha256Of(part);
  if (request.sha256 !== undefined && sha256 !== request.sha256.toLowerCase()) {
    await discard(part);
    throw new EdgeError({
      code: "download-hash",
      message: `its SHA-256 is ${sha256}, not ${request.sha256}`,
      where: request.url,
      hint: "What came was thrown away. Try again; if it stays so, the file was changed at its origin: look there before passing another --sha256.",
    });
  }
  await rename(part, request.path);
  await rm(`${part}.json`, { force: true });
  return { sha256 };
}

/** SHA-256 of a file, lower-case hexadecimal. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

/** One connection: whatever is missing of the part, from where it ends. */
async function fetchRest(request: DownloadRequest, part: string): Promise<void> {
  const state = await readState(part, request.url);
  const have = state === null ? 0 : await sizeOf(part);
  if (state?.total != null && have === state.total) return;
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (state?.validator != null && have > 0) {
    headers.range = `bytes=${have}-`;
    headers["if-range"] = state.validator;
  }
  const stalled = new AbortController();
  const signals = [stalled.signal, ...(request.signal === undefined ? [] : [request.signal])];
  let timer = startTimer(stalled, request);
  try {
    const response = await fetch(request.url, { headers, signal: AbortSignal.any(signals) });
    const from = startOffset(response, have, request.url);
    const total = totalOf(response, from);
    await writeFile(`${part}.json`, JSON.stringify(stateOf(response, request.url, total)));
    const file = await open(part, from === 0 ? "w" : "r+");
    let bytes = from;
    try {
      for await (const chunk of response.body ?? []) {
        clearTimeout(timer);
        timer = startTimer(stalled, request);
        await file.write(chunk, 0, chunk.length, bytes);
        bytes += chunk.length;
        request.onProgress?.({ bytes, total: total ?? undefined });
      }
      await file.truncate(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (total !== null && bytes < total) throw new Error(`ended after ${bytes} of ${total} bytes`);
  } finally {
    clearTimeout(timer);
  }
}

function startTimer(stalled: AbortController, request: DownloadRequest): NodeJS.Timeout {
  const stallMs = request.stallMs ?? STALL_MS;
  return setTimeout(() => stalled.abort(new Error(`no byte for ${stallMs / 1000} s`)), stallMs);
}

/** Where the answer's first byte belongs: what we have, or 0 when the whole file comes. */
function startOffset(response: Response, have: number, url: string): number {
  if (response.status === 200) return 0;
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  if (response.status === 206 && range !== null && Number(range[1]) === have) return have;
  const worthRetry = response.status >= 500 || response.status === 429 || response.status === 408;
  if (worthRetry) throw new Error(`the server answered ${response.status}`);
  throw new EdgeError({
    code: "download-status",
    message: `the server answered ${response.status} ${response.statusText}`.trim(),
    where: url,
    hint:
      response.status === 416 || response.status === 206
        ? "The part that is there does not fit the file any more: delete it and try again."
        : "Check the address in a browser; another one can be given with --url.",
  });
}

function totalOf(response: Response, from: number): number | null {
  const range = /\/(\d+)$/.exec(response.headers.get("content-range") ?? "");
  if (from > 0) return range === null ? null : Number(range[1]);
  const length = response.headers.get("content-length");
  // The length of a compressed answer is not that of the file.
  return length === null || response.headers.has("content-encoding") ? null : Number(length);
}

function stateOf(response: Response, url: string, total: number | null): PartState {
  const etag = response.headers.get("etag");
  // A weak validator does not promise the same bytes (RFC 9110, section 13.1.5).
  const strong = etag?.startsWith("W/") === true ? null : etag;
  return { url, validator: strong ?? response.headers.get("last-modified"), total };
}

async function readState(part: string, url: string): Promise<PartState | null> {
  try {
    const state = JSON.parse(await readFile(`${part}.json`, "utf8")) as PartState;
    return state.url === url ? state : null;
  } catch {
    // None, or one that a crash cut short: the download starts over, which is always right.
    return null;
  }
}

async function discard(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(`${part}.json`, { force: true });
}

async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch {
    return 0;
  }
}

function checkUrl(url: string): void {
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return;
  throw new EdgeError({
    code: "download-url",
    message: "is no address that starts with http:// or https://",
    where: url,
    hint: "Give the address of the archive itself.",
  });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

function cutError(request: DownloadRequest, reason: string): EdgeError {
  return new EdgeError({
    code: "download-cut",
    message: `could not be downloaded: ${reason}`,
    where: request.url,
    hint: "Run the same command again: it goes on where it stopped. Behind a proxy set NODE_USE_ENV_PROXY=1.",
  });
}

function abortedError(request: DownloadRequest): EdgeError {
  return new EdgeError({
    code: "download-aborted",
    message: "was interrupted",
    where: request.url,
    hint: "Run the same command again: it goes on where it stopped.",
  });
}

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(finish, ms);
    signal?.addEventListener("abort", finish, { once: true });
    function finish(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    }
  });
}
