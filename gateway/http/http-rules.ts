/**
 * What the gateway's HTTP listener answers to whom: every rule, every limit and every header. Pure.
 *
 * Four things keep a page of somebody else from reading: no header of ours lets another origin read,
 * the name in `Host` must be one that nobody can point here (DNS rebinding), a foreign `Origin` is
 * refused, and beyond this machine nothing is shown without credentials. A link may lead to a page from
 * anywhere, an e-mail or another program's dashboard, as a page of its own in the browser: what a
 * script fetches, and what is put in a frame, stays refused.
 *
 * Only `POST` changes anything, and only where an operator has shown its credentials. Browsers add
 * those to what any page makes them ask (cross-site request forgery), so a request that changes
 * something must come from a page of our own, by `Origin` or by `Sec-Fetch-Site`: without a word on
 * where it comes from it is refused. And it must be JSON, which no form can send.
 */

import { isIP } from "node:net";
import { REQUEST_BYTES_MAX } from "../../src/wire/requests.ts";

/** Every limit of the listener. */
export const HTTP_LIMITS = {
  /** Of one place, so that one who opens and says nothing keeps nobody out. */
  connections: 256,
  connectionsOfPlace: 64,
  /** Pages that are told changes. */
  streams: 64,
  headerBytes: 8 * 1024,
  urlBytes: 1_024,
  /** What is posted: as much as over MQTT. */
  bodyBytes: REQUEST_BYTES_MAX,
  /** To say a whole request, from the first byte. */
  requestMs: 5_000,
  /** An idle connection is closed. */
  idleMs: 20_000,
  /** Requests over one connection. */
  requestsOfConnection: 1_000,
  /** Changes that wait for a page that reads slowly; with more, it is sent the whole board instead. */
  streamChanges: 2_048,
  /** A page that takes nothing for so long is let go; it comes back by itself. */
  streamStuckMs: 30_000,
  /** Changes are told together so often. */
  tellMs: 250,
  /** It is looked so often whether who reads still may. */
  holdsMs: 500,
  /** Silence is broken so often, so that a page knows a dead line from a quiet herd. */
  heartbeatMs: 5_000,
} as const;

/** What a request says, and what the connection knows. */
export type Asked = {
  readonly method: string;
  readonly url: string;
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** `Sec-Fetch-Site`: how the page that asks is related to us, where the browser says it. */
  readonly site: string | undefined;
  /** `Sec-Fetch-Mode` and `Sec-Fetch-Dest`: how it is asked, and what becomes of the answer. */
  readonly mode: string | undefined;
  readonly destination: string | undefined;
  readonly hasBody: boolean;
  /** `Content-Length`; undefined where it is not said, and the body is counted as it comes. */
  readonly bodyBytes: number | undefined;
  readonly contentType: string | undefined;
  /** The address of this machine that the connection came in on. */
  readonly localAddress: string;
  readonly secure: boolean;
};

export type Route = {
  readonly path: string;
  /** `GET` also answers `HEAD`; only what is posted changes anything. */
  readonly method?: "GET" | "POST";
  /** `anyone`: without credentials, from anywhere. `insiders`: readers no, but operators, and who is
   * on this machine where that needs no credentials. What is posted is for operators, always. */
  readonly for: "anyone" | "readers" | "insiders" | "operators";
  /** A page that a link from elsewhere may lead to; reading it changes nothing, whatever its query. */
  readonly isPage?: boolean;
};

export type Ruling<R extends Route> =
  | { readonly ok: true; readonly route: R }
  | {
      readonly ok: false;
      readonly status: RefusalStatus;
      readonly reason: string;
      /** With 405: what may be asked there. */
      readonly allow?: string;
    };

type RefusalStatus = 400 | 403 | 404 | 405 | 413 | 414 | 415 | 421;

/** @param names besides addresses and this machine's own: what people call the gateway */
export function ruleOn<R extends Route>(
  asked: Asked,
  routes: readonly R[],
  names: readonly string[],
): Ruling<R> {
  if (asked.url.length > HTTP_LIMITS.urlBytes) return refuse(414, "the address is too long");
  if (!isOurHost(asked.host, asked.localAddress, names)) {
    return refuse(421, "this gateway is not known by that name (http.names)");
  }
  const path = asked.url.split("?")[0] ?? "";
  const isPost = asked.method === "POST";
  if (!isPost && asked.method !== "GET" && asked.method !== "HEAD") {
    return notAllowed(routes, path);
  }
  if (asked.hasBody && !isPost) return refuse(413, "a question has no body here");
  const origin = `${asked.secure ? "https" : "http"}://${asked.host}`;
  if (asked.origin !== undefined && asked.origin !== origin) {
    return refuse(403, "a page of another origin may not use this");
  }
  const here = routes.filter((one) => one.path === path);
  if (here.length === 0) return refuse(404, "there is nothing here");
  const route = here.find((one) => (one.method === "POST") === isPost);
  if (route === undefined) return notAllowed(routes, path);
  const refused = isPost ? whyNotPost(asked) : whyNotRead(asked, route);
  return refused ?? { ok: true, route };
}

type Refused = Extract<Ruling<Route>, { ok: false }>;

/** A browser that says where a request comes from says what it is for, too (Fetch Metadata): only one
 * that fills a tab of its own may come from elsewhere, neither a script's nor a frame's. */
function whyNotRead({ site, mode, destination }: Asked, { isPage }: Route): Refused | undefined {
  const isForeign = site === "cross-site" || site === "same-site";
  const isLink = isPage === true && mode === "navigate" && destination === "document";
  return isForeign && !isLink ? refuse(403, "another page may not use this") : undefined;
}

/** A foreign `Origin` has been refused by now; a browser that says none says the site. */
function whyNotPost(asked: Asked): Refused | undefined {
  const { site, origin } = asked;
  if (site !== undefined && site !== "same-origin") {
    return refuse(403, "another page may not use this");
  }
  if (site === undefined && origin === undefined) {
    return refuse(403, "say where it comes from: Origin, or Sec-Fetch-Site");
  }
  if (!/^application\/json\s*(;\s*charset=utf-8\s*)?$/i.test(asked.contentType ?? "")) {
    return refuse(415, "only application/json");
  }
  if ((asked.bodyBytes ?? 0) > HTTP_LIMITS.bodyBytes) return refuse(413, "the body is too long");
  return undefined;
}

function notAllowed(routes: readonly Route[], path: string): Refused {
  const here = routes.filter((one) => one.path === path);
  const isPost = here.length > 0 && here.every(({ method }) => method === "POST");
  const allow = isPost ? "POST" : "GET, HEAD";
  return { ...refuse(405, `only ${isPost ? "POST" : "GET and HEAD"}`), allow };
}

function refuse(status: RefusalStatus, reason: string) {
  return { ok: false, status, reason } as const;
}

/**
 * Whether a `Host` is a name that nobody else can point here: the loopback's, the very address that
 * the connection came in on, or one that the configuration names.
 */
export function isOurHost(
  host: string | undefined,
  localAddress: string,
  names: readonly string[],
): boolean {
  const url = `http://${host}`;
  if (host === undefined || !/^[A-Za-z0-9.:[\]_-]{1,255}$/.test(host) || !URL.canParse(url)) {
    return false;
  }
  const name = new URL(url).hostname.replace(/^\[|\]$/g, "");
  if (name === "localhost" || name === "127.0.0.1" || name === "::1") return true;
  if (isIP(name) !== 0) return name === localAddress.replace(/^::ffff:/, "");
  return names.some((known) => known.toLowerCase() === name);
}

/** On every answer, whatever it is. */
export function headersOf(secure: boolean): Readonly<Record<string, string>> {
  return {
    "content-security-policy":
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
      "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "accelerometer=(), camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
    ...(secure && { "strict-transport-security": "max-age=31536000" }),
  };
}

/** User and password of `Authorization: Basic` (RFC 7617); undefined where there are none. */
export function credentialsOf(
  header: string | undefined,
): { readonly user: string; readonly password: string } | undefined {
  const encoded = /^basic ([A-Za-z0-9+/=]{1,1024})$/i.exec(header ?? "")?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, "base64").toString();
  const colon = text.indexOf(":");
  if (colon < 1) return undefined;
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
