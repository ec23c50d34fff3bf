/**
 * Where the teacher is lost as well: does the gateway's rule say so of the windows that nodes would
 * send after their alarm?
 */
import { DEFAULT_TRIGGER_RULE } from "../gateway/distil/distil-trigger.ts";
import { judgeTrust } from "../gateway/teacher/teacher-trust.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { parseTurn, turnRecordings } from "../src/signal/turn.ts";
import { scoresOf } from "./loop-scores.ts";
import { answered, type TrustedTeacher } from "./recovery-answers.ts";
import { chooseWindows, type LivedWindows } from "./recovery-choices.ts";

export type TurnedTrust = {
  /** A turn of all collars, or of one, written `x90 of 1319`; empty for how they sit. */
  readonly turn: string;
  /** Over the windows lived through, 0..1. */
  readonly teacherAccuracy: number;
  /** Of what a burst of the gateway's size sends. */
  readonly unknownShare: number;
  /** False: nothing is distilled, and people are told. */
  readonly trusted: boolean;
  /** Nodes whose answers are left out, whatever the herd's. */
  readonly unknownNodes: readonly string[];
};

export async function trustWhenTurned(
  teacher: TrustedTeacher,
  job: { readonly turns: readonly string[]; readonly seed: number },
  herd: {
    readonly profile: Profile;
    readonly recordings: Recordings;
    readonly live: (recordings: Recordings) => LivedWindows;
  },
): Promise<TurnedTrust[]> {
  const turned: TurnedTrust[] = [];
  for (const turn of job.turns) {
    const [angle = "", subject] = turn.split(" of ");
    const recordings =
      angle === ""
        ? herd.recordings
        : turnRecordings(
            herd.recordings,
            parseTurn(angle),
            subject === undefined ? undefined : [subject],
          );
    const lived = herd.live(recordings);
    const indices = chooseWindows("capped", lived, DEFAULT_TRIGGER_RULE.labelsWanted);
    const rows = await answered(teacher, lived, indices, { views: undefined, seed: job.seed });
    const { windows } = lived;
    const { probabilities } = await teacher.predict(windows.samples, windows.count, teacher.step);
    const classes = herd.profile.classes.length;
    const teacherAccuracy = scoresOf(probabilities, windows, classes).accuracy;
    turned.push({ turn, teacherAccuracy, ...judgeTrust(rows) });
  }
  return turned;
}
