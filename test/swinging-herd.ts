/** Recordings that anything able to learn tells apart, as a folder on disk: for tests of whole
 * commands where no real recordings are. */
import { writeRecordings } from "../recordings/read.ts";
import { normal, prng } from "../src/prng.ts";
import type { Segment } from "../src/signal/recordings.ts";

/** Cows that rest, chew in a slow swing and walk in a fast one: 10 Hz, several bouts of each. */
export async function writeSwingingHerd(
  folder: string,
  name: string,
  subjects: readonly string[],
): Promise<void> {
  const labels = ["Grazing", "Resting", "Walking"];
  const swingHz = { Grazing: 1.2, Resting: 0, Walking: 2.4 } as Record<string, number>;
  const random = prng(1, name);
  const segments: Segment[] = [];
  const values: number[] = [];
  for (const subject of subjects) {
    for (let bout = 0; bout < 12; bout++) {
      const label = labels[bout % 3] as string;
      const length = 100 + 25 * (bout % 2);
      segments.push({ subject, label, start: values.length / 3, length, source: "" });
      const phase = 6 * normal(random);
      for (let t = 0; t < length; t++) {
        const angle = phase + (2 * Math.PI * (swingHz[label] as number) * t) / 10;
        const swing = label === "Resting" ? 0 : 300 * Math.sin(angle);
        values.push(200 + swing, -500 + 0.5 * swing + 20 * normal(random), -800);
      }
    }
  }
  const samples = Int16Array.from(values, (value) => Math.round(value + 10 * normal(random)));
  await writeRecordings(folder, {
    name,
    rateHz: 10,
    labels,
    subjects,
    segments,
    samples,
    about: {},
  });
}
