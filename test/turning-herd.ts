/**
 * A herd in which posture tells the behaviour, and collars that may be turned: where a student that
 * knows one way of sitting is lost, and a teacher that knows turns about z is lost about x.
 */

import { writeFileSync } from "node:fs";
import path from "node:path";
import { type AnchorSet, makeAnchor } from "../gateway/distil/anchor.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { type OpenTeacher, openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { recipeFor } from "../src/learn/recipes.ts";
import { teacherOnnx } from "../src/learn/teacher-network.ts";
import { trainStudent } from "../src/learn/train-student.ts";
import { trainTeacher } from "../src/learn/train-teacher.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { normal, prng } from "../src/prng.ts";
import { NO_AUGMENTATION } from "../src/signal/augment.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { NO_TURN, type Rotation } from "../src/signal/turn.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

export const cattle = shippedProfile("cattle");

const WINDOWS_PER_BOUT = 8;

/** Three classes in turn, `bouts` of each. */
export function turningHerd(seed: number, bouts: number, rotation: Rotation = NO_TURN): WindowSet {
  const random = prng(seed, "herd");
  const count = 3 * bouts * WINDOWS_PER_BOUT;
  const samples = new Int8Array(count * 150);
  const bout = (i: number): number => Math.floor(i / WINDOWS_PER_BOUT);
  for (let i = 0; i < count; i++) {
    const label = bout(i) % 3;
    const sway = 0.1 * normal(random);
    const start = 6 * normal(random);
    const swing = [0.02, 0.12, 0.35][label] as number;
    const pitch = ([0.5, 0.9, 0.7][label] as number) + 0.5 * sway;
    for (let t = 0; t < 50; t++) {
      const phase = start + t * ([0.2, 0.6, 1.3][label] as number);
      const g = [
        0.2 + sway + swing * Math.sin(phase) + 0.03 * normal(random),
        -Math.sin(pitch) + 0.5 * swing * Math.cos(phase) + 0.03 * normal(random),
        -Math.cos(pitch) + swing * Math.sin(phase + 1) + 0.03 * normal(random),
      ];
      for (let row = 0; row < 3; row++) {
        const turned = g.reduce((sum, part, k) => sum + Number(rotation[3 * row + k]) * part, 0);
        samples[i * 150 + t * 3 + row] = Math.max(-127, Math.min(127, Math.round(turned / 0.016)));
      }
    }
  }
  return {
    count,
    windowSamples: 50,
    channels: 3,
    samples,
    labels: Uint8Array.from({ length: count }, (_, i) => bout(i) % 3),
    subjects: Array.from({ length: count }, () => "a"),
    bouts: Int32Array.from({ length: count }, (_, i) => bout(i)),
  };
}

export const turningAnchor = (): AnchorSet => makeAnchor(turningHerd(1, 12), cattle, { seed: 1 });

/** A small teacher that was trained on turned copies. */
export async function turningTeacher(folder: string, anchor: AnchorSet): Promise<OpenTeacher> {
  const trained = await trainTeacher(onnxRuntime(), {
    windows: anchor.replay,
    classes: cattle.classes,
    rateHz: cattle.rateHz,
    inputMilligPerStep: cattle.inputMilligPerStep,
    seed: 1,
    options: {
      ...recipeFor(cattle).teacher,
      widths: [8, 16, 16],
      strides: [1, 2, 2],
      learningRate: 5e-3,
      epochs: 16,
      leastSteps: 1,
    },
  });
  const file = path.join(folder, "teacher.onnx");
  writeFileSync(file, teacherOnnx(trained));
  return openOnnxTeacher(file, cattle);
}

/** A small student that knows one way of sitting only. */
export function plainStudent(anchor: AnchorSet): Promise<FloatStudent> {
  const { student } = recipeFor(cattle);
  return trainStudent(onnxRuntime(), {
    spec: student.spec,
    windows: anchor.replay,
    inputMilligPerStep: cattle.inputMilligPerStep,
    seed: 1,
    objective: { hardWeight: 1, temperature: 1 },
    options: { ...student.options, augmentation: NO_AUGMENTATION, epochs: 20, leastSteps: 1 },
  });
}
