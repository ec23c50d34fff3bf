/** One fold and one seed of `bench -- bottleneck`: every place and way of making a code, all from the
 * same views in the same order, for as many passes. */
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import { Graph, type Value } from "../src/learn/graph.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { inferenceLayers, type Network } from "../src/learn/network.ts";
import { BATCH } from "../src/learn/onnx-model.ts";
import { predictRows } from "../src/learn/predict.ts";
import { codeShapeOf, splitNetwork } from "../src/learn/split-network.ts";
import { splitRecipeFor } from "../src/learn/split-recipes.ts";
import { studentNetwork } from "../src/learn/student-network.ts";
import { drawViews, type SplitTraining, trainSplit } from "../src/learn/train-split.ts";
import { encoderMacs } from "../src/model/encoder.ts";
import { studentCost } from "../src/model/student-cost.ts";
import type { Tensor } from "../src/model/student-spec.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { packedCodeBytes } from "../src/wire/codes.ts";
import {
  type BottleneckDesign,
  frozenNetwork,
  jointNetwork,
  mapShape,
} from "./bottleneck-network.ts";
import { type TrainingJob, trainBoth } from "./gate-job.ts";
import { untrainedEncoder, untrainedSplit } from "./untrained-encoder.ts";

export type BottleneckJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** Of a code, at most. */
  readonly bytes: number;
  /** Of every training; undefined for as many as the recipe of encoders has. */
  readonly passes: number | undefined;
};

/** One way of making a code. */
export type Way = {
  readonly name: string;
  readonly bytes: number;
  /** Multiply-accumulates for the code beyond the student's, for each of the student's. */
  readonly macsRatio: number;
};

export type BottleneckAnswers = {
  readonly ways: readonly Way[];
  readonly subjects: readonly SubjectRights[];
};

/** Windows, and how many were answered rightly. */
export type SubjectRights = {
  readonly subject: string;
  readonly windows: number;
  /** `[exit]` of a student that was trained alone. */
  readonly control: readonly number[];
  /** `[way]`, null where the exits are the control's. */
  readonly exits: readonly (readonly number[] | null)[];
  /** `[way]` */
  readonly tails: readonly number[];
};

export async function runBottleneckJob(
  job: BottleneckJob,
  onProgress: (share: number) => void,
): Promise<BottleneckAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const train = makeWindows(recordings, profile, job.train);
  const test = makeWindows(recordings, profile, job.test);
  const trained = await trainBoth(profile, train, job, (share) => onProgress(0.3 * share));
  const spec = trained.float.spec;
  const stages = spec.stages.map((_, stage) => stage);
  const trainings = 2 + 2 * stages.length;
  let done = 0;
  const learn = await learner(job, profile, train, trained.teacherFile);
  const answered = async (
    network: Network,
    tensors: ReadonlyMap<string, Tensor>,
  ): Promise<readonly Uint8Array[]> => {
    onProgress(0.3 + (0.7 * ++done) / trainings);
    return rightsOf(network, tensors, test, profile.inputMilligPerStep);
  };
  const student = studentNetwork(spec);
  const trunk = await learn(student, spec.stages.length);
  const control = await answered(student, trunk);
  const { design } = splitRecipeFor(profile, job.bytes, job);
  const separate = splitNetwork(design);
  const tails = [...(await answered(separate, await learn(separate, 1)))];
  const exits: (readonly Uint8Array[] | null)[] = [null];
  const studentMacs = studentCost(trained.loaded.container.student).at(-1)?.macs ?? 0;
  const encoder = untrainedEncoder(untrainedSplit(design, 1), profile.inputMilligPerStep);
  const { time, channels } = codeShapeOf(design.encoder);
  const { codeBits } = design.encoder;
  const ways: Way[] = [
    {
      name: "an encoder of its own",
      bytes: packedCodeBytes(time * channels, codeBits),
      macsRatio: encoderMacs(encoder) / studentMacs,
    },
  ];
  for (const stage of stages) {
    const map = mapShape(spec, stage);
    const codeChannels = Math.floor((8 * job.bytes) / (map.time * codeBits));
    const behind: BottleneckDesign = { spec, stage, codeChannels, codeBits, tail: design.tail };
    const about = {
      bytes: packedCodeBytes(map.time * codeChannels, codeBits),
      macsRatio: (map.time * map.channels * codeChannels) / studentMacs,
    };
    const joint = jointNetwork(behind);
    const added = await learn(frozenNetwork(behind, trunk), 1);
    const frozen = await answered(joint, new Map([...trunk, ...added]));
    ways.push({ name: `behind stage ${stage + 1}, frozen`, ...about });
    tails.push(frozen.at(-1) as Uint8Array);
    exits.push(null);
    const together = await answered(joint, await learn(joint, spec.stages.length + 1));
    ways.push({ name: `behind stage ${stage + 1}, with the exits`, ...about });
    tails.push(together.at(-1) as Uint8Array);
    exits.push(together.slice(0, -1));
  }
  await trained.release();
  const rights = { control, exits, tails };
  return { ways, subjects: job.test.map((subject) => sumsOf(subject, test, rights)) };
}

/** 1 per window that was answered rightly, in the shapes of `SubjectRights`. */
type Rights = {
  readonly control: readonly Uint8Array[];
  readonly exits: readonly (readonly Uint8Array[] | null)[];
  readonly tails: readonly Uint8Array[];
};

function sumsOf(
  subject: string,
  { subjects }: WindowSet,
  { control, exits, tails }: Rights,
): SubjectRights {
  const own = subjects.flatMap((name, i) => (name === subject ? [i] : []));
  const sum = (right: Uint8Array): number =>
    own.reduce((total, i) => total + (right[i] as number), 0);
  return {
    ...{ subject, windows: own.length },
    control: control.map(sum),
    exits: exits.map((of) => of?.map(sum) ?? null),
    tails: tails.map(sum),
  };
}

/** Trains any network with so many exits, each of one weight, on views that are drawn once. */
async function learner(
  job: BottleneckJob,
  profile: Profile,
  windows: WindowSet,
  teacherFile: Uint8Array,
): Promise<(network: Network, exits: number) => Promise<ReadonlyMap<string, Tensor>>> {
  const { objective, options } = splitRecipeFor(profile, job.bytes, job);
  const { classes, inputMilligPerStep } = profile;
  const { seed, passes } = job;
  const teacher = await onnxRuntime().compile(teacherFile);
  const views = await drawViews({
    ...{ windows, classes: classes.length, inputMilligPerStep, seed, objective, teacher },
    options: { ...options, epochs: passes ?? options.epochs },
  });
  await teacher.release();
  return (network, exits) => {
    const exitWeights = Array.from({ length: exits }, () => 1);
    const training: SplitTraining = { network, views, seed, objective, options, exitWeights };
    return trainSplit(onnxRuntime(), training);
  };
}

/** Of each output 1 for a window that it answers rightly. */
async function rightsOf(
  network: Network,
  tensors: ReadonlyMap<string, Tensor>,
  windows: WindowSet,
  inputMilligPerStep: number,
): Promise<readonly Uint8Array[]> {
  const graph = new Graph();
  const window = graph.input("window", [BATCH, network.windowSamples, network.channels]);
  const { logits } = network.forward(graph, window, inferenceLayers(graph, tensors));
  const names = logits.map((value: Value, i) => {
    graph.output(`output${i}`, value);
    return `output${i}`;
  });
  const program = await onnxRuntime().compile(graph.toOnnx());
  const rows = await predictRows(program, windows, inputMilligPerStep, names);
  await program.release();
  const { classes } = network;
  return names.map((name) => {
    const { data = new Float32Array() } = rows.get(name) ?? {};
    return windows.labels.map((label, i) => {
      return largestIndex(data.subarray(i * classes, (i + 1) * classes)) === label ? 1 : 0;
    });
  });
}
