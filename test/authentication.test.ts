/** Who is who, without a broker: at times of the test's choosing, and ten thousand at once. */

import { chmodSync, rmSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AccessStore, type Identity } from "../gateway/access/access-store.ts";
import type { Authentication, Peer, Session } from "../gateway/access/authentication.ts";
import {
  COST,
  freshJoinCode,
  hashSecret,
  keepSecret,
  makeSecret,
} from "../gateway/access/secrets.ts";
import { makeJoinCode, readJoinCode, showJoinCode } from "../src/wire/join.ts";
import { authenticationAt } from "./access-kit.ts";
import { removeFolder, temporaryFolder } from "./gateway-kit.ts";

const FAR: Peer = { address: "192.0.2.7", loopback: false };
const MINUTE_MS = 60_000;
let folder: string;
let store: AccessStore;
let nowMs: number;
let authentication: Authentication;

beforeEach(() => {
  folder = temporaryFolder();
  store = new AccessStore(folder);
  nowMs = 1_800_000_000_000;
  authentication = authenticationAt(store, () => nowMs);
});

afterEach(() => {
  store.close();
  removeFolder(folder);
});

function identity(name: string, more: Partial<Identity> = {}): Identity {
  return {
    name,
    role: "node",
    secret: null,
    mosquitto: null,
    certificate: null,
    createdMs: nowMs,
    changedMs: nowMs,
    joinHash: null,
    proven: false,
    ...more,
  };
}

async function withPassword(name: string, role: Identity["role"] = "node"): Promise<string> {
  const password = makeSecret();
  const kept = await keepSecret(password, "made");
  store.put(identity(name, { role, secret: kept.scrypt, mosquitto: kept.mosquitto }));
  return password;
}

type Outcome = Session | { readonly ok: false; readonly code: number; readonly reason: string };

async function enter(
  peer: Peer,
  clientId: string,
  user?: string,
  password?: string,
): Promise<Outcome> {
  const bytes = password === undefined ? undefined : Buffer.from(password);
  const claimed = authentication.claim(peer, { clientId, user, password: bytes });
  return claimed.ok ? authentication.prove(claimed, peer, bytes) : claimed;
}

const codeOf = (outcome: Outcome): number => ("ok" in outcome ? outcome.code : 0);

async function addCode(more: { uses?: number; node?: string; minutes?: number } = {}) {
  const letters = freshJoinCode();
  const hash = await hashSecret(letters, store.codeSalt, COST.code);
  store.putCode({
    hash,
    node: more.node ?? null,
    replaces: false,
    uses: more.uses ?? 1,
    createdMs: nowMs,
    expiresMs: nowMs + (more.minutes ?? 15) * MINUTE_MS,
  });
  return letters;
}

describe("join codes", () => {
  it("are read as people type them", () => {
    const code = makeJoinCode(Uint8Array.from([0, 1, 31, 10, 18, 19, 22, 255]));
    expect(code).toBe("01ZAJKPZ");
    expect(showJoinCode(code)).toBe("01ZA-JKPZ");
    for (const typed of ["01za-jkpz", "oIza jkpz", "0lZAJKPZ", " 01ZA-JKPZ "]) {
      expect(readJoinCode(typed)).toBe(code);
    }
    for (const wrong of ["", "01ZA-JKP", "01ZA-JKPZZ", "01ZA-JKPU", "01ZA-JKPé"]) {
      expect(readJoinCode(wrong)).toBeUndefined();
    }
  });

  it("end with their time, for those too who have shown one already", async () => {
    const code = await addCode();
    nowMs += 15 * MINUTE_MS - 1;
    const session = await enter(FAR, "collar-1", "join", code);
    expect(session).toMatchObject({ principal: { role: "joining", clientId: "collar-1" } });
    expect(authentication.holds(session as Session)).toBe(true);
    nowMs += 1;
    expect(authentication.holds(session as Session)).toBe(false);
    expect(codeOf(await enter(FAR, "collar-1", "join", code))).toBe(4);
    const answer = await authentication.join(session as Session, Buffer.from('{"v":1}'));
    expect(answer).toMatchObject({ status: "error", error: "code-used" });
    authentication.refresh();
    expect(store.codes()).toEqual([]);
  });

  it("are not to be guessed: from one address, and from everywhere", async () => {
    const code = await addCode({ uses: 100 });
    for (let i = 0; i < 5; i++) {
      expect(codeOf(await enter(FAR, "collar-1", "join", "AAAA-AAAA"))).toBe(4);
    }
    expect(codeOf(await enter(FAR, "collar-1", "join", code))).toBe(5);
    // One more in half a minute; and others are not held up by that address.
    expect(codeOf(await enter({ ...FAR, address: "192.0.2.8" }, "collar-1", "join", code))).toBe(0);
    nowMs += 30_000;
    expect(codeOf(await enter(FAR, "collar-1", "join", code))).toBe(0);
    // Twenty addresses, each with few enough guesses: the herd of guessers is held up as a whole.
    let looked = 0;
    for (let i = 0; i < 40; i++) {
      const peer = { ...FAR, address: `198.51.100.${i}` };
      if (codeOf(await enter(peer, "collar-1", "join", "AAAA-AAAA")) === 4) looked++;
    }
    expect(looked).toBe(20);
    // Whoever has an IPv6 network has many addresses, and they count as one.
    nowMs += 10 * MINUTE_MS;
    for (let i = 0; i < 5; i++) {
      const peer = { ...FAR, address: `2001:db8::${i}:1` };
      expect(codeOf(await enter(peer, "collar-1", "join", "AAAA-AAAA"))).toBe(4);
    }
    const neighbour = { ...FAR, address: "2001:db8:0:0:9::1" };
    expect(codeOf(await enter(neighbour, "collar-1", "join", code))).toBe(5);
  });

  it("answer what is no request with no credentials", async () => {
    const session = (await enter(FAR, "collar-1", "join", await addCode())) as Session;
    for (const request of ["", "{", "null", "[]", '{"v":2}', "\u0000"]) {
      const answer = await authentication.join(session, Buffer.from(request));
      expect(answer).toMatchObject({ status: "error", error: "bad-request" });
    }
    expect(store.identities()).toEqual([]);
  });
});

describe("passwords", () => {
  it("are tried five times in a row, then one in ten seconds, by whoever has it right too", async () => {
    const password = await withPassword("collar-1");
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", password))).toBe(0);
    for (let i = 0; i < 5; i++) {
      expect(codeOf(await enter(FAR, "collar-1", "collar-1", "wrong"))).toBe(4);
    }
    // The right one must not be told from a wrong one now, remembered or not.
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", password))).toBe(5);
    const elsewhere = { ...FAR, address: "192.0.2.9" };
    expect(codeOf(await enter(elsewhere, "collar-1", "collar-1", password))).toBe(0);
    nowMs += 10_000;
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", password))).toBe(0);
  });

  it("that were right before are not held up by what others behind the address get wrong", async () => {
    const password = await withPassword("collar-1");
    const unknown = await withPassword("collar-2");
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", password))).toBe(0);
    for (let i = 0; i < 60; i++) {
      const name = `noisy-${i % 20}`;
      if (i < 20) await withPassword(name);
      expect(codeOf(await enter(FAR, name, name, "wrong"))).toBe(4);
    }
    expect(codeOf(await enter(FAR, "collar-2", "collar-2", unknown))).toBe(5);
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", password))).toBe(0);
    nowMs += 1_000;
    expect(codeOf(await enter(FAR, "collar-2", "collar-2", unknown))).toBe(0);
  });

  it("of a name are not hashed in numbers at once, and a new one counts at once", async () => {
    const password = await withPassword("anna", "reader");
    const flood = Array.from({ length: 50 }, () => enter(FAR, "x", "anna", "wrong"));
    const outcomes = (await Promise.all(flood)).map(codeOf);
    expect(outcomes.filter((code) => code === 3).length).toBeGreaterThanOrEqual(40);
    const session = await enter({ ...FAR, address: "192.0.2.9" }, "x", "anna", password);
    expect(codeOf(session)).toBe(0);
    const next = await withPassword("anna", "reader");
    expect(authentication.holds(session as Session)).toBe(false);
    expect(codeOf(await enter({ ...FAR, address: "192.0.2.9" }, "x", "anna", password))).toBe(4);
    expect(codeOf(await enter({ ...FAR, address: "192.0.2.9" }, "x", "anna", next))).toBe(0);
  });

  it("of ten thousand nodes that come back are known at once, and the event loop is not held up", async () => {
    const count = 10_000;
    // One hash for all: making ten thousand is not what is measured.
    const password = makeSecret();
    const kept = await keepSecret(password, "made");
    const names = Array.from({ length: count }, (_, i) => `n${i}`);
    for (const name of names.slice(0, 200)) store.put(identity(name, { secret: kept.scrypt }));
    const known = names.slice(0, 200);
    const startMs = performance.now();
    await Promise.all(known.map((name) => enter(FAR, name, name, password)));
    const firstMs = (performance.now() - startMs) / known.length;
    const againMs = performance.now();
    for (let i = 0; i < count; i++) {
      const name = known[i % known.length] as string;
      expect(codeOf(await enter(FAR, name, name, password))).toBe(0);
    }
    const laterMs = (performance.now() - againMs) / count;
    console.info(`a login ${firstMs.toFixed(2)} ms the first time, ${laterMs.toFixed(3)} ms again`);
    expect(laterMs).toBeLessThan(0.5);
    expect(firstMs).toBeLessThan(20);
  });
});

describe("names", () => {
  it("bind the client id, so that nobody takes another's session over", async () => {
    await withPassword("collar-1");
    await withPassword("anna", "reader");
    const claim = (clientId: string, user?: string) =>
      authentication.claim(FAR, { clientId, user, password: undefined });
    expect(claim("collar-1", "collar-1")).toMatchObject({ ok: true, clientId: "collar-1" });
    expect(claim("collar-2", "collar-1")).toMatchObject({ ok: false, code: 2 });
    expect(claim("collar-1", "anna")).toMatchObject({ ok: true, clientId: "anna/collar-1" });
    expect(claim("collar-1", "nobody")).toMatchObject({ ok: false, code: 4 });
    expect(claim("collar-1")).toMatchObject({ ok: false, code: 5 });
    expect(claim("#", "join")).toMatchObject({ ok: false, code: 2 });
    for (const name of ["__proto__", "constructor", "toString"]) {
      expect(claim(name, name)).toMatchObject({ ok: false, code: 4 });
    }
    const joining = claim("collar-1", "join");
    expect(joining.ok && joining.clientId).not.toBe("collar-1");
  });

  it("of any kind whatever are answered and never make it throw", async () => {
    const known = ["collar-1", "anna", "otto"];
    const password = await withPassword("collar-1");
    await withPassword("anna", "reader");
    await withPassword("otto", "operator");
    store.put(identity("collar-2", { certificate: "any" }));
    const name = fc.oneof(
      fc.constantFrom(...known, "collar-2", "join", "", "__proto__", "#", "a/b", "\u0000"),
      fc.string({ unit: "binary", maxLength: 80 }),
    );
    const good = { loopback: false, certificate: undefined, user: undefined, password: undefined };
    const certificate = { name: "collar-2", fingerprint: "aa" };
    const wild = fc.record({
      clientId: name,
      user: fc.option(name, { nil: undefined }),
      password: fc.option(
        fc.oneof(fc.uint8Array({ maxLength: 70 }), fc.constant(Buffer.from(password))),
        {
          nil: undefined,
        },
      ),
      loopback: fc.boolean(),
      certificate: fc.option(fc.record({ name, fingerprint: fc.string() }), { nil: undefined }),
    });
    const right = Buffer.from(password);
    const claims = fc.oneof(
      { weight: 9, arbitrary: wild },
      fc.constant({ ...good, clientId: "collar-1", user: "collar-1", password: right }),
      fc.constant({ ...good, clientId: "collar-2", certificate }),
    );
    let entered = 0;
    await fc.assert(
      fc.asyncProperty(claims, async ({ loopback, certificate, ...claim }) => {
        const peer: Peer = { address: "192.0.2.7", loopback, certificate };
        const claimed = authentication.claim(peer, claim);
        // Guesses would be held up, and nothing more would be seen.
        nowMs += 60_000;
        const outcome = claimed.ok
          ? await authentication.prove(claimed, peer, claim.password)
          : claimed;
        if ("ok" in outcome) return;
        entered++;
        const { principal } = outcome;
        const isByPassword = principal.role === "node" && principal.node === "collar-1";
        const isByCertificate = principal.role === "node" && principal.node === "collar-2";
        expect(isByPassword || isByCertificate).toBe(true);
        if (isByPassword) expect(Buffer.from(claim.password ?? []).toString()).toBe(password);
        else expect(certificate?.name).toBe("collar-2");
      }),
      { numRuns: 1_000 },
    );
    expect(entered).toBeGreaterThan(0);
  });

  it("of a certificate count with the certificate that is known, and with no other", async () => {
    store.put(identity("collar-1", { certificate: "aa" }));
    store.put(identity("collar-2", { certificate: "any" }));
    await withPassword("collar-3");
    const by = (name: string, fingerprint: string, user?: string) =>
      enter({ ...FAR, certificate: { name, fingerprint } }, name, user);
    expect(codeOf(await by("collar-1", "aa"))).toBe(0);
    expect(codeOf(await by("collar-1", "aa", "collar-1"))).toBe(0);
    expect(codeOf(await by("collar-1", "bb"))).toBe(5);
    expect(codeOf(await by("collar-2", "bb"))).toBe(0);
    expect(codeOf(await by("collar-3", "bb"))).toBe(5);
    expect(codeOf(await by("collar-9", "bb"))).toBe(5);
    expect(codeOf(await by("collar-1", "aa", "collar-2"))).toBe(5);
    // Without it there is no password that could be right.
    expect(codeOf(await enter(FAR, "collar-1", "collar-1", ""))).toBe(4);
  });
});

describe("the list", () => {
  it("is read again where another process has changed it", async () => {
    const second = new AccessStore(folder);
    second.put(identity("collar-1", { certificate: "any" }));
    expect(store.identity("collar-1")).toBeUndefined();
    expect(store.refresh()).toBe(true);
    expect(store.identity("collar-1")).toMatchObject({ role: "node" });
    expect(store.refresh()).toBe(false);
    // A change of our own does not hide one of theirs.
    second.put(identity("collar-2", { certificate: "any" }));
    store.put(identity("collar-3", { certificate: "any" }));
    expect(store.identities()).toHaveLength(3);
    expect(store.refresh()).toBe(true);
    // Decides on what is there, not on what it has read.
    expect(second.remove("collar-1", ["node"])).toBe(true);
    expect(store.remove("collar-1", ["node"])).toBe(false);
    second.close();
  });

  it("is refused where others may read it, and where it is damaged or of a later version", () => {
    const codeOfOpening = (): string => {
      try {
        new AccessStore(folder).close();
        return "opened";
      } catch (error) {
        return (error as { code?: string }).code ?? String(error);
      }
    };
    expect(codeOfOpening()).toBe("opened");
    chmodSync(store.file, 0o640);
    expect(codeOfOpening()).toBe("access-readable-by-others");
    chmodSync(store.file, 0o600);
    const newer = new DatabaseSync(store.file);
    newer.exec("PRAGMA user_version = 99");
    newer.close();
    expect(codeOfOpening()).toBe("access-newer");
    store.close();
    writeFileSync(store.file, "this is no database, however long it may be. ".repeat(100));
    expect(codeOfOpening()).toBe("access-unusable");
    rmSync(store.file);
    store = new AccessStore(folder);
  });

  it("makes one operator, at the first start only", () => {
    expect(store.hasStarted).toBe(false);
    expect(store.begin(identity("operator", { role: "operator" }))).toBe(true);
    store.remove("operator", ["operator"]);
    expect(store.begin(identity("operator", { role: "operator" }))).toBe(false);
    expect(store.identities()).toEqual([]);
  });
});
