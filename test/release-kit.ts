/**
 * What tests of releases by hand share: a gateway that learns, with the shipped teacher and the plain
 * student as what nodes were made with, and simulated collars that join it over MQTT.
 */

import path from "node:path";
import { factoryStudent } from "../cli/open-gateway.ts";
import { shippedFolder } from "../cli/profile-folder.ts";
import { type Fleet, startFleet } from "../device-sim/fleet.ts";
import { createHerd } from "../device-sim/herd.ts";
import { mqttLinks } from "../device-sim/mqtt-link.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import { parseConfig } from "../gateway/config/config.ts";
import { gatewayCrypto, openReleaseKeys } from "../gateway/release/release-keys.ts";
import { type LoopGateway, startLoopGateway } from "../gateway/start-loop.ts";
import type { OpenTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { plainRecipe, recipeFor } from "../src/learn/recipes.ts";
import { studentOnnx } from "../src/learn/student-network.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { prng } from "../src/prng.ts";
import { cohortOf } from "../src/signal/profile.ts";
import type { ModelId } from "../src/wire/messages.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import { base, until } from "./gateway-kit.ts";
import { sampleContainer } from "./node-world.ts";
import { randomFloatStudent } from "./student-samples.ts";
import { cattle, turningAnchor } from "./turning-herd.ts";

export const factory = factoryStudent(shippedFolder(cattle), "plain");
export const better = factoryStudent(shippedFolder(cattle), "default");

export function idOf(container: Uint8Array): ModelId {
  return modelIdOf(gatewayCrypto.sha256(container));
}

/** It never distils by itself.
 *
 * @param audits that each stage needs; more than come in a test keep it in its canary */
export function releaseGateway(
  folder: string,
  teacher: OpenTeacher,
  audits: number,
  http = "http: { enabled: false }",
): Promise<LoopGateway> {
  const yaml = `
data_directory: data
broker: { port: 0, packets_per_second: 5000, packets_burst: 10000 }
${http}
releases: { soak_minutes: 0, audits_least: ${audits}, windows_least: 60 }
`;
  const recipe = plainRecipe(recipeFor(cattle));
  return startLoopGateway({
    config: parseConfig(yaml, path.join(folder, "gateway.yaml"), {
      BELLWETHER_CONFIG_METRICS_ENABLED: "false",
    }),
    profile: cattle,
    teacher,
    anchor: turningAnchor(),
    factory,
    augmentation: {
      teacher: recipe.teacher.augmentation,
      student: recipe.student.options.augmentation,
    },
    trigger: { labelsWanted: 1_000_000, labelsCount: 1_000_000, patienceMs: 1e9 },
    seed: 1,
    log: () => undefined,
  });
}

/** Resolves when all have said hello. */
export async function releaseHerd(
  folder: string,
  { gateway }: LoopGateway,
  nodes: number,
): Promise<Fleet> {
  const { publicKey } = openReleaseKeys(path.join(folder, "data", "keys"));
  const fleet = await startFleet({
    nodes: createHerd({
      profile: cattle,
      nodes,
      seed: 1,
      signal: { kind: "emulator", parameters: await readShippedEmulator("cattle") },
      factory: () => factory.container,
      turns: [],
    }),
    seed: 1,
    settings: { ...COLLAR, publicKeys: [publicKey] },
    engine: chooseEngine(),
    openLink: mqttLinks({ url: gateway.url, base, random: prng(1, "links") }),
    storageDir: null,
    speed: 50,
  });
  const known = () => gateway.nodes().filter(({ cohort }) => cohort !== "").length;
  await until("all are known", () => known() === nodes, 30_000);
  return fleet;
}

/** 205,000 weights: as large as a container may be, nearly. */
const LARGE_SPEC: StudentSpec = {
  windowSamples: cattle.windowSamples,
  channels: cattle.channels,
  classes: cattle.classes.length,
  stages: [
    { layers: [{ kind: "conv", filters: 64, kernel: 5, stride: 2 }], exit: { hidden: 0 } },
    {
      layers: [252, 250, 248, 249].map((filters) => {
        return { kind: "separable", filters, kernel: 5, stride: 1 } as const;
      }),
      exit: { hidden: 0 },
    },
  ],
};

/** Both files of a model that no request can hold. */
export function largeModel(): { readonly container: Uint8Array; readonly student: Uint8Array } {
  const names = { cohort: cohortOf(cattle), classes: cattle.classes };
  return {
    container: sampleContainer(7, names, LARGE_SPEC),
    student: studentOnnx(randomFloatStudent(LARGE_SPEC, 7)),
  };
}
