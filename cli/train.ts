/**
 * `bellwether train`: teacher and students for a profile, from labelled recordings.
 *
 * Without a name it makes the models again that ship with this repository. Figures in the card come
 * from held-out subjects, never from the files themselves.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BenchmarkOptions } from "../bench/benchmark.ts";
import { run as benchLearn } from "../bench/learn.ts";
import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { DEFAULT_PLAN, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import { quickRecipe, recipeFor } from "../src/learn/recipes.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { formatProfile, PROFILE_FILE, type ProfileFile } from "../src/signal/profile-file.ts";
import { profileFor, type ShapeAsked, shapeOverrides } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { subjectsOf } from "../src/signal/splits.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { GATE_TARGET_OPTIONS, gateTargetOf } from "./gate-target.ts";
import { heldOutLines } from "./held-out.ts";
import { dataRateOption } from "./link-option.ts";
import { type CardFacts, modelCard } from "./model-card.ts";
import { MODEL_FILES, type ProfileFiles, trainProfile } from "./train-profile.ts";
import { learnersOf, trainingSummary } from "./train-summary.ts";

/** What ships, and from which recordings. */
const SHIPPED = ["cows", "people"];

/** Collars that sit alike: a student that has seen only these is surprised by the others. */
const PLAIN_SUBJECTS: Readonly<Record<string, readonly string[]>> = { cows: ["1217", "3321"] };

/** Figures for the card beside leave-subjects-out over all. */
const TURNED = { train: ["1217", "3321"], test: ["1319", "6019", "6319"] };

const FIGURE_SEEDS = 3;
/** Less has no room for time. */
const LEAST_CODE_BYTES = 8;

export const command: CommandSpec = {
  name: "train",
  summary: "train a teacher and students from labelled recordings",
  description:
    "Trains a teacher, distils a student from it, quantizes it, calibrates its gate and writes all\n" +
    "of it with a model card. Without a name: from recordings cows and people; the models that ship\n" +
    "have --encoder 40 --coarse.",
  arguments: [{ name: "[dataset]", description: "recordings to learn from, such as cows" }],
  options: [
    { flags: "--data <dir>", description: "where recordings are", kind: "text" },
    { flags: "--out <dir>", description: "where profiles are written", kind: "text" },
    { flags: "--seed <n>", description: "of all chance", kind: "number", default: 1, low: 0 },
    {
      flags: "--seeds <n>",
      description: "seeds behind the card's held-out figures; 0 leaves the figures out",
      kind: "number",
      default: FIGURE_SEEDS,
      low: 0,
      high: 100,
    },
    {
      flags: "--hold-out <subjects>",
      description: "learn nothing from these, and take the models' own figures on them",
      kind: "list",
    },
    {
      flags: "--window <seconds>",
      description: "how long a window is (else about 5, and shorter where bouts are)",
      kind: "number",
    },
    {
      flags: "--rate <hertz>",
      description: "of nodes and models (else the recorded one, halved until it is at most 30)",
      kind: "number",
    },
    {
      flags: "--quantize <scheme>",
      description: "multipliers and shifts, or powers of two alone",
      kind: "text",
      choices: ["int8", "dynamic-fixed-point"],
      default: "int8",
    },
    {
      flags: "--weight-bits <n>",
      description: "of every weight; a container holds a byte each all the same",
      kind: "number",
      default: DEFAULT_PLAN.weightBits,
      low: 2,
      high: 8,
    },
    {
      flags: "--fine-tune",
      description: "train a little more with the rounding felt: worth it below 8 bits",
      kind: "flag",
    },
    {
      flags: "--encoder <bytes>",
      description: "also an encoder for nodes, whose code takes at most this, and its tail",
      kind: "number",
      low: LEAST_CODE_BYTES,
      high: LIMITS.codeBytes,
    },
    {
      flags: "--coarse",
      description: "also a teacher for windows in 2 bits a value (simulate --offload-encoding)",
      kind: "flag",
    },
    {
      flags: "--keep <dir>",
      description: "keep all that is trained there; asked again, only the gate is made anew",
      kind: "text",
    },
    ...GATE_TARGET_OPTIONS,
    { flags: "--quick", description: "seconds instead of minutes, to try it", kind: "flag" },
  ],
  examples: [
    "bellwether train cows",
    "bellwether train herd --data ./recordings-data --seeds 0",
    "bellwether train sheep --hold-out s5,s6",
    "bellwether train sheep --window 10 --rate 12.5",
    "bellwether train cows --out lean --target '0.5 points'",
    "bellwether train cows --out lean --target '300 mJ' --link wifi",
    "bellwether train cows --out split --encoder 40",
    "bellwether train cows --out split --coarse",
    "bellwether train cows --seeds 0 --keep ./trained",
    "bellwether train cows --out lean --quantize dynamic-fixed-point --weight-bits 4 --fine-tune",
  ],
  run: train,
};

async function train(input: CommandInput, io: CommandIo): Promise<number> {
  const named = input.arguments[0];
  const found = findRecordings(input.text("data"));
  for (const dataset of named === undefined ? SHIPPED : [named]) {
    const folder = datasetFolder(found, dataset);
    if (folder === null) {
      throw new EdgeError({
        code: "no-recordings",
        message: `no recordings named ${dataset}`,
        where: found.lookedAt.join(", "),
        hint: "Give --data DIR, or pull some with: bellwether data pull motionsense",
      });
    }
    await trainDataset(dataset, folder, input, io);
    if (io.signal.aborted) return EXIT.interrupted;
  }
  return EXIT.ok;
}

async function trainDataset(
  dataset: string,
  folder: string,
  input: CommandInput,
  io: CommandIo,
): Promise<void> {
  const all = await readRecordings(folder);
  const heldOut = input.list("hold-out");
  const recordings = learnersOf(all, heldOut);
  const profile = profileFor(recordings, shapeOverrides(recordings, shapeOf(input)));
  const recipe = input.flag("quick") ? quickRecipe(recipeFor(profile)) : recipeFor(profile);
  const windows = makeWindows(recordings, profile);
  for (const line of trainingSummary(recordings, profile, windows)) io.note(line);
  const plainSubjects = plainSubjectsOf(dataset, windows);
  const plan = planOf(input);
  const progress = io.progress(`train ${profile.name}`);
  const files = await trainProfile({
    profile,
    recipe,
    windows,
    plainSubjects,
    plan,
    codeBytes: input.number("encoder"),
    coarse: input.flag("coarse"),
    quick: input.flag("quick"),
    target: gateTargetOf(input, profile),
    seed: input.number("seed") ?? 1,
    keep: input.text("keep"),
    onProgress: progress.update,
    shouldStop: () => io.signal.aborted,
  });
  if (io.signal.aborted) return;
  const out = join(input.text("out") ?? "profiles", profile.name);
  writeModels(out, files, { profile, dataset });
  const flags = `${shapeFlags(input)}${planFlags(plan, "")}${encoderFlag(input)}${targetFlags(input)}`;
  const holdOut = heldOut.length === 0 ? "" : ` --hold-out ${heldOut.join()}`;
  const commandLine = `npm run -s bellwether -- train ${dataset}${holdOut}${flags}`;
  const facts = { profile, recipe, plan, dataset, windows, files, plainSubjects };
  const writeCard = (figures: CardFacts["figures"]): void => {
    writeFileSync(join(out, "CARD.md"), modelCard({ ...facts, figures, command: commandLine }));
  };
  // The models stand before their figures are taken, which may take longer and may be stopped.
  const own = heldOut.length === 0 ? [] : [await ownFigures(files, profile, all, heldOut)];
  writeCard(own);
  for (const line of own.flatMap(({ lines }) => ["", ...lines])) io.print(line);
  const learners = subjectsOf(windows);
  const asked = { dataset, plan, learners, plainSubjects, isPart: heldOut.length > 0 };
  const figures = await heldOutFigures(asked, input, io, progress.update);
  progress.done();
  writeCard([...own, ...figures]);
  for (const { title, lines } of figures) for (const line of ["", title, ...lines]) io.print(line);
  io.print(`${out}: ${[...files.keys()].join(", ")}, ${PROFILE_FILE}, CARD.md`);
  if (io.json) io.printJson({ profile: profile.name, out, files: [...files.keys()] });
}

/** Only the recordings that they are of have these. */
function plainSubjectsOf(dataset: string, windows: WindowSet): readonly string[] | undefined {
  const plain = PLAIN_SUBJECTS[dataset];
  const known = subjectsOf(windows);
  const all = [...TURNED.train, ...TURNED.test];
  return all.every((subject) => known.includes(subject)) ? plain : undefined;
}

function shapeOf(input: CommandInput): ShapeAsked {
  return { rateHz: input.number("rate"), windowSeconds: input.number("window") };
}

function shapeFlags(input: CommandInput): string {
  const { rateHz, windowSeconds } = shapeOf(input);
  return (
    (windowSeconds === undefined ? "" : ` --window ${windowSeconds}`) +
    (rateHz === undefined ? "" : ` --rate ${rateHz}`)
  );
}

async function ownFigures(
  files: ProfileFiles,
  profile: Profile,
  recordings: Recordings,
  subjects: readonly string[],
): Promise<CardFacts["figures"][number]> {
  const lines = await heldOutLines(files, profile, recordings, subjects);
  return { title: "These very models, on subjects that were held out", command: undefined, lines };
}

/** Models of a training before this one that this one did not make would not fit beside it. */
function writeModels(out: string, files: ProfileFiles, profile: ProfileFile): void {
  mkdirSync(out, { recursive: true });
  for (const name of MODEL_FILES) if (!files.has(name)) rmSync(join(out, name), { force: true });
  for (const [name, bytes] of files) writeFileSync(join(out, name), bytes);
  writeFileSync(join(out, PROFILE_FILE), formatProfile(profile));
}

function encoderFlag(input: CommandInput): string {
  const bytes = input.number("encoder");
  const coarse = input.flag("coarse") ? " --coarse" : "";
  return bytes === undefined ? coarse : ` --encoder ${bytes}${coarse}`;
}

function targetFlags(input: CommandInput): string {
  const goal = input.text("target");
  if (goal === undefined) return "";
  const isOfLink = !/%|point/.test(goal);
  const link = isOfLink ? ` --link ${input.text("link")} --data-rate ${dataRateOption(input)}` : "";
  return ` --target '${goal}'${link}`;
}

function planOf(input: CommandInput): QuantizationPlan {
  return {
    scheme: input.text("quantize") === "dynamic-fixed-point" ? "dynamic-fixed-point" : "int8",
    weightBits: input.number("weight-bits") ?? DEFAULT_PLAN.weightBits,
    fineTune: input.flag("fine-tune"),
  };
}

/** What to write on a command line for a plan that is not the default; a flag's value where one is
 * needed. */
function planFlags(plan: QuantizationPlan, flagValue: string): string {
  const { scheme, weightBits, fineTune } = plan;
  return (
    (scheme === DEFAULT_PLAN.scheme ? "" : ` --quantize ${scheme}`) +
    (weightBits === DEFAULT_PLAN.weightBits ? "" : ` --weight-bits ${weightBits}`) +
    (fineTune ? ` --fine-tune${flagValue}` : "")
  );
}

type FiguresAsked = {
  readonly dataset: string;
  readonly plan: QuantizationPlan;
  readonly learners: readonly string[];
  readonly plainSubjects: readonly string[] | undefined;
  /** Whether some subjects were held out. */
  readonly isPart: boolean;
};

/** The benchmark's own lines: over all subjects, and for cattle from one way of wearing to another. */
async function heldOutFigures(
  asked: FiguresAsked,
  input: CommandInput,
  io: CommandIo,
  update: (text: string, share?: number) => void,
): Promise<CardFacts["figures"]> {
  const { dataset, plan, learners, plainSubjects, isPart } = asked;
  const most = input.number("seeds") ?? FIGURE_SEEDS;
  const seeds = input.flag("quick") ? Math.min(most, 1) : most;
  if (seeds === 0 || learners.length < 2) return [];
  const { rateHz, windowSeconds } = shapeOf(input);
  const runs = [
    {
      title: "Each subject left out",
      train: isPart ? learners : [],
      test: [],
      student: undefined,
    },
    ...(plainSubjects === undefined || isPart
      ? []
      : [
          { title: "Collars that sit otherwise", ...TURNED, student: undefined },
          { title: "The same, plain student", ...TURNED, student: "plain" as const },
        ]),
  ];
  const sections = [];
  for (const { title, train, test, student } of runs) {
    const options: BenchmarkOptions = {
      data: input.text("data"),
      quick: input.flag("quick"),
      dataset,
      train,
      test,
      shift: [],
      seeds,
      student,
      rotate: undefined,
      extra: {
        quantize: plan.scheme,
        "weight-bits": String(plan.weightBits),
        "fine-tune": plan.fineTune ? "yes" : "no",
        ...(rateHz !== undefined && { rate: String(rateHz) }),
        ...(windowSeconds !== undefined && { window: String(windowSeconds) }),
      },
      progress: (_, share) => update(`held-out figures: ${title.toLowerCase()}`, share),
      signal: io.signal,
    };
    const { lines } = await benchLearn(options);
    const chosen =
      (train.length > 0 ? ` --train ${train.join()}` : "") +
      (test.length > 0 ? ` --test ${test.join()}` : "") +
      (student === undefined ? "" : ` --student ${student}`) +
      shapeFlags(input) +
      planFlags(plan, " yes");
    const line = `npm run -s bench -- learn --dataset ${dataset}${chosen} --seeds ${seeds}`;
    sections.push({ title, command: line, lines });
  }
  return sections;
}
