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

/** A collar slides round the neck: any angle about the vertical. More noise than this hides what
 * little walking there is. */
const COLLAR: Augmentation = {
  turn: "vertical",
  tiltDegrees: 10,
  scale: 0.05,
  noiseMilliG: 10,
  shiftSamples: 5,
  stretch: 0,
  removal: 0,
};

/** Pockets hold phones at angles up to forty degrees apart, and people walk at their own tempo. Phones
 * upside down are not in the recordings, and flipped copies cost two points. */
const POCKET: Augmentation = {
  turn: "none",
  tiltDegrees: 45,
  scale: 0.1,
  noiseMilliG: 30,
  shiftSamples: 12,
  stretch: 0.08,
  removal: 0.1,
};

/** Hands work at every tempo, and every watch sits a little otherwise. */
const WRIST: Augmentation = {
  turn: "none",
  tiltDegrees: 25,
  scale: 0.15,
  noiseMilliG: 20,
  shiftSamples: 30,
  stretch: 0.15,
  removal: 0.2,
};

/** Of an even share of the draws, for classes that are rarer in recordings than in any of ours. */
const LEAST_SHARE = 0.4;

/** Passes were chosen on some thousand windows of each task. Smaller data sets get as many steps as
 * those had: with passes alone, a few hundred windows would leave the networks as good as untrained. */
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
  leastShare: LEAST_SHARE,
  leastSteps: 1_400,
};

const STUDENT: StudentOptions = {
  augmentation: POCKET,
  epochs: 30,
  batchSize: 64,
  learningRate: 5e-3,
  weightDecay: 0.01,
  labelSmoothing: 0,
  balance: 1,
  leastShare: LEAST_SHARE,
  leastSteps: 2_000,
};

const HARD: Objective = { hardWeight: 1, temperature: 1 };

/** What recipes differ in from task to task. */
type Task = {
  readonly teacher: TeacherOptions;
  readonly student: StudentOptions;
  readonly stages: readonly StageSpec[];
  readonly gru: { readonly patchSamples: number; readonly hidden: number };
  readonly distilled: Objective;
  readonly objective: Recipe["objective"];
};

/** Some seconds at 10 Hz, few classes, some of them rare: 2,000 parameters do. */
const COLLAR_TASK: Task = {
  teacher: {
    ...TEACHER,
    augmentation: { ...COLLAR, tiltDegrees: 20, scale: 0.1 },
    kernels: [5, 3, 3],
    epochs: 15,
    weightDecay: 0.1,
    balance: 0.5,
    leastSteps: 700,
  },
  student: { ...STUDENT, augmentation: COLLAR, balance: 0.5, leastSteps: 1_400 },
  stages: [
    { layers: [conv(12, 5, 2), separable(16, 5, 1)], exit: { hidden: 0 } },
    { layers: [separable(24, 5, 2), separable(24, 3, 1)], exit: { hidden: 0 } },
  ],
  gru: { patchSamples: 2, hidden: 18 },
  distilled: { hardWeight: 0.7, temperature: 2 },
  objective: "distilled",
};

/** Gait at 20 to 25 Hz: 4,200 parameters. Labels teach it as much as the teacher does (a tenth of a
 * point between them) at half the cost of training. */
const POCKET_TASK: Task = {
  // Wide tilts take longer to learn: 20 passes at this rate are worth three points over 12 at half.
  teacher: { ...TEACHER, epochs: 20, learningRate: 6e-3 },
  student: STUDENT,
  stages: [
    { layers: [conv(16, 7, 2), separable(24, 5, 2)], exit: { hidden: 0 } },
    { layers: [separable(32, 5, 2), separable(48, 5, 1)], exit: { hidden: 0 } },
  ],
  gru: { patchSamples: 4, hidden: 28 },
  distilled: { hardWeight: 0.7, temperature: 2 },
  objective: "hard",
};

/** Many classes of hand work: here the teacher has much to give. 13,000 parameters. */
const WRIST_TASK: Task = {
  teacher: {
    ...TEACHER,
    augmentation: WRIST,
    widths: [48, 96, 96],
    strides: [2, 2, 2],
    epochs: 16,
    labelSmoothing: 0.05,
    balance: 0.5,
    leastSteps: 2_400,
  },
  student: {
    ...STUDENT,
    augmentation: { ...WRIST, tiltDegrees: 20, scale: 0.1, stretch: 0.1, removal: 0.1 },
    epochs: 15,
    balance: 0.5,
    leastSteps: 2_400,
  },
  stages: [
    { layers: [conv(24, 7, 2), separable(32, 5, 2)], exit: { hidden: 0 } },
    { layers: [separable(64, 5, 2), separable(96, 5, 1)], exit: { hidden: 0 } },
  ],
  gru: { patchSamples: 4, hidden: 48 },
  distilled: { hardWeight: 0.3, temperature: 2 },
  objective: "distilled",
};

/** Below this rate it is a collar's task; with more classes than that, the wrist's. */
const SLOW_HZ = 15;
const MANY_CLASSES = 8;

/** The family of the student: convolutions, or a GRU over patches with a small perceptron. */
export type StudentFamily = "cnn" | "gru";

/** The recipe for a profile, shipped or derived from somebody's own recordings. */
export function recipeFor(profile: Profile, family: StudentFamily = "cnn"): Recipe {
  const task = TASKS[taskKind(profile)];
  const { windowSamples, channels, classes } = profile;
  const gru = family === "gru";
  const stages = gru ? gruStages(windowSamples, task.gru) : task.stages;
  return {
    teacher: task.teacher,
    student: {
      spec: { windowSamples, channels, classes: classes.length, stages },
      options: gru ? { ...task.student, epochs: 2 * task.student.epochs } : task.student,
      hard: HARD,
      distilled: task.distilled,
    },
    objective: task.objective,
  };
}

const TASKS = { collar: COLLAR_TASK, pocket: POCKET_TASK, wrist: WRIST_TASK };

/** Which task's recipe a profile gets. */
export function taskKind(profile: Profile): keyof typeof TASKS {
  if (profile.classes.length > MANY_CLASSES) return "wrist";
  return profile.rateHz < SLOW_HZ ? "collar" : "pocket";
}

/** A GRU that reads `patchSamples` at a time; the first exit has seen half of the window. */
function gruStages(windowSamples: number, size: Task["gru"]): StageSpec[] {
  const { patchSamples, hidden } = size;
  const patches = Math.floor(windowSamples / patchSamples);
  const early = Math.ceil(patches / 2);
  return [early, patches - early].map((part, s) => ({
    layers: [{ kind: "gru", patchSamples, hidden, patches: part, continues: s > 0 }],
    exit: { hidden: 16 },
  }));
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
    teacher: { ...recipe.teacher, widths: [8, 16, 16], epochs: 1, leastSteps: 1 },
    student: {
      ...recipe.student,
      options: { ...recipe.student.options, epochs: 1, leastSteps: 1 },
    },
  };
}

/** What may be asked for beside what ships. */
export type RecipeAsked = {
  readonly quick: boolean;
  readonly student?: "default" | "plain";
  readonly family?: StudentFamily;
};

export function recipeAsked(profile: Profile, asked: RecipeAsked): Recipe {
  const shipped = recipeFor(profile, asked.family);
  const wanted = asked.student === "plain" ? plainRecipe(shipped) : shipped;
  return asked.quick ? quickRecipe(wanted) : wanted;
}
