/** Pieces of C99 source: arrays, strings, names. Everything that is written is plain ASCII. */

import { EdgeError } from "../assert.ts";

const COLUMNS = 100;
/** Files that are shipped beside the generated ones, and headers that a compiler would look for. */
const TAKEN = ["arm_acle", "bw", "main", "stdint", "stdio", "string"];

/** A name that every generated identifier and both file names begin with. Throws `EdgeError`. */
export function checkPrefix(name: string): string {
  const taken = TAKEN.includes(name) || name.startsWith("bw_");
  if (/^[a-z][a-z0-9_]{0,31}$/.test(name) && !taken) return name;
  throw new EdgeError({
    code: "export-name",
    message: taken ? `${name} is taken` : `${JSON.stringify(name)} is no such name`,
    where: "--name",
    hint: "Give 1 to 32 of a-z, 0-9 and _, the first a letter; not bw_..., main, or a header of C.",
  });
}

/** `static const TYPE NAME[N] = {...};`, never empty: C99 has no array of nothing. */
export function constArray(
  type: string,
  name: string,
  items: ArrayLike<number | string>,
  storage = "static const",
): string {
  const texts = items.length === 0 ? ["0"] : Array.from(items, String);
  const lines: string[] = [];
  let line = " ";
  for (const text of texts) {
    if (line.length + text.length + 2 > COLUMNS) {
      lines.push(line);
      line = " ";
    }
    line += ` ${text},`;
  }
  lines.push(line);
  return `${storage} ${type} ${name}[${texts.length}] = {\n${lines.join("\n")}\n};`;
}

/** A string literal of printable ASCII; question marks are escaped, for two of them may be a trigraph. */
export function stringLiteral(text: string): string {
  return `"${text.replace(/["\\?]/g, (character) => `\\${character}`)}"`;
}

/** An int32 constant: the smallest one is no literal in C. */
export function int32Literal(value: number): string {
  return value === -(2 ** 31) ? "(-2147483647 - 1)" : String(value);
}
