/**
 * The project's own files as the house rules see them: text, imports, functions, opening comment.
 *
 * Parsed with oxc, because TypeScript 7 has no interface for programs. Nothing is cached between
 * runs and nothing is written.
 */

import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "oxc-parser";

export const ROOT = fileURLToPath(new URL("..", import.meta.url));

export type Import = {
  /** As written: `node:fs`, `zod`, `./bytes.ts`. */
  readonly specifier: string;
  /** The file from the root for a relative import: `src/bytes.ts`. */
  readonly file: string | undefined;
  /** The package for any other: `zod`, `@scope/name`, `node:fs`. */
  readonly dependency: string | undefined;
};
export type FunctionLength = {
  readonly name: string;
  readonly line: number;
  readonly lines: number;
};
export type Source = {
  /** From the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  readonly functions: readonly FunctionLength[];
  /** Names that the file declares: functions, classes, types, variables. */
  readonly declared: readonly string[];
  /** Imports something whose name is only known when it runs. */
  readonly computesImports: boolean;
  readonly opensWithComment: boolean;
};

/** Written by programs or by npm, or not of the repository at all. */
const NOT_OURS = [
  ".git",
  "node_modules",
  ".cache",
  "coverage",
  "bellwether-data",
  "recordings-data",
  "data-dir",
];

/** Every file of the project, from the root, with `/`. */
export function projectFiles(folder = ""): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (NOT_OURS.includes(entry.name)) return [];
    if (entry.isDirectory()) return projectFiles(path);
    return entry.isFile() ? [path] : [];
  });
}

export function readText(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

export function readSource(path: string): Source {
  const text = readText(path);
  const parsed = parseSync(path, text);
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message}`);
  const literal = (request: { start: number; end: number }): string | undefined =>
    /["']/.test(text.charAt(request.start))
      ? text.slice(request.start + 1, request.end - 1)
      : undefined;
  const dynamic = parsed.module.dynamicImports.map((found) => literal(found.moduleRequest));
  const specifiers = [
    ...parsed.module.staticImports.map((found) => found.moduleRequest.value),
    ...parsed.module.staticExports.flatMap((found) =>
      found.entries.flatMap((entry) => entry.moduleRequest?.value ?? []),
    ),
    ...dynamic.filter((specifier) => specifier !== undefined),
  ];
  const shape: Shape = { functions: [], declared: [] };
  walk(parsed.program, shape, text, undefined);
  return {
    path,
    text,
    imports: [...new Set(specifiers)].map((specifier) => readImport(path, specifier)),
    functions: shape.functions,
    declared: shape.declared,
    computesImports: dynamic.includes(undefined),
    opensWithComment: /^(#!.*\n)?\s*(\/\*\*|\/\/)/.test(text),
  };
}

function readImport(from: string, specifier: string): Import {
  if (specifier.startsWith(".")) {
    const absolute = resolve(ROOT, dirname(from), specifier);
    const file = relative(ROOT, absolute).replaceAll("\\", "/");
    return { specifier, file, dependency: undefined };
  }
  const parts = specifier.split("/");
  const dependency = specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0];
  return { specifier, file: undefined, dependency };
}

type Shape = { readonly functions: FunctionLength[]; readonly declared: string[] };
type Node = { readonly type: string; readonly start: number; readonly end: number } & Record<
  string,
  unknown
>;

const DECLARATIONS = [
  "FunctionDeclaration",
  "ClassDeclaration",
  "VariableDeclarator",
  "TSTypeAliasDeclaration",
  "TSInterfaceDeclaration",
];
const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

function walk(value: unknown, shape: Shape, text: string, owner: string | undefined): void {
  if (Array.isArray(value)) {
    for (const inner of value) walk(inner, shape, text, owner);
    return;
  }
  if (!isNode(value)) return;
  const name = nameOf(value) ?? owner;
  if (DECLARATIONS.includes(value.type) && name !== undefined) shape.declared.push(name);
  if (FUNCTIONS.includes(value.type)) {
    const line = lineAt(text, value.start);
    shape.functions.push({
      name: name ?? "(anonymous)",
      line,
      lines: lineAt(text, value.end) - line + 1,
    });
  }
  const named = ["VariableDeclarator", "MethodDefinition", "Property"].includes(value.type);
  for (const inner of Object.values(value)) {
    walk(inner, shape, text, named ? name : undefined);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

function nameOf(node: Node): string | undefined {
  const id = node.id ?? node.key;
  return isNode(id) && typeof id.name === "string" ? id.name : undefined;
}

function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i >= 0 && i < offset; i = text.indexOf("\n", i + 1)) line++;
  return line;
}
