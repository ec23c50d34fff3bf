/**
 * The windows of one node that may still be corrected, in the order of time: a gateway holds some seven
 * hundred of each of its nodes, so that they are columns of 26 bytes a window and not objects of 140.
 */

import { assert } from "../assert.ts";

export type Answer = {
  readonly classIndex: number;
  /** Chance of being right, 0 to 1. */
  readonly confidence: number;
};

export type SeenWindow = {
  /** End of the window, by the node's clock. */
  readonly timeMs: number;
  /** The node's life, and the window's number in it; 32 bits each. */
  readonly epoch: number;
  readonly windowIndex: number;
  readonly student: Answer;
  /** The teacher's trusted answer, once it has come. */
  teacher: Answer | null;
};

/** Rows more than are needed, as a share of those, so that not every window makes a copy of all. */
const SPARE_SHARE = 0.1;
const SPARE_LEAST = 16;

export class OpenWindows {
  #count = 0;
  #columns = columnsOf(0);

  static of(windows: readonly SeenWindow[]): OpenWindows {
    const open = new OpenWindows();
    for (const window of windows) open.insert(open.count, window);
    return open;
  }

  get count(): number {
    return this.#count;
  }

  timeMs(row: number): number {
    return this.#columns.timesMs[row] as number;
  }

  /** What is known of it: the teacher's word where there is one. */
  classIndex(row: number): number {
    return this.#columns.classes[row] as number;
  }

  confidence(row: number): number {
    return this.#columns.confidences[row] as number;
  }

  /** Whether that is the teacher's. */
  isTaught(row: number): boolean {
    return this.#columns.taught[row] === 1;
  }

  /** Whether it is of a later number than another window. */
  isAfter(row: number, { epoch, windowIndex }: SeenWindow): boolean {
    const { epochs, windowIndices } = this.#columns;
    return epochs[row] === epoch
      ? (windowIndices[row] as number) > windowIndex
      : (epochs[row] as number) > epoch;
  }

  /** The row of a window, or -1. */
  find(epoch: number, windowIndex: number): number {
    const { epochs, windowIndices } = this.#columns;
    for (let row = 0; row < this.#count; row++) {
      if (windowIndices[row] === windowIndex && epochs[row] === epoch) return row;
    }
    return -1;
  }

  teach(row: number, answer: Answer): void {
    const { classes, confidences, taught } = this.#columns;
    classes[row] = answer.classIndex;
    confidences[row] = answer.confidence;
    taught[row] = 1;
  }

  /** Puts a window before the row `at`. */
  insert(at: number, window: SeenWindow): void {
    assert(at >= 0 && at <= this.#count, "a window goes between two others");
    this.#makeRoom();
    if (at < this.#count) {
      for (const column of Object.values(this.#columns)) column.copyWithin(at + 1, at, this.#count);
    }
    this.#count += 1;
    this.#write(at, window);
  }

  /** Takes so many rows out, from `from` on. */
  remove(from: number, count: number): void {
    for (const column of Object.values(this.#columns)) {
      column.copyWithin(from, from + count, this.#count);
    }
    this.#count -= count;
  }

  #write(row: number, { timeMs, epoch, windowIndex, student, teacher }: SeenWindow): void {
    const { timesMs, confidences, epochs, windowIndices, classes, taught } = this.#columns;
    const { classIndex, confidence } = teacher ?? student;
    timesMs[row] = timeMs;
    confidences[row] = confidence;
    epochs[row] = epoch;
    windowIndices[row] = windowIndex;
    classes[row] = classIndex;
    taught[row] = teacher === null ? 0 : 1;
  }

  #makeRoom(): void {
    const before = this.#columns;
    if (this.#count < before.classes.length) return;
    const spare = Math.max(SPARE_LEAST, Math.floor(this.#count * SPARE_SHARE));
    const columns = columnsOf(this.#count + spare);
    for (const [name, column] of Object.entries(before) as [keyof Columns, Columns["classes"]][]) {
      columns[name].set(column);
    }
    this.#columns = columns;
  }
}

type Columns = ReturnType<typeof columnsOf>;

/** One buffer for all columns, the widest first, so that each begins where it may. */
function columnsOf(rows: number) {
  const buffer = new ArrayBuffer(rows * (8 + 8 + 4 + 4 + 1 + 1));
  return {
    timesMs: new Float64Array(buffer, 0, rows),
    confidences: new Float64Array(buffer, rows * 8, rows),
    epochs: new Uint32Array(buffer, rows * 16, rows),
    windowIndices: new Uint32Array(buffer, rows * 20, rows),
    classes: new Uint8Array(buffer, rows * 24, rows),
    taught: new Uint8Array(buffer, rows * 25, rows),
  };
}
