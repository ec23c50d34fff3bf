/**
 * A model container in words and figures: what it is for, what each exit costs, how its gate decides.
 *
 * Everything is read from the container's bytes. It measures nothing and judges nothing.
 */

import { createHash } from "node:crypto";
import { decodeGate } from "../src/gate/gate-bytes.ts";
import { type GateParameters, NEVER_Q8 } from "../src/gate/gate-parameters.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { codeShape, encoderMacs, type QuantizedEncoder } from "../src/model/encoder.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { modelRamBytes } from "../src/model/encoder-cost.ts";
import type { Stage } from "../src/model/student.ts";
import { studentCost } from "../src/model/student-cost.ts";
import { encoderIdOf } from "../src/wire/offload-frame.ts";
import { modelIdOf } from "../src/wire/topics.ts";

export type ModelDescription = {
  readonly model: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly cohort: string;
  readonly classes: readonly string[];
  readonly rateHz: number;
  readonly windowSamples: number;
  readonly hopSamples: number;
  readonly channels: number;
  readonly inputMilligPerStep: number;
  readonly exits: readonly {
    readonly layers: readonly string[];
    readonly head: string;
    readonly macs: number;
    readonly weightBytes: number;
    readonly ramBytes: number;
    /** Fused margin from which it answers; `null` for an exit that always goes on. */
    readonly sureMargin: number | null;
  }[];
  /** What makes codes of a window; null where nothing does. */
  readonly encoder: {
    /** As offloads and a tail name it: the start of the SHA-256 of its section. */
    readonly encoder: string;
    readonly codeTime: number;
    readonly codeChannels: number;
    readonly codeBits: number;
    readonly codeBytes: number;
    readonly macs: number;
    readonly ramBytes: number;
  } | null;
  readonly gate: {
    readonly unsureMargin: Readonly<Record<string, number>>;
    readonly targetShare: number;
    readonly tokenEveryWindows: number;
    readonly auditShare: number;
    readonly novelty: boolean;
    readonly burstWindows: number;
  };
};

/** Throws `EdgeError` for bytes that are no container. */
export function describeModel(bytes: Uint8Array): ModelDescription {
  const container = decodeContainer(bytes);
  const gate = decodeGate(container.gate);
  const hash = createHash("sha256").update(bytes).digest();
  const { student } = container;
  const costs = studentCost(student);
  return {
    model: modelIdOf(hash),
    sha256: hash.toString("hex"),
    bytes: bytes.length,
    cohort: container.cohort,
    classes: container.classes,
    rateHz: container.rateCentihertz / 100,
    windowSamples: student.windowSamples,
    hopSamples: container.hopSamples,
    channels: student.channels,
    inputMilligPerStep: container.inputMilligPerStep,
    exits: student.stages.map((stage, i) => ({
      layers: stage.layers.map(layerText),
      head: headText(stage),
      macs: costs[i]?.macs ?? 0,
      weightBytes: costs[i]?.weightBytes ?? 0,
      ramBytes: costs[i]?.ramBytes ?? 0,
      sureMargin: sureMargin(gate, i),
    })),
    encoder: container.encoder === undefined ? null : describeEncoder(container, container.encoder),
    gate: describeGate(container, gate),
  };
}

function describeEncoder(
  { student }: Container,
  encoder: QuantizedEncoder,
): ModelDescription["encoder"] {
  const { time, channels, bits, bytes } = codeShape(encoder);
  return {
    encoder: encoderIdOf(createHash("sha256").update(encodeEncoder(encoder)).digest()),
    ...{ codeTime: time, codeChannels: channels, codeBits: bits, codeBytes: bytes },
    macs: encoderMacs(encoder),
    ramBytes: modelRamBytes({ student, encoder }) - modelRamBytes({ student }),
  };
}

/** The same for people. */
export function describeLines(model: ModelDescription): string[] {
  const seconds = (samples: number): string => `${(samples / model.rateHz).toFixed(2)} s`;
  const lines = [
    `model     ${model.model}  (${model.bytes} bytes)`,
    `cohort    ${model.cohort}`,
    `classes   ${model.classes.join(", ")}`,
    `window    ${model.windowSamples} x ${model.channels} int8 at ${model.rateHz} Hz = ` +
      `${seconds(model.windowSamples)}, every ${seconds(model.hopSamples)}, ` +
      `${model.inputMilligPerStep} milli-g a step`,
  ];
  model.exits.forEach((exit, i) => {
    const sure =
      exit.sureMargin === null ? "goes on" : `sure from odds of 2^${exit.sureMargin.toFixed(1)}`;
    lines.push(
      `exit ${i + 1}    ${exit.layers.join(" > ")} > ${exit.head}`,
      `          ${exit.macs} MAC, ${exit.weightBytes} bytes of weights, ` +
        `${exit.ramBytes} bytes of RAM so far; ${i + 1 === model.exits.length ? "answers" : sure}`,
    );
  });
  const { gate, encoder } = model;
  if (encoder !== null) {
    const { codeTime, codeChannels, codeBits, codeBytes, macs, ramBytes } = encoder;
    lines.push(
      `encoder   ${encoder.encoder}: ${codeTime} x ${codeChannels} codes of ${codeBits} bits, ` +
        `${codeBytes} bytes; ${macs} MAC, ${ramBytes} more bytes of RAM`,
    );
  }
  const unsure = Object.entries(gate.unsureMargin).map(([name, m]) => `${name} 2^${m.toFixed(1)}`);
  lines.push(
    `gate      unsure below odds of ${unsure.join(", ")}; at most one offload in ` +
      `${gate.tokenEveryWindows} windows, aims at ${percent(gate.targetShare)}`,
    `          audits ${percent(gate.auditShare)}, novelty ${gate.novelty ? "on" : "off"}, ` +
      `bursts of ${gate.burstWindows}`,
  );
  return lines;
}

function describeGate(container: Container, gate: GateParameters): ModelDescription["gate"] {
  const { offload, bucket, burst } = gate;
  return {
    unsureMargin: Object.fromEntries(
      container.classes.map((name, i) => [name, (offload.unsureMarginQ8[i] ?? 0) / 256]),
    ),
    targetShare: offload.targetShareQ16 / 65535,
    tokenEveryWindows: bucket.windowsPerTokenQ8 / 256,
    auditShare: gate.auditChanceQ16 / 65535,
    novelty: gate.novelty !== null,
    burstWindows: burst.windows,
  };
}

function sureMargin(gate: GateParameters, exit: number): number | null {
  const margin = gate.exits[exit]?.sureMarginQ8 ?? NEVER_Q8;
  return margin >= NEVER_Q8 ? null : margin / 256;
}

function layerText(layer: Stage["layers"][number]): string {
  switch (layer.kind) {
    case "conv":
      return `conv ${layer.outChannels} k${layer.kernel} s${layer.stride}`;
    case "depthwise":
      return `depthwise k${layer.kernel} s${layer.stride}`;
    case "gru":
      return `${layer.continues ? "gru goes on" : `gru ${layer.hidden}`} ${layer.patches} patches`;
  }
}

function headText(stage: Stage): string {
  const { pool, layers } = stage.exit;
  return [pool, ...layers.map((layer) => `dense ${layer.outputs}`)].join(" > ");
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
