/** A node that comes by an encoder over the air, and what it then sends, on a radio too. */

import { describe, expect, it } from "vitest";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { collarOn } from "../device-sim/node-settings.ts";
import type { NodeSettings } from "../device-sim/node-types.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { formCosts } from "../src/link/offload-costs.ts";
import { decodeContainer } from "../src/model/container.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import { unpackCodes } from "../src/wire/codes.ts";
import { type FeaturesOffload, NO_MODEL, type UpMessage } from "../src/wire/messages.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { ENCODER_SPEC, randomEncoder } from "./encoder-samples.ts";
import { COLLAR_SPEC, NodeWorld, sampleContainer, signRelease } from "./node-world.ts";
import { noiseWindows } from "./student-samples.ts";

const ENCODER = randomEncoder(ENCODER_SPEC, 1);
/** Doubts every window, as far as the bucket pays for it. */
const gate = uncalibratedGate({ exits: 2, classes: 3 });
const doubtful = (windowsPerToken: number) =>
  encodeGate({
    ...{ ...gate, auditChanceQ16: 6554 },
    offload: { ...gate.offload, unsureMarginQ8: [2000, 2000, 2000] },
    bucket: { capacityTokens: 16, windowsPerTokenQ8: 256 * windowsPerToken, reserveTokens: 1 },
  });
const WITH_ENCODER = sampleContainer(2, { encoder: ENCODER, gate: doubtful(2) });
const CHEAP: NodeSettings["features"] = {
  rule: DEFAULT_FORM_RULE,
  costs: () => ({ raw: { microjoules: 2 }, features: { microjoules: 1 } }),
};

const isCodes = (message: UpMessage): message is FeaturesOffload =>
  message.kind === "offload" && message.encoding === "features";
const reasons = (messages: readonly UpMessage[]): Set<string> =>
  new Set(messages.flatMap((one) => (one.kind === "offload" ? [one.reason] : [])));

describe("a release with an encoder", () => {
  it("is taken over the air, and its doubts go as the codes of their windows", async () => {
    const world = new NodeWorld({ seed: 1, settings: { features: CHEAP } });
    await world.boot();
    world.connect();
    await world.run(60);
    expect(world.received.some(isCodes)).toBe(false);
    expect(world.received.find(({ kind }) => kind === "hello")).toMatchObject({ formatVersion: 3 });
    world.offered = signRelease(WITH_ENCODER, 3, { formatVersion: 2 });
    world.disconnect();
    world.connect();
    await world.run(250);
    expect(world.news.map(({ outcome }) => outcome)).toEqual(["activated", "confirmed"]);
    const codes = world.received.filter(isCodes);
    expect(codes.length).toBeGreaterThan(10);
    expect(reasons(codes)).toEqual(new Set(["unsure"]));
    const loaded = referenceEngine.load(decodeContainer(WITH_ENCODER));
    for (const { windowIndex, codes: packed, modelId } of codes) {
      expect(modelId).toBe(modelIdOf(nodeCrypto.sha256(WITH_ENCODER)));
      loaded.begin(noiseWindows(COLLAR_SPEC, 1, 1000 + windowIndex).samples);
      expect(unpackCodes(packed, 50, ENCODER_SPEC.codeBits)).toEqual(loaded.encode());
    }
    const windows = world.received.filter((one) => one.kind === "offload" && !isCodes(one));
    expect(reasons(windows)).toContain("audit");
    // Of eight doubts one goes as a window, and says that it had an eighth of a chance.
    const doubts = windows.flatMap((one) =>
      one.kind === "offload" && one.reason === "unsure" && one.modelId === codes[0]?.modelId
        ? [one.chanceQ16]
        : [],
    );
    expect(new Set(doubts)).toEqual(new Set([8191]));
    expect(new Set(codes.map(({ chanceQ16 }) => chanceQ16))).toEqual(new Set([65_535]));
  });

  it("is refused where its codes are not those that were signed", async () => {
    const world = new NodeWorld({ seed: 2, settings: { features: CHEAP } });
    await world.boot();
    world.connect();
    const { encoder: _, ...exitsOnly } = decodeContainer(WITH_ENCODER);
    const seed = 7;
    const logitsHashes = selfTestHashes(referenceEngine.load(exitsOnly), seed);
    world.offered = signRelease(WITH_ENCODER, 3, {
      ...{ formatVersion: 2, selfTest: { seed, logitsHashes } },
    });
    world.disconnect();
    world.connect();
    await world.run(60);
    // It is offered again, and refused again.
    const outcomes = new Set(world.news.map(({ outcome }) => outcome));
    expect(outcomes).toEqual(new Set(["self-test-failed"]));
  });
});

describe("a node that is set to 2 bits a value", () => {
  const encodings = async (offloadBytesMax: number) => {
    const settings = { offloadEncoding: "companded2" as const, offloadBytesMax };
    const world = new NodeWorld({ seed: 4, factory: WITH_ENCODER, settings });
    await world.boot();
    world.connect();
    await world.run(250);
    const offloads = world.received.flatMap((one) => (one.kind === "offload" ? [one] : []));
    const of = (reason: string) =>
      new Set(offloads.filter((one) => one.reason === reason).map(({ encoding }) => encoding));
    return { doubts: of("unsure"), audits: of("audit") };
  };

  it("sends its doubts so, and what is learned from in 4 where the link carries them", async () => {
    expect(await encodings(1_000)).toEqual({
      doubts: new Set(["companded2"]),
      audits: new Set(["companded4"]),
    });
    expect(await encodings(100)).toEqual({
      doubts: new Set(["companded2"]),
      audits: new Set(["companded2"]),
    });
  });
});

describe("a node with an encoder on LoRaWAN", () => {
  /** One offload in twenty windows, which the band bears. */
  const factory = sampleContainer(2, { encoder: ENCODER, gate: doubtful(20) });
  const offloadsOn = async (dataRate: number, milliampereHours: number) => {
    const profile = linkProfile("lorawan", dataRate);
    const features = {
      rule: DEFAULT_FORM_RULE,
      costs: (asked: Parameters<typeof formCosts>[1]) => formCosts(profile, asked),
    };
    const world = new NodeWorld({
      ...{ seed: 3, factory, radio: { profile, milliampereHours } },
      settings: { ...collarOn(profile), features },
    });
    await world.boot();
    world.connect();
    await world.run(3600);
    return world;
  };

  it("asks by codes where no window fits, audits too, and is heard without its model", async () => {
    const world = await offloadsOn(2, 1000);
    const offloads = world.received.filter(({ kind }) => kind === "offload");
    expect(offloads.length).toBeGreaterThan(2);
    expect(offloads.every(isCodes)).toBe(true);
    expect(reasons(offloads)).toEqual(new Set(["unsure", "audit"]));
    const models = offloads.map((one) => ("modelId" in one ? one.modelId : undefined));
    expect(new Set(models)).toEqual(new Set([NO_MODEL]));
    expect(new Set(world.decided.map(({ form }) => form))).toEqual(new Set(["none", "features"]));
  });

  it("sends some windows where they fit, and none of its doubts with a low battery", async () => {
    const full = await offloadsOn(5, 1000);
    const forms = (world: NodeWorld) =>
      new Set(world.decided.filter(({ offload }) => offload === "unsure").map(({ form }) => form));
    expect(forms(full)).toEqual(new Set(["features", "raw"]));
    const empty = await offloadsOn(5, 0.000_01);
    expect(forms(empty)).toEqual(new Set(["features"]));
    const encoded = full.decided.filter(({ form }) => form === "features").length;
    expect(encoded).toBeGreaterThan(3);
    expect(full.energy().inferenceMillijoule).toBeGreaterThan(0);
  });
});
