/** The golden students as they lie on the disk, for whoever compares another engine with them. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { GOLDEN_FOLDER, type Golden } from "./make-golden.ts";
import { SPECS } from "./student-samples.ts";

export const GOLDEN_STUDENTS: readonly string[] = Object.keys(SPECS).flatMap((student) => [
  `${student}-int8`,
  `${student}-dynamic-fixed-point`,
]);

export function goldenFile(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(join(GOLDEN_FOLDER, name)));
}

/** What `decodeContainer` reads. */
export function goldenBytes(student: string): Uint8Array {
  return goldenFile(`${student}.container.bin`);
}

export function goldenAnswers(student: string): Golden {
  return JSON.parse(readFileSync(join(GOLDEN_FOLDER, `${student}.json`), "utf8")) as Golden;
}

/** The windows that the answers are to. */
export function goldenWindowsOf(student: string): readonly Int8Array[] {
  const { windows, windowBytes } = goldenAnswers(student);
  const { buffer } = goldenFile(`${student}.windows.bin`);
  return Array.from(
    { length: windows },
    (_, w) => new Int8Array(buffer, w * windowBytes, windowBytes),
  );
}
