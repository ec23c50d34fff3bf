/**
 * How soon a gateway knows that a herd has changed together, and how often it says so of one that has
 * not. Node-days are lived through once, by the gate itself, and are counted as a gateway counts
 * them; herds are put together from them by drawing. Every herd has a day: it grazes morning and
 * evening, all of it.
 */
import { countAudit, countBeat, nodeBeat } from "../gateway/herd/cohort-desk.ts";
import { newBeatCounts } from "../gateway/herd/cohort-state.ts";
import { BEAT_MS, NEW_COHORT_WATCH, type NodeBeat, watchCohort } from "../src/gate/cohort-watch.ts";
import { below, type Prng, uniform } from "../src/prng.ts";
import { livedWindows, type NextBout, type Worn } from "./drift-lives.ts";
import type { Collar } from "./drift-sensors.ts";

export const HERD_NODES = 12;
const DAY_BEATS = 96;
const DAY_MS = 96 * BEAT_MS;
/** Calm days before a herd changes, and how long it is watched after. */
const DAYS_BEFORE = 3;
/** Share of bouts that are of the first class: between a tenth and nine tenths, twice a day. */
const MEAN_SHARE = 0.5;
const SWING_SHARE = 0.4;

/** One node's beats of one day, and in which its own drift alarm was up. */
export type NodeDay = { readonly beats: readonly NodeBeat[]; readonly alarms: readonly boolean[] };

export function nodeDays(
  collar: Collar,
  { worn, rateFactor }: { readonly worn: Worn; readonly rateFactor: number },
  shape: { readonly count: number; readonly beats: number },
  random: Prng,
): NodeDay[] {
  return Array.from({ length: shape.count }, () => {
    const next: NextBout = (timeMs) => ({
      worn,
      rateFactor,
      indices: boutAt(worn, timeMs, random),
    });
    const beats: NodeBeat[] = [];
    const alarms: boolean[] = [];
    let counts = newBeatCounts();
    let alarmed = false;
    for (const lived of livedWindows(collar.gate, next, collar.hopMs, random)) {
      if (lived.timeMs >= (beats.length + 1) * BEAT_MS) {
        beats.push(nodeBeat(counts));
        alarms.push(alarmed);
        [counts, alarmed] = [newBeatCounts(), false];
        if (beats.length === shape.beats) break;
      }
      const { decision } = lived;
      const { offload: reason, driftQ8, classIndex, alarm } = decision;
      alarmed ||= alarm;
      countBeat(
        { beat: counts },
        { entries: [{ offloaded: reason !== null }], driftQ8, operatingPoint: 0 },
      );
      const agrees = classIndex === worn.taught[lived.index];
      if (reason !== null) countAudit({ beat: counts }, { reason }, { trusted: true, agrees });
    }
    return { beats, alarms };
  });
}

/** A bout of the first class as often as the time of day has it. */
function boutAt(worn: Worn, timeMs: number, random: Prng): readonly number[] {
  const share = MEAN_SHARE + SWING_SHARE * Math.sin((4 * Math.PI * timeMs) / DAY_MS);
  const first = uniform(random) < share;
  const wanted = worn.bouts.filter(([index]) => (worn.windows.labels[index ?? 0] === 0) === first);
  const bouts = wanted.length > 0 ? wanted : worn.bouts;
  return bouts[below(random, bouts.length)] as readonly number[];
}

export type CohortDelay = {
  /** Beats from the change to the cohort's alarm; null where none came. */
  readonly beats: number | null;
  /** Share of the nodes that changed whose own alarm had been up by then, or at all. */
  readonly alarmed: number;
};

/** A calm herd, of which so many nodes change from one midnight on. */
export function cohortDelayOf(
  calm: readonly NodeDay[],
  changed: readonly NodeDay[],
  changedNodes: number,
  random: Prng,
): CohortDelay {
  const draw = (days: readonly NodeDay[]): NodeDay => days[below(random, days.length)] as NodeDay;
  let watch = NEW_COHORT_WATCH;
  for (let day = 0; day < DAYS_BEFORE; day++) {
    const nodes = Array.from({ length: HERD_NODES }, () => draw(calm));
    for (let beat = 0; beat < DAY_BEATS; beat++) {
      watch = watchCohort(watch, herdBeat(nodes, beat)).watch;
    }
  }
  const nodes = Array.from({ length: HERD_NODES }, (_, i) =>
    draw(i < changedNodes ? changed : calm),
  );
  const last = changed[0]?.beats.length ?? 0;
  const alarmedBy = (beats: number): number => {
    const moved = nodes.slice(0, changedNodes);
    return (
      moved.filter(({ alarms }) => alarms.slice(0, beats).includes(true)).length / changedNodes
    );
  };
  for (let beat = 0; beat < last; beat++) {
    const step = watchCohort(watch, herdBeat(nodes, beat));
    watch = step.watch;
    if (step.shift !== null) return { beats: beat + 1, alarmed: alarmedBy(beat + 1) };
  }
  return { beats: null, alarmed: alarmedBy(last) };
}

/** Alarms of a calm herd in so many days; which node-days exist is drawn first. */
export function falseShifts(calm: readonly NodeDay[], days: number, random: Prng): number {
  const exist = calm.map(() => calm[below(random, calm.length)] as NodeDay);
  let watch = NEW_COHORT_WATCH;
  let count = 0;
  for (let day = 0; day < days; day++) {
    const nodes = Array.from(
      { length: HERD_NODES },
      () => exist[below(random, exist.length)] as NodeDay,
    );
    for (let beat = 0; beat < DAY_BEATS; beat++) {
      const step = watchCohort(watch, herdBeat(nodes, beat));
      watch = step.watch;
      if (step.shift !== null) count++;
    }
  }
  return count;
}

function herdBeat(nodes: readonly NodeDay[], beat: number): Map<string, NodeBeat> {
  return new Map(nodes.map(({ beats }, i) => [String(i), beats[beat] as NodeBeat]));
}
