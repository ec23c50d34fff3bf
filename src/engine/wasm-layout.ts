/**
 * Where things lie in WebAssembly memory: addresses handed out one after another, and the tables that
 * are to be written there, packed as the kernels in `src/engine/wasm/kernels.as` read them.
 */

import { requantizationFactors } from "../model/requantize.ts";
import type { Requantization, Stage } from "../model/student.ts";
import { marginSamples } from "../model/student-cost.ts";

/** The modes of `kernels.as`. */
export const MODE = { relu8: 0, saturate16: 1, saturate8: 2, doubles: 4 } as const;
const RECORD_WORDS = 16;
/** Of a 64-bit product the kernels take the upper half: shifts from the least on can be made 32 with
 * a multiplier that stays an int32. */
export const UPPER_SHIFT = 32;
const LEAST_MOVABLE_SHIFT = 16;
/** Largest magnitude of what a matrix is multiplied with: int8, or a GRU's int16 state. */
const INPUT_MOST = 32_768;
/** Rows of a matrix that the kernels take at once. */
export const BLOCK = 8;
/** Loads may reach this far past the end of a buffer. */
const SLACK_BYTES = 64;

export type Table = Int8Array | Int16Array | Int32Array | Float64Array;
/** Int16 `[time][channel]`; `address` is that of the first sample, behind the margin. */
export type Activation = {
  readonly address: number;
  readonly time: number;
  readonly channels: number;
};

export type FactorPlan = {
  readonly factors: number;
  /** To be added to the mode. */
  readonly factorMode: number;
};
export type MatrixPlan = FactorPlan & {
  readonly pairs: number;
  readonly weights: number;
  readonly bias: number;
};

/** Hands out addresses, one after another, and keeps what is to be written there. */
export class Layout {
  readonly tables: { readonly address: number; readonly values: Table }[] = [];
  readonly #base: number;
  #next: number;

  constructor(base: number) {
    this.#base = base;
    // Loads never begin before a buffer, but 0 stays unused: a forgotten pointer harms no table.
    this.#next = base + SLACK_BYTES;
  }

  get bytes(): number {
    return this.#next - this.#base;
  }

  reserve(bytes: number): number {
    const address = this.#next;
    this.#next = Math.ceil((address + bytes + SLACK_BYTES) / 16) * 16;
    return address;
  }

  table(values: Table): number {
    const address = this.reserve(values.byteLength);
    this.tables.push({ address, values });
    return address;
  }

  program(records: readonly (readonly number[])[]): { program: number; records: number } {
    const words = new Int32Array(records.length * RECORD_WORDS);
    records.forEach((record, i) => {
      words.set(record, i * RECORD_WORDS);
    });
    return { program: this.table(words), records: records.length };
  }

  /** With the margins that its reader wants, and one more row: kernels read taps in pairs. */
  activation(
    time: number,
    channels: number,
    reader: Stage["layers"][number] | undefined,
  ): Activation {
    const before = reader === undefined || reader.kind === "gru" ? 0 : reader.padLeft;
    const start = this.reserve(2 * channels * (time + marginSamples(reader) + 1));
    return { address: start + 2 * channels * before, time, channels };
  }

  /** `[row / 8][column / 2][8 rows][2 columns]`, zeros where there is no row or column. */
  matrix(
    rows: number,
    columns: number,
    at: (row: number, column: number) => number,
    bias: Int32Array,
    requantization: Requantization,
  ): MatrixPlan {
    const { lifts, lifted } = liftRows(columns, at, bias, requantization);
    const pairs = Math.ceil(columns / 2);
    const packed = new Int16Array(blocked(rows) * 2 * pairs);
    const biases = new Int32Array(blocked(rows));
    for (let row = 0; row < rows; row++) {
      const lift = 2 ** (lifts[row] as number);
      biases[row] = lift * (bias[row] as number);
      for (let column = 0; column < columns; column++) {
        const block = Math.floor(row / BLOCK) * pairs + (column >> 1);
        const to = (block * BLOCK + (row % BLOCK)) * 2 + (column & 1);
        packed[to] = lift * at(row, column);
      }
    }
    const [weights, biasAddress] = [this.table(packed), this.table(biases)];
    return { pairs, weights, bias: biasAddress, ...this.factors(lifted) };
  }

  /** Int32 where every shift can be made 32, which is the rule; else doubles, at twice the time.
   * A sum times a moved multiplier is below 2^62: exact. */
  factors(requantization: Requantization): FactorPlan {
    const { multipliers, shifts } = requantization;
    const length = blocked(multipliers.length);
    if (shifts.every((shift) => shift >= LEAST_MOVABLE_SHIFT && shift <= UPPER_SHIFT)) {
      const moved = new Int32Array(length);
      multipliers.forEach((multiplier, i) => {
        moved[i] = multiplier << (UPPER_SHIFT - (shifts[i] as number));
      });
      return { factors: this.table(moved), factorMode: 0 };
    }
    const doubles = new Float64Array(length);
    doubles.set(requantizationFactors(requantization));
    return { factors: this.table(doubles), factorMode: MODE.doubles };
  }
}

/** A row whose shift is too small to be made 32 may have its weights and bias doubled, and its shift
 * raised by one, until it is: the value stays the same. Weights are int8 in int16, so eight times are
 * possible as long as no sum can leave an int32. All rows or none. */
function liftRows(
  columns: number,
  at: (row: number, column: number) => number,
  bias: Int32Array,
  requantization: Requantization,
): { readonly lifts: Uint8Array; readonly lifted: Requantization } {
  const { multipliers, shifts } = requantization;
  const lifts = shifts.map((shift) => Math.max(0, LEAST_MOVABLE_SHIFT - shift));
  const fits = lifts.every((lift, row) => {
    if (lift === 0) return true;
    let most = Math.abs(bias[row] as number);
    for (let c = 0; c < columns; c++) most += INPUT_MOST * Math.abs(at(row, c));
    return lift <= 8 && most * 2 ** lift < 2 ** 31;
  });
  if (!fits) return { lifts: new Uint8Array(lifts.length), lifted: requantization };
  const raised = shifts.map((shift, row) => shift + (lifts[row] as number));
  return { lifts, lifted: { multipliers, shifts: raised } };
}

/** The next multiple of `BLOCK`. */
export function blocked(rows: number): number {
  return Math.ceil(rows / BLOCK) * BLOCK;
}
