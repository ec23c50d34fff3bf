/** Measures a given student behind its own gate, with a given teacher: no training, no calibration. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openTeacher } from "../gateway/teacher/open-teacher.ts";
import { requireDataset } from "../recordings/open.ts";
import { readRecordings } from "../recordings/read.ts";
import { EdgeError } from "../src/assert.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { decodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { PROFILE_FILE, parseProfile } from "../src/signal/profile-file.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { pickWindows } from "../src/signal/window-set.ts";
import type { BenchmarkOptions } from "./benchmark.ts";
import { curvesOf } from "./gate-curves.ts";
import { type GateMeasurement, measurementOf } from "./gate-measure.ts";
import { nodeDayOf } from "./node-day.ts";
import { knownSubjects } from "./subject-splits.ts";

/** Seeds draw other orders of bouts and other audits of the same models.
 *
 * @throws EdgeError `model-profile` where the student was made for other windows */
export async function measureModel(
  options: BenchmarkOptions,
  modelFile: string,
  teacherFile: string,
): Promise<GateMeasurement> {
  const dataset = options.dataset ?? "people";
  const folder = requireDataset(dataset, options.data);
  const recordings = await readRecordings(folder);
  const profile = profileBeside(modelFile) ?? profileFor(recordings);
  const known = await knownSubjects(folder, options, profile);
  const modelBytes = readModel(modelFile);
  const container = decodeContainer(modelBytes);
  const { windowSamples, channels, classes } = container.student;
  const fits =
    windowSamples === profile.windowSamples &&
    channels === profile.channels &&
    classes === profile.classes.length &&
    container.classes.every((name, c) => name === profile.classes[c]);
  if (!fits) {
    throw new EdgeError({
      code: "model-profile",
      message:
        `it takes ${windowSamples}x${channels} to ${classes} classes, ${dataset} has ` +
        `${profile.windowSamples}x${profile.channels} and ${profile.classes.length}` +
        `: ${container.classes.join(", ")} and ${profile.classes.join(", ")}`,
      where: modelFile,
      hint: "Name a student that was made for these recordings.",
    });
  }
  const { rotate } = options;
  const worn = rotate === undefined ? recordings : turnRecordings(recordings, parseTurn(rotate));
  const tested = options.test.length > 0 ? options.test : known;
  const recorded = makeWindows(worn, profile, tested);
  const teacher = await openTeacher(teacherFile, profile);
  const student = chooseEngine().load(container);
  const bySeed = [];
  try {
    for (let seed = 1; seed <= (options.seeds ?? 1); seed++) {
      const test = pickWindows(recorded, randomBoutOrder(recorded, prng(seed, "test-order")));
      const { probabilities } = await teacher.predict(
        test.samples,
        test.count,
        profile.inputMilligPerStep,
      );
      const records = recordExits(student, test);
      const calibration = { parameters: gateOf(container) };
      bySeed.push([curvesOf({ calibration, records, teacher: probabilities, test }, seed)]);
      options.progress(`${dataset}: ${test.count} windows`, seed / (options.seeds ?? 1));
    }
  } finally {
    await teacher.close();
  }
  const targetShare = gateOf(container).offload.targetShareQ16 / 65535;
  const order = randomBoutOrder(recorded, prng(1, "test-order"));
  const day = nodeDayOf(container, modelBytes.length, pickWindows(recorded, order).labels);
  const about = { dataset, options, targetShare, folds: 1, profile, day };
  return measurementOf({ ...about, source: "given" }, bySeed);
}

function readModel(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new EdgeError({
      code: "model-missing",
      message: (error as Error).message,
      where: file,
      hint: "Name a student's container, such as profiles/cattle/student.bwm.",
    });
  }
}

/** What `train` wrote beside the models: the classes and windows that they were made for. */
function profileBeside(modelFile: string): Profile | undefined {
  const file = join(dirname(modelFile), PROFILE_FILE);
  return existsSync(file) ? parseProfile(readFileSync(file, "utf8"), file).profile : undefined;
}
