/**
 * The bouts of one node: `stepTrack(track, event, rule)` takes windows and verdicts as they come and
 * says which bouts are new, changed, over, or never were.
 *
 * The windows of the last `openMs` (by the node's clock) are open: what is said of them is worked out
 * anew whenever one is added or answered, so that the order in which reports and verdicts come does
 * not matter while they come within that time. Older windows are sealed: their bouts stand, and what
 * comes for them is counted as late and changes nothing. Both bound what is kept.
 */

import { type Answer, OpenWindows, type SeenWindow } from "./open-windows.ts";
import { type Before, chanceOf, type Run, segment, type SegmentRule } from "./segment.ts";

export type TrackRule = SegmentRule & {
  readonly openMs: number;
  /** Windows open at most, whatever their times say. */
  readonly windowsMax: number;
};

export type Bout = {
  /** Counted up in each node, from 1; stays with the bout through its corrections. */
  readonly number: number;
  readonly classIndex: number;
  readonly startMs: number;
  /** Of its last window so far. */
  readonly endMs: number;
  /** Mean chance that its windows are what it says. */
  readonly confidence: number;
  readonly windows: number;
  /** How many of them the teacher has answered. */
  readonly taught: number;
  /** Something else came after it, or a gap, or the node went away. */
  readonly over: boolean;
};

export type Track = {
  readonly windows: OpenWindows;
  /** Answers to windows that were not reported yet, by `<epoch>:<window index>`; oldest first. */
  readonly verdicts: Map<string, Answer>;
  /** Bouts that may still change, as they were told; numbers are free from `next` on. */
  bouts: readonly Bout[];
  next: number;
  /** Sealed up to here, and what of the bout that goes on there is sealed. */
  sealedMs: number;
  carry: Bout | null;
  before: Before | null;
  away: boolean;
  /** Windows and verdicts that came too late, or from a clock that is far ahead. */
  late: number;
};

export type TrackEvent =
  | { readonly kind: "windows"; readonly windows: readonly SeenWindow[] }
  | {
      readonly kind: "verdict";
      readonly epoch: number;
      readonly windowIndex: number;
      readonly timeMs: number;
      readonly answer: Answer;
    }
  /** The node went away: what it did last is over, unless it comes back within the gap. */
  | { readonly kind: "away" };

export type TrackEffect =
  | { readonly kind: "new" | "update" | "end"; readonly before: Bout | null; readonly after: Bout }
  | { readonly kind: "withdrawn"; readonly before: Bout; readonly after: null }
  /** It stands for good; comes after whatever else is said of it. */
  | { readonly kind: "sealed"; readonly after: Bout };

/** Verdicts that wait for their window's report. */
const VERDICTS_MAX = 256;

export function newTrack(): Track {
  return {
    windows: new OpenWindows(),
    verdicts: new Map(),
    bouts: [],
    next: 1,
    sealedMs: Number.NEGATIVE_INFINITY,
    carry: null,
    before: null,
    away: false,
    late: 0,
  };
}

/** The end of the newest window that it has taken in; minus infinity before the first. */
export function newestMs({ windows, sealedMs }: Track): number {
  return windows.count === 0 ? sealedMs : windows.timeMs(windows.count - 1);
}

export function stepTrack(track: Track, event: TrackEvent, rule: TrackRule): TrackEffect[] {
  switch (event.kind) {
    case "windows":
      for (const window of event.windows) addWindow(track, window);
      break;
    case "verdict":
      if (!addVerdict(track, event)) return [];
      break;
    case "away":
      if (track.away) return [];
      track.away = true;
      break;
  }
  const runs = segment(rule, track.windows, track.before);
  const effects = tell(track, rule, runs);
  return [...effects, ...seal(track, rule, runs)];
}

function addWindow(track: Track, window: SeenWindow): void {
  const { windows } = track;
  if (window.timeMs <= track.sealedMs) {
    track.late++;
    return;
  }
  let at = windows.count;
  while (at > 0 && windows.timeMs(at - 1) > window.timeMs) at--;
  // Of two windows that end at once one counts, whichever came first: the one of the earlier number.
  if (at > 0 && windows.timeMs(at - 1) === window.timeMs) {
    at--;
    if (!windows.isAfter(at, window)) return;
    windows.remove(at, 1);
  }
  const key = `${window.epoch}:${window.windowIndex}`;
  const teacher = window.teacher ?? track.verdicts.get(key) ?? null;
  track.verdicts.delete(key);
  windows.insert(at, { ...window, teacher });
  track.away = false;
}

/** False where it changes nothing now. */
function addVerdict(track: Track, verdict: Extract<TrackEvent, { kind: "verdict" }>): boolean {
  const { epoch, windowIndex, timeMs, answer } = verdict;
  if (timeMs <= track.sealedMs) {
    track.late++;
    return false;
  }
  const row = track.windows.find(epoch, windowIndex);
  if (row >= 0) {
    track.windows.teach(row, answer);
    return true;
  }
  const [oldest] = track.verdicts.keys();
  if (track.verdicts.size >= VERDICTS_MAX && oldest !== undefined) track.verdicts.delete(oldest);
  track.verdicts.set(`${epoch}:${windowIndex}`, answer);
  return false;
}

/** Works out the bouts anew and says what differs from what was told. */
function tell(track: Track, rule: TrackRule, runs: readonly Run[]): TrackEffect[] {
  const shapes = boutsOf(track, rule, runs);
  const told = track.bouts;
  const numbered = number(track, shapes, told);
  track.bouts = numbered;
  return differences(told, numbered);
}

function differences(told: readonly Bout[], now: readonly Bout[]): TrackEffect[] {
  const byNumber = new Map(told.map((bout) => [bout.number, bout]));
  const kept = new Set(now.map((bout) => bout.number));
  const effects: TrackEffect[] = told
    .filter((bout) => !kept.has(bout.number))
    .map((before) => ({ kind: "withdrawn", before, after: null }));
  for (const after of now) {
    const before = byNumber.get(after.number) ?? null;
    const kind = changeOf(before, after);
    if (kind !== undefined) effects.push({ kind, before, after });
  }
  return effects;
}

function changeOf(before: Bout | null, after: Bout): "new" | "update" | "end" | undefined {
  if (before === null) return "new";
  const isOther = before.classIndex !== after.classIndex || before.startMs !== after.startMs;
  if (isOther || (before.over && !after.over)) return "update";
  if (!before.over && after.over) return "end";
  return before.over && before.endMs !== after.endMs ? "update" : undefined;
}

type Shape = Omit<Bout, "number"> & { readonly carried: number | undefined };

function boutsOf(track: Track, rule: TrackRule, runs: readonly Run[]): Shape[] {
  const { carry, windows } = track;
  const shapes = runs.map((run, i): Shape => {
    let sum = 0;
    let taught = 0;
    for (let row = run.from; row < run.to; row++) {
      sum += chanceOf(rule, windows, row, run.classIndex);
      if (windows.isTaught(row)) taught += 1;
    }
    const goesOn = i === 0 && carry !== null && run.follows && carry.classIndex === run.classIndex;
    const past = goesOn ? carry : null;
    const count = run.to - run.from + (past?.windows ?? 0);
    return {
      classIndex: run.classIndex,
      startMs: past?.startMs ?? run.startMs,
      endMs: run.endMs,
      confidence: (sum + (past === null ? 0 : past.confidence * past.windows)) / count,
      windows: count,
      taught: taught + (past?.taught ?? 0),
      over: i < runs.length - 1 || track.away,
      carried: past?.number,
    };
  });
  if (carry === null || shapes[0]?.carried !== undefined) return shapes;
  return [{ ...carry, over: shapes.length > 0 || track.away, carried: carry.number }, ...shapes];
}

/** Gives each bout the number of one that was told and is the same but for a correction, else a new
 * one: first to those of the same class that overlap, then to any that overlap. */
function number(track: Track, shapes: readonly Shape[], told: readonly Bout[]): Bout[] {
  const free = new Set(told);
  const given = shapes.map((shape) => {
    if (shape.carried === undefined) return undefined;
    for (const bout of free) if (bout.number === shape.carried) free.delete(bout);
    return shape.carried;
  });
  for (const sameClass of [true, false]) {
    shapes.forEach((shape, i) => {
      if (given[i] !== undefined) return;
      for (const bout of free) {
        const overlaps = bout.startMs < shape.endMs && shape.startMs < bout.endMs;
        if (!overlaps || (sameClass && bout.classIndex !== shape.classIndex)) continue;
        free.delete(bout);
        given[i] = bout.number;
        break;
      }
    });
  }
  return shapes.map(({ carried: _carried, ...shape }, i) => ({
    number: given[i] ?? track.next++,
    ...shape,
  }));
}

/** Takes what is older than the open time out of play. */
function seal(track: Track, rule: TrackRule, runs: readonly Run[]): TrackEffect[] {
  const { windows } = track;
  if (windows.count === 0) return [];
  const limitMs = windows.timeMs(windows.count - 1) - rule.openMs;
  let count = Math.max(0, windows.count - rule.windowsMax);
  while (count < windows.count && windows.timeMs(count) <= limitMs) count++;
  if (count === 0) return [];
  const carriedOver = track.bouts.length - runs.length;
  const last = runs.findIndex((run) => run.to >= count);
  const run = runs[last] as Run;
  const whole = track.bouts[last + carriedOver] as Bout;
  const finished = track.bouts.slice(0, last + carriedOver);
  const sealed = { ...run, to: Math.min(run.to, count) };
  const [shape] = boutsOf(track, rule, [sealed]).slice(-1) as [Shape];
  // The carry belongs to the first run only.
  const first = last === 0 ? shape : withoutCarry(track, rule, sealed);
  const { carried: _carried, ...part } = first;
  track.carry = { ...part, number: whole.number, over: false };
  track.sealedMs = windows.timeMs(count - 1);
  track.before = { classIndex: run.classIndex, endMs: track.sealedMs };
  track.bouts = track.bouts.slice(last + carriedOver);
  windows.remove(0, count);
  return finished.map((after) => ({ kind: "sealed", after }));
}

function withoutCarry(track: Track, rule: TrackRule, run: Run): Shape {
  return boutsOf({ ...track, carry: null }, rule, [run])[0] as Shape;
}

/** What a store knows of a node's bouts. */
export type Remembered = {
  /** The last bout that stands for good; null for none. */
  readonly last: Bout | null;
  /** Those after it, as they were told. */
  readonly open: readonly Bout[];
  readonly next: number;
};

/** Windows that are worked through at once when a store is read again. */
const REPLAYED_AT_ONCE = 256;

/**
 * The track of a node from what was stored: all windows since the last bout that stands, with the
 * verdicts on them, in the order of time. What was told before keeps its number; the effects say
 * what is different now, which is nothing unless a store missed something.
 */
export function restoreTrack(
  remembered: Remembered,
  windows: readonly SeenWindow[],
  rule: TrackRule,
): { readonly track: Track; readonly effects: TrackEffect[] } {
  const { last, open, next } = remembered;
  const track = newTrack();
  track.sealedMs = last?.endMs ?? Number.NEGATIVE_INFINITY;
  track.before = last === null ? null : { classIndex: last.classIndex, endMs: last.endMs };
  const sealed: Bout[] = [];
  for (let from = 0; from < windows.length; from += REPLAYED_AT_ONCE) {
    const some = windows.slice(from, from + REPLAYED_AT_ONCE);
    for (const effect of stepTrack(track, { kind: "windows", windows: some }, rule)) {
      if (effect.kind === "sealed") sealed.push(effect.after);
    }
  }
  const found = [...sealed, ...track.bouts];
  track.next = next;
  const shapes = found.map(({ number: _number, ...shape }) => ({ ...shape, carried: undefined }));
  const numbered = number(track, shapes, open);
  const carriedAt = found.findIndex((bout) => bout.number === track.carry?.number);
  const carried = numbered[carriedAt];
  if (track.carry !== null && carried !== undefined) {
    track.carry = { ...track.carry, number: carried.number };
  }
  track.bouts = numbered.slice(sealed.length);
  const stands = numbered
    .slice(0, sealed.length)
    .map((after): TrackEffect => ({ kind: "sealed", after }));
  return { track, effects: [...differences(open, numbered), ...stands] };
}
