/** What a gateway would have seen of recorded subjects through a gate, and how long it takes their
 * bouts to last by that. */
import type { LabelledStream } from "../src/behaviour/bout-scores.ts";
import { fitTypical, type TypicalBout } from "../src/behaviour/fit-typical.ts";
import type { Answer } from "../src/behaviour/open-windows.ts";
import type { SegmentRule } from "../src/behaviour/segment.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { hopMs, type Profile } from "../src/signal/profile.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import type { CrossFitted } from "./cross-fit.ts";
import { type Replay, replayGate } from "./gate-replay.ts";

export type SubjectStream = LabelledStream & {
  readonly subject: string;
  /** What the teacher says of every window, whether it was asked or not. */
  readonly taught: readonly Answer[];
};

/** A profile's windows one after another, without a gap. */
export function segmentRule(profile: Profile): SegmentRule {
  return {
    classes: profile.classes.length,
    hopMs: hopMs(profile),
    windowMs: (1000 * profile.windowSamples) / profile.rateHz,
    typicalMs: [],
    gapMs: hopMs(profile),
  };
}

/** One stream a subject; in `seen` the teacher has answered what was offloaded.
 *
 * @param teacher class probabilities `[window][class]` */
export function streamsOf(
  replay: Replay,
  windows: Pick<WindowSet, "labels" | "subjects">,
  teacher: Float32Array,
  { classes, hopMs: hop }: SegmentRule,
): SubjectStream[] {
  const bySubject = new Map<string, number[]>();
  windows.subjects.forEach((subject, i) => {
    const own = bySubject.get(subject) ?? [];
    bySubject.set(subject, own);
    own.push(i);
  });
  const taughtOf = (i: number): Answer => {
    const row = teacher.subarray(i * classes, (i + 1) * classes);
    const classIndex = largestIndex(row);
    return { classIndex, confidence: row[classIndex] as number };
  };
  return [...bySubject].map(([subject, own]) => ({
    subject,
    labels: own.map((i) => windows.labels[i] as number),
    taught: own.map(taughtOf),
    seen: own.map((i, n) => ({
      timeMs: (n + 1) * hop,
      epoch: 0,
      windowIndex: n,
      student: {
        classIndex: replay.answers[i] as number,
        confidence: (replay.confidencesQ8[i] as number) / 255,
      },
      teacher: replay.offloaded[i] === 1 ? taughtOf(i) : null,
    })),
  }));
}

/** The learners' own streams, each answered by a pair that never saw him. Their gate looks at no
 * novelty: what is new to one student means nothing of another's features. */
export function rehearsedStreams(
  parameters: GateParameters,
  { records, windows, teacher }: CrossFitted,
  rule: SegmentRule,
  seed: number,
): SubjectStream[] {
  const replay = replayGate({ ...parameters, novelty: null }, records, windows, teacher, seed);
  return streamsOf(replay, windows, teacher, rule);
}

/** How long a bout of the profile's behaviours is taken to last, by those. */
export function typicalBout(
  parameters: GateParameters,
  rehearsal: CrossFitted,
  profile: Profile,
  seed: number,
): TypicalBout {
  const rule = segmentRule(profile);
  return fitTypical(rehearsedStreams(parameters, rehearsal, rule, seed), rule);
}
