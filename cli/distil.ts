/**
 * `bellwether distil`: one distillation by hand, from what a gateway has collected.
 *
 * It shows what the loop would do now, with its figures, and changes nothing unless asked. It takes
 * the data directory's lock, so that no gateway writes meanwhile.
 */

import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { loadAnchor } from "../gateway/distil/anchor.ts";
import { DISTIL_RECIPE, type DistilReport, distilAugmentation } from "../gateway/distil/distil.ts";
import { DEFAULT_LABEL_RULE, type LabelChoice } from "../gateway/distil/distil-labels.ts";
import { chooseLessons, type Lessons } from "../gateway/distil/distil-lessons.ts";
import { DEFAULT_PUBLISH_RULE } from "../gateway/distil/distil-measure.ts";
import { type DistilAnswer, runDistilTask } from "../gateway/distil/distil-task.ts";
import { DEFAULT_TRIGGER_RULE } from "../gateway/distil/distil-trigger.ts";
import { NOT_TRUSTED_HINT } from "../gateway/distil/loop-control.ts";
import { PEOPLE_MOST } from "../gateway/distil/people-labels.ts";
import { Registry } from "../gateway/release/registry.ts";
import { ReleaseDesk } from "../gateway/release/release-desk.ts";
import { candidateFit, cohortFit } from "../gateway/release/release-fit.ts";
import { gatewayCrypto, openReleaseKeys } from "../gateway/release/release-keys.ts";
import { lockDataDirectory } from "../gateway/store/data-lock.ts";
import { LABEL_LOG_FILE } from "../gateway/store/label-log.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { judgeTrust } from "../gateway/teacher/teacher-trust.ts";
import { EdgeError } from "../src/assert.ts";
import { plainRecipe, recipeFor } from "../src/learn/recipes.ts";
import type { Profile } from "../src/signal/profile.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { ENGINE_OPTION, engineOf } from "./engine-option.ts";
import { readStore } from "./label-store.ts";
import { PROFILE_OPTION } from "./node-inputs.ts";
import { factoryStudent } from "./open-gateway.ts";
import { openProfile, type ProfileFolder } from "./profile-folder.ts";

export const command: CommandSpec = {
  name: "distil",
  summary: "distil a student by hand from what a gateway has collected",
  description:
    "Distils from the soft labels in a gateway's data directory, as the gateway itself does, and\n" +
    "tells what came of it: how well the present student and the candidate agree with the teacher\n" +
    "and with the anchor set. Nothing is released unless --release is given; the next start of the\n" +
    "gateway then begins the rollout. The gateway must be stopped.",
  options: [
    {
      flags: "--data-dir <dir>",
      description: "the gateway's data directory",
      kind: "text",
      default: "bellwether-data",
    },
    PROFILE_OPTION,
    {
      flags: "--student <which>",
      description: "what its nodes were made with",
      kind: "text",
      choices: ["default", "plain"],
      default: "default",
    },
    {
      flags: "--labels <count>",
      description: "use at most so many soft labels",
      kind: "number",
      default: DEFAULT_LABEL_RULE.labelsMost,
      low: 8,
      high: 10_000,
    },
    { flags: "--seed <number>", description: "of the training", kind: "number", default: 1 },
    ENGINE_OPTION,
    { flags: "--out <file>", description: "write the candidate's container here", kind: "text" },
    { flags: "--release", description: "sign it and put it into the registry", kind: "flag" },
  ],
  examples: [
    "bellwether distil",
    "bellwether distil --data-dir farm --out candidate.bwm",
    "bellwether distil --data-dir farm --release",
  ],
  run,
};

/** Rows looked at, newest first. */
const ROWS_MOST = 2_000;

async function run(input: CommandInput, io: CommandIo): Promise<number> {
  const directory = path.resolve(input.text("data-dir") ?? "");
  const home = openProfile(input.text("profile") ?? "");
  if (!existsSync(path.join(directory, LABEL_LOG_FILE))) {
    throw new EdgeError({
      code: "label-log-missing",
      message: "no gateway has kept anything here",
      where: directory,
      hint: "Name a gateway's data directory with --data-dir.",
    });
  }
  const unlock = lockDataDirectory(directory);
  try {
    return await distilIn(directory, home, input, io);
  } finally {
    unlock();
  }
}

async function distilIn(
  directory: string,
  home: ProfileFolder,
  input: CommandInput,
  io: CommandIo,
): Promise<number> {
  const { profile } = home;
  const seed = input.number("seed") ?? 1;
  const lessons = readLessons(directory, profile, seed, input.number("labels") ?? 0);
  const which = input.text("student") === "plain" ? "plain" : "default";
  const keys = openReleaseKeys(path.join(directory, "keys"));
  const registry = new Registry({
    directory: path.join(directory, "registry"),
    publicKey: keys.publicKey,
    crypto: gatewayCrypto,
  });
  const factory = factoryStudent(home, which);
  const engine = engineOf(input);
  const desk = new ReleaseDesk({ registry, keys, engine, factory });
  const recipe = which === "plain" ? plainRecipe(recipeFor(profile)) : recipeFor(profile);
  const progress = io.progress("distil");
  const current = desk.current();
  const rows = readStore(directory, (reader) => reader.nodes());
  const answer = await runDistilTask(
    onnxRuntime(),
    {
      profile,
      anchor: loadAnchor(path.join(directory, "anchor.bin"), profile, gatewayCrypto),
      ...lessons,
      // Without floats, as of a student that was pushed, it is refused as one that cannot be read.
      current: { ...current, student: current.student ?? new Uint8Array() },
      readsPoints: candidateFit(rows, current.container, Date.now()).readsPoints,
      recipe: {
        ...DISTIL_RECIPE,
        augmentation: distilAugmentation(recipe.student.options.augmentation.turn),
      },
      rule: DEFAULT_PUBLISH_RULE,
      seed,
      engine: engine.name,
    },
    (stage, share) => progress.update(stage, share),
  );
  progress.done();
  tell(answer, lessons.labels, io);
  if (answer.kind === "refused") return EXIT.failed;
  tellWhoCannotHold(answer.container, directory, desk.cohort, io);
  const out = input.text("out");
  if (out !== undefined) await writeFile(out, answer.container);
  if (input.flag("release")) {
    const { after, heldOutLabels } = answer.report;
    const expected = {
      agreement: heldOutLabels === 0 ? null : after.agreement,
      auditsOptional: lessons.judge === "people",
      offloadShare: 1,
    };
    const { rollout } = desk.publish(answer, expected, Date.now(), []);
    io.note(`release ${rollout.sequence} is signed; the gateway offers it when it starts`);
  }
  return EXIT.ok;
}

/** Where the teacher is not trusted, what people have labelled, if that is enough. */
function readLessons(
  directory: string,
  profile: Profile,
  seed: number,
  labelsMost: number,
): Lessons {
  return readStore(directory, (reader) => {
    const rows = reader.softLabels({ limit: ROWS_MOST, newestFirst: true, learnableOnly: true });
    const [newest] = rows;
    const verdict = judgeTrust(rows);
    const people = reader.personLabels(PEOPLE_MOST);
    const isTaught = verdict.trusted || people.length >= DEFAULT_TRIGGER_RULE.peopleLeast;
    if (newest !== undefined && isTaught) {
      const judge = verdict.trusted ? "teacher" : "people";
      const context = { profile, teacherId: newest.teacherId, seed, verdict, judge } as const;
      return chooseLessons(rows, people, context, { ...DEFAULT_LABEL_RULE, labelsMost });
    }
    const share = (100 * verdict.unknownShare).toFixed(0);
    throw new EdgeError({
      code: newest === undefined ? "no-soft-labels" : "teacher-not-trusted",
      message:
        newest === undefined
          ? "the teacher has answered nothing yet"
          : `the teacher does not know ${share} % of the windows`,
      where: directory,
      hint: newest === undefined ? "Let nodes offload for a while." : NOT_TRUSTED_HINT,
    });
  });
}

/** The gateway would withhold the release from these nodes. */
function tellWhoCannotHold(
  container: Uint8Array,
  directory: string,
  cohort: string,
  io: CommandIo,
): void {
  const rows = readStore(directory, (reader) => reader.nodes());
  const { nobody, text } = cohortFit(rows, cohort, container);
  if (text !== "") io.note(`${nobody ? "no node can hold it: " : ""}${text}`);
}

function tell(answer: DistilAnswer, labels: LabelChoice, io: CommandIo): void {
  const { report } = answer;
  if (io.json) {
    const reasons = answer.kind === "refused" ? answer.reasons : [];
    io.printJson({ kind: answer.kind, reasons, report, leftOut: labels.leftOut });
    return;
  }
  for (const line of reportLines(report, labels)) io.print(line);
  if (answer.kind === "refused") {
    for (const reason of answer.reasons) io.print(`refused: it ${reason}`);
  } else io.print("it may be released");
}

function reportLines(report: DistilReport, labels: LabelChoice): string[] {
  const { before, after, peopleLabels: people, heldOutPeopleLabels: held } = report;
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`.padStart(8);
  const leftOut = Object.entries(labels.leftOut).filter(([, count]) => count > 0);
  return [
    `${report.softLabels} soft labels learned from, ${report.heldOutLabels} held out`,
    ...(people === 0 ? [] : [`${people} labels of people learned from, ${held} held out`]),
    ...leftOut.map(([reason, count]) => `${count} left out: ${reason}`),
    "                            present  candidate",
    ...(people === 0
      ? []
      : [
          `agreement with people      ${percent(before.peopleAgreement)}   ${percent(after.peopleAgreement)}`,
        ]),
    `agreement with the teacher ${percent(before.agreement)}   ${percent(after.agreement)}`,
    `accuracy on the anchor set ${percent(before.anchorAccuracy)}   ${percent(after.anchorAccuracy)}`,
  ];
}
