/**
 * Reads what a model's file says of itself, text by text. By hand and not by a schema: it is read in the
 * teachers' thread, of which the library of schemas would be 5 MB.
 */

/** No sensor is sampled more slowly than once in a quarter of an hour. */
export const RATE_HZ_LEAST = 0.001;
const SHOWN_CHARACTERS = 40;

/** The properties of a file, by name; a name that is not there is undefined. */
export type Metadata = (name: string) => string | undefined;

/** Throws `Error` naming the property for what is no list of texts. */
export function textsOf(metadata: Metadata, name: string): readonly string[] | undefined {
  const text = metadata(name);
  if (text === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Told below.
  }
  const isTexts = (one: unknown): one is string[] =>
    Array.isArray(one) && one.every((item) => typeof item === "string");
  return isTexts(value) ? value : wrong(name, text, "no JSON list of names");
}

export type NumberRange = {
  readonly low: number;
  readonly high?: number;
  readonly isWhole?: boolean;
};

/** Throws `Error` naming the property for what is no number in the range. */
export function numberOf(metadata: Metadata, name: string, range: NumberRange): number | undefined {
  const text = metadata(name);
  if (text === undefined) return undefined;
  const { low, high = Number.POSITIVE_INFINITY, isWhole = false } = range;
  const value = text.trim() === "" ? Number.NaN : Number(text);
  const isGood = Number.isFinite(value) && value >= low && value <= high;
  if (isGood && (!isWhole || Number.isInteger(value))) return value;
  return wrong(name, text, `no ${isWhole ? "whole " : ""}number from ${low} to ${high}`);
}

/** Throws `Error` naming the property for what is none of the choices. */
export function choiceOf<T extends string>(
  metadata: Metadata,
  name: string,
  choices: readonly T[],
): T | undefined {
  const text = metadata(name);
  if (text === undefined) return undefined;
  const chosen = choices.find((choice) => choice === text);
  return chosen ?? wrong(name, text, `none of ${choices.join(", ")}`);
}

/** Throws `Error` naming the property where it is missing. */
export function needed<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`${name} is missing`);
  return value;
}

function wrong(name: string, text: string, problem: string): never {
  throw new Error(`${name} is ${JSON.stringify(text.slice(0, SHOWN_CHARACTERS))}, ${problem}`);
}
