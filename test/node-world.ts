/**
 * A simulated world for one node: time by hand, a network that loses, repeats and delays, and a
 * gateway's side of the protocol small enough to be plainly right.
 */

import { generateKeyPairSync, sign } from "node:crypto";
import { type EnergyStatus, type MeteredNode, meterNode } from "../device-sim/energy.ts";
import type { Link, LinkEvents, OpenLink } from "../device-sim/link.ts";
import { memoryStorage } from "../device-sim/memory-storage.ts";
import { modelLoader } from "../device-sim/models.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { type NodeObserver, type NodeRuntime, startNode } from "../device-sim/node-runtime.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type { Decided, NodeSettings, ReleaseNews } from "../device-sim/node-types.ts";
import type { NodeStorage } from "../device-sim/storage.ts";
import { assert } from "../src/assert.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { encodeGate } from "../src/gate/gate-bytes.ts";
import { uncalibratedGate } from "../src/gate/gate-parameters.ts";
import type { LinkProfile } from "../src/link/link-profile.ts";
import {
  type Container,
  containerVersion,
  decodeContainer,
  encodeContainer,
} from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { selfTestHashes } from "../src/model/self-test.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import { chance, type Prng, prng, uniform } from "../src/prng.ts";
import { chunkOf, chunksOfWant } from "../src/wire/assembly.ts";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import type { DownMessage, UpKind, UpMessage } from "../src/wire/messages.ts";
import {
  encodeManifest,
  manifestOf,
  type ReleaseManifest,
  signedBytes,
} from "../src/wire/release.ts";
import { nodeId } from "../src/wire/topics.ts";
import { containerAround, noiseWindows, randomFloatStudent } from "./student-samples.ts";

/** A collar's student that takes eight chunks. */
export const COLLAR_SPEC: StudentSpec = {
  windowSamples: 50,
  channels: 3,
  classes: 3,
  stages: [
    {
      layers: [{ kind: "conv", filters: 16, kernel: 5, stride: 2 }],
      exit: { hidden: 0 },
    },
    {
      layers: [
        { kind: "separable", filters: 56, kernel: 5, stride: 2 },
        { kind: "separable", filters: 72, kernel: 3, stride: 1 },
      ],
      exit: { hidden: 16 },
    },
  ],
};

const keys = generateKeyPairSync("ed25519");
export const PUBLIC_KEY = new Uint8Array(
  keys.publicKey.export({ format: "der", type: "spki" }).subarray(-32),
);

/** A small student with random weights, and a gate that offloads about one window in ten. */
export function sampleContainer(
  seed: number,
  change: Partial<Container> = {},
  spec: StudentSpec = COLLAR_SPEC,
): Uint8Array {
  const student = quantizeStudent(randomFloatStudent(spec, seed), noiseWindows(spec, 8, seed), 16);
  const shape = { exits: student.stages.length, classes: student.classes };
  const gate = encodeGate({ ...uncalibratedGate(shape), auditChanceQ16: 6554 });
  return encodeContainer({ ...containerAround(student), inputMilligPerStep: 16, gate, ...change });
}

/** The same student with all weights of its last layers at zero: it answers, always the same. */
export function constantContainer(seed: number, spec: StudentSpec = COLLAR_SPEC): Uint8Array {
  const container = decodeContainer(sampleContainer(seed, {}, spec));
  const stages = container.student.stages.map((stage) => ({
    ...stage,
    exit: {
      ...stage.exit,
      layers: stage.exit.layers.map((layer) => ({
        ...layer,
        weights: new Int8Array(layer.weights.length),
      })),
    },
  }));
  return encodeContainer({ ...container, student: { ...container.student, stages } });
}

export type SignedRelease = {
  readonly manifest: ReleaseManifest;
  readonly manifestBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly container: Uint8Array;
};

/** A release as a gateway would make it; `change` makes one as an attacker with the key would. */
export function signRelease(
  container: Uint8Array,
  sequence: number,
  change: Partial<ReleaseManifest> = {},
): SignedRelease {
  const decoded = decodeContainer(container);
  const seed = 0x5eed + sequence;
  const honest = manifestOf(
    container,
    {
      formatVersion: containerVersion(decoded),
      sequence,
      purpose: "release",
      cohort: decoded.cohort,
      createdMs: 1_760_000_000_000,
      selfTest: { seed, logitsHashes: selfTestHashes(referenceEngine.load(decoded), seed) },
    },
    nodeCrypto,
  );
  const manifest = { ...honest, ...change };
  const manifestBytes = encodeManifest(manifest);
  return { manifest, manifestBytes, signature: signManifest(manifestBytes), container };
}

/** The gateway's signature under any bytes. */
export function signManifest(manifestBytes: Uint8Array): Uint8Array {
  return sign(null, signedBytes(manifestBytes), keys.privateKey);
}

export function offerOf(release: SignedRelease): Extract<DownMessage, { kind: "offer" }> {
  return { kind: "offer", manifest: release.manifestBytes, signature: release.signature };
}

export type Trouble = {
  /** Chance that a message is lost, and that it comes twice. */
  readonly loss: number;
  readonly duplicate: number;
  /** Messages take up to so long, and so overtake one another. */
  readonly delayMsMax: number;
};
export const CALM: Trouble = { loss: 0, duplicate: 0, delayMsMax: 5 };
export const ROUGH: Trouble = { loss: 0.2, duplicate: 0.15, delayMsMax: 1500 };

export class NodeWorld {
  uptimeMs = 0;
  /** How finely time is cut; 2,500 is a multiple of it. */
  stepMs = 250;
  wallMs = 1_760_000_000_000;
  trouble: Trouble = CALM;
  /** Nobody answers while this is false, though the connection stands. */
  gatewayAlive = true;
  /** Offered on every hello; its chunks are served. */
  offered: SignedRelease | undefined;
  /** Spoils a chunk on its way. */
  spoil: (index: number, bytes: Uint8Array) => Uint8Array = (_, bytes) => bytes;
  storage: NodeStorage;
  readonly decided: Decided[] = [];
  readonly news: ReleaseNews[] = [];
  readonly logs: string[] = [];
  /** Everything that reached the gateway, in that order. */
  readonly received: UpMessage[] = [];
  /** What the gateway has stored, by epoch and sequence number: the frame. */
  readonly stored = new Map<string, string>();
  readonly conflicts: string[] = [];
  node: NodeRuntime | undefined;
  #events: LinkEvents | undefined;
  #connected = false;
  #due: { readonly atMs: number; readonly act: () => void }[] = [];
  #windows = 0;
  readonly #random: Prng;
  readonly #settings: NodeSettings;
  readonly #metered: MeteredNode | undefined;
  #factory: Uint8Array;
  #epochs = 100;
  #offeredMs = 0;

  constructor(options: {
    seed: number;
    factory?: Uint8Array;
    settings?: Partial<NodeSettings>;
    /** A radio and a battery. */
    radio?: { readonly profile: LinkProfile; readonly milliampereHours: number };
  }) {
    const { radio } = options;
    this.#metered = radio && meterNode(radio, () => this.uptimeMs, this.#load);
    this.#random = prng(options.seed, "world");
    this.#factory = options.factory ?? sampleContainer(1);
    this.#settings = { ...COLLAR, publicKeys: [PUBLIC_KEY], ...options.settings };
    this.storage = memoryStorage(this.#settings.slotBytes);
  }

  /** Switches the node on over whatever its storage holds. */
  async boot(storage: NodeStorage = this.storage): Promise<void> {
    const observer: NodeObserver = {
      decided: (_, decided) => this.decided.push(decided),
      released: (_, news) => this.news.push(news),
      log: (_, code, text) => this.logs.push(`${code}: ${text}`),
    };
    this.node = await startNode({
      id: nodeId("collar-01"),
      factory: this.#factory,
      settings: this.#settings,
      tools: {
        crypto: nodeCrypto,
        random: prng(9, "decisions"),
        jitter: prng(9, "jitter"),
        load: this.#metered?.load ?? this.#load,
      },
      storage,
      openLink: this.#metered?.around(this.#openLink) ?? this.#openLink,
      clock: () => ({ uptimeMs: this.uptimeMs, wallMs: this.wallMs }),
      newEpoch: () => ++this.#epochs,
      observer: this.#metered?.observe(observer) ?? observer,
    });
    await this.settle();
  }

  /** Takes the power away: nothing is said, nothing more is written. */
  cut(): void {
    this.#connected = false;
    this.#events = undefined;
    this.#due = [];
    this.node = undefined;
  }

  connect(): void {
    this.#connected = true;
    this.#events?.connected();
  }

  disconnect(): void {
    this.#connected = false;
    this.#due = [];
    this.#events?.disconnected("the cable was pulled");
  }

  /** Lets time pass, and a window be measured each 2.5 s of it where `windows` says so. */
  async run(seconds: number, windows = true): Promise<void> {
    for (let ms = 0; ms < seconds * 1000; ms += this.stepMs) {
      this.uptimeMs += this.stepMs;
      this.wallMs += this.stepMs;
      this.#deliver();
      if (windows && this.uptimeMs % 2500 === 0) this.measure();
      this.#metered?.tick((percent) => this.node?.step({ kind: "battery", percent }));
      this.node?.step({ kind: "tick" });
      await this.settle();
    }
  }

  /** One more window. */
  measure(): void {
    const set = noiseWindows(COLLAR_SPEC, 1, 1000 + this.#windows++);
    this.node?.step({ kind: "window", window: set.samples });
  }

  /** To the node, through the network as it is. */
  send(message: DownMessage): void {
    const frame = encodeDown(message);
    this.#through(() => this.#events?.message(message.kind, frame));
  }

  async settle(): Promise<void> {
    await this.node?.settled();
  }

  /** What the radio and the battery of a world that has them say. */
  energy(): EnergyStatus {
    assert(this.#metered !== undefined, "a world with a radio");
    return this.#metered.status();
  }

  countOf(kind: UpKind): number {
    return this.received.filter((message) => message.kind === kind).length;
  }

  /** Window indices that the gateway has, by epoch. */
  reportedWindows(): number[] {
    const windows = [...this.stored.values()].flatMap((text) => {
      const message = JSON.parse(text) as { entries?: { windowIndex: number }[] };
      return (message.entries ?? []).map((entry) => entry.windowIndex);
    });
    return windows.sort((a, b) => a - b);
  }

  readonly #load = modelLoader(referenceEngine, nodeCrypto);

  readonly #openLink: OpenLink = (_, events): Link => {
    this.#events = events;
    return {
      publish: (topic, frame) => {
        const copy = frame.slice();
        if (this.#connected) this.#through(() => this.#receive(topic, copy));
      },
      close: async () => {
        this.#connected = false;
      },
    };
  };

  #through(act: () => void): void {
    if (!this.#connected || chance(this.#random, this.trouble.loss)) return;
    const times = chance(this.#random, this.trouble.duplicate) ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const atMs = this.uptimeMs + uniform(this.#random, 0, this.trouble.delayMsMax);
      this.#due.push({ atMs, act });
    }
  }

  #deliver(): void {
    const now = this.#due.filter(({ atMs }) => atMs <= this.uptimeMs);
    this.#due = this.#due.filter(({ atMs }) => atMs > this.uptimeMs);
    now.sort((a, b) => a.atMs - b.atMs);
    for (const { act } of now) act();
  }

  #receive(topic: UpKind, frame: Uint8Array): void {
    if (!this.gatewayAlive) return;
    const message = decodeUp(topic, frame) as UpMessage;
    this.received.push(message);
    if (message.kind === "report" || message.kind === "offload") this.#store(message);
    if (message.kind === "hello" && this.offered !== undefined) this.send(offerOf(this.offered));
    if (message.kind === "want") this.#serve(message);
  }

  #store(message: Extract<UpMessage, { kind: "report" | "offload" }>): void {
    const key = `${message.epoch}:${message.seq}`;
    const text = JSON.stringify({ ...message, window: undefined });
    const before = this.stored.get(key);
    // The same number for something else would be taken for a repetition, and lost.
    if (before !== undefined && before !== text) this.conflicts.push(key);
    this.stored.set(key, text);
    this.#offerAgain(message);
    this.send({ kind: "ack", epoch: message.epoch, seqs: [message.seq] });
  }

  /**
   * A gateway sees from any report that a node still runs something else, and offers now and then.
   */
  #offerAgain(report: Extract<UpMessage, { kind: "report" | "offload" }>): void {
    const release = this.offered;
    if (release === undefined || report.modelId === release.manifest.modelId) return;
    if (this.uptimeMs - this.#offeredMs < 20_000) return;
    this.#offeredMs = this.uptimeMs;
    this.send(offerOf(release));
  }

  #serve(want: Extract<UpMessage, { kind: "want" }>): void {
    const release = this.offered;
    if (release?.manifest.sequence !== want.releaseSequence) return;
    for (const index of chunksOfWant(want)) {
      const bytes = chunkOf(release.container, release.manifest, index);
      if (bytes === undefined) continue;
      const spoiled = this.spoil(index, bytes.slice());
      this.send({ kind: "chunk", releaseSequence: want.releaseSequence, index, bytes: spoiled });
    }
  }
}
