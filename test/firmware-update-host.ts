/**
 * A node's update in C, run on this machine: commands in, frames and status out.
 *
 * Commands are sent as they come and answered in order, so that a whole life of a node, or a
 * thousand of them, can be on their way before the first answer is read.
 */

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { compile, FIRMWARE_FOLDER } from "../deploy/firmware/tools/toolchain.ts";
import { chunkOf } from "../src/wire/assembly.ts";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import type { UpMessage } from "../src/wire/messages.ts";
import type { ReleaseManifest } from "../src/wire/release.ts";
import { firmwareSources, SANITIZERS } from "./firmware-kit.ts";
import { PUBLIC_KEY, type SignedRelease } from "./node-world.ts";

/** What an update is made of. */
export const UPDATE_FILES: readonly string[] = [
  "bw_release.c",
  "bw_update_frames.c",
  "bw_slots.c",
  "bw_assembly.c",
  "bw_self_test.c",
  "bw_trial.c",
  "bw_update.c",
  "bw_update_models.c",
  "bw_boot_slots.c",
];

export function buildUpdateHost(output: string): void {
  const host = join(FIRMWARE_FOLDER, "host");
  // What loads a model's gate, and a window's statistics, for the trial, are the gate's.
  const files = [...UPDATE_FILES, "bw_gate_load.c", "bw_burst.c"];
  compile({
    target: "host",
    sources: [
      ...firmwareSources("host/update_host.c", "crypto", "runtime"),
      ...files.map((file) => join(FIRMWARE_FOLDER, "node", file)),
      join(host, "update_flash.c"),
    ],
    output,
    flags: [...SANITIZERS, `-I${host}`],
  });
}

export type HostSettings = {
  readonly pageBytes: number;
  /** Largest container that a slot must hold; the rest of the region follows from it. */
  readonly slotBytes: number;
  readonly wantChunks: number;
  readonly trialWindows: number;
  readonly trialBoots: number;
  readonly trialMs: number;
  readonly wantMs: number;
  readonly wantMsMax: number;
  readonly ramBytes: number;
};

export const HOST_SETTINGS: HostSettings = {
  pageBytes: 1024,
  slotBytes: 16 * 1024,
  wantChunks: 8,
  trialWindows: 8,
  trialBoots: 3,
  trialMs: 24 * 3600 * 1000,
  wantMs: 5_000,
  wantMsMax: 300_000,
  ramBytes: 16 * 1024,
};

/** How much of a word or page is done when the power goes: nothing, or a part in one of two ways. */
export type Torn = 0 | 1 | 2;

export type HostStatus = {
  /** 255 for the model that the node was made with. */
  readonly slot: number;
  readonly sequence: number;
  readonly modelId: string;
  readonly onTrial: boolean;
  readonly staging: boolean;
  readonly missing: number;
  readonly floor: number;
  readonly slotBytes: number;
  /** Words written and pages erased, and calls to write flash, since a cut or refusal was set. */
  readonly operations: number;
  readonly calls: number;
  readonly windows: number;
  readonly lastHash: number;
  readonly reopened: number;
  readonly changed: number;
  readonly hellos: number;
  /** Everything that was to be sent since the status before. */
  readonly sent: readonly UpMessage[];
};

const STATUS_BYTES = 1 + 1 + 4 + 8 + 1 + 1 + 2 + 9 * 4;

export class UpdateHost {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: {
    readonly resolve: (status: HostStatus) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly #closed: Promise<number | null>;
  readonly #images: ((image: Buffer) => void)[] = [];
  #unread = Buffer.alloc(0);
  #sent: UpMessage[] = [];
  #errors = "";

  constructor(program: string) {
    this.#child = spawn(program, [], { stdio: "pipe" });
    this.#child.stdout.on("data", (data: Buffer) => this.#read(data));
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#errors += text;
    });
    this.#child.stdin.on("error", () => undefined);
    this.#closed = once(this.#child, "close").then(([code]) => {
      const error = new Error(`the host has ended with ${code}: ${this.#errors}`);
      for (const { reject } of this.#waiting.splice(0)) reject(error);
      return code;
    });
  }

  /** Ends the program; throws what its sanitizers or its flash complained about. */
  async close(): Promise<void> {
    this.#child.stdin.end();
    const code = await this.#closed;
    if (code !== 0) throw new Error(`the host ended with ${code}: ${this.#errors}`);
  }

  /** New flash, and a node that was just made. */
  make(factory: Uint8Array, change: Partial<HostSettings> = {}): void {
    const settings = { ...HOST_SETTINGS, ...change };
    this.#command("K", PUBLIC_KEY);
    this.#command("M", factory);
    this.set(settings);
    this.format(settings);
  }

  format({ pageBytes, slotBytes }: Pick<HostSettings, "pageBytes" | "slotBytes">): void {
    const page = Buffer.alloc(8);
    page.writeUInt32LE(pageBytes);
    page.writeUInt32LE(pageBytes * regionPages(pageBytes, slotBytes), 4);
    this.#command("F", page);
  }

  set(settings: HostSettings): void {
    const bytes = Buffer.alloc(21);
    bytes.writeUInt16LE(settings.wantChunks);
    bytes.writeUInt16LE(settings.trialWindows, 2);
    bytes[4] = settings.trialBoots;
    bytes.writeUInt32LE(settings.trialMs, 5);
    bytes.writeUInt32LE(settings.wantMs, 9);
    bytes.writeUInt32LE(settings.wantMsMax, 13);
    bytes.writeUInt32LE(settings.ramBytes, 17);
    this.#command("S", bytes);
  }

  /** The power goes at that operation of flash; everything is lost until `boot`. 0: it does not. */
  cutAt(operation: number, torn: Torn = 0): void {
    this.#command("C", u32(operation), Uint8Array.of(torn));
  }

  refuseAt(call: number): void {
    this.#command("R", u32(call));
  }

  flip(address: number, bits: number): void {
    this.#command("D", u32(address), Uint8Array.of(bits));
  }

  time(ms: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(ms));
    this.#command("T", bytes);
  }

  boot(): void {
    this.#command("B");
  }
  connect(): void {
    this.#command("c");
  }
  disconnect(): void {
    this.#command("d");
  }
  step(): void {
    this.#command("t");
  }
  heard(seq: number): void {
    this.#command("h", u32(seq));
  }

  offer({ manifestBytes, signature }: Pick<SignedRelease, "manifestBytes" | "signature">): void {
    this.offerFrame(encodeDown({ kind: "offer", manifest: manifestBytes, signature }));
  }
  offerFrame(frame: Uint8Array): void {
    this.#command("o", frame);
  }
  chunk(releaseSequence: number, index: number, bytes: Uint8Array): void {
    this.#command("k", encodeDown({ kind: "chunk", releaseSequence, index, bytes }));
  }
  chunksOf(release: SignedRelease): void {
    const { container, manifest } = release;
    for (let index = 0; index * manifest.chunkBytes < container.length; index++) {
      this.#chunkOf(container, manifest, index);
    }
  }
  chunkOf({ container, manifest }: SignedRelease, index: number): void {
    this.#chunkOf(container, manifest, index);
  }

  window(window: Int8Array): void {
    this.#command("w", new Uint8Array(window.buffer, window.byteOffset, window.length));
  }

  /** Flash as it is, to be put back by `restore`. */
  image(): Promise<Buffer> {
    const image = new Promise<Buffer>((resolve) => this.#images.push(resolve));
    this.#command("I");
    return image;
  }
  restore(image: Uint8Array): void {
    this.#command("P", image);
  }

  /** What is to be sent, and how things stand. A node that is off gives no answer: boot it first. */
  status(): Promise<HostStatus> {
    const status = new Promise<HostStatus>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
    this.#command("f");
    this.#command("q");
    return status;
  }

  #chunkOf(container: Uint8Array, manifest: ReleaseManifest, index: number): void {
    const bytes = chunkOf(container, manifest, index) ?? new Uint8Array(0);
    this.chunk(manifest.sequence, index, bytes);
  }

  #command(what: string, ...parts: readonly Uint8Array[]): void {
    const head = Buffer.alloc(5, what);
    head.writeUInt32LE(
      parts.reduce((sum, part) => sum + part.length, 0),
      1,
    );
    this.#child.stdin.write(Buffer.concat([head, ...parts]));
  }

  #read(data: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, data]);
    for (let taken = this.#take(); taken > 0; taken = this.#take()) {
      this.#unread = this.#unread.subarray(taken);
    }
  }

  /** Bytes of the first answer, or 0 while it is not all there. */
  #take(): number {
    const bytes = this.#unread;
    switch (String.fromCharCode(bytes[0] ?? 0)) {
      case "f": {
        if (bytes.length < 3) return 0;
        const end = 3 + bytes.readUInt16LE(1);
        if (bytes.length < end) return 0;
        const frame = bytes.subarray(3, end);
        this.#sent.push(decodeUp(frame[1] === 4 ? "want" : "outcome", Uint8Array.from(frame)));
        return end;
      }
      case "q":
        if (bytes.length < STATUS_BYTES) return 0;
        this.#waiting.shift()?.resolve(readStatus(bytes, this.#sent));
        this.#sent = [];
        return STATUS_BYTES;
      case "I": {
        if (bytes.length < 5) return 0;
        const end = 5 + bytes.readUInt32LE(1);
        if (bytes.length < end) return 0;
        this.#images.shift()?.(Buffer.from(bytes.subarray(5, end)));
        return end;
      }
      default:
        return 0;
    }
  }
}

function readStatus(bytes: Buffer, sent: readonly UpMessage[]): HostStatus {
  const word = (index: number): number => bytes.readUInt32LE(18 + 4 * index);
  return {
    slot: bytes.readUInt8(1),
    sequence: bytes.readUInt32LE(2),
    modelId: bytes.subarray(6, 14).toString("hex"),
    onTrial: bytes[14] === 1,
    staging: bytes[15] === 1,
    missing: bytes.readUInt16LE(16),
    floor: word(0),
    slotBytes: word(1),
    operations: word(2),
    calls: word(3),
    windows: word(4),
    lastHash: word(5),
    reopened: word(6),
    changed: word(7),
    hellos: word(8),
    sent,
  };
}

/** Pages of a region whose slots hold so many bytes: two floors; and record, header, image twice. */
function regionPages(pageBytes: number, slotBytes: number): number {
  const image = Math.ceil(slotBytes / pageBytes);
  const chunks = Math.ceil((image * pageBytes) / 512);
  const header = Math.ceil((16 + 64 + 256 + 8 * chunks) / pageBytes);
  return 2 + 2 * (1 + header + image);
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
