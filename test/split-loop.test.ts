/** Codes from end to end: nodes with an encoder, a broker, a gateway that runs its tail from a file. */

import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { untrainedTeacherOnnx } from "../bench/untrained-teacher.ts";
import { startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type { Decided } from "../device-sim/node-types.ts";
import { makeAnchor } from "../gateway/distil/anchor.ts";
import { openOnnxTail } from "../gateway/teacher/onnx-tail.ts";
import { fitTailTrust } from "../gateway/teacher/tail-trust.ts";
import { openTeacherThread, type ProfileTeachers } from "../gateway/teacher/teacher-thread.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { EdgeError } from "../src/assert.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { createWasmEngine } from "../src/engine/wasm.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { decodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { cohortOf } from "../src/signal/profile.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { unpackCodes } from "../src/wire/codes.ts";
import type { FeaturesOffload } from "../src/wire/messages.ts";
import { ENCODER_SPEC, packedSplit, sampleSplit } from "./encoder-samples.ts";
import { startTap } from "./firmware-tap.ts";
import { base, cattle, gatewayOn, removeFolder, temporaryFolder, until } from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";
import { noiseWindows } from "./student-samples.ts";
import { turningHerd } from "./turning-herd.ts";

const CODES = 50;
let folder: string;
let tailFile: string;
let factory: Uint8Array;
let teacher: ProfileTeachers;

beforeAll(async () => {
  folder = temporaryFolder();
  const { classes, rateHz } = cattle;
  const { encoder, tail } = packedSplit(sampleSplit(ENCODER_SPEC, classes.length, 4), {
    ...{ classes, rateHz },
  });
  const gate = uncalibratedGate({ exits: 2, classes: classes.length });
  const doubtful = encodeGate({
    ...{ ...gate, auditChanceQ16: 6554 },
    offload: { ...gate.offload, unsureMarginQ8: classes.map(() => 2000) },
    bucket: { capacityTokens: 16, windowsPerTokenQ8: 512, reserveTokens: 1 },
  });
  const about = { cohort: cohortOf(cattle), classes, encoder, gate: doubtful };
  factory = sampleContainer(1, about);
  tailFile = path.join(folder, "tail.onnx");
  writeFileSync(tailFile, tail);
  const teacherFile = path.join(folder, "teacher.onnx");
  const shape = { widths: [8, 16], strides: [2, 2], kernels: [7, 5, 3] };
  writeFileSync(teacherFile, untrainedTeacherOnnx(cattle, shape));
  teacher = await openTeacherThread(teacherFile, cattle, { tailFile });
});

afterAll(async () => {
  await teacher.close();
  removeFolder(folder);
});

async function herdOn(port: number, decided: Decided[], features: boolean) {
  const parameters = await readShippedEmulator("cattle");
  const herd = createHerd({
    ...{ profile: cattle, nodes: 4, seed: 3, turns: [], factory: () => factory },
    signal: { kind: "emulator", parameters },
  });
  const costs = () => ({ raw: { microjoules: 2 }, features: { microjoules: 1 } });
  return startFleet({
    ...{ nodes: herd, seed: 3, engine: createWasmEngine(), storageDir: null, speed: 40 },
    settings: { ...COLLAR, ...(features && { features: { rule: DEFAULT_FORM_RULE, costs } }) },
    openLink: mqttLinks({
      ...{ url: `mqtt://127.0.0.1:${port}`, base, random: prng(1, "links") },
      ...{ retryMs: 50, retryMsMax: 500 },
    }),
    observer: {
      decided: (_node, one) => {
        decided.push(one);
      },
    },
  });
}

describe("a herd with an encoder", () => {
  it("sends codes of its doubts, is answered by the tail, and nothing is learned from them", async () => {
    const yaml = `data_directory: codes\nbroker: { port: 0 }`;
    const dependencies = { tail: teacher.tail };
    const gateway = await gatewayOn(folder, teacher, { yaml, dependencies });
    const tap = await startTap(base, Number(new URL(gateway.url).port));
    const decided: Decided[] = [];
    const fleet = await herdOn(tap.port, decided, true);
    const isCodes = (one: { kind: string; encoding?: string }) => one.encoding === "features";
    const sent = (): FeaturesOffload[] => tap.up.filter((one) => isCodes(one)) as FeaturesOffload[];
    const verdicts = () => tap.down.filter((message) => message.kind === "verdict");
    await until("codes and windows", () => sent().length >= 30 && verdicts().length >= 40, 60_000);
    await fleet.stop();
    await until("every label", () => gateway.labels().waitingNodes().length === 0, 20_000);
    const direct = await openOnnxTail(tailFile, cattle);
    let compared = 0;
    for (const offload of sent()) {
      expect(offload.encoder).toBe(direct.encoder);
      const verdict = verdicts().find(
        ({ epoch, seq }) => epoch === offload.epoch && seq === offload.seq,
      );
      if (verdict === undefined) continue;
      const codes = unpackCodes(offload.codes, CODES, ENCODER_SPEC.codeBits);
      const answer = await direct.predict(codes, 1);
      expect([...verdict.probabilitiesQ8]).toEqual(
        [...answer.probabilities].map((chance) => Math.round(255 * chance)),
      );
      compared += 1;
    }
    await direct.close();
    expect(compared).toBeGreaterThan(20);
    const forms = Map.groupBy(decided, ({ form }) => form);
    expect(forms.get("raw")?.length).toBeGreaterThan(0);
    expect(forms.get("none")?.length).toBeGreaterThan(0);
    expect(new Set(forms.get("features")?.map(({ offload }) => offload))).toEqual(
      new Set(["unsure"]),
    );
    const labels = gateway.labels().softLabels();
    expect(new Set(labels.map(({ window }) => window.length))).toEqual(new Set([150]));
    expect(labels.length).toBeLessThan(gateway.labels().softLabelCount().total);
    await tap.close();
    await gateway.stop();
  }, 120_000);

  it("sends windows alone where nobody said that codes are read", async () => {
    const yaml = `data_directory: windows\nbroker: { port: 0 }`;
    const gateway = await gatewayOn(folder, teacher, { yaml });
    const decided: Decided[] = [];
    const fleet = await herdOn(Number(new URL(gateway.url).port), decided, false);
    const raw = () => decided.filter(({ form }) => form === "raw").length;
    await until("windows", () => raw() >= 20, 60_000);
    await fleet.stop();
    expect(decided.some(({ form }) => form === "features")).toBe(false);
    await gateway.stop();
  }, 90_000);
});

describe("a tail's file", () => {
  const codeOf = async (file: string): Promise<unknown> => {
    try {
      const tail = await openOnnxTail(file, cattle);
      await tail.close();
      return "accepted";
    } catch (error) {
      if (error instanceof EdgeError) return error.code;
      throw error;
    }
  };
  const written = (name: string, bytes: Uint8Array): string => {
    const file = path.join(folder, name);
    writeFileSync(file, bytes);
    return file;
  };

  it("is taken for what it says it is, and refused where it does not fit the profile", async () => {
    expect(await codeOf(tailFile)).toBe("accepted");
    expect(await codeOf(path.join(folder, "none.onnx"))).toBe("teacher-missing");
    expect(await codeOf(path.join(folder, "teacher.onnx"))).toBe("tail-metadata");
    const split = sampleSplit(ENCODER_SPEC, cattle.classes.length, 4);
    const about = { classes: cattle.classes, rateHz: cattle.rateHz };
    const slow = packedSplit(split, { ...about, rateHz: 25 });
    expect(await codeOf(written("slow.onnx", slow.tail))).toBe("teacher-rate");
    const strange = packedSplit(split, { ...about, classes: ["a", "b", "c"] });
    expect(await codeOf(written("strange.onnx", strange.tail))).toBe("teacher-classes");
  });

  it("is not opened beside a teacher where it does not fit", async () => {
    const asked = openTeacherThread(path.join(folder, "teacher.onnx"), cattle, {
      tailFile: path.join(folder, "teacher.onnx"),
    });
    await expect(asked).rejects.toMatchObject({ code: "tail-metadata" });
  });
});

describe("a tail's trust", () => {
  it("is fitted through the encoder that the tail reads, and through no other", async () => {
    const tail = await openOnnxTail(tailFile, cattle);
    const anchor = makeAnchor(turningHerd(1, 40), cattle, { seed: 1 });
    const fit = {
      teacher,
      anchor,
      augmentation: NO_AUGMENTATION,
      engine: referenceEngine,
      seed: 1,
    };
    const container = decodeContainer(factory);
    const trust = await fitTailTrust(tail, container, fit);
    if (trust === undefined) throw new Error("a fitted trust");
    const loaded = referenceEngine.load(container);
    const trusted = async (window: Int8Array): Promise<boolean> => {
      loaded.begin(window);
      const { probabilities, features } = await tail.predict(loaded.encode(), 1);
      return trust(probabilities, features);
    };
    const share = async (windows: WindowSet): Promise<number> => {
      let known = 0;
      for (let w = 0; w < windows.count; w++)
        known += (await trusted(windowAt(windows, w))) ? 1 : 0;
      return known / windows.count;
    };
    expect(await share(turningHerd(2, 4))).toBeGreaterThan(0.85);
    const shape = { windowSamples: 50, channels: 3, classes: 3, stages: [] };
    expect(await share(noiseWindows(shape, 90, 5))).toBeLessThan(0.5);
    const { encoder: _, ...without } = container;
    expect(await fitTailTrust(tail, without, fit)).toBeUndefined();
    const other = packedSplit(sampleSplit(ENCODER_SPEC, cattle.classes.length, 9), cattle);
    expect(await fitTailTrust(tail, { ...container, encoder: other.encoder }, fit)).toBeUndefined();
    await tail.close();
  });
});
