/**
 * How much choosing alone could do: a filter that knows, for each kind of window, what asking was
 * worth on the tested subjects.
 *
 * Kinds are what a node could tell apart by a small table: its answer, the class it thinks of next,
 * how many octaves lie between, and whether the first exit said the same. Filled from the very
 * windows it is judged on, such a table is a bound that no filter of these inputs can pass; filled
 * from the other tested subjects, it says what is left of that for a subject whom nobody has seen.
 */
import type { Belief } from "../src/gate/belief.ts";

/** Of one kind of window: how many, and right answers of the teacher less those of the student. */
type Worth = { readonly windows: number; readonly gain: number };
export type WorthByKind = ReadonlyMap<number, Worth>;

const NOTHING: Worth = { windows: 0, gain: 0 };

/** Margins are told apart up to so many octaves. */
const OCTAVES = 12;

/** @param firstClass the answer of the first exit alone */
export function kindOf(answer: Belief, firstClass: number): number {
  const { beliefQ15, classIndex, marginQ8 } = answer;
  let next = classIndex === 0 ? 1 : 0;
  beliefQ15.forEach((belief, c) => {
    if (c !== classIndex && belief > (beliefQ15[next] as number)) next = c;
  });
  const octave = Math.min(OCTAVES, marginQ8 >> 8);
  const agrees = Number(firstClass === classIndex);
  return ((classIndex * beliefQ15.length + next) * (OCTAVES + 1) + octave) * 2 + agrees;
}

export function worthByKind(kinds: readonly number[], gains: readonly number[]): WorthByKind {
  const worth = new Map<number, Worth>();
  kinds.forEach((kind, i) => {
    const { windows, gain } = worth.get(kind) ?? NOTHING;
    worth.set(kind, { windows: windows + 1, gain: gain + (gains[i] as number) });
  });
  return worth;
}

/** Windows of kinds that were seen this seldom elsewhere are taken to be worth what all are. */
const PRIOR_WINDOWS = 30;

/**
 * Right answers that are gained where this share of all windows, 0..1, is asked about, those of the
 * most worthy kinds first.
 *
 * @param subjects of each what its windows were worth, all trainings together
 * @param knows whose windows fill the table for a subject: all of them, or all others
 */
export function gainAt(
  subjects: readonly WorthByKind[],
  share: number,
  knows: "all" | "others",
): number {
  const total = sumOf(subjects);
  const every = [...total.values()].reduce(added, NOTHING);
  const asked = (knows === "all" ? [total] : subjects).flatMap((subject) =>
    [...subject].map(([kind, worth]) => {
      const all = total.get(kind) as Worth;
      const own = knows === "all" ? NOTHING : worth;
      const known = { windows: all.windows - own.windows, gain: all.gain - own.gain };
      const prior = knows === "all" ? 0 : PRIOR_WINDOWS;
      const mean = (known.gain + (prior * every.gain) / every.windows) / (known.windows + prior);
      return { ...worth, mean };
    }),
  );
  asked.sort((a, b) => b.mean - a.mean);
  let left = share * every.windows;
  let gained = 0;
  for (const { windows, gain } of asked) {
    const taken = Math.min(1, left / windows);
    gained += taken * gain;
    left -= taken * windows;
    if (left <= 0) break;
  }
  return gained;
}

/** Several tables as one: those of one subject with several trainings, or of all subjects. */
export function sumOf(subjects: readonly WorthByKind[]): WorthByKind {
  const total = new Map<number, Worth>();
  for (const [kind, worth] of subjects.flatMap((own) => [...own])) {
    total.set(kind, added(total.get(kind) ?? NOTHING, worth));
  }
  return total;
}

function added(a: Worth, b: Worth): Worth {
  return { windows: a.windows + b.windows, gain: a.gain + b.gain };
}
