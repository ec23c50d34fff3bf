/**
 * The house rules for C, as tests. Those of size hold for every C file; those of what firmware may
 * do without hold for `runtime/`, `crypto/` and `node/`, not for programs of the host and boards.
 */

import { describe, expect, it } from "vitest";
import { projectFiles, readText } from "./house-sources.ts";

type CSource = { readonly path: string; readonly text: string; readonly code: string };

const SOURCES = projectFiles()
  .filter((path) => /\.[ch]$/.test(path))
  .map((path): CSource => {
    const text = readText(path);
    return { path, text, code: withoutComments(text) };
  });
const PORTABLE = SOURCES.filter(({ path }) =>
  /^deploy\/firmware\/(runtime|crypto|node)\//.test(path),
);

/** Blank where comments and texts were, so that lines keep their numbers. */
function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(\\.|[^"\\\n])*"/g, (match) =>
    match.startsWith('"') ? match : match.replace(/[^\n]/g, " "),
  );
}

function findLines(source: CSource, pattern: RegExp): string[] {
  return source.code
    .split("\n")
    .flatMap((line, i) =>
      pattern.test(line.replace(/"(\\.|[^"\\])*"/g, '""'))
        ? [`${source.path}:${i + 1} ${line}`]
        : [],
    );
}

/** Blocks that open at the end of a line of an unindented head with parentheses. */
function functionsOf({ code }: CSource): { readonly line: number; readonly lines: number }[] {
  const lines = code.split("\n");
  const found: { line: number; lines: number }[] = [];
  let head = 0;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] as string;
    if (/^[A-Za-z_]/.test(line)) head = i;
    if (!/\)[^;]*\{\s*$/.test(line)) continue;
    if (/^(typedef|enum|struct)\b[^(]*$/.test(lines[head] as string)) continue;
    let end = i;
    while (end < lines.length && lines[end] !== "}") end++;
    found.push({ line: head + 1, lines: end - head + 1 });
    i = end;
  }
  return found;
}

describe("C files", () => {
  it("are found, and so are their functions", () => {
    expect(PORTABLE.length).toBeGreaterThan(20);
    const longest = PORTABLE.map((it) => functionsOf(it).length);
    expect(longest.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(200);
  });

  it("have at most 400 lines of at most 110 columns, as those in TypeScript", () => {
    const wrong = SOURCES.flatMap(({ path, text }) => {
      const lines = text.split("\n");
      const wide = lines.findIndex((line) => line.length > 110);
      return [
        ...(lines.length > 401 ? [`${path} has ${lines.length - 1} lines`] : []),
        ...(wide >= 0 ? [`${path}:${wide + 1} has ${lines[wide]?.length} columns`] : []),
      ];
    });
    expect(wrong).toEqual([]);
  });

  it("have functions of at most 70 lines", () => {
    const wrong = SOURCES.flatMap((source) =>
      functionsOf(source)
        .filter(({ lines }) => lines > 70)
        .map(({ line, lines }) => `${source.path}:${line} has ${lines} lines`),
    );
    expect(wrong).toEqual([]);
  });

  it("open with a comment that says what they are", () => {
    const wrong = SOURCES.filter(({ text }) => !/^\/\*[\s*]*\w[\s\S]{10}/.test(text));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it("are named for what is in them", () => {
    const wrong = SOURCES.filter(({ path }) => /(utils?|helpers?|common|misc)[._]/.test(path));
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });
});

describe("C for microcontrollers", () => {
  it("has no heap, no output, no floating point, and leaves the stack's size to the compiler", () => {
    const banned =
      /\b(malloc|calloc|realloc|free|alloca|printf|puts|float|double|setjmp|longjmp|goto)\b/;
    expect(PORTABLE.flatMap((source) => findLines(source, banned))).toEqual([]);
  });

  // What a compiler brings along without a library, string.h for memcpy, and the names that it has
  // for an Arm processor's instructions.
  it("includes its own headers, and of others five at most", () => {
    const allowed =
      /^\s*#\s*include\s+("[^"]+\.h"|<(stdint|stddef|stdbool|string|arm_acle)\.h>)\s*$/;
    const wrong = PORTABLE.flatMap(({ path, code }) =>
      code
        .split("\n")
        .filter((line) => /^\s*#\s*include/.test(line) && !allowed.test(line))
        .map((line) => `${path} ${line.trim()}`),
    );
    expect(wrong).toEqual([]);
  });

  it("calls nothing of the library but memcpy", () => {
    const banned = /\b(mem(set|move|cmp|chr)|str[a-z]+|abs|div|qsort|assert|exit|abort)\s*\(/;
    expect(PORTABLE.flatMap((source) => findLines(source, banned))).toEqual([]);
  });
});
