/** The table of rights, against rules written a second time in another way. */

import { describe, expect, it } from "vitest";
import {
  accessRules,
  mayHear,
  mayPublish,
  maySubscribe,
  type Principal,
} from "../gateway/access/access.ts";
import { below, prng } from "../src/prng.ts";
import { nodeId, topicBase } from "../src/wire/topics.ts";

const BASE = topicBase("farm/north");
const WORDS = [
  "farm",
  "north",
  "farm/north",
  "node",
  "join",
  "bridge",
  "collar-1",
  "collar-2",
  "up",
  "down",
  "request",
  "response",
  "report",
  "hello",
  "verdict",
  "availability",
  "behaviour",
  "state",
  "$SYS",
  "$share",
  "",
] as const;
const PRINCIPALS: readonly Principal[] = [
  { role: "node", node: nodeId("collar-1") },
  { role: "reader", user: "collar-2" },
  { role: "operator", user: "anna" },
  { role: "joining", clientId: "collar-1" },
  { role: "local", node: nodeId("collar-1") },
  { role: "local", node: undefined },
];

/** Ten thousand topics: some from the words of ours, most below the base, some with wildcards. */
function topics(wildcards: boolean): string[] {
  const random = prng(5, "topics");
  const words = wildcards ? [...WORDS, "+", "#", "+", "#"] : WORDS;
  const pick = (): string => words[below(random, words.length)] as string;
  return Array.from({ length: 10_000 }, () => {
    if (below(random, 5) === 0) {
      const [node, way] = [
        `collar-${1 + below(random, 2)}`,
        below(random, 2) === 0 ? "up" : "down",
      ];
      return `farm/north/node/${node}/${way}/${pick()}`;
    }
    if (below(random, 20) === 0) return "homeassistant/status";
    if (below(random, 5) === 0) return `farm/north/join/${pick()}/${pick()}`;
    const levels = Array.from({ length: 1 + below(random, 4) }, pick);
    return (below(random, 5) === 0 ? levels : ["farm/north", ...levels]).join("/");
  });
}

const isNode = (who: Principal): boolean =>
  who.role === "node" || (who.role === "local" && who.node !== undefined);
const OWN_UP = /^farm\/north\/node\/collar-1\/up\/(hello|report|offload|want|outcome)$/;
const OWN_DOWN = /^farm\/north\/node\/collar-1\/down\/(ack|verdict|offer|chunk|setting)$/;
const PRIVATE = /^farm\/north\/node\//;
const JOIN = /^farm\/north\/join(\/|$)/;
const ADMIN = /^farm\/north\/bridge\/re(quest|sponse)\//;

function publishes(who: Principal, topic: string, retain: boolean): boolean {
  const isOwnAvailability = topic === "farm/north/collar-1/availability";
  if (who.role === "local" && topic === "homeassistant/status") return !retain;
  if (isNode(who)) return (OWN_UP.test(topic) && !retain) || isOwnAvailability;
  if (retain) return false;
  if (topic === "homeassistant/status") return who.role !== "joining";
  if (who.role === "operator") return topic.startsWith("farm/north/bridge/request/");
  return who.role === "joining" && topic === "farm/north/join/collar-1/request";
}

function subscribes(who: Principal, filter: string): boolean {
  if (filter.startsWith("$")) return false;
  const isOwn = OWN_DOWN.test(filter) || filter === "farm/north/node/collar-1/down/+";
  if (who.role === "node") return isOwn;
  if (who.role === "joining") return filter === "farm/north/join/collar-1/response";
  if (isNode(who) && isOwn) return true;
  return !PRIVATE.test(filter) && !JOIN.test(filter);
}

function hears(who: Principal, topic: string): boolean {
  if (who.role === "joining") return topic === "farm/north/join/collar-1/response";
  if (topic.startsWith("$") || JOIN.test(topic)) return false;
  if (isNode(who) && OWN_DOWN.test(topic)) return true;
  if (who.role === "node" || PRIVATE.test(topic)) return false;
  return who.role === "operator" || !ADMIN.test(topic);
}

describe.each(PRINCIPALS.map((who) => [JSON.stringify(who), who] as const))("%s", (_, who) => {
  it("publishes what it may, of ten thousand topics, retained or not", () => {
    let allowed = 0;
    for (const topic of topics(false)) {
      for (const retain of [false, true]) {
        const got = mayPublish(BASE, who, { topic, retain, payloadBytes: 7 }) === undefined;
        expect(got, `${topic} ${retain}`).toBe(publishes(who, topic, retain));
        if (got) allowed++;
      }
    }
    // Or both could say no to everything.
    expect(allowed).toBeGreaterThan(0);
  });

  it("subscribes to what it may, of ten thousand filters", () => {
    let allowed = 0;
    for (const filter of topics(true)) {
      const got = maySubscribe(BASE, who, filter, false) === undefined;
      expect(got, filter).toBe(subscribes(who, filter));
      if (got) allowed++;
    }
    expect(allowed).toBeGreaterThan(0);
    expect(allowed).toBeLessThan(10_000);
  });

  it("hears what it may, of ten thousand topics", () => {
    let allowed = 0;
    for (const topic of topics(false)) {
      const got = mayHear(BASE, who, topic);
      expect(got, topic).toBe(hears(who, topic));
      if (got) allowed++;
    }
    expect(allowed).toBeGreaterThan(0);
    expect(allowed).toBeLessThan(10_000);
  });
});

describe("where hosts of Sparkplug are heard", () => {
  const edge = { group: "farm", edgeNode: "barn", primaryHost: "scada", hosts: ["scada"] };
  const words = ["farm", "barn", "collar-1", "STATE", "scada", "NCMD", "DCMD", "NBIRTH", "DDATA"];

  it.each(PRINCIPALS)("%j", (who) => {
    const random = prng(6, "sparkplug topics");
    const pick = (): string => words[below(random, words.length)] as string;
    const isHost = who.role === "reader" || who.role === "operator" || who.role === "local";
    const commands = ["spBv1.0/farm/NCMD/barn"];
    for (const node of ["farm", "barn", "collar-1", "scada"]) {
      commands.push(`spBv1.0/farm/DCMD/barn/${node}`);
    }
    let allowed = 0;
    for (let i = 0; i < 20_000; i++) {
      const topic = ["spBv1.0", ...Array.from({ length: 2 + below(random, 3) }, pick)].join("/");
      for (const retain of [false, true]) {
        const publishing = { topic, retain, payloadBytes: 40 };
        const may = accessRules(edge).mayPublish(BASE, who, publishing) === undefined;
        const state = topic === "spBv1.0/STATE/scada";
        expect(may, `${topic} ${retain}`).toBe(
          isHost && (state || (commands.includes(topic) && !retain)),
        );
        if (may) allowed++;
        expect(accessRules(undefined).mayPublish(BASE, who, publishing), topic).toBeDefined();
      }
    }
    expect(allowed > 0).toBe(isHost);
    const may = (topic: string, payloadBytes: number): boolean =>
      accessRules(edge).mayPublish(BASE, who, { topic, retain: false, payloadBytes }) === undefined;
    expect(may("spBv1.0/STATE/scada", 257)).toBe(false);
    expect(may("spBv1.0/farm/NCMD/barn", 4_097)).toBe(false);
  });
});

describe("sizes", () => {
  it("bound what a node says of its availability, and what a device asks when it joins", () => {
    const node = PRINCIPALS[0] as Principal;
    const joining = PRINCIPALS[3] as Principal;
    const at = (who: Principal, topic: string, payloadBytes: number): boolean =>
      mayPublish(BASE, who, { topic, retain: false, payloadBytes }) === undefined;
    expect(at(node, "farm/north/collar-1/availability", 64)).toBe(true);
    expect(at(node, "farm/north/collar-1/availability", 65)).toBe(false);
    expect(at(joining, "farm/north/join/collar-1/request", 256)).toBe(true);
    expect(at(joining, "farm/north/join/collar-1/request", 257)).toBe(false);
    const reader = PRINCIPALS[1] as Principal;
    expect(at(reader, "homeassistant/status", 7)).toBe(true);
    expect(at(reader, "homeassistant/status", 8)).toBe(false);
  });
});
