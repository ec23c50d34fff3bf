/** The edge node of Sparkplug B, against a host that knows the specification's rules by itself. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  createSparkplug,
  edgeDeath,
  type SparkplugEvent,
  stepSparkplug,
} from "../gateway/sparkplug/sparkplug.ts";
import { noDeviceMetrics, noEdgeMetrics } from "../gateway/sparkplug/sparkplug-metrics.ts";
import { decodeCommand, encodePayload } from "../gateway/sparkplug/sparkplug-payload.ts";
import { EdgeError } from "../src/assert.ts";
import { topicBase } from "../src/wire/topics.ts";
import { decodePayload, REBIRTH, rebirthCommand, SparkplugHost } from "./sparkplug-host.ts";

const START_MS = 1_767_225_600_000;
const base = topicBase("farm/north");
const settings = {
  group: "Plant 1",
  edgeNode: "barn",
  primaryHost: undefined as string | undefined,
  hosts: [],
  base,
  classes: ["Grazing", "Still/lying"],
  version: "0.1.0",
};
const NCMD = "spBv1.0/Plant 1/NCMD/barn";

/** An edge node with its host, and the broker between: a session that breaks is told by the will. */
function world(primaryHost?: string) {
  const state = createSparkplug({ ...settings, primaryHost }, START_MS);
  const host = new SparkplugHost("Plant 1", "barn");
  let nowMs = START_MS;
  let bdSeq = 254;
  let open = false;
  const step = (event: SparkplugEvent): void => {
    for (const effect of stepSparkplug(state, event, nowMs)) {
      if (effect.kind === "publish") {
        if (!open) host.problems.push("nothing is said without a session");
        host.take(effect.topic, effect.payload);
      } else if (effect.kind === "reopen") connect();
    }
  };
  const connect = (): void => {
    bdSeq = (bdSeq + 1) % 256;
    open = true;
    step({ kind: "opened", bdSeq });
  };
  const tell = (topic: string, value: unknown): void =>
    step({ kind: "told", topic: `${base}/${topic}`, json: JSON.stringify(value) });
  return {
    host,
    step,
    connect: () => {
      if (!open) connect();
    },
    cut: () => {
      if (!open) return;
      open = false;
      step({ kind: "closed" });
      const will = edgeDeath(settings, bdSeq, nowMs);
      host.take(will.topic, will.payload);
    },
    wait: (ms: number) => {
      nowMs += ms;
      step({ kind: "tick" });
    },
    command: (payload = rebirthCommand()) => step({ kind: "heard", topic: NCMD, payload }),
    hostSays: (online: boolean, timestamp = nowMs) =>
      step({
        kind: "heard",
        topic: `spBv1.0/STATE/${primaryHost}`,
        payload: Buffer.from(JSON.stringify({ online, timestamp })),
      }),
    present: (node: string, there: boolean) =>
      tell(`${node}/availability`, { state: there ? "online" : "offline" }),
    behaviour: (node: string, behaviour: string, confidence = 0.5) =>
      tell(`${node}/behaviour`, {
        ...{ v: 1, node, behaviour, confidence, source: "exit 1", trusted: true },
        ...{
          model: "0123456789abcdef",
          release: 0,
          since: START_MS,
          time: nowMs,
          epoch: 1,
          sequence: 1,
        },
      }),
    info: (softLabels: number) =>
      tell("bridge/info", {
        ...{ v: 1, version: "0.1.0", started: 0, time: nowMs, classes: [], nodes: 2 },
        ...{ teacher: { name: "t", trusted: true }, soft_labels: softLabels },
        ...{ loop: { state: "idle", progress: null, note: "" } },
        ...{ release: { sequence: 0, model: null }, cohorts: [], rollouts: [] },
      }),
  };
}

type World = ReturnType<typeof world>;
const NODES = ["cow-1", "cow-2", "cow-3"] as const;

describe("an edge node", () => {
  it("keeps every rule of numbers, births and deaths, whatever happens in whatever order", () => {
    const node = fc.constantFrom(...NODES);
    const happening: fc.Arbitrary<(w: World, truth: Truth) => void> = fc.oneof(
      fc.constant((w: World) => w.connect()),
      fc.constant((w: World) => w.cut()),
      fc.constant((w: World) => w.command()),
      fc.integer({ min: 1, max: 2_000 }).map((ms) => (w: World) => w.wait(ms)),
      fc.boolean().map((online) => (w: World) => w.hostSays(online)),
      fc.nat(3).map((count) => (w: World) => w.info(count)),
      fc.tuple(node, fc.boolean()).map(([id, there]) => (w: World, truth: Truth) => {
        w.present(id, there);
        if (there) truth.online.add(id);
        else truth.online.delete(id);
      }),
      {
        weight: 4,
        arbitrary: fc
          .tuple(node, fc.constantFrom(...settings.classes), fc.constantFrom(0.5, 0.75))
          .map(([id, behaviour, confidence]) => (w: World, truth: Truth) => {
            w.behaviour(id, behaviour, confidence);
            truth.behaviour.set(id, behaviour);
          }),
      },
    );
    let births = 0;
    fc.assert(
      fc.property(
        fc.array(happening, { minLength: 20, maxLength: 400 }),
        fc.boolean(),
        (happenings, waits) => {
          const w = world(waits ? "scada" : undefined);
          const truth: Truth = { online: new Set(), behaviour: new Map() };
          w.connect();
          w.hostSays(true);
          for (const happen of happenings) happen(w, truth);
          // In the end everything is well, and the host knows all that there is.
          w.connect();
          w.hostSays(true);
          for (let i = 0; i < 4; i++) w.wait(1_000);
          expect(w.host.problems).toEqual([]);
          expect(w.host.alive).toBe(true);
          expect(new Set(w.host.devices.keys())).toEqual(truth.online);
          for (const [id, seen] of w.host.devices) {
            expect(seen.get("Behaviour")?.value).toBe(truth.behaviour.get(id) ?? null);
          }
          births += w.host.births;
        },
      ),
      { numRuns: 150 },
    );
    expect(births).toBeGreaterThan(300);
  });

  it("counts to 255 and begins again at 0", () => {
    const w = world();
    w.connect();
    w.present("cow-1", true);
    w.wait(250);
    for (let i = 0; i < 600; i++) w.behaviour("cow-1", "Grazing", i / 1000);
    expect(w.host.problems).toEqual([]);
    expect(w.host.kinds.filter((kind) => kind === "DDATA")).toHaveLength(600);
  });

  it("tells what has changed and nothing else", () => {
    const w = world();
    w.connect();
    w.present("cow-1", true);
    w.behaviour("cow-1", "Grazing");
    w.wait(250);
    expect(w.host.kinds).toEqual(["NBIRTH", "DBIRTH"]);
    w.behaviour("cow-1", "Grazing");
    expect(w.host.kinds).toHaveLength(2);
    w.step({ kind: "told", topic: `${base}/cow-1/behaviour`, json: "" });
    expect(w.host.kinds).toHaveLength(2);
    w.behaviour("cow-1", "Still/lying");
    expect(w.host.kinds).toEqual(["NBIRTH", "DBIRTH", "DDATA"]);
    const names = [...(w.host.devices.get("cow-1")?.keys() ?? [])];
    expect(names).toContain("Minutes/Day/Still_lying");
    expect(names).toContain("Minutes/Hour/Unknown");
  });

  it("lets a device die that is silent, and bears it again when it speaks", () => {
    const w = world();
    w.connect();
    w.present("cow-1", true);
    w.wait(250);
    w.present("cow-1", false);
    expect([...w.host.devices.keys()]).toEqual([]);
    w.behaviour("cow-1", "Grazing");
    w.present("cow-1", true);
    w.wait(250);
    expect(w.host.kinds).toEqual(["NBIRTH", "DBIRTH", "DDEATH", "DBIRTH"]);
    expect(w.host.devices.get("cow-1")?.get("Behaviour")?.value).toBe("Grazing");
  });

  it("is born again when it is asked, at most once a second, and for no other command", () => {
    const w = world();
    w.connect();
    w.command(rebirthCommand(false));
    w.command(Buffer.from("no payload at all"));
    w.wait(1_000);
    expect(w.host.births).toBe(1);
    for (let i = 0; i < 10; i++) w.command();
    expect(w.host.births).toBe(2);
    w.wait(1_000);
    w.wait(1_000);
    expect(w.host.births).toBe(3);
  });

  it("waits for its primary host, and dies while that is away", () => {
    const w = world("scada");
    w.connect();
    w.hostSays(false);
    w.wait(1_000);
    expect(w.host.kinds).toEqual([]);
    w.hostSays(true, START_MS + 10_000);
    expect(w.host.alive).toBe(true);
    // The will of a connection that the host has replaced by now.
    w.hostSays(false, START_MS + 9_999);
    expect(w.host.alive).toBe(true);
    const { bdSeq } = w.host;
    w.hostSays(false, START_MS + 20_000);
    expect(w.host.alive).toBe(false);
    w.hostSays(true, START_MS + 30_000);
    expect(w.host.bdSeq).toBe(((bdSeq ?? 0) + 1) % 256);
    expect(w.host.problems).toEqual([]);
  });

  it("says its death when the gateway stops, once", () => {
    const w = world();
    w.connect();
    w.step({ kind: "end" });
    w.step({ kind: "end" });
    expect(w.host.kinds).toEqual(["NBIRTH", "NDEATH"]);
    expect(w.host.alive).toBe(false);
  });
});

type Truth = { readonly online: Set<string>; readonly behaviour: Map<string, string> };

describe("payloads", () => {
  it("are read by the library of Eclipse Tahu as they were meant", () => {
    const number = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    const text = fc.string({ unit: "grapheme", minLength: 1 });
    const typed = fc.oneof(
      fc.record({ type: fc.constant("Int32" as const), value: fc.nat(0x7fff_ffff) }),
      fc.record({ type: fc.constantFrom("Int64" as const, "DateTime" as const), value: number }),
      fc.record({ type: fc.constant("Double" as const), value: fc.double({ noNaN: true }) }),
      fc.record({ type: fc.constant("Boolean" as const), value: fc.boolean() }),
      fc.record({ type: fc.constant("String" as const), value: text }),
      fc.record({ type: fc.constant("Double" as const), value: fc.constant(null) }),
    );
    const metric = fc
      .tuple(text, typed, number)
      .map(([name, of, timeMs]) => ({ name, ...of, timeMs }));
    const payload = fc.record({
      timeMs: number,
      seq: fc.option(fc.nat(255), { nil: undefined }),
      metrics: fc.array(metric, { maxLength: 5 }),
    });
    fc.assert(
      fc.property(payload, (said) => {
        const read = decodePayload(encodePayload(said));
        expect(Number(read.timestamp)).toBe(said.timeMs);
        if (said.seq !== undefined) expect(Number(read.seq)).toBe(said.seq);
        const metrics = (read.metrics ?? []).map(({ name, type, value, timestamp }) => ({
          name,
          type,
          value: typeof value === "object" && value !== null ? Number(value) : value,
          timeMs: Number(timestamp),
        }));
        expect(metrics).toEqual(said.metrics);
      }),
    );
  });

  it("of commands are read as that library writes them", () => {
    expect(decodeCommand(rebirthCommand(), "test")).toEqual([{ name: REBIRTH, value: true }]);
    expect(decodeCommand(rebirthCommand(false), "test")).toEqual([{ name: REBIRTH, value: false }]);
  });

  it("of commands may be anything, and are then refused or read, within their limits", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .tuple(fc.nat(rebirthCommand().length - 1), fc.nat(255))
        .map(([at, byte]) => Uint8Array.from(rebirthCommand(), (b, i) => (i === at ? byte : b))),
    );
    let refused = 0;
    fc.assert(
      fc.property(bytes, (said) => {
        try {
          expect(decodeCommand(said, "test").length).toBeLessThanOrEqual(64);
        } catch (error) {
          expect((error as EdgeError).code).toBe("sparkplug-payload");
          refused++;
        }
      }),
      { numRuns: 500 },
    );
    expect(refused).toBeGreaterThan(50);
    expect(() => decodeCommand(new Uint8Array(4_097), "test")).toThrow(EdgeError);
  });
});

describe("docs/TOPICS.md", () => {
  it("has every metric, and no other", () => {
    const text = readFileSync(new URL("../docs/TOPICS.md", import.meta.url), "utf8");
    const section = text.slice(text.indexOf("## In Sparkplug"), text.indexOf("## For Prometheus"));
    const rows = section.match(/^\| (`[A-Z][A-Za-z]*.*?) \| [A-Z]/gm) ?? [];
    const documented = rows.flatMap((row) => row.match(/`[A-Z][^`]*`/g) ?? []);
    const named = [...noDeviceMetrics(["<behaviour>"], 0), ...noEdgeMetrics("", 0)]
      .map(({ name }) => `\`${name.replace(/(Day|Yesterday)\/<behaviour>/, "$1/…")}\``)
      .filter((name) => !name.endsWith("/Unknown`"));
    expect(new Set(documented)).toEqual(new Set([...named, "`Unknown`"]));
  });
});
