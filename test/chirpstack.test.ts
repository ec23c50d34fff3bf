/**
 * ChirpStack's events in, node frames out, and downlinks back.
 *
 * The events are no recordings: they are written after the examples and the `integration.proto` that
 * ChirpStack v4 documents (chirpstack-docs, integrations/events.md and mqtt.md), with our payloads.
 */

import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import {
  type ChirpstackEffect,
  type ChirpstackState,
  chirpstackFilters,
  createChirpstackState,
  isLorawanTopic,
  stepChirpstack,
} from "../gateway/lorawan/chirpstack.ts";
import { decodeDown, decodeUp, encodeDown, encodeUp } from "../src/wire/frames.ts";
import { toLoraPayloads } from "../src/wire/lora.ts";
import type { DownMessage, ModelId, NodeId, UpMessage } from "../src/wire/messages.ts";
import { DEFAULT_BASE, downTopic } from "../src/wire/topics.ts";

const APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97";
const EUI = "70b3d57ed0000001";
const NODE = "collar-17" as NodeId;
const MODEL = "9f2c61d0a4b87e35" as ModelId;
const COMMAND = `application/${APPLICATION}/device/${EUI}/command/down`;

let state: ChirpstackState;
let counter: number;

beforeEach(() => {
  counter = 0;
  state = createChirpstackState({
    base: DEFAULT_BASE,
    application: APPLICATION,
    port: 10,
    devices: new Map([[EUI, NODE]]),
  });
});

/** An uplink as ChirpStack v4 tells it. Fields with their default value are left out by it. */
function uplink(payload: Uint8Array, change: Record<string, unknown> = {}): object {
  counter += 1;
  return {
    deduplicationId: `3ac7e3c4-4401-4b8d-9386-${String(counter).padStart(12, "0")}`,
    time: "2026-05-18T09:34:15.775023242+00:00",
    deviceInfo: {
      tenantId: "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
      tenantName: "Farm",
      applicationId: APPLICATION,
      applicationName: "collars",
      deviceProfileId: "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
      deviceProfileName: "collar",
      deviceName: "Cow 17",
      devEui: EUI,
      deviceClassEnabled: "CLASS_A",
      tags: { herd: "north" },
    },
    devAddr: "00189440",
    adr: true,
    dr: 5,
    fCnt: counter,
    fPort: 10,
    data: Buffer.from(payload).toString("base64"),
    rxInfo: [
      {
        gatewayId: "0016c001f153a14c",
        uplinkId: 4_217_106_255,
        rssi: -96,
        snr: 6.5,
        context: "E3OWOQ==",
        metadata: { region_common_name: "EU868" },
      },
    ],
    txInfo: {
      frequency: 867_100_000,
      modulation: { lora: { bandwidth: 125_000, spreadingFactor: 7, codeRate: "CR_4_5" } },
    },
    ...change,
  };
}

function event(kind: string, content: object, devEui = EUI): readonly ChirpstackEffect[] {
  const topic = `application/${APPLICATION}/device/${devEui}/event/${kind}`;
  const payload = new TextEncoder().encode(JSON.stringify(content));
  return stepChirpstack(state, { kind: "event", topic, payload }, 1000);
}

function tell(message: DownMessage): readonly ChirpstackEffect[] {
  const topic = downTopic(DEFAULT_BASE, NODE, message.kind);
  return stepChirpstack(state, { kind: "down", topic, frame: encodeDown(message) }, 1000);
}

function payloadsOf(message: UpMessage, bytes: number): readonly Uint8Array[] {
  return toLoraPayloads(message.kind, encodeUp(message), bytes) ?? [];
}

function told(effects: readonly ChirpstackEffect[]): readonly Record<string, unknown>[] {
  return effects.flatMap((effect) =>
    effect.kind === "command" ? [JSON.parse(effect.payload) as Record<string, unknown>] : [],
  );
}

const REPORT: UpMessage = {
  kind: "report",
  epoch: 77,
  seq: 3,
  modelId: MODEL,
  driftQ8: 12,
  alarm: true,
  operatingPoint: 0,
  batteryPercent: 64,
  dropped: 0,
  entries: [0, 1, 2].map((i) => ({
    windowIndex: i,
    timeMs: 1_767_225_600_000 + 2500 * i,
    classIndex: 1,
    confidenceQ8: 255,
    exit: 0,
    offloaded: false,
  })),
};

const HELLO: UpMessage = {
  kind: "hello",
  epoch: 77,
  firmware: "bellwether-sim 0.1.0",
  cohort: "cattle/neck/10.00Hz/50x3",
  modelId: MODEL,
  releaseSequence: 0,
  formatVersion: 1,
  slotBytes: 262_144,
  ramBytes: 65_536,
  wakeMs: 3_600_000,
};

describe("uplinks", () => {
  it("become frames of the node that the device is", () => {
    const [payload] = payloadsOf(REPORT, 51);
    const effects = event("up", uplink(payload as Uint8Array));
    expect(effects).toEqual([
      { kind: "up", topic: "bellwether/node/collar-17/up/report", frame: encodeUp(REPORT) },
    ]);
  });

  it("come in pieces at the slowest rate; a hello is that of a node with no room", () => {
    const pieces = payloadsOf(HELLO, 51);
    expect(pieces.length).toBe(2);
    const effects = pieces.flatMap((piece) => event("up", uplink(piece, { dr: undefined })));
    expect(effects.map(({ kind }) => kind)).toEqual(["up"]);
    const [up] = effects;
    expect(up?.kind === "up" && decodeUp("hello", up.frame)).toEqual({ ...HELLO, slotBytes: 1 });
  });

  it("pass once: by ChirpStack's id, and by session and frame counter", () => {
    const [payload] = payloadsOf(REPORT, 51) as [Uint8Array];
    const once = uplink(payload);
    expect(event("up", once).length).toBe(1);
    expect(event("up", once)).toEqual([]);
    const replayed = { ...once, deduplicationId: "another-id" };
    expect(event("up", replayed)).toEqual([]);
    expect(state.repeated).toBe(2);
    expect(event("up", uplink(payload)).length).toBe(1);
  });

  it("pass again after a join, for counters begin anew", () => {
    const [payload] = payloadsOf(REPORT, 51) as [Uint8Array];
    event("up", uplink(payload, { fCnt: undefined }));
    const { deviceInfo } = uplink(payload) as { deviceInfo: object };
    const joined = event("join", { deduplicationId: "j", deviceInfo, devAddr: "00189440" });
    expect(joined[0]).toMatchObject({ kind: "log", fields: { node: NODE } });
    expect(event("up", uplink(payload, { fCnt: undefined })).length).toBe(1);
  });

  it("remember a bounded number", () => {
    const [payload] = payloadsOf(REPORT, 51) as [Uint8Array];
    for (let i = 0; i < 500; i++) event("up", uplink(payload));
    expect(state.byEui.get(EUI)?.seen.size).toBe(256);
  });

  it("that carry nothing, or LoRaWAN's own commands, are no error", () => {
    expect(event("up", uplink(new Uint8Array(0), { data: undefined }))).toEqual([]);
    expect(event("up", uplink(Uint8Array.of(2), { fPort: undefined }))).toEqual([]);
    expect(state.refused).toBe(0);
  });
});

describe("what is refused, with a line and no frame", () => {
  const [payload] = payloadsOf(REPORT, 51) as [Uint8Array];
  const cases: Record<string, () => readonly ChirpstackEffect[]> = {
    "another port": () => event("up", uplink(payload, { fPort: 11 })),
    "a device that is not listed": () => {
      const deviceInfo = { applicationId: APPLICATION, devEui: "70b3d57ed00000ff" };
      return event("up", uplink(payload, { deviceInfo }), "70b3d57ed00000ff");
    },
    "an event of another device": () => event("up", uplink(payload), "70b3d57ed0000002"),
    "an EUI in another spelling": () => {
      const deviceInfo = { applicationId: APPLICATION, devEui: EUI.toUpperCase() };
      return event("up", uplink(payload, { deviceInfo }));
    },
    "data that is no base64": () => event("up", uplink(payload, { data: "***" })),
    "a payload that no data rate carries": () => event("up", uplink(new Uint8Array(300))),
    "a payload of another application": () => event("up", uplink(Uint8Array.of(0xaa))),
    "half a frame": () => event("up", uplink(payload.subarray(0, 20))),
    "a counter below 0": () => event("up", uplink(payload, { fCnt: -1 })),
    "no JSON": () => {
      const topic = `application/${APPLICATION}/device/${EUI}/event/up`;
      const garbage = Uint8Array.of(0x7b, 0xff, 0x00);
      return stepChirpstack(state, { kind: "event", topic, payload: garbage }, 0);
    },
    "an event of a megabyte": () =>
      event("up", uplink(payload, { object: { x: "y".repeat(1e6) } })),
  };
  for (const [name, refused] of Object.entries(cases)) {
    it(name, () => {
      expect(refused().map(({ kind }) => kind)).toEqual(["log"]);
      expect(state.refused).toBe(1);
    });
  }

  it("anything at all, without an assert", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom("up", "join", "ack", "log"), (value, kind) => {
        const effects = event(kind, { ...(uplink(payload) as object), data: value });
        for (const effect of effects) expect(["log", "up"]).toContain(effect.kind);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 242 }), (bytes) => {
        for (const effect of event("up", uplink(bytes))) {
          expect(["log", "up"]).toContain(effect.kind);
        }
      }),
    );
  });

  it("other applications and other topics are not looked at", () => {
    const payloadBytes = new TextEncoder().encode(JSON.stringify(uplink(payload)));
    for (const topic of [
      `application/other/device/${EUI}/event/up`,
      `application/${APPLICATION}/device/${EUI}/event/up/more`,
      `application/${APPLICATION}/device/${EUI}/command/down`,
      "gateway/0016c001f153a14c/event/up",
    ]) {
      expect(stepChirpstack(state, { kind: "event", topic, payload: payloadBytes }, 0)).toEqual([]);
    }
    expect(state.refused).toBe(0);
  });
});

describe("downlinks", () => {
  it("are queued at ChirpStack as its documentation asks", () => {
    const message: DownMessage = { kind: "ack", epoch: 77, seqs: [3] };
    const [command] = tell(message);
    expect(command).toMatchObject({ kind: "command", topic: COMMAND });
    const [content] = told([command as ChirpstackEffect]);
    expect(Object.keys(content ?? {})).toEqual(["devEui", "confirmed", "fPort", "data"]);
    expect(content).toMatchObject({ devEui: EUI, confirmed: false, fPort: 10 });
    const frame = Buffer.from(String(content?.data), "base64");
    expect(decodeDown("ack", frame)).toEqual(message);
  });

  it("cut an acknowledgement of many to what the last uplink's rate carries", () => {
    const seqs = Array.from({ length: 25 }, (_, i) => i);
    const parts = told(tell({ kind: "ack", epoch: 77, seqs })).map((content) =>
      decodeDown("ack", Buffer.from(String(content.data), "base64")),
    );
    expect(parts.map((part) => part.seqs.length)).toEqual([10, 10, 5]);
    expect(parts.flatMap((part) => part.seqs)).toEqual(seqs);
    event("up", uplink(payloadsOf(REPORT, 51)[0] as Uint8Array, { dr: 5 }));
    expect(tell({ kind: "ack", epoch: 77, seqs }).length).toBe(1);
  });

  it("of a release are not sent", () => {
    const bytes = new Uint8Array(512);
    const chunk = tell({ kind: "chunk", releaseSequence: 2, index: 0, bytes });
    const offer = tell({ kind: "offer", manifest: bytes, signature: new Uint8Array(64) });
    for (const effects of [chunk, offer]) {
      expect(effects).toMatchObject([{ kind: "log", level: "debug" }]);
    }
  });

  it("are for nodes behind LoRaWAN only", () => {
    expect(isLorawanTopic(state, downTopic(DEFAULT_BASE, NODE, "ack"))).toBe(true);
    const other = downTopic(DEFAULT_BASE, "collar-18" as NodeId, "ack");
    expect(isLorawanTopic(state, other)).toBe(false);
    const frame = encodeDown({ kind: "ack", epoch: 1, seqs: [0] });
    expect(stepChirpstack(state, { kind: "down", topic: other, frame }, 0)).toEqual([]);
  });
});

it("reads the other events: status, acknowledgements, and ChirpStack's errors", () => {
  const { deviceInfo } = uplink(new Uint8Array(0)) as { deviceInfo: object };
  expect(event("status", { deviceInfo, margin: 10, batteryLevel: 88.3 })).toEqual([]);
  expect(event("txack", { downlinkId: 1, deviceInfo, fCntDown: 2 })).toEqual([]);
  expect(event("ack", { deviceInfo, acknowledged: true, fCntDown: 3 })).toEqual([]);
  expect(event("ack", { deviceInfo, fCntDown: 3 })).toMatchObject([{ level: "debug" }]);
  expect(event("log", { deviceInfo, level: "ERROR", code: "DOWNLINK_PAYLOAD_SIZE" })).toMatchObject(
    [{ level: "warning", fields: { code: "DOWNLINK_PAYLOAD_SIZE" } }],
  );
  expect(chirpstackFilters("x")).toContain("application/x/device/+/event/up");
});
