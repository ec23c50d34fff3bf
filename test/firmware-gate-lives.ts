/** Gates and lives of gates at random, for the gate in C against the one that defines it. */

import type { ExitOutput } from "../src/engine/engine.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { CONFIDENCE_NODES, type GateParameters } from "../src/gate/gate-parameters.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { below, chance, type Prng } from "../src/prng.ts";
import type { GateOperation } from "./firmware-gate-kit.ts";

export const many = (random: Prng, length: number, low: number, high: number): number[] =>
  Array.from({ length }, () => low + below(random, high - low + 1));
export const draw = (random: Prng, low: number, high: number): number =>
  low + below(random, high - low + 1);

/** Anything that a section may say; `wild` goes to the ends of every range. */
export function randomGate(random: Prng, wild: boolean): GateParameters {
  const classes = wild ? draw(random, 2, 64) : draw(random, 2, 6);
  const exits = draw(random, 1, wild ? 8 : 3);
  const features = draw(random, 1, wild ? 128 : 12);
  const axes = chance(random, 0.7) ? 3 : 0;
  const inputs = features + axes;
  const spread = wild ? 32767 : 700;
  const capacityTokens = draw(random, 1, wild ? 1024 : 24);
  const tokenMost = wild ? Math.trunc(0x3fffffff / capacityTokens) : 2560;
  return {
    classes,
    exits: Array.from({ length: exits }, () => ({
      inverseTemperatureQ8: draw(random, 1, wild ? 65535 : 500),
      fusionWeight: draw(random, 1, 255),
      sureMarginQ8: draw(random, 0, wild ? 5121 : 1500),
      confidenceQ8: many(random, CONFIDENCE_NODES, 0, 255),
    })),
    filter: { changeQ15: draw(random, 1, 32768), adaptQ8: draw(random, 0, 1024) },
    offload: {
      unsureMarginQ8: many(random, classes, 0, wild ? 5120 : 900),
      targetShareQ16: draw(random, 0, 65535),
      rateStepQ16: draw(random, 0, 1 << 14),
      rateLimitQ8: draw(random, 0, 5120),
    },
    bucket: {
      capacityTokens,
      windowsPerTokenQ8: draw(random, 256, Math.max(256, tokenMost)),
      reserveTokens: draw(random, 0, Math.min(capacityTokens, wild ? 1024 : 4)),
    },
    auditChanceQ16: draw(random, 0, 65535),
    novelty: chance(random, 0.2)
      ? null
      : {
          exit: draw(random, 0, exits - 1),
          features,
          axes,
          whiteningQ12: Int16Array.from(many(random, (inputs * (inputs + 1)) / 2, -spread, spread)),
          prototypesQ4: Int16Array.from(many(random, classes * inputs, -spread, spread)),
          centresQ8: many(random, classes, wild ? -32768 : 1000, wild ? 32767 : 5000),
          inverseSpreadsQ8: many(random, classes, 1, wild ? 16383 : 600),
          clipQ8: draw(random, 1, wild ? 32767 : 1536),
          slackQ8: draw(random, 0, wild ? 32767 : 256),
          thresholdQ8: draw(random, 1, wild ? 32767 : 4000),
          recoveryWindows: draw(random, 1, 40),
          novelQ8: draw(random, 0, wild ? 32767 : 1200),
        },
    burst: {
      windows: draw(random, 0, wild ? 65535 : 30),
      delayWindows: draw(random, 0, wild ? 65535 : 5),
      expiryWindows: draw(random, 0, wild ? 65535 : 300),
      perBout: draw(random, 0, wild ? 255 : 6),
      gapWindows: draw(random, 0, 3),
      diversity: draw(random, 0, wild ? 65535 : 40),
      boutChange: draw(random, 0, wild ? 65535 : 60),
    },
    operatingPoints: [],
  };
}

/** A gate that may have operating points, of any share. */
export function withRandomPoints(random: Prng, gate: GateParameters): GateParameters {
  const { exits, bucket } = gate;
  const most = Math.trunc(0x3fffffff / bucket.capacityTokens);
  const shares = new Set(many(random, below(random, 17), 1, 65535));
  const operatingPoints = [...shares]
    .sort((a, b) => a - b)
    .map((targetShareQ16) => ({
      targetShareQ16,
      overTeacherCentipoints: draw(random, -32768, 32767),
      unsureMarginQ8: draw(random, 0, 5120),
      windowsPerTokenQ8: draw(random, 256, chance(random, 0.8) ? Math.min(2560, most) : most),
      sureMarginsQ8: many(random, exits.length, 0, 5121),
    }));
  return { ...gate, operatingPoints };
}

/** What exits may say, whether or not any student would. */
function randomExits(random: Prng, gate: GateParameters, loud: boolean): ExitOutput[] {
  const features = gate.novelty?.features ?? 4;
  return gate.exits.map(() => ({
    logits: Int16Array.from(
      loud ? many(random, gate.classes, -32768, 32767) : many(random, gate.classes, -900, 900),
    ),
    features: Int8Array.from(
      loud ? many(random, features, -128, 127) : many(random, features, 0, 20),
    ),
  }));
}

/** Windows, verdicts on some of them, settings, carries: a life of a gate. */
export function randomLife(
  random: Prng,
  gate: GateParameters,
  windows: number,
  channels = draw(random, gate.novelty?.axes === 3 ? 3 : 1, 3),
): GateOperation[] {
  const operations: GateOperation[] = [
    { kind: "load", section: encodeGate(gate), points: encodePoints(gate) },
    { kind: "start", seed: random.uint32(), stream: `node ${below(random, 99)}` },
  ];
  let mean = 0;
  for (let windowIndex = 0; windowIndex < windows; windowIndex++) {
    if (chance(random, 0.1)) mean = draw(random, -60, 60);
    const samples = draw(random, 2, 60);
    const window = Int8Array.from({ length: samples * channels }, () =>
      Math.max(-128, Math.min(127, mean + draw(random, -70, 70))),
    );
    const exits = randomExits(random, gate, chance(random, 0.2));
    operations.push({ kind: "window", windowIndex, window, channels, exits });
    if (chance(random, 0.4)) operations.push(randomVerdict(random, gate, windowIndex));
    if (chance(random, 0.02)) {
      const burstWindows = below(random, 40);
      operations.push({ kind: "setting", auditChanceQ16: below(random, 65536), burstWindows });
    }
    if (chance(random, 0.04))
      operations.push({ kind: "move", shareQ16: randomShare(random, gate) });
    if (chance(random, 0.005)) operations.push({ kind: "carry" });
  }
  return operations;
}

/** Some share, or just one of the points', or nothing wanted. */
export function randomShare(random: Prng, { operatingPoints }: GateParameters): number {
  const point = operatingPoints[below(random, operatingPoints.length + 1)];
  const near = (point?.targetShareQ16 ?? below(random, 65536)) + below(random, 3) - 1;
  return chance(random, 0.2) ? 0 : Math.max(0, Math.min(65535, near));
}

function randomVerdict(random: Prng, gate: GateParameters, windowIndex: number): GateOperation {
  const classes = chance(random, 0.95) ? gate.classes : draw(random, 2, 64);
  return {
    kind: "verdict",
    windowIndex: Math.max(0, windowIndex - below(random, 6)),
    classIndex: below(random, classes),
    trusted: chance(random, 0.8),
    probabilitiesQ8: Uint8Array.from(many(random, classes, 0, 255)),
  };
}
