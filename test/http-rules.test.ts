/** Who may ask the page's listener for what: forged names, origins, methods, paths and credentials. */

import { describe, expect, it } from "vitest";
import { EventStreams } from "../gateway/http/http-events.ts";
import { boardRoutes } from "../gateway/http/http-routes.ts";
import {
  type Asked,
  credentialsOf,
  HTTP_LIMITS,
  isOurHost,
  ruleOn,
} from "../gateway/http/http-rules.ts";
import { requestRoutes } from "../gateway/requests/http-requests.ts";
import { Board } from "../gateway/telling/board.ts";
import { REQUEST_NAMES } from "../src/wire/requests.ts";
import { topicBase } from "../src/wire/topics.ts";

const ROUTES = [
  { path: "/", for: "readers", isPage: true },
  { path: "/page.css", for: "readers" },
  { path: "/api/state", for: "readers" },
  { path: "/healthz", for: "anyone" },
] as const;

const GOOD: Asked = {
  method: "GET",
  url: "/api/state",
  host: "127.0.0.1:8811",
  origin: undefined,
  site: undefined,
  mode: undefined,
  destination: undefined,
  hasBody: false,
  bodyBytes: undefined,
  contentType: undefined,
  localAddress: "127.0.0.1",
  secure: false,
};

const statusOf = (more: Partial<Asked>, names: readonly string[] = []): number => {
  const ruling = ruleOn({ ...GOOD, ...more }, ROUTES, names);
  return ruling.ok ? 200 : ruling.status;
};

/** What a browser says of one who follows a link on a page of somebody else. */
const LINK = { site: "cross-site", mode: "navigate", destination: "document", url: "/?node=a" };

describe("a request", () => {
  it.each<[string, Partial<Asked>, number]>([
    ["from the page itself", { origin: "http://127.0.0.1:8811", site: "same-origin" }, 200],
    ["typed by somebody", { site: "none", url: "/" }, 200],
    ["with a query", { url: "/api/state?x=1" }, 200],
    ["by a link from elsewhere, to a page", LINK, 200],
    ["by a link of a neighbour, to a page", { ...LINK, site: "same-site" }, 200],
    ["by a link from elsewhere, to the board", { ...LINK, url: "/api/state" }, 403],
    ["by a link from elsewhere, to a part of a page", { ...LINK, url: "/page.css" }, 403],
    ["in a frame of somebody else", { ...LINK, destination: "iframe" }, 403],
    ["as an object of somebody else", { ...LINK, destination: "object" }, 403],
    ["as a page, by a script elsewhere", { ...LINK, mode: "no-cors", destination: "empty" }, 403],
    ["from elsewhere without a word what for", { site: "cross-site", url: "/" }, 403],
    ["by a form elsewhere", { ...LINK, origin: "http://evil.example", method: "POST" }, 403],
    ["by another page, to the board", { site: "cross-site" }, 403],
    ["by a neighbour's page, to the board", { site: "same-site" }, 403],
    ["with another origin", { origin: "http://evil.example" }, 403],
    ["with another port's origin", { origin: "http://127.0.0.1:3000" }, 403],
    ["with an opaque origin", { origin: "null" }, 403],
    ["under a name that was pointed here", { host: "evil.example:8811" }, 421],
    ["without a host", { host: undefined }, 421],
    ["for what is not there", { url: "/page.ts.map" }, 404],
    ["out of the folder", { url: "/../package.json" }, 404],
    ["out of the folder, encoded", { url: "/%2e%2e/package.json" }, 404],
    ["with a body", { hasBody: true }, 413],
    ["with a long address", { url: `/${"x".repeat(HTTP_LIMITS.urlBytes)}` }, 414],
  ])("%s", (_what, more, status) => {
    expect(statusOf(more)).toBe(status);
  });

  it.each(["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])(
    "that is a %s is refused",
    (method) => {
      for (const { path } of ROUTES) expect(statusOf({ method, url: path })).toBe(405);
    },
  );
});

/** Every route of a gateway but those that are asked with GET. */
const POSTED = [
  ...boardRoutes(
    [],
    new Board(topicBase("bellwether")),
    new EventStreams(new Board(topicBase("bellwether"))),
    () => ({ degraded: null }),
  ),
  ...requestRoutes({ answer: () => Promise.reject(new Error("nothing is carried out here")) }),
].filter(({ method }) => method !== undefined && method !== "GET");

describe("what changes something", () => {
  const posted: Partial<Asked> = {
    method: "POST",
    origin: "http://127.0.0.1:8811",
    site: "same-origin",
    hasBody: true,
    bodyBytes: 2,
    contentType: "application/json",
  };
  const rulingOn = (url: string, more: Partial<Asked>): number => {
    const ruling = ruleOn({ ...GOOD, ...posted, url, ...more }, POSTED, []);
    return ruling.ok ? 200 : ruling.status;
  };

  it("is for operators, and by POST", () => {
    expect(POSTED.map(({ path }) => path)).toEqual(REQUEST_NAMES.map((n) => `/api/request/${n}`));
    for (const route of POSTED) expect(route).toMatchObject({ method: "POST", for: "operators" });
  });

  it.each<[string, Partial<Asked>, number]>([
    ["from a page of ours", {}, 200],
    ["from a page of ours, by its site alone", { origin: undefined }, 200],
    ["from a page of ours, by its origin alone", { site: undefined }, 200],
    ["from a program that says where it comes from", { site: undefined, hasBody: false }, 200],
    ["with the letters' set", { contentType: "application/json; charset=utf-8" }, 200],
    ["with no word on where it comes from", { origin: undefined, site: undefined }, 403],
    ["from a foreign page", { origin: "http://evil.example", site: "cross-site" }, 403],
    ["from a foreign page that says no origin", { origin: undefined, site: "cross-site" }, 403],
    ["from a neighbour's page", { origin: undefined, site: "same-site" }, 403],
    ["typed by somebody", { origin: undefined, site: "none" }, 403],
    ["from another port", { origin: "http://127.0.0.1:3000", site: "same-site" }, 403],
    ["over another scheme", { origin: "https://127.0.0.1:8811", site: undefined }, 403],
    ["from an opaque origin", { origin: "null", site: undefined }, 403],
    ["whose origin and site disagree", { origin: "http://evil.example", site: "same-origin" }, 403],
    ["under a name that was pointed here", { host: "evil.example:8811" }, 421],
    ["as a form", { contentType: "application/x-www-form-urlencoded" }, 415],
    ["as a form with files", { contentType: "multipart/form-data; boundary=x" }, 415],
    ["as plain text, as a form may", { contentType: "text/plain" }, 415],
    ["as plain text with JSON in its name", { contentType: "text/plain; application/json" }, 415],
    ["of no type", { contentType: undefined }, 415],
    ["with too much in it", { bodyBytes: HTTP_LIMITS.bodyBytes + 1 }, 413],
    ["with as much as may be", { bodyBytes: HTTP_LIMITS.bodyBytes }, 200],
    ["by GET", { method: "GET", hasBody: false }, 405],
    ["by PUT", { method: "PUT" }, 405],
    ["by DELETE", { method: "DELETE" }, 405],
  ])("%s", (_what, more, status) => {
    expect(POSTED.length).toBeGreaterThan(0);
    for (const { path } of POSTED) expect([path, rulingOn(path, more)]).toEqual([path, status]);
  });

  it("says what may be asked where something else is", () => {
    const [first] = POSTED;
    const byGet = ruleOn({ ...GOOD, url: first?.path ?? "" }, POSTED, []);
    expect(byGet).toMatchObject({ ok: false, status: 405, allow: "POST" });
    const byPost = ruleOn({ ...GOOD, ...posted, url: "/api/state" }, ROUTES, []);
    expect(byPost).toMatchObject({ ok: false, status: 405, allow: "GET, HEAD" });
  });
});

describe("the name in Host", () => {
  it.each(["localhost:1", "127.0.0.1", "[::1]:8811", "LOCALHOST:8811"])("%s is ours", (host) => {
    expect(isOurHost(host, "127.0.0.1", [])).toBe(true);
  });

  it("is ours as the very address that was called, and as no other", () => {
    expect(isOurHost("192.168.1.7:8811", "::ffff:192.168.1.7", [])).toBe(true);
    expect(isOurHost("192.168.1.8:8811", "192.168.1.7", [])).toBe(false);
  });

  it("is ours where the configuration says so", () => {
    expect(isOurHost("farm.local:8811", "192.168.1.7", [])).toBe(false);
    expect(isOurHost("farm.local:8811", "192.168.1.7", ["Farm.Local"])).toBe(true);
    expect(isOurHost("not-farm.local", "192.168.1.7", ["farm.local"])).toBe(false);
  });

  it.each([
    "localhost@evil.example",
    "evil.example#localhost",
    "localhost/x",
    "localhost evil",
    "",
  ])("%j is nobody's", (host) => {
    expect(isOurHost(host, "127.0.0.1", [])).toBe(false);
  });
});

describe("credentials", () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

  it("are a user and all that follows the first colon", () => {
    expect(credentialsOf(basic("anna:a:b"))).toEqual({ user: "anna", password: "a:b" });
  });

  it.each([undefined, "", "Bearer x", "Basic", "Basic !!", basic("anna"), basic(":x")])(
    "%j are none",
    (header) => {
      expect(credentialsOf(header)).toBeUndefined();
    },
  );
});
