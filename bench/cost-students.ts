/** Students of many shapes, for a cost model to be fitted to and others for it to be tested on. */

import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { below, type Prng, prng } from "../src/prng.ts";
import { noiseWindows, randomFloatStudent } from "../test/student-samples.ts";

/** What the measuring program has for a student's buffers. */
const RAM_MOST = 8_000;

/** Of sizes that a collar or a phone would carry, even and odd widths among them. */
export function someStudents(count: number, seed: number): readonly QuantizedStudent[] {
  const random = prng(seed, "cost-students");
  const students: QuantizedStudent[] = [];
  for (let i = 0; students.length < count; i++) {
    const spec = i % 3 === 2 ? gruSpec(random) : convolutionSpec(random);
    const windows = noiseWindows(spec, 2, seed);
    const student = quantizeStudent(randomFloatStudent(spec, seed + i), windows, 31.25);
    const ramBytes = Math.max(...studentCost(student).map((exit) => exit.ramBytes));
    if (ramBytes <= RAM_MOST) students.push(student);
  }
  return students;
}

function convolutionSpec(random: Prng): StudentSpec {
  const filters = () => 4 + below(random, 45);
  const layer = () => ({
    kind: "separable" as const,
    filters: filters(),
    kernel: 3 + below(random, 5),
    stride: 1 + below(random, 2),
  });
  const first = { ...layer(), kind: "conv" as const };
  return {
    windowSamples: 40 + below(random, 180),
    channels: below(random, 4) === 0 ? 6 : 3,
    classes: 2 + below(random, 7),
    stages: Array.from({ length: 1 + below(random, 3) }, (_, s) => ({
      layers: [...(s === 0 ? [first] : []), ...(below(random, 2) === 0 ? [layer()] : []), layer()],
      exit: { hidden: below(random, 2) * (8 + below(random, 25)) },
    })),
  };
}

function gruSpec(random: Prng): StudentSpec {
  const patchSamples = 3 + below(random, 8);
  const hidden = 8 + below(random, 41);
  const patches = Array.from({ length: 1 + below(random, 3) }, () => 2 + below(random, 9));
  return {
    windowSamples: patchSamples * patches.reduce((sum, count) => sum + count, 0),
    channels: 3,
    classes: 2 + below(random, 7),
    stages: patches.map((count, s) => ({
      layers: [{ kind: "gru", patchSamples, hidden, patches: count, continues: s > 0 }],
      exit: { hidden: below(random, 2) * (8 + below(random, 25)) },
    })),
  };
}
