/**
 * The three kinds of failure, told apart.
 *
 * An expected outcome is a value that a function returns. Bad input from outside is an `EdgeError`
 * that says what, where, and how to mend it. Our own bug is a failed `assert`, which ends the
 * process: nothing that a node, a file or a person sends may ever reach one.
 */

/** Bad input from outside the program: a file, a frame, a configuration, a command line. */
export class EdgeError extends Error {
  override readonly name = "EdgeError";
  /** Stable, kebab-case, made for programs: `recording-rate`, `frame-truncated`, … */
  readonly code: string;
  /** The place: a file and line, a byte offset, a configuration path. */
  readonly where: string;
  /** What the person at the other end can do about it. */
  readonly hint: string;

  constructor(problem: { code: string; message: string; where: string; hint: string }) {
    super(`${problem.where}: ${problem.message} (${problem.code}). ${problem.hint}`);
    this.code = problem.code;
    this.where = problem.where;
    this.hint = problem.hint;
  }
}

/** States what must be true unless this program has a bug. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends an exhaustive `switch`: the compiler proves that no case is left. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unreachable value ${String(value)}`);
}
