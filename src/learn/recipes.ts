/**
 * How teachers and students are trained where nobody says otherwise: one recipe per profile.
 *
 * Chosen on validation subjects, never on the subjects that results are reported for. Whether a
 * student learns from labels alone or from the teacher as well is such a choice too.
 */
import type { StageSpec, StudentSpec } from "../model/student-spec.ts";
import { type Augmentation, NO_AUGMENTATION } from "../signal/augment.ts";
import type { Profile } from "../signal/profile.ts";
import type { Objective, StudentOptions } from "./train-student.ts";
import type { TeacherOptions } from "./train-teacher.ts";

export type StudentRecipe = {
  readonly spec: StudentSpec;
  readonly options: StudentOptions;
  /** From labels alone: the comparison. */
  readonly hard: Objective;
  /** From the teacher, on the same augmented views. */
  readonly distilled: Objective;
};

export type Recipe = {
  readonly teacher: TeacherOptions;
  readonly student: StudentRecipe;
  /** Which of the two objectives the shipped student is trained with. */
  readonly objective: "hard" | "distilled";
};

const separable = (filters: number, kernel: number, stride: number) =>
  ({ kind: "separable", filters, kernel, stride }) as const;
const conv = (filters: number, kernel: number, stride: number) =>
  ({ kind: "conv", filters, kernel, stride }) as const;

/** A collar slides round the neck; a phone or a watch is put on upside down at most. */
const COLLAR: Augmentation = {
  turn: "vertical",
  tiltDegrees: 10,
  scale: 0.05,
  noiseMilliG: 10,
  shiftSamples: 5,
  stretch: 0,
  removal: 0,
};
const POCKET: Augmentation = {
  ...COLLAR,
  turn: "none",
  tiltDegrees: 20,
  scale: 0.1,
  noiseMilliG: 30,
  shiftSamples: 12,
  removal: 0.1,
};

const TEACHER: TeacherOptions = {
  widths: [32, 64, 64],
  strides: [2, 2, 1],
  kernels: [8, 5, 3],
  augmentation: POCKET,
  epochs: 12,
  batchSize: 64,
  learningRate: 3e-3,
  weightDecay: 0.01,
  labelSmoothing: 0,
  balance: 1,
};

const STUDENT: StudentOptions = {
  augmentation: POCKET,
  epochs: 30,
  batchSize: 64,
  learningRate: 5e-3,
  weightDecay: 0.01,
  labelSmoothing: 0,
  balance: 1,
};

const HARD: Objective = { hardWeight: 1, temperature: 1 };
const DISTILLED: Objective = { hardWeight: 0.3, temperature: 2 };

/** Some 2,000 parameters at 10 Hz. */
const SMALL_STAGES: readonly StageSpec[] = [
  { layers: [conv(12, 5, 2), separable(16, 5, 1)], exit: { hidden: 0 } },
  { layers: [separable(24, 5, 2), separable(24, 3, 1)], exit: { hidden: 0 } },
];

/** Some 4,500 parameters at 20 to 25 Hz. */
const MEDIUM_STAGES: readonly StageSpec[] = [
  { layers: [conv(16, 7, 2), separable(24, 5, 2)], exit: { hidden: 0 } },
  { layers: [separable(32, 5, 2), separable(48, 5, 1)], exit: { hidden: 0 } },
];

/** Some 13,000 parameters: many classes need width. */
const LARGE_STAGES: readonly StageSpec[] = [
  { layers: [conv(24, 7, 2), separable(32, 5, 2)], exit: { hidden: 0 } },
  { layers: [separable(64, 5, 2), separable(96, 5, 1)], exit: { hidden: 0 } },
];

/** A GRU that reads `patchSamples` at a time; the first exit has seen half of the window. */
function gruStages(windowSamples: number, patchSamples: number, hidden: number): StageSpec[] {
  const patches = Math.floor(windowSamples / patchSamples);
  const early = Math.ceil(patches / 2);
  return [early, patches - early].map((part, s) => ({
    layers: [{ kind: "gru", patchSamples, hidden, patches: part, continues: s > 0 }],
    exit: { hidden: 16 },
  }));
}

/** More classes than this are a hard task, which wants a wider student. */
const MANY_CLASSES = 8;
/** Below this rate windows are short and small networks do. */
const SLOW_HZ = 15;

/** The family of the student: convolutions, or a GRU over patches with a small perceptron. */
export type StudentFamily = "cnn" | "gru";

/** The recipe for a profile, shipped or derived from somebody's own recordings. */
export function recipeFor(profile: Profile, family: StudentFamily = "cnn"): Recipe {
  const slow = profile.rateHz < SLOW_HZ;
  const augmentation = slow ? COLLAR : POCKET;
  const many = profile.classes.length > MANY_CLASSES;
  const convolutions = many ? LARGE_STAGES : slow ? SMALL_STAGES : MEDIUM_STAGES;
  const hidden = many ? 48 : slow ? 18 : 28;
  const gru = family === "gru";
  const stages = gru ? gruStages(profile.windowSamples, slow ? 2 : 4, hidden) : convolutions;
  const balance = slow ? 0.5 : 1;
  return {
    teacher: {
      ...TEACHER,
      augmentation,
      balance,
      ...(slow && {
        augmentation: { ...COLLAR, tiltDegrees: 20, scale: 0.1 },
        kernels: [5, 3, 3],
        epochs: 15,
        weightDecay: 0.1,
      }),
    },
    student: {
      spec: {
        windowSamples: profile.windowSamples,
        channels: profile.channels,
        classes: profile.classes.length,
        stages,
      },
      options: { ...STUDENT, augmentation, balance, ...(gru && { epochs: 2 * STUDENT.epochs }) },
      hard: HARD,
      distilled: DISTILLED,
    },
    objective: "distilled",
  };
}

/** The same without turned copies: a student that a turned collar surprises. */
export function plainRecipe(recipe: Recipe): Recipe {
  const options = { ...recipe.student.options, augmentation: NO_AUGMENTATION };
  return { ...recipe, student: { ...recipe.student, options } };
}

/** The same in seconds: shows that it runs, its figures mean nothing. */
export function quickRecipe(recipe: Recipe): Recipe {
  return {
    ...recipe,
    teacher: { ...recipe.teacher, widths: [8, 16, 16], epochs: 1 },
    student: { ...recipe.student, options: { ...recipe.student.options, epochs: 1 } },
  };
}
