/**
 * The node's firmware for a board, with the model that it is made with linked in.
 *
 * Images are kept in a folder under a name that is the hash of everything that goes into them, so
 * that a second start compiles nothing.
 */

import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { BOARDS, type BoardName, buildImage } from "./boards.ts";
import { canEmulate } from "./emulator.ts";
import { FIRMWARE_FOLDER, findProgram, firmwareFiles, TARGETS } from "./toolchain.ts";

export type NodeBoardName = Extract<BoardName, "mps2-an386" | "microbit">;

type NodeBoard = {
  /** Its hardware layer, from the folder of boards. */
  readonly sources: readonly string[];
  /** Where the provisioning block lies. */
  readonly provisionAddress: number;
  /** Memory that it spares, where it is not what an nRF52840 has. */
  readonly flags: readonly string[];
};

export const NODE_BOARDS: Readonly<Record<NodeBoardName, NodeBoard>> = {
  "mps2-an386": { sources: ["mps2/hal.c"], provisionAddress: 0xff000, flags: [] },
  microbit: {
    sources: ["microbit/hal.c", "microbit/signal.S"],
    provisionAddress: 0x2fc00,
    flags: [
      "-DNODE_STUDENT_BYTES=2560u",
      "-DNODE_WINDOW_VALUES=150u",
      "-DNODE_OUTBOX_ENTRIES=24u",
      "-DNODE_OUTBOX_BYTES=3072u",
      "-DNODE_PACKET_BYTES=1152u",
      // An offer of the largest release that 64 KB of flash can hold then fits the packet.
      "-DBW_SLOT_CHUNKS_MAX=64u",
    ],
  },
};

const SILENCE = { millig: new Int16Array(0), rateHz: 1, speed: 1 };

/** What is missing on this machine to run a firmware node, as a hint; undefined where nothing is. */
export function missingForNode(board: NodeBoardName): string | undefined {
  const target = TARGETS[BOARDS[board].target];
  const packages = [
    ...(findProgram(target.compiler) === undefined ? [target.package] : []),
    ...(canEmulate(board) ? [] : [BOARDS[board].package]),
  ];
  return packages.length === 0 ? undefined : `apt-get install ${packages.join(" ")}`;
}

export type NodeImage = {
  readonly board: NodeBoardName;
  readonly factory: Uint8Array;
  /** Where images are kept; by default in the system's temporary folder. */
  readonly folder?: string;
  /** For measurements: the deepest use of the stack goes to the console. */
  readonly tellsStack?: boolean;
  /** What the micro:bit plays where another board has a sensor: `[time][3]` milli-g. */
  readonly signal?: {
    readonly millig: Int16Array;
    readonly rateHz: number;
    readonly speed: number;
  };
};

/** Builds it, or finds it built. Returns the ELF file's path. Throws as `buildImage` does. */
export function buildNodeImage(asked: NodeImage): string {
  const { board, factory, folder = imageFolder(), signal = SILENCE, tellsStack = false } = asked;
  const { sources: own, flags: boardFlags } = NODE_BOARDS[board];
  const millig = new Uint8Array(
    signal.millig.buffer,
    signal.millig.byteOffset,
    signal.millig.byteLength,
  );
  const sources = [
    ...firmwareFiles("node", "runtime", "crypto"),
    ...["node_main.c", "factory.S", ...own].map((name) => join(FIRMWARE_FOLDER, "boards", name)),
  ];
  const flags = [
    ...["-Os", ...boardFlags],
    ...(tellsStack ? ["-DNODE_TELL_STACK"] : []),
    `-DNODE_SIGNAL_CENTIHERTZ=${Math.round(100 * signal.rateHz)}u`,
    `-DNODE_SIGNAL_SPEED=${signal.speed}u`,
  ];
  const name = `${board}-${hashOfSources([board, ...flags], factory, millig)}`;
  const image = join(folder, `${name}.elf`);
  if (existsSync(image)) return image;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const container = join(folder, `${name}.bwm`);
  const played = join(folder, `${name}.i16`);
  writeFileSync(container, factory);
  writeFileSync(played, millig);
  const output = `${image}.${process.pid}`;
  const blobs = [`-DBW_FACTORY="${container}"`, `-DNODE_SIGNAL="${played}"`];
  buildImage({ board, sources, output, flags: [...flags, ...blobs] });
  renameSync(output, image);
  return image;
}

/** Of this user alone: whoever else can write there could exchange an image. */
export function imageFolder(): string {
  return join(tmpdir(), `bellwether-firmware-${userInfo().username}`);
}

/** Of every file that is compiled, headers and linker scripts too, and of what else goes in. */
export function hashOfSources(words: readonly string[], ...blobs: readonly Uint8Array[]): string {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const blob of blobs) hash.update(`${blob.length} `).update(blob);
  const files = readdirSync(FIRMWARE_FOLDER, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(c|h|S|ld)$/.test(name))
    .sort();
  for (const name of files) hash.update(name).update(readFileSync(join(FIRMWARE_FOLDER, name)));
  return hash.digest("hex").slice(0, 16);
}
