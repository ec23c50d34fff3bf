/** What the teacher says of chosen windows, as the rows that a gateway's label log would hold. */
import type { SoftLabel } from "../gateway/store/label-rows.ts";
import type { Teacher, TeacherTrust } from "../gateway/teacher/teacher.ts";
import { fitTeacherTrust, trustOf, withStatistics } from "../gateway/teacher/teacher-trust.ts";
import { prng } from "../src/prng.ts";
import { type Augmentation, augmentedSteps } from "../src/signal/augment.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { NO_MODEL } from "../src/wire/messages.ts";
import { nodeId } from "../src/wire/topics.ts";
import type { LoopSetup } from "./loop-setup.ts";
import type { LivedWindows } from "./recovery-choices.ts";

/** The teacher with the test of whether it knows a window. */
export type TrustedTeacher = Teacher & { readonly knows: TeacherTrust; readonly step: number };

/** Views of one window that the teacher is asked about beside the window as it is. */
const MORE_VIEWS = 3;

export async function openTrust(
  teacher: Teacher,
  setup: LoopSetup,
  seed: number,
): Promise<TrustedTeacher> {
  const { augmentation } = setup.recipe.teacher;
  const model = await fitTeacherTrust(teacher, setup.anchor, augmentation, seed);
  const step = setup.profile.inputMilligPerStep;
  return { ...withStatistics(teacher), knows: trustOf(model), step };
}

/** @param asked `views` makes the teacher answer some altered copies of each window too */
export async function answered(
  teacher: TrustedTeacher,
  lived: LivedWindows,
  indices: readonly number[],
  asked: { readonly views: Augmentation | undefined; readonly seed: number },
): Promise<SoftLabel[]> {
  const { windows } = lived;
  const shape = { channels: windows.channels, milliGPerStep: teacher.step };
  const random = prng(asked.seed, "labelled views");
  const asking = indices.flatMap((index) => {
    const window = windowAt(windows, index);
    const { views } = asked;
    if (views === undefined) return [{ index, window }];
    const more = Array.from({ length: MORE_VIEWS }, () => ({
      index,
      window: augmentedSteps(window, shape, views, random),
    }));
    return [{ index, window }, ...more];
  });
  if (asking.length === 0) return [];
  const samples = new Int8Array(asking.flatMap(({ window }) => [...window]));
  const answer = await teacher.predict(samples, asking.length, teacher.step);
  const rowOf = (data: Float32Array, i: number): Float32Array => {
    const width = data.length / asking.length;
    return data.slice(i * width, (i + 1) * width);
  };
  return asking.map(({ index, window }, i): SoftLabel => {
    const probabilities = rowOf(answer.probabilities, i);
    const features = answer.features === null ? null : rowOf(answer.features, i);
    return {
      offloadId: i + 1,
      node: nodeId(`collar-${String(windows.subjects[index]).toLowerCase()}`),
      epoch: 1,
      seq: i,
      modelId: NO_MODEL,
      reason: "burst",
      chanceQ16: 65535,
      windowIndex: index,
      timeMs: 0,
      classIndex: 0,
      confidenceQ8: 0,
      teacherId: teacher.id,
      trusted: teacher.knows(probabilities, features),
      answeredMs: 0,
      probabilities,
      encoding: "int8",
      window,
      windowSamples: windows.windowSamples,
      channels: windows.channels,
      inputMilligPerStep: teacher.step,
      rateCentihertz: Math.round(100 * teacher.rateHz),
    };
  });
}
