/**
 * Keeps the page, so that it opens where the gateway is out of reach: a node that was reloaded in a
 * field goes on with what it has.
 *
 * The gateway writes the list of files and a name for their present state before this script; when any
 * of them changes, so does the script, and the browser fetches all of them anew. A page in use keeps
 * the modules that it has loaded. It runs as a script of its own, without imports.
 */

type Kept = { readonly version: string; readonly paths: readonly string[] };

/** What `self` is in a service worker, in so far as it is used here. */
type WorkerScope = {
  readonly KEPT: Kept;
  addEventListener(type: string, listener: (event: WorkerEvent) => void): void;
  skipWaiting(): Promise<void>;
};
type WorkerEvent = {
  readonly request: Request;
  waitUntil(work: Promise<unknown>): void;
  respondWith(answer: Promise<Response>): void;
};

const scope = self as unknown as WorkerScope;
const PREFIX = "bellwether-node-";
const NAME = PREFIX + scope.KEPT.version;
/** What changes with the gateway's settings, such as a port in the page's policy, is asked for each
 * time, and kept for when there is no answer. */
const FRESH = ["/node", "/node/about.json"];
const ANSWER_MS = 4_000;

scope.addEventListener("install", (event) => {
  const fill = async (): Promise<void> => {
    const cache = await caches.open(NAME);
    await cache.addAll([...scope.KEPT.paths]);
    await scope.skipWaiting();
  };
  event.waitUntil(fill());
});

scope.addEventListener("activate", (event) => {
  const clear = async (): Promise<void> => {
    const names = await caches.keys();
    const old = names.filter((name) => name.startsWith(PREFIX) && name !== NAME);
    await Promise.all(old.map((name) => caches.delete(name)));
  };
  event.waitUntil(clear());
});

scope.addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  if (event.request.method !== "GET" || !scope.KEPT.paths.includes(pathname)) return;
  event.respondWith(FRESH.includes(pathname) ? freshOrKept(pathname) : keptOrFresh(pathname));
});

async function keptOrFresh(path: string): Promise<Response> {
  const kept = await (await caches.open(NAME)).match(path);
  return kept ?? fetch(path);
}

async function freshOrKept(path: string): Promise<Response> {
  const cache = await caches.open(NAME);
  try {
    const fresh = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MS) });
    if (fresh.ok) await cache.put(path, fresh.clone());
    return fresh;
  } catch (error) {
    const kept = await cache.match(path);
    if (kept === undefined) throw error;
    return kept;
  }
}
