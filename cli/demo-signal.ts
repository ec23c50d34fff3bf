/**
 * What the demonstration's collars feel: recordings where some are found, else emulated animals.
 *
 * Only animals on which the plain student is right are used, so that the herd starts well and the
 * turn is what breaks it.
 */

import { datasetFolder, findRecordings } from "../recordings/find.ts";
import { readRecordings } from "../recordings/read.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { logitsAt, recordExits } from "../src/gate/exit-records.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { decodeContainer } from "../src/model/container.ts";
import { emulateRecordings } from "../src/signal/emulate-recordings.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { subjectsOf } from "../src/signal/splits.ts";

export type DemoSignal = {
  readonly lived: Recordings;
  /** The animals that collars replay, in turn. */
  readonly subjects: readonly string[];
  /** Labelled, for the anchor set; of the same animals. */
  readonly anchor: Recordings;
  /** For people: where it comes from. */
  readonly about: string;
};

const SECONDS_PER_CLASS = 400;
/** Animals made from each fitted individual: a dozen collars are not all alike. */
const ANIMALS = 2;
/** Of the usual differences between animals: a stranger would alarm before any collar turns. */
const VARIATION = 0.3;

export async function demoSignal(
  data: string | undefined,
  profile: Profile,
  factory: Uint8Array,
  seed: number,
): Promise<DemoSignal> {
  const found = findRecordings(data);
  const folder = datasetFolder(found, "cows");
  if (folder !== null) {
    const recordings = await readRecordings(folder);
    const subjects = knownSubjects(recordings, profile, factory);
    const lived = onlySubjects(recordings, subjects);
    return { lived, subjects, anchor: lived, about: `collars replay recordings in ${folder}` };
  }
  const parameters = await readShippedEmulator(profile.name);
  const emulate = (stream: number): Recordings =>
    emulateRecordings(parameters, profile, {
      seed: stream,
      secondsPerClass: SECONDS_PER_CLASS,
      animalsPerIndividual: ANIMALS,
      variation: VARIATION,
    });
  const lived = emulate(seed);
  const subjects = knownSubjects(lived, profile, factory);
  return {
    lived: onlySubjects(lived, subjects),
    subjects,
    anchor: onlySubjects(emulate(seed + 1), subjects),
    about: `no recordings in ${found.lookedAt.join(" or ")}, so animals are emulated`,
  };
}

/** The half of the animals, at least two, on which the student is right most often. */
function knownSubjects(
  recordings: Recordings,
  profile: Profile,
  factory: Uint8Array,
): readonly string[] {
  const windows = makeWindows(recordings, profile);
  const student = referenceEngine.load(decodeContainer(factory));
  const records = recordExits(student, windows);
  const tally = new Map(subjectsOf(windows).map((subject) => [subject, { windows: 0, right: 0 }]));
  windows.subjects.forEach((subject, i) => {
    const own = tally.get(subject);
    if (own === undefined) return;
    own.windows += 1;
    if (largestIndex(logitsAt(records, student.exits - 1, i)) === windows.labels[i]) own.right += 1;
  });
  const ranked = [...tally].sort(([, a], [, b]) => b.right / b.windows - a.right / a.windows);
  return ranked.slice(0, Math.max(2, Math.floor(ranked.length / 2))).map(([subject]) => subject);
}

function onlySubjects(recordings: Recordings, subjects: readonly string[]): Recordings {
  return {
    ...recordings,
    segments: recordings.segments.filter((segment) => subjects.includes(segment.subject)),
  };
}
