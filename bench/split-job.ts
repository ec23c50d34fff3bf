/** One fold and one seed of `bench -- split`: a teacher and a student, and what the teacher says of
 * windows that came in few bytes. */
import { readRecordings } from "../recordings/read.ts";
import { recordExits } from "../src/gate/exit-records.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import { profileFor } from "../src/signal/profiles.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";
import { trainBoth, type TrainingJob } from "./gate-job.ts";
import { payloadForms, throughPayload } from "./split-payloads.ts";

export type SplitJob = TrainingJob & {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
};

/** Windows, and how many of them were answered rightly. */
export type SubjectRights = {
  readonly subject: string;
  readonly windows: number;
  /** By the student's last exit. */
  readonly student: number;
  /** By the teacher, in the order of `payloadForms`. */
  readonly forms: readonly number[];
};

export async function runSplitJob(
  job: SplitJob,
  onProgress: (share: number) => void,
): Promise<readonly SubjectRights[]> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const test = makeWindows(recordings, profile, job.test);
  const train = makeWindows(recordings, profile, job.train);
  const trained = await trainBoth(profile, train, job, onProgress);
  const classes = profile.classes.length;
  const { exits } = recordExits(trained.loaded, test);
  const student = rightOf(test, exits.at(-1)?.logits ?? new Int16Array(0), classes);
  const forms: Uint8Array[] = [];
  for (const form of payloadForms(profile)) {
    const samples = new Int8Array(test.samples.length);
    const length = test.windowSamples * test.channels;
    for (let i = 0; i < test.count; i++) {
      samples.set(throughPayload(windowAt(test, i), form, test.channels), i * length);
    }
    forms.push(rightOf(test, await trained.teach({ ...test, samples }), classes));
  }
  await trained.release();
  return [...new Set(test.subjects)].map((subject) => {
    const count = (right: Uint8Array): number =>
      right.reduce((sum, one, i) => sum + (test.subjects[i] === subject ? one : 0), 0);
    return {
      subject,
      windows: count(new Uint8Array(test.count).fill(1)),
      student: count(student),
      forms: forms.map(count),
    };
  });
}

/** 1 where the largest of a row is the label. */
function rightOf(
  { labels }: WindowSet,
  rows: Float32Array | Int16Array,
  classes: number,
): Uint8Array {
  return labels.map((label, i) => {
    const row = rows.subarray(i * classes, (i + 1) * classes);
    return largestIndex(row) === label ? 1 : 0;
  });
}
