/**
 * What a store remembers, as tables: bouts, time budgets and soft labels.
 *
 * Rows are read a stretch of time or a page at a time, so that a store of years needs no more memory
 * than one of days, and a gateway that writes meanwhile is never kept from tidying its log.
 */

import type { LabelReader } from "../gateway/store/label-reader.ts";
import type { PersonWord, SoftLabel } from "../gateway/store/label-rows.ts";
import { rounded } from "../gateway/telling/tell-behaviours.ts";
import { type Budget, budgetOf, DAY_MS, meanBudget, type Span } from "../src/behaviour/budget.ts";
import type { Bout } from "../src/behaviour/track.ts";
import { largestIndex } from "../src/learn/metrics.ts";
import { type Column, columnsOf, type Table, type TableRow } from "./table.ts";

/** Bouts are read so much at a time. */
const STRETCH_MS = 7 * DAY_MS;
/** Soft labels, with their windows, a page. */
const PAGE_ROWS = 500;

export const BOUT_COLUMNS = columnsOf({
  node: "text",
  number: "integer",
  behaviour: "text",
  start_ms: "integer",
  end_ms: "integer",
  over: "flag",
  duration_seconds: "real",
  confidence: "real",
  windows: "integer",
  taught: "integer",
});

export function boutRow(node: string, bout: Bout, classes: readonly string[]): TableRow {
  return [
    node,
    bout.number,
    className(classes, bout.classIndex),
    Math.round(bout.startMs),
    Math.round(bout.endMs),
    bout.over,
    rounded((bout.endMs - bout.startMs) / 1000),
    rounded(bout.confidence),
    bout.windows,
    bout.taught,
  ];
}

/** Bouts of nodes that touch a span, node by node, oldest first. */
export function boutTable(
  reader: LabelReader,
  nodes: readonly string[],
  classes: readonly string[],
  span: Span,
): Table {
  function* rows(): Generator<TableRow> {
    for (const node of nodes) {
      const known = within(reader.boutSpan(node), span);
      if (known === undefined) continue;
      for (let at = known.startMs; at < known.endMs; at += STRETCH_MS) {
        const bouts = reader.bouts(node, at, Math.min(at + STRETCH_MS, known.endMs));
        for (const bout of bouts) {
          // One that goes on from the stretch before has been told.
          if (bout.startMs >= at || at === known.startMs) yield boutRow(node, bout, classes);
        }
      }
    }
  }
  return { columns: BOUT_COLUMNS, rows: rows() };
}

/** Who a budget is of: one node, or the mean of a group's members. */
export type BudgetOf = { readonly name: string; readonly nodes: readonly string[] };

/**
 * Minutes of each behaviour, and unknown ones, per hour or day: a row for each. A span that is not
 * over yet ends with what is known. A member counts from its first bout on.
 */
export function budgetTable(
  reader: LabelReader,
  whose: readonly BudgetOf[],
  classes: readonly string[],
  spans: { readonly whole: Span; readonly everyMs: number; readonly offsetMs: number },
): Table {
  const columns = columnsOf({
    of: "text",
    nodes: "integer",
    start_ms: "integer",
    end_ms: "integer",
    behaviour: "text",
    minutes: "real",
  });
  function* rows(): Generator<TableRow> {
    for (const { name, nodes } of whose) {
      for (const { span, budgets } of budgetsBySpan(reader, nodes, classes.length, spans)) {
        const mean = meanBudget(budgets);
        // Of years that a wrong clock has passed over nobody knows anything.
        if (mean === null || mean.classMs.every((ms) => ms === 0)) continue;
        const about = [name, budgets.length, span.startMs, span.endMs] as const;
        const minutes = (ms: number): number => rounded(ms / 60_000);
        yield* classes.map((of, c) => [...about, of, minutes(mean.classMs[c] ?? 0)]);
        yield [...about, "unknown", Math.max(0, minutes(mean.unknownMs))];
      }
    }
  }
  return { columns, rows: rows() };
}

/** Each span with the budgets of those who had been heard by its end; bouts are read a stretch at a
 * time, and stretches without any are passed over. */
function* budgetsBySpan(
  reader: LabelReader,
  nodes: readonly string[],
  classes: number,
  { whole, everyMs, offsetMs }: Parameters<typeof budgetTable>[3],
): Generator<{ readonly span: Span; readonly budgets: readonly Budget[] }> {
  const known = knownSpans(reader, nodes);
  const all = [...known.values()];
  const newestMs = Math.ceil(Math.max(...all.map(({ endMs }) => endMs)));
  const oldestMs = Math.min(...all.map(({ startMs }) => startMs));
  const asked = within({ startMs: oldestMs, endMs: newestMs }, whole);
  if (all.length === 0 || asked === undefined) return;
  const first = Math.floor((asked.startMs + offsetMs) / everyMs) * everyMs - offsetMs;
  for (let fromMs = first; fromMs < asked.endMs; fromMs += STRETCH_MS) {
    const toMs = fromMs + STRETCH_MS;
    const bouts = new Map(
      [...known.keys()].map((node) => [node, reader.bouts(node, fromMs, toMs)]),
    );
    if ([...bouts.values()].every((own) => own.length === 0)) continue;
    for (let startMs = fromMs; startMs < Math.min(toMs, asked.endMs); startMs += everyMs) {
      const span = { startMs, endMs: Math.min(startMs + everyMs, newestMs) };
      const members = membersAt(known, span);
      yield { span, budgets: members.map((of) => budgetOf(bouts.get(of) ?? [], classes, span)) };
    }
  }
}

/** From each node's first bout to its last, of those that have any. */
export function knownSpans(
  reader: LabelReader,
  nodes: readonly string[],
): ReadonlyMap<string, Span> {
  const pairs = nodes.map((node) => [node, reader.boutSpan(node)] as const);
  return new Map(pairs.flatMap(([node, span]) => (span === undefined ? [] : [[node, span]])));
}

/** Those that had been heard before a span ended. */
export function membersAt(known: ReadonlyMap<string, Span>, span: Span): string[] {
  return [...known].filter(([, { startMs }]) => startMs < span.endMs).map(([node]) => node);
}

export function budgetIn(reader: LabelReader, node: string, classes: number, span: Span): Budget {
  return budgetOf(reader.bouts(node, span.startMs, span.endMs), classes, span);
}

const LABEL_KINDS = {
  node: "text",
  epoch: "integer",
  seq: "integer",
  window_index: "integer",
  time_ms: "integer",
  model: "text",
  reason: "text",
  chance: "real",
  student: "text",
  student_confidence: "real",
  answered_ms: "integer",
  teacher_model: "text",
  trusted: "flag",
  teacher: "text",
  person: "text",
  who: "text",
} as const;

const WINDOW_KINDS = {
  encoding: "text",
  rate_hz: "real",
  samples: "integer",
  channels: "integer",
  millig_per_step: "integer",
  window_int8: "bytes",
} as const;

/** Soft labels of nodes whose windows are of a span, in the order in which they came; an answer of
 * a teacher with other classes has no chances. */
export function labelTable(
  reader: LabelReader,
  nodes: readonly string[],
  classes: readonly string[],
  span: Span,
  withWindows: boolean,
): Table {
  const chances = classes.map((name): Column => ({ name: `chance_${name}`, kind: "real" }));
  const windows = withWindows ? columnsOf(WINDOW_KINDS) : [];
  const wanted = new Set(nodes);
  // Kept whole: it is what people have said with their own hands.
  const said = new Map(reader.personWords().map((word) => [word.offloadId, word]));
  function* rows(): Generator<TableRow> {
    for (let afterId = 0; ; ) {
      const page = reader.softLabels({
        afterId,
        limit: PAGE_ROWS,
        fromMs: span.startMs,
        toMs: span.endMs,
      });
      for (const label of page) {
        if (!wanted.has(label.node)) continue;
        const word = said.get(label.offloadId);
        yield [...labelRow(label, classes, word), ...(withWindows ? windowRow(label) : [])];
      }
      const last = page.at(-1);
      if (last === undefined) return;
      afterId = last.offloadId;
    }
  }
  return { columns: [...columnsOf(LABEL_KINDS), ...chances, ...windows], rows: rows() };
}

function labelRow(
  label: SoftLabel,
  classes: readonly string[],
  word: PersonWord | undefined,
): TableRow {
  const { probabilities } = label;
  const isOurs = probabilities.length === classes.length;
  return [
    label.node,
    label.epoch,
    label.seq,
    label.windowIndex,
    label.timeMs,
    label.modelId,
    label.reason,
    rounded(label.chanceQ16 / 65_535),
    className(classes, label.classIndex),
    rounded(label.confidenceQ8 / 255),
    label.answeredMs,
    label.teacherId,
    label.trusted,
    className(isOurs ? classes : [], largestIndex(probabilities)),
    word === undefined ? null : className(classes, word.classIndex),
    word?.who ?? null,
    ...classes.map((_, c) => (isOurs ? rounded(probabilities[c] ?? 0) : null)),
  ];
}

function windowRow(label: SoftLabel): TableRow {
  const { window } = label;
  return [
    label.encoding,
    label.rateCentihertz / 100,
    label.windowSamples,
    label.channels,
    label.inputMilligPerStep,
    new Uint8Array(window.buffer, window.byteOffset, window.byteLength),
  ];
}

function within(known: Span | undefined, asked: Span): Span | undefined {
  if (known === undefined) return undefined;
  const startMs = Math.max(known.startMs, asked.startMs);
  const endMs = Math.min(known.endMs, asked.endMs);
  return startMs < endMs ? { startMs, endMs } : undefined;
}

function className(classes: readonly string[], index: number): string {
  return classes[index] ?? `class ${index}`;
}
