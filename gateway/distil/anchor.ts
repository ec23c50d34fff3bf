/**
 * The anchor set on disk: labelled windows from before deployment that every distillation replays.
 *
 * Without them a student forgets the old animals while it learns the new signal. A part is held
 * out, by bout, and never trained on: the publish gate measures on it. Nodes never feed this file.
 *
 *     0   8   "BWANCHOR"
 *     8   u16 version, 1
 *    10   u16 samples per window      12  u8 channels      13  u8 classes
 *    14   u16 milli-g per int8 step   16  u32 rate in hundredths of a hertz
 *    20   u32 windows                 24  u16 subjects
 *    26   class names, then subject names: each u8 length and ASCII
 *         per window: u8 label, u8 1 = held out, u16 subject, i32 bout
 *         per window: int8 [time][channel]
 *         32 bytes: SHA-256 of everything before
 *
 * Numbers are little-endian.
 */

import { EdgeError } from "../../src/assert.ts";
import { ByteReader, ByteWriter } from "../../src/bytes.ts";
import { prng, shuffle } from "../../src/prng.ts";
import type { Profile } from "../../src/signal/profile.ts";
import { splitBouts } from "../../src/signal/splits.ts";
import { pickWindows, type WindowSet } from "../../src/signal/window-set.ts";
import { LIMITS } from "../../src/wire/limits.ts";
import type { Crypto } from "../../src/wire/release.ts";
import { type Disk, nodeDisk, readIfThere, writeDurably } from "../store/durable-file.ts";

const MAGIC = "BWANCHOR";
const VERSION = 1;
const HASH_BYTES = 32;
const WINDOWS_MOST = 100_000;

export type AnchorSet = {
  readonly classes: readonly string[];
  readonly inputMilligPerStep: number;
  readonly rateCentihertz: number;
  /** Windows to train on. */
  readonly replay: WindowSet;
  /** Windows to judge by; no bout of `replay` among them, save where a class has a single bout. */
  readonly heldOut: WindowSet;
};

export type AnchorOptions = {
  readonly seed: number;
  /** Share of each class's windows that is held out. */
  readonly heldOutShare?: number;
  /** At most this many windows; more are thinned evenly. */
  readonly windowsMost?: number;
};

/** Splits labelled windows into what is replayed and what is held out, each subject by itself: two
 * long bouts of one animal would else leave the other without a say. */
export function makeAnchor(set: WindowSet, profile: Profile, options: AnchorOptions): AnchorSet {
  const { seed, heldOutShare = 0.3, windowsMost = 4000 } = options;
  const all = Array.from({ length: set.count }, (_, i) => i);
  const bySubject = Map.groupBy(thinned(all, windowsMost, seed), (i) => set.subjects[i]);
  const splits = [...bySubject.values()].map((own) =>
    splitBouts(set, own, seed, { share: 1 - heldOutShare }),
  );
  const inTime = (indices: number[]): number[] => indices.sort((a, b) => a - b);
  return {
    classes: profile.classes,
    inputMilligPerStep: profile.inputMilligPerStep,
    rateCentihertz: Math.round(profile.rateHz * 100),
    replay: pickWindows(set, inTime(splits.flatMap((split) => split.first))),
    heldOut: pickWindows(set, inTime(splits.flatMap((split) => split.second))),
  };
}

/** Writes the set; when it returns, it survives a power cut. */
export function saveAnchor(
  file: string,
  anchor: AnchorSet,
  crypto: Crypto,
  disk: Disk = nodeDisk,
): void {
  writeDurably(disk, file, encodeAnchor(anchor, crypto));
}

/**
 * Reads the set and checks that it is for this profile.
 *
 * @throws EdgeError `anchor-missing`, `anchor-damaged`, `anchor-profile` and those of `ByteReader`
 */
export function loadAnchor(file: string, profile: Profile, crypto: Crypto): AnchorSet {
  const bytes = readIfThere(file);
  if (bytes === undefined) {
    throw new EdgeError({
      code: "anchor-missing",
      message: "there is no anchor set",
      where: file,
      hint: "A gateway makes it at its first start, from recordings or the emulator.",
    });
  }
  const anchor = decodeAnchor(bytes, file, crypto);
  const fits =
    anchor.classes.join() === profile.classes.join() &&
    anchor.replay.windowSamples === profile.windowSamples &&
    anchor.replay.channels === profile.channels &&
    anchor.inputMilligPerStep === profile.inputMilligPerStep &&
    anchor.rateCentihertz === Math.round(profile.rateHz * 100);
  if (fits) return anchor;
  throw new EdgeError({
    code: "anchor-profile",
    message:
      `holds ${anchor.replay.windowSamples}x${anchor.replay.channels} windows at ` +
      `${anchor.rateCentihertz / 100} Hz of ${anchor.classes.join(", ")}, which is not profile ${profile.name}`,
    where: file,
    hint: "Make it again for this profile; soft labels are kept.",
  });
}

export function encodeAnchor(anchor: AnchorSet, crypto: Crypto): Uint8Array {
  const parts = [anchor.replay, anchor.heldOut];
  const subjects = [...new Set(parts.flatMap((part) => part.subjects))];
  const subjectIndex = new Map(subjects.map((subject, i) => [subject, i]));
  const writer = new ByteWriter();
  for (const character of MAGIC) writer.u8(character.charCodeAt(0));
  writer
    .u16(VERSION)
    .u16(anchor.replay.windowSamples)
    .u8(anchor.replay.channels)
    .u8(anchor.classes.length)
    .u16(anchor.inputMilligPerStep)
    .u32(anchor.rateCentihertz)
    .u32(anchor.replay.count + anchor.heldOut.count)
    .u16(subjects.length);
  for (const name of [...anchor.classes, ...subjects]) writer.ascii(name);
  parts.forEach((part, isHeldOut) => {
    for (let i = 0; i < part.count; i++) {
      writer
        .u8(part.labels[i] ?? 0)
        .u8(isHeldOut)
        .u16(subjectIndex.get(part.subjects[i] ?? "") ?? 0)
        .i32(part.bouts[i] ?? 0);
    }
  });
  for (const part of parts) writer.bytes(part.samples);
  return writer.bytes(crypto.sha256(writer.finish())).finish();
}

export function decodeAnchor(bytes: Uint8Array, where: string, crypto: Crypto): AnchorSet {
  const reader = new ByteReader(bytes, where);
  const magic = String.fromCharCode(...reader.bytes(MAGIC.length));
  if (magic !== MAGIC) reader.fail("not-an-anchor-set", "does not start with BWANCHOR");
  const version = reader.u16();
  if (version !== VERSION) reader.fail("anchor-version", `version ${version}, known is ${VERSION}`);
  checkHash(bytes, where, crypto);
  const windowSamples = reader.u16();
  const channels = reader.u8();
  const classCount = reader.u8();
  const inputMilligPerStep = reader.u16();
  const rateCentihertz = reader.u32();
  const count = reader.u32();
  const subjectCount = reader.u16();
  if (count > WINDOWS_MOST || windowSamples * channels > LIMITS.windowBytes) {
    reader.fail("anchor-too-large", `${count} windows of ${windowSamples}x${channels}`);
  }
  const names = (length: number) => Array.from({ length }, () => reader.ascii(LIMITS.nodeIdBytes));
  const classes = names(classCount);
  const subjects = names(subjectCount);
  const rows = Array.from({ length: count }, () => ({
    label: reader.u8(),
    heldOut: reader.u8() === 1,
    subject: subjects[reader.u16()],
    bout: reader.i32(),
  }));
  if (rows.some((row) => row.label >= classCount || row.subject === undefined)) {
    reader.fail("anchor-index", "a window names a class or subject that is not listed");
  }
  const samples = reader.bytes(count * windowSamples * channels);
  reader.bytes(HASH_BYTES);
  reader.done();
  const all: WindowSet = {
    count,
    windowSamples,
    channels,
    samples: new Int8Array(samples.slice().buffer),
    labels: Uint8Array.from(rows, (row) => row.label),
    subjects: rows.map((row) => row.subject ?? ""),
    bouts: Int32Array.from(rows, (row) => row.bout),
  };
  const indices = (heldOut: boolean) =>
    rows.flatMap((row, i) => (row.heldOut === heldOut ? [i] : []));
  return {
    classes,
    inputMilligPerStep,
    rateCentihertz,
    replay: pickWindows(all, indices(false)),
    heldOut: pickWindows(all, indices(true)),
  };
}

function checkHash(bytes: Uint8Array, where: string, crypto: Crypto): void {
  const end = Math.max(0, bytes.length - HASH_BYTES);
  const expected = Buffer.from(crypto.sha256(bytes.subarray(0, end)));
  if (expected.equals(bytes.subarray(end))) return;
  throw new EdgeError({
    code: "anchor-damaged",
    message: "the SHA-256 at its end does not hold",
    where,
    hint: "Restore it from a backup or make it again from the recordings.",
  });
}

/** An even thinning: a random choice, in the order of time. */
function thinned(indices: readonly number[], most: number, seed: number): number[] {
  const chosen = [...indices];
  if (chosen.length <= most) return chosen;
  shuffle(prng(seed, "anchor"), chosen);
  return chosen.slice(0, most).sort((a, b) => a - b);
}
