/**
 * The firmware in QEMU and the simulated node, given the same samples and the same messages: the
 * same windows, answers, offloads and drift.
 */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFirmwareNode } from "../deploy/firmware/tools/firmware-node.ts";
import { buildNodeImage, missingForNode } from "../deploy/firmware/tools/node-image.ts";
import { modelLoader } from "../device-sim/models.ts";
import { bootNode, stepNode } from "../device-sim/node.ts";
import { nodeCrypto } from "../device-sim/node-crypto.ts";
import { COLLAR } from "../device-sim/node-settings.ts";
import type {
  Decided,
  FeaturesSettings,
  NodeEffect,
  NodeEvent,
  NodeSettings,
} from "../device-sim/node-types.ts";
import { readShippedEmulator } from "../recordings/shipped-emulator.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { encodeGate, gateOf } from "../src/gate/gate-bytes.ts";
import { DEFAULT_FORM_RULE } from "../src/gate/offload-form.ts";
import { encodePoints } from "../src/gate/operating-points.ts";
import { decodeContainer, encodeContainer } from "../src/model/container.ts";
import { encoderMacs } from "../src/model/encoder.ts";
import { prng } from "../src/prng.ts";
import { createEmulator } from "../src/signal/emulator.ts";
import { parseTurn, turnSamples } from "../src/signal/turn.ts";
import { decodeUp, encodeDown } from "../src/wire/frames.ts";
import type { DownMessage, OffloadMessage, UpMessage } from "../src/wire/messages.ts";
import { featuresBytes } from "../src/wire/offload-frame.ts";
import { DEFAULT_BASE, nodeId } from "../src/wire/topics.ts";
import { randomEncoder } from "./encoder-samples.ts";
import { startHandBroker } from "./firmware-broker.ts";
import { until } from "./gateway-kit.ts";
import { OPERATING_POINTS } from "./operating-point-samples.ts";

const BOARD = "mps2-an386";
const missing = missingForNode(BOARD);
if (missing !== undefined) console.log(`the node on ${BOARD} is skipped: ${missing}`);

const ID = nodeId("collar-01");
const SEED = 7;
const RATE_HZ = 10;
const BLOCK = 100;
const START_MS = 1_760_000_000_000;

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), "bellwether-parity-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What an encoder's sums cost in bytes that are sent, of the firmware and of the simulated node. */
const MACS_PER_BYTE = 1000;
const FEATURES: FeaturesSettings = {
  rule: DEFAULT_FORM_RULE,
  costs: ({ rawBytes, codeBytes, encoder }) => ({
    raw: { microjoules: rawBytes },
    features: { microjoules: featuresBytes(codeBytes) + encoderMacs(encoder) / MACS_PER_BYTE },
  }),
};

/** One convolution, as cattle's: 25 x 7 codes of 2 bits are 44 bytes. */
function withEncoder(bytes: Uint8Array): Uint8Array {
  const container = decodeContainer(bytes);
  const { windowSamples, channels } = container.student;
  const layers = [{ kind: "conv", filters: 7, kernel: 8, stride: 2 }] as const;
  const encoder = randomEncoder({ windowSamples, channels, layers, codeBits: 2 }, 1);
  return encodeContainer({ ...container, encoder });
}

type Run = {
  readonly file: string;
  readonly factory: (shipped: Uint8Array) => Uint8Array;
  readonly settings: Partial<NodeSettings>;
  /** What travels of windows, over the whole life. */
  readonly sends: readonly OffloadMessage["encoding"][];
  /** The operating points that it is at; the gate as released alone where left out. */
  readonly points?: readonly number[];
};

const LIVES: readonly Run[] = [
  { file: "cattle/student.bwm", factory: inDoubt, settings: {}, sends: ["int8"] },
  {
    ...{ file: "cattle/student-plain.bwm", factory: inDoubt },
    settings: { offloadEncoding: "companded4" },
    sends: ["companded4"],
  },
  // In 2 bits only doubts go.
  {
    ...{ file: "cattle/student-plain.bwm", factory: inDoubt },
    settings: { offloadEncoding: "companded2" },
    sends: ["companded2", "companded4"],
  },
  {
    file: "cattle/student.bwm",
    factory: (shipped) => withEncoder(inDoubt(shipped)),
    settings: { offloadEncoding: "companded4", features: FEATURES },
    sends: ["features", "companded4"],
  },
  {
    file: "cattle/student.bwm",
    factory: (shipped) => withPoints(withEncoder(inDoubt(shipped))),
    settings: { offloadEncoding: "companded4", features: FEATURES },
    sends: ["features", "companded4"],
    points: [0, 1, 2],
  },
  // As it ships.
  {
    ...{ file: "cattle/student.bwm", factory: (shipped) => shipped },
    settings: { offloadEncoding: "companded4", features: FEATURES },
    sends: ["features", "companded4"],
    points: [0, 1, 5],
  },
  // Windows do not fit the link: what only a window may tell is not sent.
  {
    file: "cattle/student.bwm",
    factory: (shipped) => withEncoder(inDoubt(shipped)),
    settings: { offloadBytesMax: 100, features: FEATURES },
    sends: ["features"],
  },
];

/** The same student with nothing beside it, behind a gate that doubts often and may ask for a third
 * of all windows. */
function inDoubt(bytes: Uint8Array): Uint8Array {
  const { encoder: _encoder, points: _points, ...container } = decodeContainer(bytes);
  const gate = gateOf(container);
  const unsureMarginQ8 = gate.offload.unsureMarginQ8.map(() => 2000);
  const offload = { ...gate.offload, unsureMarginQ8, targetShareQ16: 20_000 };
  const bucket = { ...gate.bucket, windowsPerTokenQ8: 3 * 256 };
  return encodeContainer({ ...container, gate: encodeGate({ ...gate, offload, bucket }) });
}

type Block = {
  readonly startSample: number;
  readonly millig: Int16Array;
  readonly timeMs: number;
};

/** An emulated animal whose collar turns half way; a few samples are lost in between. */
async function signal(blocks: number): Promise<Block[]> {
  const emulator = createEmulator(await readShippedEmulator("cattle"), { seed: 10, name: ID });
  const turn = parseTurn("z180");
  let startSample = 0;
  return Array.from({ length: blocks }, (_, i) => {
    const { samples } = emulator.next(BLOCK);
    const millig = i < blocks / 2 ? samples.slice() : turnSamples(samples, turn);
    if (i % 9 === 4) startSample += 7;
    const block = {
      startSample,
      millig,
      timeMs: START_MS + (1000 * (startSample + BLOCK)) / RATE_HZ,
    };
    startSample += BLOCK;
    return block;
  });
}

/** Which a gateway wants of the node, one after another: both points, and the gate as released. */
const SHARES = [19_661, 1311, 0, 65_535];

/** With both points of the samples, and an encoder beside them. */
function withPoints(bytes: Uint8Array): Uint8Array {
  const container = decodeContainer(bytes);
  const points = encodePoints({ ...gateOf(container), operatingPoints: OPERATING_POINTS });
  return encodeContainer({ ...container, ...(points && { points }) });
}

/** What a gateway says after a block: verdicts on some of what was offloaded in it, a setting. */
function answers(block: number, offloaded: readonly number[], epoch: number): DownMessage[] {
  const verdicts = offloaded.map((windowIndex): DownMessage => {
    const classIndex = (windowIndex * 7) % 3;
    const probabilitiesQ8 = Uint8Array.of(5, 5, 5);
    probabilitiesQ8[classIndex] = 245;
    const trusted = windowIndex % 4 !== 0;
    return { kind: "verdict", epoch, seq: 0, windowIndex, classIndex, trusted, probabilitiesQ8 };
  });
  if (block % 7 === 5) {
    const shareQ16 = SHARES[Math.floor(block / 7) % SHARES.length] ?? 0;
    verdicts.push({ kind: "point", shareQ16 });
  }
  if (block % 5 !== 3) return verdicts;
  return [...verdicts, { kind: "setting", auditChanceQ16: 9000 + 500 * block, burstWindows: 4 }];
}

/** What a simulated life came to: its answers, and the reports and offloads that it owes. */
type Life = { readonly decided: readonly Decided[]; readonly owed: readonly UpMessage[] };

function simulate(
  factory: Uint8Array,
  blocks: readonly Block[],
  settings: NodeSettings = COLLAR,
): Life {
  const load = modelLoader(referenceEngine, nodeCrypto);
  const tools = { crypto: nodeCrypto, random: prng(SEED, `node ${ID}`), jitter: prng(1), load };
  const outbox = { epoch: 1, nextSeq: 0, nextWindow: 0, dropped: 0, damagedBytes: 0, entries: [] };
  const nothing = { header: null, record: null, image: new Uint8Array() };
  const flash = { slots: [nothing, nothing] as const, floor: null, gate: null };
  const start = { uptimeMs: 0, wallMs: START_MS };
  const { node } = bootNode({ factory, outbox, flash }, settings, tools, start);
  const decided: Decided[] = [];
  const owed: UpMessage[] = [];
  const step = (event: NodeEvent, wallMs: number): readonly NodeEffect[] => {
    const effects = stepNode(node, event, { uptimeMs: wallMs - START_MS, wallMs });
    for (const effect of effects) {
      if (effect.kind !== "outbox" || effect.record.kind !== "put") continue;
      const { kind, frame } = effect.record.entry;
      owed.push(decodeUp(kind, frame));
    }
    return effects;
  };
  step({ kind: "connected" }, START_MS);
  blocks.forEach(({ startSample, millig, timeMs }, i) => {
    const effects = step({ kind: "samples", startSample, millig }, timeMs);
    const now = effects.filter((effect) => effect.kind === "decided");
    decided.push(...now);
    const offloaded = now.filter(({ offload }) => offload !== null);
    for (const message of answers(
      i,
      offloaded.map(({ windowIndex }) => windowIndex),
      1,
    )) {
      step(
        { kind: "message", topic: message.kind as "verdict", frame: encodeDown(message) },
        timeMs,
      );
    }
  });
  return { decided, owed };
}

type Entry = Extract<UpMessage, { kind: "report" }>["entries"][number];

function entriesOf(messages: Iterable<UpMessage>): Entry[] {
  const entries = [...messages].flatMap((message) =>
    message.kind === "report" ? message.entries : [],
  );
  return entries.sort((a, b) => a.windowIndex - b.windowIndex);
}

describe.skipIf(missing !== undefined)("the firmware", () => {
  for (const { file, sends, points = [0], factory: made, settings: own } of LIVES) {
    const what = `${file}, that sends ${sends.join(", ")} at points ${points.join(", ")}`;
    it(`answers as the simulated node does: ${what}`, async () => {
      const factory = made(readFileSync(path.join(import.meta.dirname, "../profiles", file)));
      const blocks = await signal(60);
      const settings = { ...COLLAR, ...own };
      const expected = simulate(factory, blocks, settings);
      const broker = await startHandBroker(DEFAULT_BASE, ID);
      const node = await startFirmwareNode({
        board: BOARD,
        image: buildNodeImage({ board: BOARD, factory }),
        broker: { host: "127.0.0.1", port: broker.port },
        folder: mkdtempSync(path.join(folder, "life-")),
        provision: {
          ...{ id: ID, base: DEFAULT_BASE, publicKeys: [], seed: SEED, settings },
          macsPerByte: MACS_PER_BYTE,
        },
      });
      try {
        await until("a hello", () => broker.received.length > 0);
        const [hello] = broker.received;
        const epoch = hello?.kind === "hello" ? hello.epoch : 0;
        let windows = 0;
        for (const [i, block] of blocks.entries()) {
          await node.feed({ ...block, channels: 3, rateHz: RATE_HZ });
          const due = expected.decided.filter(
            ({ endSample = 0 }) => endSample <= block.startSample + BLOCK,
          ).length;
          await until(
            "the block's reports",
            () => entriesOf(broker.stored.values()).length === due,
          );
          const fresh = entriesOf(broker.stored.values()).slice(windows);
          windows = due;
          const offloaded = fresh.filter((entry) => entry.offloaded);
          const indices = offloaded.map(({ windowIndex }) => windowIndex);
          for (const message of answers(i, indices, epoch)) await broker.deliver(message);
        }
        const stored = [...broker.stored.values()];
        compare(expected, stored);
        expect(new Set(expected.owed.flatMap(encodingOf))).toEqual(new Set(sends));
        expect(new Set(expected.owed.flatMap(pointOf))).toEqual(new Set(points));
      } finally {
        await node.stop();
        await broker.close();
      }
    }, 60_000);
  }
});

const SMALL = "microbit";
const withoutSmall = missingForNode(SMALL);
if (withoutSmall !== undefined) console.log(`the node on ${SMALL} is skipped: ${withoutSmall}`);

describe.skipIf(withoutSmall !== undefined)("the firmware in 16 KB of RAM", () => {
  it("joins, and answers what it plays to itself as the simulated node does", async () => {
    const factory = readFileSync(path.join(import.meta.dirname, "../profiles/cattle/student.bwm"));
    const { samples } = createEmulator(await readShippedEmulator("cattle"), {
      seed: 6,
      name: ID,
    }).next(3_000);
    const windows = 24;
    const expected = simulate(factory, [
      { startSample: 0, millig: samples, timeMs: START_MS + 300_000 },
    ]).decided.slice(0, windows);
    const broker = await startHandBroker(DEFAULT_BASE, ID);
    const signal_ = { millig: samples, rateHz: RATE_HZ, speed: 20 };
    const node = await startFirmwareNode({
      board: SMALL,
      image: buildNodeImage({ board: SMALL, factory, signal: signal_ }),
      broker: { host: "127.0.0.1", port: broker.port },
      folder: path.join(folder, SMALL),
      provision: { id: ID, base: DEFAULT_BASE, publicKeys: [], seed: SEED },
    });
    try {
      const entries = () => entriesOf(broker.stored.values());
      await until("its windows", () => entries().length >= windows, 20_000);
      expect(broker.received[0]).toMatchObject({ kind: "hello", firmware: "bellwether-fw 0.1.0" });
      expect(entries().slice(0, windows).map(answerOf)).toEqual(
        expected.map((decided) => answerOf({ ...decided, offloaded: decided.offload !== null })),
      );
      // Its clock is the debugger's: now, to the second.
      const ends = entries().map(({ timeMs }) => timeMs);
      expect(Math.abs(Date.now() - (ends.at(-1) ?? 0))).toBeLessThan(10_000);
    } finally {
      await node.stop();
      await broker.close();
    }
  }, 60_000);
});

const answerOf = ({
  windowIndex,
  classIndex,
  confidenceQ8,
  exit,
  offloaded,
}: Omit<Entry, "timeMs">) => ({
  windowIndex,
  classIndex,
  confidenceQ8,
  exit,
  offloaded,
});

const encodingOf = (message: UpMessage) => (message.kind === "offload" ? message.encoding : []);
const pointOf = (message: UpMessage) => (message.kind === "report" ? message.operatingPoint : []);

/** Each life has an epoch of its own. */
const inAnyEpoch = (message: UpMessage): unknown => ({ ...message, epoch: 0 });

function compare({ decided, owed }: Life, stored: readonly UpMessage[]): void {
  const entries = entriesOf(stored);
  expect(entries).toEqual(
    decided.map(({ windowIndex, timeMs, classIndex, confidenceQ8, exit, offload }) => ({
      windowIndex,
      timeMs,
      classIndex,
      confidenceQ8,
      exit,
      offloaded: offload !== null,
    })),
  );
  const sent = stored.filter(({ kind }) => kind === "report" || kind === "offload");
  expect(sent.map(inAnyEpoch)).toEqual(owed.map(inAnyEpoch));
  expect(decided.length).toBeGreaterThan(150);
  const reasons = new Set(decided.flatMap(({ offload }) => offload ?? []));
  expect(reasons.size).toBeGreaterThanOrEqual(2);
  expect(decided.some(({ alarm }) => alarm)).toBe(true);
}
