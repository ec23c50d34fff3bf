/** Bad input found in a worker thread, told to the thread that asked: classes do not travel. */

import { EdgeError } from "../../src/assert.ts";

export type Problem = {
  readonly code: string;
  readonly message: string;
  readonly where: string;
  readonly hint: string;
};

/** What can be sent of an `EdgeError`; anything else is a bug and is thrown on. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof EdgeError)) throw error;
  const { code, where, hint } = error;
  // The constructor's own sentence, taken apart again.
  const message = error.message.slice(where.length + 2, -` (${code}). ${hint}`.length);
  return { code, message, where, hint };
}
