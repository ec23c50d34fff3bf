/**
 * The card beside shipped models: what they are, what they were made from, what they are worth, and
 * the command that makes them again (after Mitchell et al., arXiv 1810.03993, in one page).
 */
import { createHash } from "node:crypto";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { planName, type QuantizationPlan } from "../src/learn/quantization-plan.ts";
import type { Recipe } from "../src/learn/recipes.ts";
import { studentParameterCount } from "../src/learn/student-network.ts";
import { decodeContainer } from "../src/model/container.ts";
import { codeShape } from "../src/model/encoder.ts";
import type { Profile } from "../src/signal/profile.ts";
import { subjectsOf } from "../src/signal/splits.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { compandedBytes } from "../src/wire/companded.ts";
import type { ProfileFiles } from "./train-profile.ts";

export type CardFacts = {
  readonly profile: Profile;
  readonly recipe: Recipe;
  readonly plan: QuantizationPlan;
  readonly dataset: string;
  readonly windows: WindowSet;
  readonly files: ProfileFiles;
  readonly plainSubjects: readonly string[] | undefined;
  readonly command: string;
  /** Sections of held-out figures: a title, the command, the benchmark's own lines. */
  readonly figures: readonly {
    readonly title: string;
    /** What makes these figures again; undefined where it is what made the models. */
    readonly command: string | undefined;
    readonly lines: readonly string[];
  }[];
};

/** Where recordings come from and what may be done with them, for those that we know. */
const SOURCES: Readonly<Record<string, string>> = {
  cows:
    "Neck collars on free-grazing Holstein cows, WASP-lab/db-cow-walking and WASP-lab/db-cow-mounts. " +
    "The authors state no licence: the recordings are not redistributed here, only what was learned.",
  people:
    "MotionSense (mmalekzadeh/motion-sense, A_DeviceMotion_data), a phone in the front trouser " +
    "pocket; MIT licence.",
};

export function modelCard(facts: CardFacts): string {
  const { profile, recipe, windows, dataset } = facts;
  const { spec } = recipe.student;
  const filters = recipe.teacher.widths.join("-");
  const counts = profile.classes.map((name, c) => {
    const count = windows.labels.reduce((sum, label) => sum + (label === c ? 1 : 0), 0);
    return `${name} ${count}`;
  });
  return [
    `# Models of the profile \`${profile.name}\``,
    "",
    `${profile.classes.join(", ")}; ${profile.rateHz} Hz, windows of ${profile.windowSamples} x ` +
      `${profile.channels} samples, one every ${profile.hopSamples}; int8 steps of ` +
      `${profile.inputMilligPerStep} milli-g.`,
    "",
    "| file | what | bytes | SHA-256 |",
    "|---|---|---:|---|",
    ...[...facts.files].map(([name, bytes]) => {
      const hash = createHash("sha256").update(bytes).digest("hex");
      return `| \`${name}\` | ${describeFile(name, facts.plan)} | ${bytes.length} | \`${hash.slice(0, 16)}…\` |`;
    }),
    "",
    `The teacher is a one-dimensional residual network (${filters}); the student has ` +
      `${studentParameterCount(spec)} parameters and ${spec.stages.length} exits, and was trained ` +
      `${recipe.objective === "hard" ? "from labels" : "from the teacher and labels"}.`,
    "",
    "## Data",
    "",
    SOURCES[dataset] ?? `Recordings \`${dataset}\`; their licence is their owner's to state.`,
    "",
    `Subjects: ${subjectsOf(windows).join(", ")}. Windows: ${counts.join(", ")}.`,
    ...(facts.plainSubjects === undefined
      ? []
      : [
          "",
          `\`student-plain\` saw only ${facts.plainSubjects.join(", ")}, whose collars sit alike, and ` +
            "no turned copies: it is for showing what the loop repairs, not for use.",
        ]),
    "",
    "## The gate, codes and bouts",
    "",
    ...decisionLines(facts),
    "",
    "## What they are worth",
    "",
    ...worthLines(facts),
    ...facts.figures.flatMap(({ title, command, lines }) => [
      "",
      `### ${title}`,
      "",
      "```",
      ...(command === undefined ? [] : [`$ ${command}`]),
      ...lines,
      "```",
    ]),
    "",
    "## Made by",
    "",
    "```",
    `$ ${facts.command}`,
    "```",
    "",
    "## Not for",
    "",
    "Other species, placements or rates; decisions on an animal's or a person's health.",
    "",
  ].join("\n");
}

function worthLines({ figures, windows }: CardFacts): readonly string[] {
  if (subjectsOf(windows).length < 2) {
    return [
      "One subject alone says nothing of another: there is no figure that could be believed.",
    ];
  }
  if (figures.length === 0) {
    return ["No figures were taken. `bellwether train` takes them where `--seeds` is above 0."];
  }
  return [
    "The files here learned from all subjects named above, so no honest figure can be taken from them",
    "on those. These are on subjects that were held out, or of models trained alike on other subjects",
    "than they are tested on.",
  ];
}

/** What the files say of themselves beyond their weights. */
function decisionLines({ files, profile, dataset }: CardFacts): string[] {
  const container = decodeContainer(files.get("student.bwm") as Uint8Array);
  const { operatingPoints, bucket } = gateOf(container);
  const typical = onnxMetadata(files.get("teacher.onnx") as Uint8Array).get("typicalSeconds");
  const percent = (share: number): string => `${Math.round(100 * share)} %`;
  const shares = operatingPoints.map(({ targetShareQ16 }) => percent(targetShareQ16 / 65_535));
  const lines =
    typical === undefined
      ? ["The gate's thresholds come from windows of the same recordings that were set aside."]
      : [
          "The gate's temperatures and thresholds come from all subjects, each answered by a student " +
            "and a teacher that were trained alike but never saw him (what is novel, from windows " +
            "that were set aside). So does how long bouts are taken to last where windows are put " +
            `together: ${typical} s.`,
        ];
  lines.push(
    `It offloads ${percent(256 / bucket.windowsPerTokenQ8)} of the windows at most; operating ` +
      `points for ${shares.join(", ")} travel along.`,
  );
  if (container.encoder !== undefined) {
    const { time, channels, bits, bytes } = codeShape(container.encoder);
    lines.push(
      `The students' encoder makes codes of ${bytes} bytes (${time} x ${channels}, ${bits} bits), ` +
        "which `tail.onnx` answers and no other.",
    );
  }
  if (files.has("coarse.onnx")) {
    const bytes = compandedBytes(profile.windowSamples, profile.channels, 2);
    lines.push(`Windows in 2 bits a value take ${bytes} bytes; \`coarse.onnx\` answers them.`);
  }
  const forms = [
    ...(container.encoder === undefined ? [] : ["features"]),
    ...(files.has("coarse.onnx") ? ["coarse"] : []),
  ];
  if (forms.length > 0) {
    const budget = container.encoder === undefined ? 1 : codeShape(container.encoder).bytes;
    lines.push(
      "What these answers are worth on subjects left out, " +
        `\`npm run -s bench -- split --dataset ${dataset} --forms ${forms.join()} ` +
        `--budgets ${budget}\` measures, by models trained alike.`,
    );
  }
  return lines.flatMap((line, i) => (i === 0 ? [line] : ["", line]));
}

function describeFile(name: string, plan: QuantizationPlan): string {
  const student = name.startsWith("student-plain") ? "plain student" : "student";
  if (name.endsWith(".bwm"))
    return `${student}: ${planName(plan)} container with its gate, for nodes`;
  if (name.startsWith("student")) return `${student} in floats, to distil further from`;
  if (name === "tail.onnx") return "tail, which answers the codes of these students' encoder";
  if (name === "coarse.onnx") return "teacher of windows in 2 bits a value";
  return "teacher, for the gateway";
}
