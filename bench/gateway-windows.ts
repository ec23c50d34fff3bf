/** Windows of noise about gravity, for measuring what does not depend on what is in them. */

import { normal, prng } from "../src/prng.ts";
import type { Profile } from "../src/signal/profile.ts";

/** Int8 `[window][time][channel]`. */
export function randomWindows(profile: Profile, count: number, seed = 1): Int8Array {
  const random = prng(seed, "windows");
  const length = profile.windowSamples * profile.channels;
  return Int8Array.from({ length: count * length }, () =>
    Math.max(-127, Math.min(127, Math.round(30 * normal(random)))),
  );
}
