/**
 * One seed of the recovery benchmark: a plain deployment, collars that sit otherwise, and what the
 * gateway's own re-distillation makes of so many of the teacher's answers, chosen in several ways.
 *
 * Half of the bouts of each shifted animal are lived through, the other half is tested on; nothing
 * of it is ever chosen. Every candidate is scored, also where the publish gate refuses it or the
 * teacher is not trusted: `released` says what a gateway would have done.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { DISTIL_RECIPE, distil, distilAugmentation } from "../gateway/distil/distil.ts";
import { chooseLabels, DEFAULT_LABEL_RULE } from "../gateway/distil/distil-labels.ts";
import { DEFAULT_PUBLISH_RULE } from "../gateway/distil/distil-measure.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { openOnnxTeacher } from "../gateway/teacher/onnx-teacher.ts";
import { judgeTrust } from "../gateway/teacher/teacher-trust.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { randomBoutOrder } from "../src/gate/bout-order.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { decodeContainer } from "../src/model/container.ts";
import { prng } from "../src/prng.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { pickWindows, type WindowSet } from "../src/signal/window-set.ts";
import { probabilitiesOf, type Scores, scoresOf } from "./loop-scores.ts";
import { type LoopJob, type LoopSetup, setUpLoop } from "./loop-setup.ts";
import { answered, openTrust, type TrustedTeacher } from "./recovery-answers.ts";
import { type Choice, chooseWindows, type LivedWindows } from "./recovery-choices.ts";
import { type TurnedTrust, trustWhenTurned } from "./recovery-trust.ts";

export type RecoveryJob = LoopJob & {
  readonly counts: readonly number[];
  readonly choices: readonly Choice[];
  /** Turns under which the teacher is asked whether it knows the windows; nothing is distilled. */
  readonly turns: readonly string[];
};

export type Recovered = {
  readonly choice: Choice;
  readonly count: number;
  /** Windows that were offloaded, which may be fewer than asked for, and soft labels that came of
   * it: trusted, views counted. */
  readonly windows: number;
  readonly softLabels: number;
  readonly unknownShare: number;
  /** Trusted by the herd's rule and let through by the publish gate. */
  readonly released: boolean;
  /** The publish gate's own words where it refused. */
  readonly reasons: readonly string[];
  /** Of the candidate; of the student as it was where there was nothing to learn from. */
  readonly scores: Scores;
  readonly anchorAccuracy: number;
};

export type RecoveryRun = {
  readonly before: Scores;
  readonly teacher: Scores;
  readonly anchorBefore: number;
  readonly livedWindows: number;
  readonly recovered: readonly Recovered[];
  readonly turned: readonly TurnedTrust[];
};

export async function runRecovery(
  job: RecoveryJob,
  onProgress: (share: number) => void,
): Promise<RecoveryRun> {
  const setup = await setUpLoop(job, (part, share) =>
    onProgress(0.2 * (part === "teacher" ? 0.6 * share : 0.6 + 0.4 * share)),
  );
  const directory = mkdtempSync(path.join(tmpdir(), "bellwether-recovery-"));
  const file = path.join(directory, "teacher.onnx");
  writeFileSync(file, setup.teacherFile);
  const teacher = await openOnnxTeacher(file, setup.profile);
  try {
    const trusted = await openTrust(teacher, setup, job.seed);
    const lived = livedOf(setup, setup.lived, job.seed);
    const turned = await trustWhenTurned(trusted, job, {
      profile: setup.profile,
      recordings: setup.lived,
      live: (recordings) => livedOf(setup, recordings, job.seed),
    });
    const recovered: Recovered[] = [];
    for (const choice of job.choices) {
      for (const count of job.counts) {
        recovered.push(await recover(setup, trusted, lived, { choice, count, seed: job.seed }));
        const all = job.choices.length * job.counts.length;
        onProgress(0.2 + (0.8 * recovered.length) / all);
      }
    }
    const { test, unshifted, packed } = setup;
    return {
      before: scoreOf(setup, packed.bytes, test),
      teacher: scoresOf(
        softmaxRows(setup.teacherLogits, setup.profile.classes.length),
        test,
        setup.profile.classes.length,
      ),
      anchorBefore: scoreOf(setup, packed.bytes, unshifted).accuracy,
      livedWindows: lived.windows.count,
      recovered,
      turned,
    };
  } finally {
    await teacher.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The lived bouts in an order of their own for each node. */
function livedOf(setup: LoopSetup, recordings: Recordings, seed: number): LivedWindows {
  const recorded = makeWindows(recordings, setup.profile);
  const windows = pickWindows(recorded, randomBoutOrder(recorded, prng(seed, "lived order")));
  const streams = Map.groupBy(
    Array.from({ length: windows.count }, (_, i) => i),
    (i) => windows.subjects[i],
  );
  const student = chooseEngine().load(setup.packed.container);
  const probabilities = probabilitiesOf(student, windows);
  const classes = setup.profile.classes.length;
  const margins = Array.from({ length: windows.count }, (_, i) => {
    const row = [...probabilities.subarray(i * classes, (i + 1) * classes)].sort((a, b) => b - a);
    return Number(row[0]) - Number(row[1]);
  });
  return {
    windows,
    streams: [...streams.values()],
    margins,
    gate: gateOf(setup.packed.container),
    seed,
  };
}

async function recover(
  setup: LoopSetup,
  teacher: TrustedTeacher,
  lived: LivedWindows,
  asked: { readonly choice: Choice; readonly count: number; readonly seed: number },
): Promise<Recovered> {
  const { choice, count, seed } = asked;
  const { profile, anchor, packed, recipe, test, unshifted } = setup;
  const indices = chooseWindows(choice, lived, count);
  const augmentation = distilAugmentation(recipe.student.options.augmentation.turn);
  const views = choice === "views" ? augmentation : undefined;
  const rows = await answered(teacher, lived, indices, { views, seed });
  const verdict = judgeTrust(rows);
  const labels = chooseLabels(
    rows,
    { profile, teacherId: teacher.id, unknownNodes: verdict.unknownNodes, seed },
    { ...DEFAULT_LABEL_RULE, labelsMost: rows.length },
  );
  const softLabels = labels.train.windows.count + labels.heldOut.windows.count;
  const { unknownShare } = verdict;
  const head = { choice, count, windows: indices.length, softLabels, unknownShare };
  if (labels.train.windows.count === 0) {
    const scores = scoreOf(setup, packed.bytes, test);
    const anchorAccuracy = scoreOf(setup, packed.bytes, unshifted).accuracy;
    const reasons = ["nothing to learn from"];
    return { ...head, released: false, reasons, scores, anchorAccuracy };
  }
  const result = await distil(onnxRuntime({ threads: 1 }), chooseEngine(), {
    profile,
    anchor,
    labels,
    current: { container: packed.container, student: setup.student },
    readsPoints: true,
    recipe: { ...DISTIL_RECIPE, augmentation },
    rule: DEFAULT_PUBLISH_RULE,
    seed,
  });
  return {
    ...head,
    released: verdict.trusted && result.kind === "candidate",
    reasons: result.kind === "refused" ? result.reasons : [],
    scores: scoreOf(setup, result.container, test),
    anchorAccuracy: scoreOf(setup, result.container, unshifted).accuracy,
  };
}

function scoreOf(setup: LoopSetup, container: Uint8Array, windows: WindowSet): Scores {
  const student = chooseEngine().load(decodeContainer(container));
  return scoresOf(probabilitiesOf(student, windows), windows, setup.profile.classes.length);
}
