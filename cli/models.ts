/**
 * `bellwether models`: what lies in a registry or a folder, and what is in a model container; what a
 * running gateway does with releases is in `models-request.ts`.
 *
 * Here it only reads. A file that does not hold is listed with the reason, and makes the command fail.
 */

import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import { EdgeError } from "../src/assert.ts";
import { ByteReader } from "../src/bytes.ts";
import { TARGET_NAMES } from "../src/cost/targets.ts";
import { gateOf } from "../src/gate/gate-bytes.ts";
import { LINK_NAMES } from "../src/link/link-cost.ts";
import { linkProfile } from "../src/link/link-profile.ts";
import { decodeContainer } from "../src/model/container.ts";
import { LIMITS } from "../src/wire/limits.ts";
import { decodeManifest, type ReleaseManifest } from "../src/wire/release.ts";
import { type CommandInput, type CommandIo, type CommandSpec, EXIT } from "./command.ts";
import { costLines, describeCost } from "./describe-cost.ts";
import { describeLines, describeModel, type ModelDescription } from "./describe-model.ts";
import { describePoints, pointLines } from "./describe-points.ts";
import { describeSplit, splitLines } from "./describe-split.ts";
import {
  DATA_RATE_OPTION,
  dataRateOption,
  ENERGY_LINK_OPTION,
  energyLinkOf,
  linkText,
} from "./link-option.ts";
import { readFile, unreadable } from "./model-file.ts";
import { REQUEST_COMMANDS } from "./models-request.ts";

const CONTAINER = ".bwm";
const RELEASE = ".signed";
const DEPTH_MAX = 6;

const SPLIT: CommandSpec = {
  name: "split",
  summary: "where to cut a window's work between node and gateway, and what each cut costs",
  description:
    "Where to cut a window's work between node and gateway: before anything, after each stage, by an\n" +
    "encoder, or not at all. For each what the node computes, what it sends, and what both cost it on\n" +
    "one link; the cheapest that a node can do is marked. Estimates, and nothing about accuracy:\n" +
    "docs/RESULTS.md has that.",
  arguments: [{ name: "<file>", description: `a model container (${CONTAINER})` }],
  options: [
    {
      flags: "--target <name>",
      description: "the node's processor (default: the one that the link's figures are for)",
      kind: "text",
      choices: TARGET_NAMES,
    },
    {
      flags: "--link <name>",
      description: "the radio",
      kind: "text",
      choices: LINK_NAMES,
      default: "ble",
    },
    DATA_RATE_OPTION,
    {
      flags: "--share <percent>",
      description: "windows that a gated node offloads",
      kind: "number",
      default: 10,
      low: 0,
      high: 100,
    },
  ],
  examples: [
    "bellwether models split profiles/cattle/student.bwm --link lorawan --data-rate 3",
    "bellwether models split profiles/people/student.bwm --target nrf52840 --link ble --json",
  ],
  run: split,
};

export const command: CommandSpec = {
  name: "models",
  summary: "list and inspect models; push, hold and take back releases of a gateway",
  options: [],
  examples: ["bellwether models list profiles", "bellwether models inspect student.bwm"],
  commands: [
    {
      name: "list",
      summary: "every model container and release under a folder",
      description:
        "Every model container and release under a folder, such as profiles or a gateway's data\n" +
        "directory. Signatures are the gateway's and the nodes' business, and not checked here.",
      arguments: [{ name: "[dir]", description: "where to look (default: profiles)" }],
      options: [],
      examples: ["bellwether models list bellwether-data --json"],
      run: list,
    },
    {
      name: "inspect",
      summary: "what one container is for, what its exits cost, how its gate decides",
      description:
        "What one container is for, what its exits cost in multiplications, flash and RAM, and how\n" +
        "its gate decides, also at each operating point that a node can be moved to. With --target\n" +
        "also instructions, time and energy on one processor: an estimate, with the source of each\n" +
        "constant.",
      arguments: [{ name: "<file>", description: `a model container (${CONTAINER})` }],
      options: [
        {
          flags: "--target <name>",
          description: "the processor to estimate for",
          kind: "text",
          choices: TARGET_NAMES,
        },
        { ...ENERGY_LINK_OPTION, description: "the radio that operating points are told for" },
        DATA_RATE_OPTION,
      ],
      examples: [
        "bellwether models inspect profiles/cattle/student.bwm",
        "bellwether models inspect profiles/cattle/student.bwm --link lorawan --data-rate 5",
        "bellwether models inspect profiles/people/student.bwm --target nrf52840 --json",
      ],
      run: inspect,
    },
    SPLIT,
    ...REQUEST_COMMANDS,
  ],
};

async function inspect(input: CommandInput, io: CommandIo): Promise<number> {
  const file = input.arguments[0] ?? "";
  const bytes = readFile(file);
  const description = describeModel(bytes);
  const target = TARGET_NAMES.find((name) => name === input.text("target"));
  const cost = target === undefined ? undefined : describeCost(bytes, target);
  const container = decodeContainer(bytes);
  const link = energyLinkOf(input);
  const points = describePoints(container, gateOf(container), link);
  const dataRate = dataRateOption(input);
  for (const line of describeLines(description)) io.print(line);
  for (const line of pointLines(points, linkText(link.name, dataRate))) io.print(line);
  if (cost !== undefined) for (const line of costLines(cost)) io.print(line);
  if (io.json) io.printJson({ ...description, points, ...(cost !== undefined && { cost }) });
  return EXIT.ok;
}

async function split(input: CommandInput, io: CommandIo): Promise<number> {
  const bytes = readFile(input.arguments[0] ?? "");
  const link = LINK_NAMES.find((name) => name === input.text("link")) ?? "ble";
  const dataRate = dataRateOption(input);
  const profile = linkProfile(link, dataRate);
  const target = TARGET_NAMES.find((name) => name === input.text("target")) ?? profile.target;
  const share = (input.number("share") ?? 10) / 100;
  const description = describeSplit(bytes, { target, profile, dataRate }, share);
  if (io.json) io.printJson(description);
  else for (const line of splitLines(description)) io.print(line);
  return EXIT.ok;
}

type Found =
  | { readonly file: string; readonly kind: "model"; readonly model: ModelDescription }
  | { readonly file: string; readonly kind: "release"; readonly manifest: ReleaseManifest }
  | { readonly file: string; readonly kind: "broken"; readonly problem: string };

async function list(input: CommandInput, io: CommandIo): Promise<number> {
  const folder = input.arguments[0] ?? "profiles";
  const found = filesUnder(folder, DEPTH_MAX).map((file) => look(folder, file));
  for (const entry of found) io.print(entryLine(entry));
  if (found.length === 0) io.note(`models: nothing under ${folder} ends in ${CONTAINER}`);
  if (io.json) {
    io.printJson({ folder, found: found.map((entry) => ({ ...entry, ...jsonOf(entry) })) });
  }
  return found.some((entry) => entry.kind === "broken") ? EXIT.failed : EXIT.ok;
}

function look(folder: string, path: string): Found {
  const file = relative(folder, path);
  try {
    const bytes = readFile(path);
    if (path.endsWith(CONTAINER)) return { file, kind: "model", model: describeModel(bytes) };
    return { file, kind: "release", manifest: readManifest(path, bytes) };
  } catch (error) {
    if (error instanceof EdgeError) return { file, kind: "broken", problem: error.message };
    throw error;
  }
}

function entryLine(entry: Found): string {
  switch (entry.kind) {
    case "model": {
      const { model, cohort, bytes, exits, classes } = entry.model;
      return `${entry.file}  model ${model}  ${cohort}  ${bytes} bytes  ${exits.length} exits  ${classes.join(", ")}`;
    }
    case "release": {
      const { purpose, sequence, modelId, cohort, createdMs } = entry.manifest;
      const made = new Date(createdMs).toISOString();
      return `${entry.file}  ${purpose} ${sequence}  model ${modelId}  ${cohort}  made ${made}`;
    }
    case "broken":
      return `${entry.file}  BROKEN: ${entry.problem}`;
  }
}

/** Byte strings as hex, for JSON has none. */
function jsonOf(entry: Found): object {
  if (entry.kind !== "release") return {};
  const { sha256, chunkHashes: _, ...manifest } = entry.manifest;
  return { manifest: { ...manifest, sha256: Buffer.from(sha256).toString("hex") } };
}

/** As the registry keeps it: u32 length, manifest, 64 bytes of signature. */
function readManifest(path: string, bytes: Uint8Array): ReleaseManifest {
  const reader = new ByteReader(bytes, path);
  const manifest = reader.bytes(reader.u32());
  reader.bytes(LIMITS.signatureBytes);
  reader.done();
  return decodeManifest(manifest);
}

function filesUnder(folder: string, depth: number): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return depth > 0 ? filesUnder(path, depth - 1) : [];
      return [CONTAINER, RELEASE].some((suffix) => entry.name.endsWith(suffix)) ? [path] : [];
    });
  } catch (error) {
    throw unreadable(folder, error);
  }
}
