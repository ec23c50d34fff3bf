/**
 * Small students of any shape and with any shift: what the students that people train never are, and
 * what a runtime's rarer paths are for.
 */

import fc from "fast-check";
import { encodeContainer } from "../src/model/container.ts";
import { SHIFT_MAX } from "../src/model/requantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { arbitraryEncoders, containerWithEncoder } from "./encoder-samples.ts";
import { containerOf } from "./mutated-containers.ts";
import {
  arbitrarySpecs,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
  scrambled,
  setShifts,
} from "./student-samples.ts";

/** Convolutions of any shape, each twice: as quantized, and with other weights and shifts. */
export function anyConvolutions(count: number): readonly Uint8Array[] {
  return fc.sample(arbitrarySpecs, { numRuns: count, seed: 20_261 }).flatMap((spec, i) => {
    const { student } = containerOf(spec, "int8");
    return [encoded(spec, student), encoded(spec, scrambled(student, i))];
  });
}

export function anyGrus(count: number): readonly Uint8Array[] {
  const random = prng(7, "gru shapes");
  return Array.from({ length: count }, (_, i) => {
    const spec = anyGru(random);
    const { student } = containerOf(spec, "int8");
    return encoded(spec, i % 2 === 0 ? student : scrambled(student, i));
  });
}

/** Encoders of any shape, in turns beside a small student of each kind. */
export function anyEncoders(count: number): readonly Uint8Array[] {
  return fc.sample(arbitraryEncoders, { numRuns: count, seed: 6 }).map((shape, i) => {
    const student = i % 4 === 0 ? SMALL_GRU_SPEC : SMALL_CNN_SPEC;
    return encodeContainer(containerWithEncoder(student, shape, i + 1));
  });
}

/** A student of each kind with every shift alone, and as many with shifts drawn for each row. */
export function anyShifts(): readonly Uint8Array[] {
  return [SMALL_CNN_SPEC, SMALL_GRU_SPEC].flatMap((spec) =>
    Array.from({ length: 2 * SHIFT_MAX }, (_, round) => {
      const student = structuredClone(containerOf(spec, "int8").student);
      const random = prng(round, "shifts");
      setShifts(student, () => (round < SHIFT_MAX ? round + 1 : 8 + below(random, 26)));
      return encoded(spec, student);
    }),
  );
}

function anyGru(random: Prng): StudentSpec {
  const patchSamples = 1 + below(random, 5);
  const hidden = 1 + below(random, 19);
  const patches = Array.from({ length: 1 + below(random, 3) }, () => 1 + below(random, 6));
  return {
    windowSamples: patchSamples * patches.reduce((sum, count) => sum + count, 0),
    channels: 1 + below(random, 4),
    classes: 2 + below(random, 8),
    stages: patches.map((count, s) => ({
      layers: [{ kind: "gru", patchSamples, hidden, patches: count, continues: s > 0 }],
      exit: { hidden: 3 * s },
    })),
  };
}

function encoded(spec: StudentSpec, student: QuantizedStudent): Uint8Array {
  return encodeContainer({ ...containerOf(spec, "int8"), student });
}
