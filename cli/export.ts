/**
 * `bellwether export`: a student for places where no container is run, and with `export-history.ts`
 * what a gateway remembers, for notebooks.
 *
 * Nothing is written over without `--force`, and everything is made before anything is written.
 */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { EdgeError } from "../src/assert.ts";
import { exportC } from "../src/export/student-c.ts";
import { exampleMain } from "../src/export/student-c-header.ts";
import { exportOnnx } from "../src/export/student-onnx.ts";
import { type Container, decodeContainer } from "../src/model/container.ts";
import { encodeEncoder } from "../src/model/encoder-bytes.ts";
import { encoderIdOf } from "../src/wire/offload-frame.ts";
import { modelIdOf } from "../src/wire/topics.ts";
import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";
import { BOUTS_COMMAND, BUDGETS_COMMAND, LABELS_COMMAND } from "./export-history.ts";
import { readFile } from "./model-file.ts";

/** What generated C includes, copied beside it so that a folder compiles on its own. */
const RUNTIME_FOLDER = fileURLToPath(new URL("../deploy/firmware/runtime", import.meta.url));
const RUNTIME_HEADERS = ["bw.h", "bw_kernels_packed.h", "bw_packed_blocks.h"];

const MODEL_ARGUMENT = { name: "<model>", description: "a model container (.bwm)" };
const FORCE_OPTION: OptionSpec = {
  flags: "--force",
  description: "write over files that exist",
  kind: "flag",
};

export const command: CommandSpec = {
  name: "export",
  summary: "a student as C source or ONNX file; history and labels as CSV or Parquet",
  options: [],
  examples: [
    "bellwether export c profiles/cattle/student.bwm --out ./student-c --example",
    "bellwether export onnx profiles/cattle/student.bwm --out student-int8.onnx",
    "bellwether export budgets --per day --out budgets.parquet",
  ],
  commands: [
    {
      name: "c",
      summary: "C99 source: constant tables, calls, and the kernels that they need",
      description:
        "Writes a folder that any C99 compiler takes: NAME.h, NAME.c and the two headers that they\n" +
        "include. The bits are those of every other engine, and NAME_self_test checks that. NAME.h\n" +
        "states RAM, tables and multiply-accumulates per exit. Of a model with an encoder there is\n" +
        "NAME_encode as well, unless it is left out.\n\n" +
        "A student in this form changes only with the firmware. One that shall be replaced over the\n" +
        "air is run from its container, by the runtime in deploy/firmware.",
      arguments: [MODEL_ARGUMENT],
      options: [
        { flags: "--out <dir>", description: "where to write; is made", kind: "text" },
        {
          flags: "--name <id>",
          description: "what files and identifiers begin with: a-z, 0-9, _",
          kind: "text",
          default: "student",
        },
        {
          flags: "--without-encoder",
          description: "the exits alone, of a model that has an encoder",
          kind: "flag",
        },
        { flags: "--example", description: "a main.c that runs it on this machine", kind: "flag" },
        FORCE_OPTION,
      ],
      examples: [
        "bellwether export c profiles/cattle/student.bwm --out ./student-c --example",
        "bellwether export c student.bwm --out ./firmware/collar --name collar --force",
      ],
      run: runC,
    },
    {
      name: "onnx",
      summary: "an ONNX file in QDQ form, to look at in Netron or to run elsewhere",
      description:
        "Input is window, float32 [batch][samples][channels] in g; outputs are exit1_logits and so\n" +
        "on, float32 [batch][classes]. Weights are the container's int8 behind DequantizeLinear. It\n" +
        "is close to the node, not equal: docs/RESULTS.md says how close. Classes, rate and cohort\n" +
        "are in the file's metadata.",
      arguments: [MODEL_ARGUMENT],
      options: [
        { flags: "--out <file>", description: "where to write", kind: "text" },
        FORCE_OPTION,
      ],
      examples: ["bellwether export onnx profiles/cattle/student.bwm --out student-int8.onnx"],
      run: runOnnx,
    },
    BOUTS_COMMAND,
    BUDGETS_COMMAND,
    LABELS_COMMAND,
  ],
};

async function runC(input: CommandInput, io: CommandIo): Promise<number> {
  const out = required(input, "out", "--out <dir>");
  const name = input.text("name") ?? "student";
  const { container: whole, modelId } = openModel(input);
  const { encoder, ...exits } = whole;
  const encodes = encoder !== undefined && !input.flag("without-encoder");
  const ofEncoder = encodes ? { encoderId: idOfEncoder(encoder) } : {};
  const container = encodes ? whole : exits;
  const { files, figures } = exportC({ container, modelId, name, ...ofEncoder });
  const written = new Map<string, string | Uint8Array>(
    files.map((file) => [join(out, file.name), file.text]),
  );
  for (const header of RUNTIME_HEADERS) {
    written.set(join(out, header), readFileSync(join(RUNTIME_FOLDER, header)));
  }
  if (input.flag("example")) written.set(join(out, "main.c"), exampleMain({ name }, figures));
  writeAll(written, input.flag("force"));
  const { ramBytes, tableBytes, macs } = figures;
  io.print(`${out}: ${[...written.keys()].map((path) => basename(path)).join(", ")}`);
  io.print(`model ${modelId}: ${ramBytes} bytes of RAM, ${tableBytes} bytes of tables`);
  macs.forEach((count, e) => {
    io.print(`exit ${e + 1}: ${count} multiply-accumulates`);
  });
  if (figures.encoder !== undefined) {
    const { macs: more, codeBytes } = figures.encoder;
    io.print(`codes: ${more} multiply-accumulates more, ${codeBytes} bytes`);
  }
  const paths = [...written.keys()];
  if (io.json) io.printJson({ model: modelId, name, files: paths, ...ofEncoder, ...figures });
  return EXIT.ok;
}

async function runOnnx(input: CommandInput, io: CommandIo): Promise<number> {
  const out = required(input, "out", "--out <file>");
  const { container, modelId } = openModel(input);
  const bytes = exportOnnx({ container, modelId });
  writeAll(new Map([[out, bytes]]), input.flag("force"));
  const outputs = container.student.stages.map((_, s) => `exit${s + 1}_logits`);
  io.print(`${out}: model ${modelId}, ${bytes.length} bytes, outputs ${outputs.join(", ")}`);
  if (io.json) io.printJson({ model: modelId, file: out, bytes: bytes.length, outputs });
  return EXIT.ok;
}

function idOfEncoder(encoder: NonNullable<Container["encoder"]>): string {
  return encoderIdOf(createHash("sha256").update(encodeEncoder(encoder)).digest());
}

function openModel(input: CommandInput): { container: Container; modelId: string } {
  const bytes = readFile(input.arguments[0] ?? "");
  const container = decodeContainer(bytes);
  return { container, modelId: modelIdOf(createHash("sha256").update(bytes).digest()) };
}

function required(input: CommandInput, name: string, flags: string): string {
  const value = input.text(name);
  if (value !== undefined && value !== "") return value;
  throw new EdgeError({
    code: "usage",
    message: "is missing",
    where: flags,
    hint: "Say where to write.",
  });
}

/** All or nothing as far as names that exist go; a disk that fills up is told. */
function writeAll(files: ReadonlyMap<string, string | Uint8Array>, force: boolean): void {
  const there = [...files.keys()].find((path) => existsSync(path));
  if (there !== undefined && !force) {
    throw new EdgeError({
      code: "file-exists",
      message: "exists",
      where: there,
      hint: "Give --force to write over it, or another --out.",
    });
  }
  for (const [path, content] of files) {
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, content);
    } catch (error) {
      throw new EdgeError({
        code: "file-unwritable",
        message: (error as Error).message,
        where: path,
        hint: "Give an --out that may be written.",
      });
    }
  }
}
