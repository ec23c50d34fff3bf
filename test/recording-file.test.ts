import { describe, expect, it } from "vitest";
import { readRecording, recordingSource } from "../device-sim/browser/recording-file.ts";
import { UNKNOWN_CLASS } from "../device-sim/sensor.ts";
import { EdgeError } from "../src/assert.ts";
import { shippedProfile } from "../src/signal/profiles.ts";
import { formatRecordings } from "../src/signal/recording-bytes.ts";

const cattle = shippedProfile("cattle");
const ANSWERS = { columns: "x,y,z", units: "g", rateHz: 20 } as const;

const csvOf = (rows: number): File => {
  const lines = Array.from({ length: rows }, (_, i) => `${i / 20};0.1;-0.2;${-1 + (i % 2) / 100}`);
  return new File([`seconds;X;Y;Z\n${lines.join("\n")}\n`], "walk.csv");
};

async function codeOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return "nothing was refused";
}

describe("a recording that is chosen in a browser", () => {
  it("may be a CSV, read as the importers read it", async () => {
    const recordings = await readRecording([csvOf(400)], ANSWERS);
    expect(recordings.rateHz).toBe(20);
    expect([...recordings.samples.subarray(0, 3)]).toEqual([100, -200, -1000]);
    expect(recordings.segments).toHaveLength(1);
    const timed = { columns: "x,y,z,-,-,seconds", units: "g", rateHz: undefined } as const;
    expect((await readRecording([csvOf(400)], timed)).rateHz).toBeCloseTo(20, 3);
  });

  it("may be a data set's two files, in any order", async () => {
    const { headerText, sampleBytes } = formatRecordings({
      name: "cows",
      rateHz: 10,
      labels: ["Grazing"],
      subjects: ["1"],
      segments: [{ subject: "1", label: "Grazing", start: 0, length: 100, source: "" }],
      samples: Int16Array.from({ length: 300 }, (_, i) => i),
      about: {},
    });
    const files = [
      new File([sampleBytes.slice()], "acc.i16"),
      new File([headerText], "segments.json"),
    ];
    for (const chosen of [files, files.toReversed()]) {
      const recordings = await readRecording(chosen, ANSWERS);
      const source = recordingSource(recordings, cattle);
      const [piece] = source.next(50);
      expect([...(piece?.samples ?? [])]).toEqual(Array.from({ length: 150 }, (_, i) => i));
      expect(piece?.classes[0]).toBe(cattle.classes.indexOf("grazing"));
    }
    expect(await codeOf(readRecording(files.slice(0, 1), ANSWERS))).toBe("recording-file");
  });

  it("is played at the node's rate, again and again, also where nobody knows its labels", async () => {
    const recordings = await readRecording([csvOf(400)], ANSWERS);
    const source = recordingSource(recordings, cattle);
    expect(source.rateHz).toBe(10);
    const pieces = source.next(450);
    const samples = pieces.reduce((sum, piece) => sum + piece.samples.length / 3, 0);
    expect(samples).toBe(450);
    expect(pieces.filter(({ seam }) => seam).length).toBeGreaterThan(1);
    expect(new Set(pieces.flatMap(({ classes }) => [...classes]))).toEqual(
      new Set([UNKNOWN_CLASS]),
    );
  });

  it("is refused with a reason: none, too large, too short, no gravity, not a table", async () => {
    expect(await codeOf(readRecording([], ANSWERS))).toBe("recording-file");
    const large = Object.defineProperty(csvOf(1), "size", { value: 300 * 1024 * 1024 });
    expect(await codeOf(readRecording([large], ANSWERS))).toBe("recording-file");
    const milli = { ...ANSWERS, units: "mg" } as const;
    expect(await codeOf(readRecording([csvOf(400)], milli))).toBe("recording-unit");
    const text = new File(["a,b\n1,2\n"], "words.csv");
    expect(await codeOf(readRecording([text], ANSWERS))).toBe("csv-columns");
    const short = await readRecording([csvOf(20)], ANSWERS);
    expect(() => recordingSource(short, cattle)).toThrow(/long enough/);
  });
});
