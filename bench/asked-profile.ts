/** The profile that a benchmark is about: the data set's own, in another shape where one is asked for
 * with `--rate HERTZ` and `--window SECONDS`. */
import { EdgeError } from "../src/assert.ts";
import type { Profile } from "../src/signal/profile.ts";
import { shapeOverrides } from "../src/signal/profiles.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { BenchmarkOptions } from "./benchmark.ts";

/** @throws EdgeError `usage`, `profile-shape` */
export function askedOverrides(
  recordings: Recordings,
  options: Pick<BenchmarkOptions, "extra">,
): Partial<Profile> {
  return shapeOverrides(recordings, {
    rateHz: positiveOption(options, "rate"),
    windowSeconds: positiveOption(options, "window"),
  });
}

function positiveOption({ extra }: Pick<BenchmarkOptions, "extra">, name: string) {
  const text = extra[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new EdgeError({
    code: "usage",
    message: `--${name} ${text}`,
    where: "bench",
    hint: "Give a number above 0.",
  });
}
