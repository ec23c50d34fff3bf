/**
 * The same operations given to the gate in C and to the gate in TypeScript, compared byte by byte.
 *
 * `deploy/firmware/host/gate_host.c` says how the operations and the answers are written.
 */

import { assert, EdgeError } from "../src/assert.ts";
import { type ByteReader, ByteWriter } from "../src/bytes.ts";
import type { ExitOutput } from "../src/engine/engine.ts";
import {
  applyOperatingShare,
  applySetting,
  type GateVerdict,
  gateExit,
  gateVerdict,
  gateWindow,
} from "../src/gate/decide.ts";
import { decodeGate, withPoints } from "../src/gate/gate-bytes.ts";
import type { GateParameters } from "../src/gate/gate-parameters.ts";
import { carryGateState, type GateState, initialGateState } from "../src/gate/gate-state.ts";
import { encodeGateState } from "../src/gate/gate-state-bytes.ts";
import { decodePoints } from "../src/gate/operating-points.ts";
import { windowStatistics } from "../src/gate/window-statistics.ts";
import { prng } from "../src/prng.ts";
import { OFFLOAD_REASONS } from "../src/wire/messages.ts";
import { buildHost, letter, runHost } from "./firmware-host.ts";

export type GateOperation =
  | {
      readonly kind: "load";
      readonly section: Uint8Array;
      /** Operating points; none where left out. */
      readonly points?: Uint8Array | undefined;
    }
  | { readonly kind: "start"; readonly seed: number; readonly stream: string }
  | {
      readonly kind: "window";
      readonly windowIndex: number;
      readonly window: Int8Array;
      readonly channels: number;
      /** Of every exit of the gate, whether or not it will be asked. */
      readonly exits: readonly ExitOutput[];
    }
  | ({ readonly kind: "verdict" } & GateVerdict)
  | { readonly kind: "setting"; readonly auditChanceQ16: number; readonly burstWindows: number }
  | { readonly kind: "move"; readonly shareQ16: number }
  | { readonly kind: "carry" }
  | { readonly kind: "restore"; readonly sameRelease: boolean; readonly bytes: Uint8Array };

/** What bw_gate_code says, in the words of `EdgeError`. */
export const GATE_CODES = [
  "ok",
  "truncated",
  "trailing-bytes",
  "gate-version",
  "gate-range",
  "gate-mismatch",
] as const;

/** The gate's files. */
const GATE_SOURCES = [
  "node/bw_margin_tables.c",
  "node/bw_margins.c",
  "node/bw_belief.c",
  "node/bw_novelty.c",
  "node/bw_burst.c",
  "node/bw_decide.c",
  "node/bw_gate_load.c",
  "node/bw_gate_state.c",
  "node/bw_prng.c",
];

export function buildGateHost(folder: string): string {
  return buildHost(folder, "gate_host", GATE_SOURCES);
}

/** What the C program answers to a list of operations. */
export function runGateHost(program: string, operations: readonly GateOperation[]): ByteReader {
  const to = new ByteWriter();
  for (const operation of operations) writeOperation(to, operation);
  return runHost(program, to.finish());
}

/** Runs both; fails at the first operation whose answers differ. Returns how many windows there
 * were, and how many of them for which reason were offloaded. */
export function compareGates(
  program: string,
  operations: readonly GateOperation[],
): ReadonlyMap<string, number> {
  const answers = runGateHost(program, operations);
  const seen = new Map<string, number>();
  let gate: GateParameters | undefined;
  let state: GateState | undefined;
  let random = prng(0);
  operations.forEach((operation, at) => {
    const what = `operation ${at}, ${operation.kind}`;
    if (operation.kind === "load") {
      gate = gateWith(operation.section, operation.points);
      assert(GATE_CODES[answers.u8()] === "ok", what);
      return;
    }
    assert(gate !== undefined, "a gate is loaded first");
    if (operation.kind === "start") {
      random = prng(operation.seed, operation.stream);
      state = initialGateState(gate);
    } else {
      assert(state !== undefined, "a state is started first");
      if (operation.kind === "window") {
        const expected = new ByteWriter();
        const decided = decideAs(gate, state, operation, random, expected);
        state = decided.nextState;
        count(seen, "window");
        count(seen, decided.offload ?? "kept");
        if (decided.alarm) count(seen, "alarm");
        if (decided.exit > 0) count(seen, "later exit");
        expectSame(answers, expected.finish(), what);
      } else {
        state = stepState(gate, state, operation, answers);
      }
    }
    const bytes = encodeGateState(state);
    expectSame(answers, new ByteWriter().u16(bytes.length).bytes(bytes).finish(), `${what}: state`);
  });
  answers.done();
  return seen;
}

/** Both sections of a container; throws as its reader does. */
export function gateWith(section: Uint8Array, points: Uint8Array | undefined): GateParameters {
  const gate = decodeGate(section);
  return points === undefined ? gate : withPoints(gate, decodePoints(points));
}

function decideAs(
  gate: GateParameters,
  state: GateState,
  asked: Extract<GateOperation, { kind: "window" }>,
  random: ReturnType<typeof prng>,
  expected: ByteWriter,
) {
  const exits = [asked.exits[0] as ExitOutput];
  while (gateExit(gate, state, exits) === "next")
    exits.push(asked.exits[exits.length] as ExitOutput);
  const statistics = windowStatistics(asked.window, asked.channels);
  const { windowIndex } = asked;
  const decision = gateWindow(gate, state, { exits, statistics, windowIndex }, random);
  const { offload } = decision;
  expected.u8(decision.exit).u8(decision.classIndex).u8(decision.confidenceQ8);
  expected.u8(offload === null ? 255 : OFFLOAD_REASONS.indexOf(offload)).u8(decision.alarm ? 1 : 0);
  expected.u16(decision.marginQ8).u16(decision.chanceQ16).u16(decision.driftQ8);
  return decision;
}

function stepState(
  gate: GateParameters,
  state: GateState,
  operation: GateOperation,
  answers: ByteReader,
): GateState {
  switch (operation.kind) {
    case "verdict":
      return gateVerdict(gate, state, operation);
    case "setting":
      return applySetting(state, operation);
    case "move":
      return applyOperatingShare(gate, state, operation.shareQ16);
    case "carry":
      return carryGateState(gate, state);
    case "restore":
      // The state's own bytes: it goes on as if nothing had happened.
      assert(GATE_CODES[answers.u8()] === "ok", "a state that was saved can be read");
      return operation.sameRelease ? state : carryGateState(gate, state);
    default:
      throw new Error(`no step: ${operation.kind}`);
  }
}

function expectSame(answers: ByteReader, expected: Uint8Array, what: string): void {
  const found = answers.bytes(expected.length);
  const different = found.findIndex((byte, i) => byte !== expected[i]);
  if (different < 0) return;
  throw new Error(`${what}: byte ${different} of ${found.join(" ")}, not ${expected.join(" ")}`);
}

function count(seen: Map<string, number>, name: string): void {
  seen.set(name, (seen.get(name) ?? 0) + 1);
}

function writeOperation(to: ByteWriter, operation: GateOperation): void {
  switch (operation.kind) {
    case "load":
      to.u8(letter("L")).u32(operation.section.length).bytes(operation.section);
      to.u32(operation.points?.length ?? 0).bytes(operation.points ?? new Uint8Array());
      return;
    case "start":
      to.u8(letter("S")).u32(operation.seed).ascii(operation.stream);
      return;
    case "window": {
      const { window, channels, exits } = operation;
      to.u8(letter("W"))
        .u32(operation.windowIndex)
        .u16(window.length / channels)
        .u8(channels);
      to.u8(exits[0]?.features.length ?? 0).bytes(window);
      for (const { logits, features } of exits) {
        for (const logit of logits) to.i16(logit);
        assert(features.length === exits[0]?.features.length, "features are padded alike");
        to.bytes(features);
      }
      return;
    }
    case "verdict":
      to.u8(letter("V")).u32(operation.windowIndex).u8(operation.classIndex);
      to.u8(operation.trusted ? 1 : 0).u8(operation.probabilitiesQ8.length);
      to.bytes(operation.probabilitiesQ8);
      return;
    case "setting":
      to.u8(letter("T")).u16(operation.auditChanceQ16).u16(operation.burstWindows);
      return;
    case "move":
      to.u8(letter("P")).u16(operation.shareQ16);
      return;
    case "carry":
      to.u8(letter("C"));
      return;
    case "restore":
      to.u8(letter("R"))
        .u8(operation.sameRelease ? 1 : 0)
        .u32(operation.bytes.length);
      to.bytes(operation.bytes);
      return;
  }
}

/** The code with which `decode` refuses, or "ok". */
export function codeOf(decode: () => unknown): string {
  try {
    decode();
    return "ok";
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
}
