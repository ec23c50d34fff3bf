/** Who may ask the page's listener for what: forged names, origins, methods, paths and credentials. */

import { describe, expect, it } from "vitest";
import {
  type Asked,
  credentialsOf,
  HTTP_LIMITS,
  isOurHost,
  ruleOn,
} from "../gateway/http-rules.ts";

const ROUTES = [
  { path: "/", for: "readers" },
  { path: "/api/state", for: "readers" },
  { path: "/healthz", for: "anyone" },
] as const;

const GOOD: Asked = {
  method: "GET",
  url: "/api/state",
  host: "127.0.0.1:8811",
  origin: undefined,
  site: undefined,
  hasBody: false,
  localAddress: "127.0.0.1",
  secure: false,
};

const statusOf = (more: Partial<Asked>, names: readonly string[] = []): number => {
  const ruling = ruleOn({ ...GOOD, ...more }, ROUTES, names);
  return ruling.ok ? 200 : ruling.status;
};

describe("a request", () => {
  it.each<[string, Partial<Asked>, number]>([
    ["from the page itself", { origin: "http://127.0.0.1:8811", site: "same-origin" }, 200],
    ["typed by somebody", { site: "none", url: "/" }, 200],
    ["with a query", { url: "/api/state?x=1" }, 200],
    ["by a link from elsewhere, to the page", { site: "cross-site", url: "/" }, 200],
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
