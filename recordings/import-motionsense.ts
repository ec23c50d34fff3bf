/**
 * Imports MotionSense (Malekzadeh et al., "Mobile Sensor Data Anonymization", IoTDI 2019):
 * `A_DeviceMotion_data/<activity>_<trial>/sub_<person>.csv`, 50 Hz, iOS device motion in g.
 *
 * What a sensor in the pocket feels is gravity plus the user's own acceleration; the files hold the
 * two apart, and this puts them together again.
 */

import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { EdgeError } from "../src/assert.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { CsvRow } from "./csv-lines.ts";
import { findNamed } from "./csv-columns.ts";
import { csvBatches } from "./csv-rows.ts";
import { MILLIG_PER_UNIT, RecordingBuilder } from "./recording-builder.ts";

const LABELS: Readonly<Record<string, string>> = {
  dws: "downstairs",
  ups: "upstairs",
  wlk: "walking",
  jog: "jogging",
  sit: "sitting",
  std: "standing",
};
const RATE_HZ = 50;
const COLUMNS = ["x", "y", "z"].flatMap((axis) => [`gravity.${axis}`, `userAcceleration.${axis}`]);
const HINT = "These are the files of A_DeviceMotion_data; B_Accelerometer_data has other columns.";
const DATA_FOLDER = "A_DeviceMotion_data";

export type LayoutImport = {
  /** The folder that was unpacked. */
  readonly folder: string;
  readonly name: string;
  readonly onProgress?: (files: number, total: number) => void;
};

/** @throws EdgeError `motionsense-layout`, `csv-columns`, and all of `RecordingBuilder` */
export async function importMotionSense(request: LayoutImport): Promise<Recordings> {
  const root =
    basename(request.folder) === DATA_FOLDER ? request.folder : join(request.folder, DATA_FOLDER);
  const files = await trialFiles(root);
  const builder = new RecordingBuilder();
  for (const [index, file] of files.entries()) {
    request.onProgress?.(index, files.length);
    const key = { subject: file.subject, label: file.label, source: file.source };
    await importTrial(join(root, file.source), key, builder);
  }
  request.onProgress?.(files.length, files.length);
  const about = {
    axes: "iOS device frame x,y,z",
    placement: "front trouser pocket",
    origin: "MotionSense (mmalekzadeh/motion-sense), A_DeviceMotion_data",
    licence: "MIT, (c) 2018 Mohammad Malekzadeh",
  };
  return builder.finish({ name: request.name, rateHz: RATE_HZ, about }, { where: root });
}

type Trial = { readonly source: string; readonly subject: string; readonly label: string };

async function trialFiles(root: string): Promise<readonly Trial[]> {
  const trials: Trial[] = [];
  for (const folder of await listFolder(root)) {
    const label = LABELS[/^([a-z]+)_\d+$/.exec(folder)?.[1] ?? ""];
    if (label === undefined) continue;
    for (const file of await listFolder(join(root, folder))) {
      const subject = /^sub_(\d+)\.csv$/.exec(file)?.[1];
      if (subject !== undefined) trials.push({ source: `${folder}/${file}`, subject, label });
    }
  }
  if (trials.length > 0) return trials;
  throw layoutError(root, "holds no folder such as wlk_7 with files such as sub_1.csv");
}

async function listFolder(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  } catch (error) {
    throw layoutError(folder, error instanceof Error ? error.message : String(error));
  }
}

function layoutError(where: string, message: string): EdgeError {
  return new EdgeError({
    code: "motionsense-layout",
    message,
    where,
    hint: `Unpack the archive and name the folder that holds ${DATA_FOLDER}, or run \`bellwether data pull motionsense\`.`,
  });
}

async function importTrial(
  path: string,
  key: { readonly subject: string; readonly label: string; readonly source: string },
  builder: RecordingBuilder,
): Promise<void> {
  let columns: readonly number[] | null = null;
  for await (const rows of csvBatches(path)) {
    for (const row of rows) {
      if (columns === null) columns = findNamed(row, COLUMNS, path, HINT);
      else addRow(row, columns, path, key, builder);
    }
  }
  builder.endSegment();
}

function addRow(
  row: CsvRow,
  columns: readonly number[],
  path: string,
  key: { readonly subject: string; readonly label: string; readonly source: string },
  builder: RecordingBuilder,
): void {
  const [gx, ux, gy, uy, gz, uz] = columns.map((column) => {
    const text = row.fields[column] ?? "";
    return text === "" ? Number.NaN : Number(text);
  });
  const millig = (gravity = Number.NaN, own = Number.NaN): number =>
    (gravity + own) * MILLIG_PER_UNIT.g;
  builder.add(key, millig(gx, ux), millig(gy, uy), millig(gz, uz), () => `${path}:${row.line}`);
}
