/**
 * What every engine offers: the same bits for the same container.
 *
 * A run goes stage by stage, so that a gate that is satisfied at an early exit leaves the later
 * stages unpaid. Buffers are made at load; a run allocates nothing, and what it returns is valid
 * until the next `begin`.
 */

import type { Container } from "../model/container.ts";

/** What one exit says of one window. */
export type ExitOutput = {
  /** Int16 in Q8, one per class. */
  readonly logits: Int16Array;
  /** Int8 features that the head read. */
  readonly features: Int8Array;
};

export type LoadedStudent = {
  readonly container: Container;
  readonly exits: number;
  /** Starts a window, int8 `[time][channel]`. */
  begin(window: Int8Array): void;
  /** Runs the next stage and its exit. At most `exits` calls after each `begin`. */
  nextExit(): ExitOutput;
  /** The codes that the container's encoder makes of the window that was begun, `[time][channel]`, one
   * a byte. Only for a container that has one; before, between and after exits. */
  encode(): Uint8Array;
};

/** The fast one first: it is the default where it can run. */
export const ENGINE_NAMES = ["wasm", "reference"] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

export type Engine = {
  readonly name: EngineName;
  load(container: Container): LoadedStudent;
};
