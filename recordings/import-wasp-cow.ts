/**
 * Imports the cow collars of the WASP laboratory (WASP-lab/db-cow-walking, db-cow-mounts): one CSV
 * file per bout, `<number>_<label>_<cow>_<date>_<time>.csv`, the BNO055's acceleration with gravity
 * in m/s2 at 10 Hz.
 *
 * Files of one cow can overlap in time. Each moment is taken once, from the file that started first,
 * so that no sample is both trained and tested on.
 */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import { findNamed } from "./csv-columns.ts";
import { csvBatches } from "./csv-rows.ts";
import { parseTime } from "./csv-time.ts";
import type { LayoutImport } from "./import-motionsense.ts";
import { MILLIG_PER_UNIT, RecordingBuilder } from "./recording-builder.ts";

const RATE_HZ = 10;
const COLUMNS = ["Time", "BNO055_AX", "BNO055_AY", "BNO055_AZ"];
const HINT = "For other layouts use `bellwether data import csv` with --columns.";
const FILE_NAME = /^(?:\d+_)?([A-Za-z_]+)_(\d+)_(\d{8})_(\d{5,6})\.csv$/;
/** What the two data sets call one behaviour. */
const SAME_LABEL: Readonly<Record<string, string>> = { ActiveMount: "Mounting" };
/** Rows further apart than this many periods are not contiguous. */
const GAP_PERIODS = 1.5;

/** @throws EdgeError `wasp-layout`, `csv-columns`, `recording-time`, and all of `RecordingBuilder` */
export async function importWaspCow(request: LayoutImport): Promise<Recordings> {
  const bouts = await boutFiles(request.folder);
  const builder = new RecordingBuilder();
  const takenBySubject = new Map<string, Set<number>>();
  for (const [index, bout] of bouts.entries()) {
    request.onProgress?.(index, bouts.length);
    const taken = takenBySubject.get(bout.subject) ?? new Set<number>();
    takenBySubject.set(bout.subject, taken);
    await importBout(request.folder, bout, taken, builder);
  }
  request.onProgress?.(bouts.length, bouts.length);
  const about = {
    axes: "BNO055 body frame x,y,z",
    placement: "neck collar (cow)",
    origin: "WASP-lab cow collars",
    licence: "none stated by the authors",
  };
  return builder.finish({ name: request.name, rateHz: RATE_HZ, about }, { where: request.folder });
}

type BoutFile = {
  readonly source: string;
  readonly label: string;
  readonly subject: string;
  readonly startText: string;
};

async function boutFiles(folder: string): Promise<readonly BoutFile[]> {
  let names: readonly string[];
  try {
    names = await readdir(folder, { recursive: true });
  } catch (error) {
    throw layoutError(folder, error instanceof Error ? error.message : String(error));
  }
  const bouts = names.flatMap((source) => {
    const match = FILE_NAME.exec(basename(source));
    const [, name = "", subject = "", date = "", time = ""] = match ?? [];
    if (match === null) return [];
    const label = labelOf(name);
    return [{ source, label, subject, startText: `${date} ${time.padStart(6, "0")}` }];
  });
  if (bouts.length === 0)
    throw layoutError(folder, "holds no file such as 1_Walking_1319_20240513_120009.csv");
  return bouts.sort(
    (a, b) => a.startText.localeCompare(b.startText) || a.source.localeCompare(b.source),
  );
}

/** `head_nodding` is `HeadNodding`. */
function labelOf(name: string): string {
  const label = name
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
  return SAME_LABEL[label] ?? label;
}

function layoutError(where: string, message: string): EdgeError {
  return new EdgeError({
    code: "wasp-layout",
    message,
    where,
    hint: "Name the folder of a clone of WASP-lab/db-cow-walking or db-cow-mounts.",
  });
}

async function importBout(
  folder: string,
  bout: BoutFile,
  taken: Set<number>,
  builder: RecordingBuilder,
): Promise<void> {
  const path = join(folder, bout.source);
  const key = { subject: bout.subject, label: bout.label, source: bout.source };
  let columns: readonly number[] | null = null;
  let last = Number.NaN;
  for await (const rows of csvBatches(path)) {
    for (const row of rows) {
      if (columns === null) {
        columns = findNamed(row, COLUMNS, path, HINT);
        continue;
      }
      const place = `${path}:${row.line}`;
      const [timeColumn = 0, ...axes] = columns;
      const seconds = parseTime(row.fields[timeColumn] ?? "", place);
      const tick = Math.round(seconds * RATE_HZ);
      if (taken.has(tick)) {
        builder.endSegment();
        continue;
      }
      taken.add(tick);
      if (Math.abs(seconds - last) * RATE_HZ > GAP_PERIODS) builder.endSegment();
      last = seconds;
      const [x = Number.NaN, y = Number.NaN, z = Number.NaN] = axes.map((column) => {
        const text = row.fields[column] ?? "";
        return text === "" ? Number.NaN : Number(text) * MILLIG_PER_UNIT["m/s2"];
      });
      builder.add(key, x, y, z, () => place);
    }
  }
  builder.endSegment();
}
