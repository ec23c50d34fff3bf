/**
 * The model container: everything that a node needs to run one student, as bytes and decoded.
 *
 * It may come from anyone. The decoder hangs three nets one behind another: every offset and length
 * is checked against the bytes before it is used, and no count is believed beyond its limit;
 * `checkStudent` proves what engines rely on; and the result, encoded again, must be these very
 * bytes, so that padding, overlaps or spare bytes cannot smuggle anything and one student has one
 * hash. `docs/FORMATS.md` draws the layout.
 */

import { assert, EdgeError } from "../assert.ts";
import { ByteReader, ByteWriter } from "../bytes.ts";
import { checkStudent } from "./check-student.ts";
import {
  CONTAINER_MAGIC,
  CONTAINER_VERSION,
  ENCODER_CONTAINER_VERSION,
  HEADER_BYTES,
  LAYER_RECORD_BYTES,
  POINTS_CONTAINER_VERSION,
  SECTION,
  SECTION_ENTRY_BYTES,
  sectionCount,
} from "./container-layout.ts";
import {
  layerRecord,
  NOWHERE,
  type Offsets,
  readStages,
  stageRecords,
  TableWriter,
} from "./container-records.ts";
import { checkEncoder, type QuantizedEncoder } from "./encoder.ts";
import { decodeEncoder, encodeEncoder } from "./encoder-bytes.ts";
import { MODEL_LIMITS as LIMITS } from "./limits.ts";
import type { QuantizedStudent } from "./student.ts";

export type Container = {
  readonly student: QuantizedStudent;
  /** Behaviour names in the order of the class index. */
  readonly classes: readonly string[];
  /** Which nodes it is for: `cohortOf(profile)`. */
  readonly cohort: string;
  readonly rateCentihertz: number;
  readonly hopSamples: number;
  readonly inputMilligPerStep: number;
  /** The gate's parameters, as `src/gate/gate-bytes.ts` encodes them. */
  readonly gate: Uint8Array;
  /** Makes codes of a window where one is offloaded; exits are what they are without it. */
  readonly encoder?: QuantizedEncoder;
  /** The gate's operating points, as `src/gate/operating-points.ts` encodes them. */
  readonly points?: Uint8Array;
};

type Section = { readonly type: number; readonly index: number; readonly bytes: Uint8Array };

/** The one encoding of a container. Throws an `EdgeError` for a student that no engine would run. */
export function encodeContainer(container: Container): Uint8Array {
  const { student } = container;
  checkStudent(student);
  checkSetting(container);
  const more = [...encoderSection(container), ...pointsSection(container)];
  const stages = student.stages.length;
  const layerCount = student.stages.reduce(
    (sum, stage) => sum + stage.layers.length + stage.exit.layers.length,
    0,
  );
  const names = namesSection(container);
  const stageSection = stageRecords(student.stages);
  const layersOffset = [names, container.gate, stageSection].reduce(
    (offset, bytes) => offset + aligned(bytes.length),
    HEADER_BYTES + SECTION_ENTRY_BYTES * sectionCount(stages, partsOf(container)),
  );
  const layerRecords = new ByteWriter();
  const tables: Section[] = [];
  let offset = layersOffset + layerCount * LAYER_RECORD_BYTES;
  let gru: readonly [Offsets, Offsets] | undefined;
  student.stages.forEach((stage, s) => {
    const body = new TableWriter(offset);
    for (const layer of stage.layers) {
      if (layer.kind === "gru") {
        gru ??= body.gru(layer);
        layerRecord(layerRecords, layer, ...gru);
      } else {
        layerRecord(layerRecords, layer, body.matrix(layer), NOWHERE);
      }
    }
    offset += body.writer.length;
    const head = new TableWriter(offset);
    for (const layer of stage.exit.layers) {
      layerRecord(layerRecords, layer, head.matrix(layer), NOWHERE);
    }
    offset += head.writer.length;
    tables.push({ type: SECTION.body, index: s, bytes: body.writer.finish() });
    tables.push({ type: SECTION.head, index: s, bytes: head.writer.finish() });
  });
  const sections: readonly Section[] = [
    { type: SECTION.names, index: 0, bytes: names },
    { type: SECTION.gate, index: 0, bytes: container.gate },
    { type: SECTION.stages, index: 0, bytes: stageSection },
    { type: SECTION.layers, index: 0, bytes: layerRecords.finish() },
    ...tables,
    ...more,
  ];
  const totalBytes = more.reduce((end, { bytes }) => end + aligned(bytes.length), offset);
  const bytes = assemble(header(container, stages, layerCount, totalBytes), sections);
  assert(bytes.length === totalBytes, "the offsets announced are those written");
  if (bytes.length > LIMITS.containerBytes) {
    refuse("container-too-large", "container", `${bytes.length} bytes`);
  }
  return bytes;
}

/** The section, or none. Throws an `EdgeError` for an encoder that no engine would run. */
function encoderSection({ encoder, student }: Container): readonly Section[] {
  if (encoder === undefined) return [];
  checkEncoder(encoder, { time: student.windowSamples, channels: student.channels });
  if (encoder.afterStages !== 0) {
    refuse("encoder-trunk", "encoder", "it reads a map of the student's, which no engine gives it");
  }
  return [{ type: SECTION.encoder, index: 0, bytes: encodeEncoder(encoder) }];
}

function pointsSection({ points }: Container): readonly Section[] {
  return points === undefined ? [] : [{ type: SECTION.points, index: 0, bytes: points }];
}

function partsOf({ encoder, points }: Pick<Container, "encoder" | "points">) {
  return { encoder: encoder !== undefined, points: points !== undefined };
}

/** Who understands less is not to be given it. */
export function containerVersion({
  encoder,
  points,
}: Pick<Container, "encoder" | "points">): number {
  if (points !== undefined) return POINTS_CONTAINER_VERSION;
  return encoder === undefined ? CONTAINER_VERSION : ENCODER_CONTAINER_VERSION;
}

function header(
  container: Container,
  stages: number,
  layers: number,
  totalBytes: number,
): ByteWriter {
  const { student } = container;
  return new ByteWriter()
    .u32(CONTAINER_MAGIC)
    .u16(containerVersion(container))
    .u16(sectionCount(stages, partsOf(container)))
    .u32(totalBytes)
    .u16(student.windowSamples)
    .u8(student.channels)
    .u8(student.classes)
    .u16(container.hopSamples)
    .u8(stages)
    .u8(layers)
    .u32(container.rateCentihertz)
    .u32(Math.round(container.inputMilligPerStep * 1000))
    .u32(0);
}

function assemble(writer: ByteWriter, sections: readonly Section[]): Uint8Array {
  let offset = writer.length + sections.length * SECTION_ENTRY_BYTES;
  for (const { type, index, bytes } of sections) {
    writer.u8(type).u8(index).u16(0).u32(offset).u32(bytes.length);
    offset += aligned(bytes.length);
  }
  for (const { bytes } of sections) writer.bytes(bytes).align(4);
  return writer.finish();
}

function namesSection(container: Container): Uint8Array {
  const writer = new ByteWriter().ascii(container.cohort);
  for (const name of container.classes) writer.ascii(name);
  return writer.finish();
}

/** Throws an `EdgeError` for anything but a container that every engine can run. The result shares
 * no memory with `given`. */
export function decodeContainer(given: Uint8Array): Container {
  // A plain view, also of Node's Buffer, whose `slice` would share memory where ours copies.
  const bytes = new Uint8Array(given.buffer, given.byteOffset, given.byteLength);
  const header = readHeader(bytes);
  const { stages, has } = header;
  const sections = readSections(bytes, sectionCount(stages, has));
  const names = sections(SECTION.names, 0);
  const cohort = names.ascii(LIMITS.cohortBytes);
  const classes = Array.from({ length: header.classes }, () => names.ascii(LIMITS.classNameBytes));
  names.done();
  const gate = sections(SECTION.gate, 0);
  const student = {
    windowSamples: header.windowSamples,
    channels: header.channels,
    classes: header.classes,
    stages: readStages(bytes, stages, sections(SECTION.stages, 0), sections(SECTION.layers, 0)),
  };
  checkStudent(student);
  const encoder = has.encoder ? sections(SECTION.encoder, 0) : undefined;
  const points = has.points ? sections(SECTION.points, 0) : undefined;
  const container: Container = {
    student,
    classes,
    cohort,
    rateCentihertz: header.rateCentihertz,
    hopSamples: header.hopSamples,
    inputMilligPerStep: header.microgPerStep / 1000,
    gate: gate.bytes(gate.left).slice(),
    ...(encoder !== undefined && { encoder: decodeEncoder(encoder.bytes(encoder.left)) }),
    ...(points !== undefined && { points: points.bytes(points.left).slice() }),
  };
  const canonical = encodeContainer(container);
  const differs = canonical.findIndex((byte, i) => byte !== bytes[i]);
  if (canonical.length !== bytes.length || differs >= 0) {
    refuse("container-not-canonical", `byte ${differs}`, "not as the encoder writes it");
  }
  return container;
}

type Header = {
  readonly windowSamples: number;
  readonly channels: number;
  readonly classes: number;
  readonly hopSamples: number;
  readonly stages: number;
  readonly rateCentihertz: number;
  readonly microgPerStep: number;
  readonly has: { readonly encoder: boolean; readonly points: boolean };
};

function readHeader(bytes: Uint8Array): Header {
  if (bytes.length > LIMITS.containerBytes) {
    refuse("container-too-large", "header", `${bytes.length} bytes`);
  }
  const reader = new ByteReader(bytes, "container header");
  if (reader.u32() !== CONTAINER_MAGIC) reader.fail("container-magic", "not a model container");
  const version = reader.u16();
  if (version < CONTAINER_VERSION || version > POINTS_CONTAINER_VERSION) {
    const known = `${CONTAINER_VERSION} to ${POINTS_CONTAINER_VERSION}`;
    reader.fail("container-version", `format ${version}, this program reads ${known}`);
  }
  const sections = reader.u16();
  const totalBytes = reader.u32();
  if (totalBytes !== bytes.length) {
    reader.fail("container-length", `announces ${totalBytes} bytes, has ${bytes.length}`);
  }
  const windowSamples = reader.u16();
  const channels = reader.u8();
  const classes = reader.u8();
  const hopSamples = reader.u16();
  const stages = reader.u8();
  reader.u8(); // The number of layers; the canonical encoding is compared at the end.
  const rateCentihertz = reader.u32();
  const microgPerStep = reader.u32();
  // Of points the version tells, of an encoder beside them only the number of sections.
  const points = version === POINTS_CONTAINER_VERSION;
  const least = sectionCount(stages, { encoder: false, points });
  const encoder = points ? sections > least : version === ENCODER_CONTAINER_VERSION;
  const has = { encoder, points };
  const isCounted = sections === sectionCount(stages, has);
  if (stages < 1 || stages > LIMITS.stages || !isCounted) {
    reader.fail("container-sections", `${stages} stages in ${sections} sections`);
  }
  const shape = { windowSamples, channels, classes, hopSamples, stages };
  return { ...shape, rateCentihertz, microgPerStep, has };
}

type Sections = (type: number, index: number) => ByteReader;

function readSections(bytes: Uint8Array, count: number): Sections {
  const table = new ByteReader(bytes.subarray(HEADER_BYTES), "container section table");
  const found = new Map<number, Uint8Array>();
  const first = HEADER_BYTES + count * SECTION_ENTRY_BYTES;
  for (let i = 0; i < count; i++) {
    const key = table.u8() * 256 + table.u8();
    table.u16();
    const [offset, length] = [table.u32(), table.u32()];
    if (offset < first || offset + length > bytes.length || found.has(key)) {
      table.fail("container-sections", `section ${i} at ${offset}, ${length} bytes`);
    }
    found.set(key, bytes.subarray(offset, offset + length));
  }
  return (type, index) => {
    const section = found.get(type * 256 + index);
    if (section === undefined) refuse("container-sections", "section table", `no section ${type}`);
    return new ByteReader(section, `container section ${type}.${index}`);
  };
}

/** What is around a student: names that can be topic payloads, a rate, a hop, a step, a gate. */
function checkSetting(container: Container): void {
  const { classes, cohort, hopSamples, rateCentihertz, inputMilligPerStep, gate } = container;
  const wrong = (message: string) => refuse("container-setting", "setting", message);
  if (classes.length !== container.student.classes) wrong(`${classes.length} names of classes`);
  if (new Set(classes).size !== classes.length) wrong("two classes of one name");
  const printable = (text: string, most: number) =>
    text.length <= most && /^[\x20-\x7e]+$/.test(text);
  for (const name of classes) {
    if (!printable(name, LIMITS.classNameBytes)) wrong(`class name ${JSON.stringify(name)}`);
  }
  if (!printable(cohort, LIMITS.cohortBytes)) wrong(`cohort ${JSON.stringify(cohort)}`);
  const within = (value: number, most: number) =>
    Number.isInteger(value) && value >= 1 && value <= most;
  if (!within(hopSamples, LIMITS.hopSamples)) wrong(`hop of ${hopSamples} samples`);
  if (!within(rateCentihertz, LIMITS.rateCentihertz)) wrong(`${rateCentihertz} centihertz`);
  const microgPerStep = Math.round(inputMilligPerStep * 1000);
  const exact = microgPerStep / 1000 === inputMilligPerStep;
  if (!exact || !within(microgPerStep, LIMITS.inputMicrogPerStep)) {
    wrong(`a step of ${inputMilligPerStep} milli-g is not a whole number of micro-g`);
  }
  if (gate.length > LIMITS.gateBytes) wrong(`${gate.length} bytes of gate`);
  const { points } = container;
  if (points !== undefined && points.length > LIMITS.pointsBytes) {
    wrong(`${points.length} bytes of operating points`);
  }
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}

function refuse(code: string, where: string, message: string): never {
  throw new EdgeError({
    code,
    message,
    where: `container, ${where}`,
    hint: "docs/FORMATS.md says what a model container may hold; if it came from elsewhere, fetch it again.",
  });
}
