/** A student to put behind a gate and the teacher that it learned from, trained or as they were kept. */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import type { LoadedStudent } from "../src/engine/engine.ts";
import { containerOf } from "../src/gate/pack-student.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import type { Recipe } from "../src/learn/recipes.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { keptPair } from "./kept-files.ts";
import { trainPair } from "./train-pair.ts";

export type TrainedStudent = {
  readonly loaded: LoadedStudent;
  /** The same before it was quantized. */
  readonly float: FloatStudent;
  readonly recipe: Recipe;
  /** The teacher as `teacherOnnx` writes it. */
  readonly teacherFile: Uint8Array;
  /** The teacher's class probabilities over any windows. */
  readonly teach: (windows: WindowSet) => Promise<Float32Array>;
  readonly release: () => Promise<void>;
};

/** Both on the same windows. */
export async function trainedStudent(
  windows: WindowSet,
  training: {
    readonly profile: Profile;
    readonly recipe: Recipe;
    readonly seed: number;
    /** A folder as in `keptFiles`. */
    readonly keep?: string | undefined;
    readonly shouldStop?: (() => boolean) | undefined;
  },
  onProgress: (share: number) => void,
): Promise<TrainedStudent> {
  const { profile, recipe, seed, keep, shouldStop } = training;
  const { classes, inputMilligPerStep } = profile;
  const subjects = [...new Set(windows.subjects)];
  const what = { profile, subjects, windows: windows.count, seed, recipe };
  const pair = await keptPair({ folder: keep, shouldStop }, what, async () => {
    const { teacherFile, student } = await trainPair(
      windows,
      profile,
      recipe,
      seed,
      (part, share) => onProgress(part === "teacher" ? 0.5 * share : 0.5 + 0.5 * share),
      shouldStop,
    );
    return { teacher: teacherFile, student };
  });
  const program = await onnxRuntime().compile(pair.teacher);
  const quantized = quantizeStudent(pair.student, windows, inputMilligPerStep);
  return {
    loaded: chooseEngine().load(containerOf(profile, quantized)),
    float: pair.student,
    recipe,
    teacherFile: pair.teacher,
    teach: async (taught) => {
      const rows = await predictRows(program, taught, inputMilligPerStep, ["logits"]);
      return softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), classes.length);
    },
    release: () => program.release(),
  };
}
