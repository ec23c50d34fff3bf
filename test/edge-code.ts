/** The code with which bad input is refused. */

import { EdgeError } from "../src/assert.ts";

/** "accepted" where it is not; anything else that is thrown goes on. */
export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return "accepted";
}
