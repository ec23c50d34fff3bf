/**
 * Imports windows that somebody has cut already, one a row, in files of their own for each axis, for
 * labels and for subjects, as UCI HAR has them (Anguita et al., ESANN 2013).
 *
 * Windows of one stretch that overlap hold the same numbers, and are put together again: what comes
 * out is a recording, which a profile cuts as it does any other, and no sample is there twice.
 */

import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { toNumber } from "./csv-columns.ts";
import type { CsvRow } from "./csv-lines.ts";
import { csvBatches } from "./csv-rows.ts";
import type { CsvOptions } from "./csv-samples.ts";
import { LabelNames } from "./label-names.ts";
import { MILLIG_PER_UNIT, RecordingBuilder } from "./recording-builder.ts";

export type WindowsImport = Pick<CsvOptions, "units" | "labels" | "name"> & {
  /** x, y, z, labels and subjects of one part after the other. */
  readonly files: readonly string[];
  readonly rateHz: number;
};

const FILES_OF_PART = 5;
/** Values of two windows that are one sample, of that value or of that share of it. */
const SAME = 1e-6;

/**
 * @returns how many windows went on from the one before
 * @throws EdgeError `windows-files`, `windows-rows`, `csv-labels`, those of `csvBatches` and of
 * `RecordingBuilder`
 */
export async function importWindows(
  request: WindowsImport,
): Promise<{ readonly recordings: Recordings; readonly joinedWindows: number }> {
  const { files, units, name, rateHz } = request;
  if (files.length === 0 || files.length % FILES_OF_PART !== 0) {
    throw new EdgeError({
      code: "windows-files",
      message: `${files.length} files are named`,
      where: files[0] ?? "",
      hint: "Name five for each part, in this order: x, y, z, labels, subjects.",
    });
  }
  const counts =
    typeof units === "string" ? { perG: 1000 / MILLIG_PER_UNIT[units], zero: 0 } : units;
  const names = new LabelNames(request.labels ?? []);
  const builder = new RecordingBuilder();
  let joinedWindows = 0;
  for (let i = 0; i < files.length; i += FILES_OF_PART) {
    const part = await readPart(files.slice(i, i + FILES_OF_PART));
    joinedWindows += addPart(part, { names, counts, source: files[i] as string }, builder);
  }
  names.finish(files.join(", "));
  const about = { origin: "windows that were cut already, put together where they overlap" };
  const where = files[0] as string;
  return { recordings: builder.finish({ name, rateHz, about }, { where }), joinedWindows };
}

type Part = {
  /** `[axis][window][sample]` */
  readonly axes: readonly (readonly Float64Array[])[];
  readonly labels: readonly string[];
  readonly subjects: readonly string[];
};

async function readPart(files: readonly string[]): Promise<Part> {
  const tables: CsvRow[][] = [];
  for (const file of files) {
    const rows: CsvRow[] = [];
    for await (const batch of csvBatches(file)) rows.push(...batch);
    tables.push(rows);
  }
  const [first] = tables;
  tables.forEach((rows, i) => {
    if (rows.length === first?.length && rows.length > 0) return;
    throw new EdgeError({
      code: "windows-rows",
      message: `has ${rows.length} rows, ${files[0]} has ${first?.length}`,
      where: files[i] as string,
      hint: "The five files of a part have a row for each window: x, y, z, labels, subjects.",
    });
  });
  const width = first?.[0]?.fields.length ?? 0;
  const axes = tables.slice(0, 3).map((rows, axis) =>
    rows.map(({ fields, line }) => {
      const values = Float64Array.from(fields, toNumber);
      if (values.length === width && values.every(Number.isFinite)) return values;
      throw new EdgeError({
        code: "windows-rows",
        message: `is no window of ${width} numbers`,
        where: `${files[axis]}:${line}`,
        hint: "Each row holds the samples of one axis of one window, and all are of one length.",
      });
    }),
  );
  const [labels, subjects] = tables
    .slice(3)
    .map((rows) => rows.map(({ fields }) => fields[0] ?? ""));
  return { axes, labels: labels ?? [], subjects: subjects ?? [] };
}

function addPart(
  { axes, labels, subjects }: Part,
  how: {
    readonly names: LabelNames;
    readonly counts: { readonly perG: number; readonly zero: number };
    readonly source: string;
  },
  builder: RecordingBuilder,
): number {
  const { perG, zero } = how.counts;
  let joined = 0;
  labels.forEach((recorded, w) => {
    const label = how.names.nameOf(recorded);
    const subject = subjects[w] as string;
    const windows = axes.map((axis) => axis[w] as Float64Array);
    const before = axes.map((axis) => axis[w - 1]);
    const isSame = w > 0 && labels[w - 1] === recorded && subjects[w - 1] === subject;
    const overlap = isSame ? overlapOf(before as Float64Array[], windows) : 0;
    if (label === null) return;
    if (overlap === 0) builder.endSegment();
    else joined++;
    const length = windows[0]?.length ?? 0;
    for (let i = overlap; i < length; i++) {
      const [x = Number.NaN, y = Number.NaN, z = Number.NaN] = windows.map(
        (axis) => (((axis[i] as number) - zero) * 1000) / perG,
      );
      builder.add({ subject, label, source: how.source }, x, y, z, () => `${how.source}:${w + 1}`);
    }
  });
  builder.endSegment();
  return joined;
}

/** How many samples at the end of the one are the first of the other; the most that fit. */
function overlapOf(before: readonly Float64Array[], next: readonly Float64Array[]): number {
  const length = next[0]?.length ?? 0;
  for (let overlap = length - 1; overlap >= 2; overlap--) {
    const isOverlap = next.every((axis, a) => {
      const old = before[a] as Float64Array;
      for (let i = 0; i < overlap; i++) {
        const [one, other] = [old[length - overlap + i] as number, axis[i] as number];
        if (Math.abs(one - other) > SAME * Math.max(1, Math.abs(one))) return false;
      }
      return true;
    });
    if (isOverlap) return overlap;
  }
  return 0;
}
