/**
 * The registry: every model and every signed release, on disk.
 *
 *     <directory>/models/<model id>.bwm       the container, content addressed
 *     <directory>/models/<model id>.float     the float student it was quantized from, to distil on
 *     <directory>/releases/<sequence>.signed  u32 manifest length, manifest, 64 signature bytes
 *     <directory>/cohorts/<cohort>.json       which release is stable, and the rollout in progress
 *
 * A release file is written last, after its container: it is the point of no return. What a kill
 * leaves before it is a container that nobody names; what it leaves after it is a finished release.
 * Everything is checked again when it is opened, and a file that does not hold is set aside, never
 * served.
 */

import { readdirSync } from "node:fs";
import path from "node:path";
import { EdgeError } from "../../src/assert.ts";
import { ByteReader, ByteWriter } from "../../src/bytes.ts";
import type { ModelId } from "../../src/wire/messages.ts";
import {
  type Crypto,
  decodeManifest,
  type ReleaseManifest,
  signedBytes,
} from "../../src/wire/release.ts";
import { modelId, modelIdOf } from "../../src/wire/topics.ts";
import {
  type Disk,
  nodeDisk,
  readIfThere,
  sweepTemporary,
  writeDurably,
} from "../store/durable-file.ts";

const SIGNATURE_BYTES = 64;

/** A manifest as it travels: the bytes that were signed, and what they say. */
export type SignedRelease = {
  readonly manifest: ReleaseManifest;
  readonly manifestBytes: Uint8Array;
  readonly signature: Uint8Array;
};

export type RegistryOptions = {
  readonly directory: string;
  /** The gateway's own release key: a release signed by another is set aside. */
  readonly publicKey: Uint8Array;
  readonly crypto: Crypto;
  readonly disk?: Disk;
};

export class Registry {
  /** Files that did not hold when the registry was opened, with the reason. */
  readonly setAside: readonly { readonly file: string; readonly reason: string }[];
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #crypto: Crypto;
  readonly #releases = new Map<number, SignedRelease>();

  constructor(options: RegistryOptions) {
    this.#directory = options.directory;
    this.#disk = options.disk ?? nodeDisk;
    this.#crypto = options.crypto;
    for (const name of ["models", "releases", "cohorts"]) {
      const folder = path.join(options.directory, name);
      this.#disk.makeFolder(folder);
      sweepTemporary(this.#disk, folder);
    }
    this.setAside = this.#readReleases(options.publicKey);
  }

  /** The number for the next release: above every release here and above `atLeast`, the highest that
   * any node has reported, so that a restored backup cannot make releases that nodes refuse. */
  nextSequence(atLeast = 0): number {
    return Math.max(atLeast, ...this.#releases.keys(), 0) + 1;
  }

  /** Every release, oldest first. */
  releases(): SignedRelease[] {
    return [...this.#releases.values()].sort((a, b) => a.manifest.sequence - b.manifest.sequence);
  }

  release(sequence: number): SignedRelease | undefined {
    return this.#releases.get(sequence);
  }

  /** Keeps a container under the name of its own hash, with the float student it came from. */
  putModel(container: Uint8Array, student: Uint8Array | undefined): ModelId {
    const modelId = modelIdOf(this.#crypto.sha256(container));
    if (student !== undefined) {
      writeDurably(this.#disk, this.#modelFile(modelId, "float"), student);
    }
    writeDurably(this.#disk, this.#modelFile(modelId, "bwm"), container);
    return modelId;
  }

  /** The container's bytes; undefined where it is missing or its bytes are not the named ones. */
  container(modelId: ModelId): Uint8Array | undefined {
    const bytes = readIfThere(this.#modelFile(modelId, "bwm"));
    if (bytes === undefined || modelIdOf(this.#crypto.sha256(bytes)) !== modelId) return undefined;
    return bytes;
  }

  /** Every model whose container is here, by name; whether its bytes hold is asked of `container`. */
  models(): ModelId[] {
    const names = readdirSync(path.join(this.#directory, "models")).sort();
    return names.flatMap((name) => {
      const id = /^([0-9a-f]{16})\.bwm$/.exec(name)?.[1];
      return id === undefined ? [] : [modelId(id)];
    });
  }

  /** The float student beside a container, where there is one. */
  student(modelId: ModelId): Uint8Array | undefined {
    return readIfThere(this.#modelFile(modelId, "float"));
  }

  /** Makes a release final. Its container must be here already and its number must be the next or
   * a higher one; both are told as bad input, since a second gateway on a copied directory causes
   * exactly this. */
  putRelease(release: SignedRelease): void {
    const { sequence, modelId } = release.manifest;
    const file = this.#releaseFile(sequence);
    if (sequence < this.nextSequence()) {
      throw new EdgeError({
        code: "release-sequence",
        message: `sequence ${sequence} is not above ${this.nextSequence() - 1}`,
        where: file,
        hint: "Only one gateway may use a data directory.",
      });
    }
    if (this.container(modelId) === undefined) {
      throw new EdgeError({
        code: "release-without-model",
        message: `the container of model ${modelId} is not in the registry`,
        where: file,
        hint: "Put the model first.",
      });
    }
    const bytes = new ByteWriter()
      .u32(release.manifestBytes.length)
      .bytes(release.manifestBytes)
      .bytes(release.signature)
      .finish();
    writeDurably(this.#disk, file, bytes);
    this.#releases.set(sequence, release);
  }

  /** What was last saved about a cohort, as JSON text. */
  cohortState(cohort: string): string | undefined {
    const bytes = readIfThere(this.#cohortFile(cohort));
    return bytes === undefined ? undefined : Buffer.from(bytes).toString("utf8");
  }

  saveCohortState(cohort: string, json: string): void {
    writeDurably(this.#disk, this.#cohortFile(cohort), Buffer.from(json));
  }

  /** Reads every release; returns what had to be set aside. */
  #readReleases(publicKey: Uint8Array): { file: string; reason: string }[] {
    const setAside: { file: string; reason: string }[] = [];
    const folder = path.join(this.#directory, "releases");
    for (const name of readdirSync(folder).filter((n) => n.endsWith(".signed"))) {
      const file = path.join(folder, name);
      const read = this.#readRelease(file, publicKey);
      if (typeof read === "string") {
        this.#disk.rename(file, `${file}.bad`);
        setAside.push({ file: `${file}.bad`, reason: read });
      } else {
        this.#releases.set(read.manifest.sequence, read);
      }
    }
    return setAside;
  }

  #readRelease(file: string, publicKey: Uint8Array): SignedRelease | string {
    try {
      const reader = new ByteReader(readIfThere(file) ?? new Uint8Array(), file);
      const manifestBytes = reader.bytes(reader.u32()).slice();
      const signature = reader.bytes(SIGNATURE_BYTES).slice();
      reader.done();
      if (!this.#crypto.verify(publicKey, signedBytes(manifestBytes), signature)) {
        return "not signed by this gateway's key";
      }
      const manifest = decodeManifest(manifestBytes);
      if (path.basename(file) !== path.basename(this.#releaseFile(manifest.sequence))) {
        return `says that it is release ${manifest.sequence}`;
      }
      if (this.container(manifest.modelId) === undefined) {
        return `the container of model ${manifest.modelId} is missing or damaged`;
      }
      return { manifest, manifestBytes, signature };
    } catch (error) {
      if (error instanceof EdgeError) return error.message;
      throw error;
    }
  }

  #modelFile(modelId: ModelId, suffix: string): string {
    return path.join(this.#directory, "models", `${modelId}.${suffix}`);
  }

  #releaseFile(sequence: number): string {
    return path.join(this.#directory, "releases", `${String(sequence).padStart(8, "0")}.signed`);
  }

  #cohortFile(cohort: string): string {
    // A cohort's name has slashes: `cattle/neck/10.00Hz/50x3`.
    return path.join(this.#directory, "cohorts", `${encodeURIComponent(cohort)}.json`);
  }
}
