/**
 * Recordings as bytes. On disk a data set is a folder of two files: `acc.i16` holds little-endian
 * int16, x, y, z interleaved, milli-g with gravity; `segments.json` says what the samples are. This
 * module parses and writes the bytes; it reads no files (`recordings/read.ts` does) and guesses
 * nothing: a header that does not fit its samples is refused.
 */

import { z } from "zod";
import { assert, EdgeError } from "../assert.ts";
import { AXES, LEAST_RATE_HZ, MOST_RATE_HZ, type Recordings } from "./recordings.ts";

const wholeNumber = z.number().int().nonnegative();

const headerSchema = z.looseObject({
  name: z.string().min(1).max(64),
  rateHz: z.number().min(LEAST_RATE_HZ).max(MOST_RATE_HZ),
  unit: z.literal("mg"),
  labels: z.array(z.string().min(1).max(64)).min(1).max(255),
  subjects: z.array(z.string().min(1).max(64)).min(1),
  samples: wholeNumber,
  segments: z
    .array(
      z.object({
        subject: z.string().min(1),
        label: z.string().min(1),
        start: wholeNumber,
        length: z.number().int().positive(),
        source: z.string().default(""),
      }),
    )
    .min(1),
});

/** The header fields that are carried along as plain text. */
const ABOUT_KEYS = ["axes", "placement", "origin", "licence"] as const;

/**
 * Checks and joins the two files of a data set.
 *
 * @param headerText the text of `segments.json`
 * @param sampleBytes the bytes of `acc.i16`
 * @param where names the data set in errors, for instance its folder
 * @throws EdgeError `recording-header`, `recording-length`, `recording-segment`
 */
export function parseRecordings(
  headerText: string,
  sampleBytes: Uint8Array,
  where: string,
): Recordings {
  const header = parseHeader(headerText, `${where}/segments.json`);
  const wanted = header.samples * AXES * 2;
  if (sampleBytes.length !== wanted) {
    throw new EdgeError({
      code: "recording-length",
      message: `${sampleBytes.length} bytes, but ${header.samples} samples take ${wanted}`,
      where: `${where}/acc.i16`,
      hint: "The file is cut short or belongs to another segments.json; copy both again.",
    });
  }
  checkSegments(header, `${where}/segments.json`);
  const about: Record<string, string> = {};
  for (const key of ABOUT_KEYS) {
    const value = header[key];
    if (typeof value === "string") about[key] = value;
  }
  return {
    name: header.name,
    rateHz: header.rateHz,
    labels: header.labels,
    subjects: header.subjects,
    segments: header.segments,
    samples: decodeSamples(sampleBytes),
    about,
  };
}

/** The two files of a data set, ready to be written; `parseRecordings` reads them back. */
export function formatRecordings(recordings: Recordings): {
  readonly headerText: string;
  readonly sampleBytes: Uint8Array;
} {
  assert(recordings.samples.length % AXES === 0, "samples are whole triples");
  const { name, rateHz, labels, subjects, segments, about } = recordings;
  const head = { name, rateHz, unit: "mg", ...about, labels, subjects };
  const lines = segments.map((segment) => JSON.stringify(segment)).join(",\n");
  const samples = recordings.samples.length / AXES;
  const headerText = `${JSON.stringify({ ...head, samples }).slice(0, -1)},"segments":[\n${lines}\n]}\n`;
  return { headerText, sampleBytes: encodeSamples(recordings.samples) };
}

type Header = z.infer<typeof headerSchema>;

function parseHeader(text: string, where: string): Header {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new EdgeError({
      code: "recording-header",
      message: `not JSON: ${error instanceof Error ? error.message : String(error)}`,
      where,
      hint: "The file may be cut short; docs/FORMATS.md shows what it holds.",
    });
  }
  const parsed = headerSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.join(".") ?? "";
  throw new EdgeError({
    code: "recording-header",
    message: `${path === "" ? "header" : path}: ${issue?.message ?? "not valid"}`,
    where,
    hint: hintForHeader(path),
  });
}

function hintForHeader(path: string): string {
  if (path === "unit") return 'Samples must be milli-g and the header must say `"unit": "mg"`.';
  if (path === "rateHz") return "Give the sampling rate in samples a second, 0.5 to 1000.";
  return "docs/FORMATS.md shows every field of segments.json.";
}

/** Segments lie inside the samples, name known subjects and labels, and never overlap. */
function checkSegments(header: Header, where: string): void {
  const labels = new Set(header.labels);
  const subjects = new Set(header.subjects);
  const refuse = (index: number, message: string, hint: string): never => {
    throw new EdgeError({
      code: "recording-segment",
      message,
      where: `${where}, segments[${index}]`,
      hint,
    });
  };
  header.segments.forEach((segment, index) => {
    if (!labels.has(segment.label)) {
      refuse(index, `label "${segment.label}" is not in labels`, "Add it to `labels`.");
    }
    if (!subjects.has(segment.subject)) {
      refuse(index, `subject "${segment.subject}" is not in subjects`, "Add it to `subjects`.");
    }
    if (segment.start + segment.length > header.samples) {
      const end = segment.start + segment.length;
      refuse(index, `ends at ${end} of ${header.samples} samples`, "Mend its start or length.");
    }
  });
  const order = header.segments.map((_, index) => index);
  const startOf = (index: number): number => header.segments[index]?.start ?? 0;
  order.sort((a, b) => startOf(a) - startOf(b));
  for (let i = 1; i < order.length; i++) {
    const before = order[i - 1] ?? 0;
    const index = order[i] ?? 0;
    const end = startOf(before) + (header.segments[before]?.length ?? 0);
    if (startOf(index) < end) {
      refuse(index, `overlaps segments[${before}]`, "Each sample belongs to one segment at most.");
    }
  }
}

function decodeSamples(bytes: Uint8Array): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Int16Array(bytes.length / 2);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(i * 2, true);
  return samples;
}

function encodeSamples(samples: Int16Array): Uint8Array {
  const bytes = new Uint8Array(samples.length * 2);
  const view = new DataView(bytes.buffer);
  samples.forEach((value, i) => {
    view.setInt16(i * 2, value, true);
  });
  return bytes;
}
