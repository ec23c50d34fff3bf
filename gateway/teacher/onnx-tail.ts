/**
 * A tail in an ONNX file, as `src/learn/tail-network.ts` writes it: input `code`
 * `[batch][codeTime][codeChannels]`, whole codes as floats; outputs `logits` and `features`.
 *
 * It says in its metadata which encoder it reads, by the SHA-256 of the encoder's bytes. Codes of
 * another would be answered as readily, and wrongly: nothing in them tells, so what a file does not
 * say of itself is refused, never assumed.
 */

import { createHash } from "node:crypto";
import { EdgeError } from "../../src/assert.ts";
import { onnxMetadata } from "../../src/learn/onnx-model.ts";
import { MODEL_LIMITS as LIMITS } from "../../src/model/limits.ts";
import type { Profile } from "../../src/signal/profile.ts";
import type { EncoderId } from "../../src/wire/messages.ts";
import {
  choiceOf,
  type Metadata,
  needed,
  numberOf,
  RATE_HZ_LEAST,
  textsOf,
} from "./model-metadata.ts";
import { type LoadedProgram, onnxRuntime } from "./onnx-runtime.ts";
import { readModel } from "./onnx-teacher.ts";
import type { Tail, TeacherAnswer } from "./teacher.ts";
import { checkRate, classColumns, teacherAnswer } from "./teacher-fit.ts";

/** A tail, and how to let go of it. */
export type OpenTail = Tail & { close(): Promise<void> };

const SHORT_ID = 16;
const ENCODER_ID = 8;

/**
 * @throws EdgeError `teacher-missing`, `onnx-refused`, `tail-metadata`, `tail-shape`, and
 * `teacher-classes` and `teacher-rate` where it is of another profile
 */
export async function openOnnxTail(file: string, profile: Profile): Promise<OpenTail> {
  const bytes = await readModel(file);
  const { classes, rateHz, encoder, ...shape } = readSaid(onnxMetadata(bytes), file);
  checkRate(rateHz, profile, file, []);
  const columns = classColumns(classes, profile, file, []);
  const program = await onnxRuntime().compile(bytes);
  try {
    checkShapes(program, [shape.codeTime, shape.codeChannels], columns.length, file);
  } catch (error) {
    await program.release();
    throw error;
  }
  const length = shape.codeTime * shape.codeChannels;
  return {
    id: createHash("sha256").update(bytes).digest("hex").slice(0, SHORT_ID),
    encoder: encoder.slice(0, ENCODER_ID) as EncoderId,
    codeTime: shape.codeTime,
    codeChannels: shape.codeChannels,
    codeBits: shape.codeBits,
    studentWeight: shape.studentWeight,
    predict: async (codes, count): Promise<TeacherAnswer> => {
      const data = Float32Array.from(codes.subarray(0, count * length));
      const code = { shape: [count, shape.codeTime, shape.codeChannels], data };
      const { logits, features } = await program.run({ code });
      const rows = logits?.data ?? new Float32Array();
      const plan = { columns, outputKind: "logits" } as const;
      return teacherAnswer(plan, rows, count, features?.data ?? null);
    },
    close: () => program.release(),
  };
}

/** Throws `EdgeError` `tail-metadata`. */
function readSaid(metadata: ReadonlyMap<string, string>, file: string) {
  const said: Metadata = (key) => metadata.get(key);
  const whole = (name: string, high: number): number =>
    needed(numberOf(said, name, { low: 1, high, isWhole: true }), name);
  try {
    needed(choiceOf(said, "kind", ["bellwether-tail"]), "kind");
    const encoder = needed(said("encoder"), "encoder");
    if (!/^[0-9a-f]{64}$/.test(encoder)) throw new Error("encoder is no SHA-256");
    return {
      encoder,
      classes: needed(textsOf(said, "classes"), "classes"),
      rateHz: needed(numberOf(said, "rateHz", { low: RATE_HZ_LEAST }), "rateHz"),
      codeTime: whole("codeTime", LIMITS.windowSamples),
      codeChannels: whole("codeChannels", LIMITS.width),
      codeBits: whole("codeBits", LIMITS.codeBits),
      // Where it was not measured the tail stands alone.
      studentWeight: numberOf(said, "studentWeight", { low: 0, high: 1 }) ?? 0,
    };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return refuse("tail-metadata", file, `its metadata cannot be read: ${reason}`);
  }
}

/** What it says must be what it takes and gives; a free dimension is a name. */
function checkShapes(
  program: LoadedProgram,
  code: readonly number[],
  classes: number,
  file: string,
): void {
  const [input, ...more] = program.inputs;
  const takes = input?.name === "code" && more.length === 0 ? input.shape.slice(1) : [];
  if (takes.length !== 2 || takes.some((size, i) => size !== code[i])) {
    const shapes = program.inputs.map(({ name, shape }) => `${name}[${shape.join(", ")}]`);
    refuse("tail-shape", file, `takes ${shapes.join(" and ")}, not code[?, ${code.join(", ")}]`);
  }
  const logits = program.outputs.find(({ name }) => name === "logits");
  if (logits?.shape.at(-1) !== classes) {
    refuse("tail-shape", file, `gives no logits of ${classes} classes`);
  }
}

function refuse(code: string, where: string, message: string): never {
  throw new EdgeError({
    code,
    message,
    where,
    hint: "A tail is written by `bellwether train --encoder`, together with its encoder.",
  });
}
