/**
 * The house rules, as tests. Each rule is a table or a line; a failure names the file and the rule.
 * `CONTRIBUTING.md` says why they are as they are.
 */

import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { projectFiles, ROOT, readSource, readText, type Source } from "./house-sources.ts";
import { COMPUTES_IMPORTS, type Folder, KNOWN_BY, MAY_IMPORT, PURE_FILES } from "./house-tables.ts";

const FILES = projectFiles();
const SOURCES = FILES.filter((path) => path.endsWith(".ts")).map(readSource);
const SHIPPED = SOURCES.filter((source) => folderOf(source.path) !== "test");

const IMPURE =
  /\b(Date\.now|new Date\(|Math\.random|performance\.|set(Timeout|Interval)|process\.|console\.|fetch\()/;

describe("imports", () => {
  it("go only in the allowed directions", () => {
    const wrong = SOURCES.flatMap((source) =>
      source.imports
        .filter(({ file }) => file !== undefined && !mayImport(source.path, file))
        .map(({ file }) => `${source.path} imports ${file}`),
    );
    expect(wrong).toEqual([]);
  });

  it("name existing files, with their extension", () => {
    const wrong = SOURCES.flatMap((source) =>
      source.imports
        .filter(({ file }) => file !== undefined && !existsSync(join(ROOT, file)))
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });

  it("of an outside dependency stand in the one file that knows it", () => {
    const wrong = SHIPPED.flatMap((source) =>
      source.imports
        .filter(({ dependency }) => dependency !== undefined && !isKnownBy(dependency, source.path))
        .map(({ dependency }) => `${source.path} imports ${dependency}`),
    );
    expect(wrong).toEqual([]);
  });

  it("are written out, so that these rules can see them", () => {
    const wrong = SHIPPED.filter(
      ({ path, computesImports }) => computesImports && !COMPUTES_IMPORTS.test(path),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it("never go round in a circle", () => {
    expect(circles(SOURCES)).toEqual([]);
  });
});

describe("src is pure", () => {
  it("by its compiler project: no types of Node, none of the browser", () => {
    const project = JSON.parse(readText("src/tsconfig.json"));
    expect(project.compilerOptions).toMatchObject({ types: [], lib: ["ES2023"] });
  });

  it("and the compiler means it", () => {
    const folder = mkdtempSync(join(tmpdir(), "bellwether-house-"));
    try {
      writeFileSync(
        join(folder, "impure.ts"),
        'import { readFileSync } from "node:fs";\nsetTimeout(readFileSync, document.title);\n',
      );
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({ extends: join(ROOT, "src/tsconfig.json"), include: ["."] }),
      );
      const output = compile(folder);
      for (const name of ["node:fs", "setTimeout", "document"]) expect(output).toContain(name);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("of what the compiler lets through: no clock, no chance, no output", () => {
    const wrong = SHIPPED.filter(({ path }) => isPure(path)).flatMap((source) =>
      codeLines(source)
        .filter(({ code }) => IMPURE.test(code))
        .map(({ line, code }) => `${source.path}:${line} ${code.trim()}`),
    );
    expect(wrong).toEqual([]);
  });

  it("and so are others that the tables name, each of which is there", () => {
    const known = new Set(SHIPPED.map(({ path }) => path));
    expect(PURE_FILES.filter((path) => !known.has(path))).toEqual([]);
  });

  it("and imports nothing but itself and zod; other pure files import only src and their like", () => {
    const wrong = SHIPPED.filter(({ path }) => isPure(path)).flatMap((source) =>
      source.imports
        .filter(({ dependency }) => dependency !== undefined && dependency !== "zod")
        .map(({ specifier }) => `${source.path} imports ${specifier}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe("files", () => {
  // The formatter breaks code at 100 columns. Comments may stand out a little, and so must a line
  // with a text in quotes, which it cannot break.
  it("have at most 400 lines of at most 110 columns", () => {
    const wrong = SOURCES.flatMap(({ path, text }) => {
      const lines = text.split("\n");
      const tooWide = (line: string): boolean =>
        line.length > 110 && !/["'`].{40,}["'`]/.test(line);
      const wide = lines.findIndex(tooWide);
      return [
        ...(lines.length > 401 ? [`${path} has ${lines.length - 1} lines`] : []),
        ...(wide >= 0 ? [`${path}:${wide + 1} has ${lines[wide]?.length} columns`] : []),
      ];
    });
    expect(wrong).toEqual([]);
  });

  it("have functions of at most 70 lines", () => {
    const wrong = SOURCES.flatMap(({ path, functions }) =>
      functions
        .filter(({ lines, name }) => lines > 70 && !(isTest(path) && name === "(anonymous)"))
        .map(({ name, line, lines }) => `${path}:${line} ${name} has ${lines} lines`),
    );
    expect(wrong).toEqual([]);
  });

  // A test that bears the name of the module it tests has said what it is.
  it("open with a comment that says what they are", () => {
    const modules = new Set(SHIPPED.map(({ path }) => baseName(path)));
    const wrong = SOURCES.filter(
      ({ path, opensWithComment }) =>
        !opensWithComment && !(isTest(path) && modules.has(baseName(path))),
    );
    expect(wrong.map(({ path }) => path)).toEqual([]);
  });

  it("are named for what is in them", () => {
    const vague = /(^|\/)(index|utils?|helpers?|common|misc|types|constants)(\.|\/)/;
    expect(FILES.filter((path) => vague.test(path))).toEqual([]);
    const shape = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/;
    const wrong = SOURCES.map(({ path }) => path).filter(
      (path) => !shape.test(path.split("/").at(-1) ?? "") && path !== "vitest.config.ts",
    );
    expect(wrong).toEqual([]);
  });

  it("declare nothing called Manager, Service, Helper, Handler or Processor", () => {
    const vague = /(Manager|Service|Helpers?|Handler|Processor|Utils)$/;
    const wrong = SOURCES.flatMap(({ path, declared }) =>
      declared.filter((name) => vague.test(name)).map((name) => `${path} declares ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  it("leave no test out in silence", () => {
    const wrong = SOURCES.filter(({ path }) => isTest(path)).flatMap((source) =>
      codeLines(source)
        .filter(({ code }) => /\b(it|test|describe)\.(only|todo)\b/.test(code))
        .map(({ line }) => `${source.path}:${line}`),
    );
    expect(wrong).toEqual([]);
  });

  it("are small: the largest that ships is a teacher, and no recording ships", () => {
    const wrong = FILES.filter((path) => {
      const { size } = statSync(join(ROOT, path));
      const limit = path.startsWith("profiles/") ? 1_500_000 : 300_000;
      return size > limit || /\.(i16|csv\.gz|parquet|zip)$/.test(path);
    });
    expect(wrong).toEqual([]);
  });
});

describe("texts", () => {
  const texts = FILES.filter((path) => /\.(ts|js|md|json|ya?ml|sh)$|^\.ci\/|^LICENSE$/.test(path))
    .filter((path) => path !== "package-lock.json" && path !== "test/house.test.ts")
    .map((path) => ({ path, text: readText(path) }));

  it("know no machine and no conversation about the work", () => {
    const banned: readonly [string, RegExp][] = [
      ["a path of somebody's machine", /(^|[\s"'`(=:])\/(work|root|home|farm|Users)\//m],
      ["an issue's number", /\bissues?\s+#?\d+\b|(?<!PKCS)(^|\s)#\d{1,3}\b(?![\dA-Fa-f])/m],
      [
        "a folder beside the repository",
        /\.\.\/shared\/(?!data\b)|(^|[^./\w])shared\/(?!data\b)\w/m,
      ],
    ];
    const wrong = texts.flatMap(({ path, text }) =>
      banned
        .filter(([, pattern]) => pattern.test(text))
        .map(([what, pattern]) => `${path} names ${what}: ${pattern.exec(text)?.[0].trim()}`),
    );
    expect(wrong).toEqual([]);
  });

  it("link to files that exist, and to headings that exist", () => {
    const wrong = texts
      .filter(({ path }) => path.endsWith(".md"))
      .flatMap(({ path, text }) =>
        linksOf(text)
          .filter((link) => !linkIsGood(path, link))
          .map((link) => `${path} links to ${link}`),
      );
    expect(wrong).toEqual([]);
  });
});

describe("dependencies", () => {
  const manifest = JSON.parse(readText("package.json"));
  const lock = JSON.parse(readText("package-lock.json"));

  it("are pinned to one version each", () => {
    const versions = { ...manifest.dependencies, ...manifest.devDependencies };
    const loose = Object.entries(versions).filter(([, version]) => !/^\d/.test(String(version)));
    expect(loose).toEqual([]);
  });

  // `npm ci` refuses a lock file that lacks the binaries of other platforms, and `npm install` leaves
  // out those that a registry's mirror does not have.
  it("have the optional binaries of every platform in the lock file", () => {
    const places: Record<string, { optionalDependencies?: Record<string, string> }> = lock.packages;
    const missing = Object.entries(places).flatMap(([place, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) =>
          places[`node_modules/${name}`] === undefined &&
          places[`${place}/node_modules/${name}`] === undefined,
      ),
    );
    expect(missing).toEqual([]);
  });

  /** Below these lie published ways to crash a broker or a client, most of them unauthenticated:
   * GHSA-52qw-whmv-87c5 and GHSA-5jvp-3p2v-5qgf, CVE-2019-5432, CVE-2017-10910, CVE-2024-37890. */
  it.each([
    ["aedes", [1, 2, 0]],
    ["mqtt-packet", [9, 0, 2]],
    ["mqtt", [5, 16, 0]],
    ["ws", [8, 17, 1]],
  ] as const)("%s is at least %j in every place", (name, least) => {
    const installed = Object.entries<{ version: string }>(lock.packages)
      .filter(([place]) => place.endsWith(`node_modules/${name}`))
      .map(([, { version }]) => version);
    expect(installed.length).toBeGreaterThan(0);
    for (const version of installed) expect(isAtLeast(version, least), version).toBe(true);
  });
});

function folderOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function baseName(path: string): string {
  return (
    path
      .split("/")
      .at(-1)
      ?.replace(/(\.test)?\.ts$/, "") ?? ""
  );
}

function isTest(path: string): boolean {
  return folderOf(path) === "test";
}

function isPure(path: string): boolean {
  return path.startsWith("src/") || PURE_FILES.includes(path);
}

function mayImport(from: string, file: string): boolean {
  const allowed: readonly string[] | undefined = MAY_IMPORT[folderOf(from) as Folder];
  // Files at the root are configuration; nobody imports them but tools.
  return allowed === undefined ? false : allowed.includes(folderOf(file));
}

function isKnownBy(dependency: string, path: string): boolean {
  const scope = dependency.startsWith("@") ? `${dependency.split("/")[0]}/*` : dependency;
  const files = KNOWN_BY[dependency] ?? KNOWN_BY[scope];
  if (files !== undefined) return files.test(path);
  if (dependency.startsWith("node:")) return !path.startsWith("src/");
  return path === "vitest.config.ts";
}

/** Lines without comments, well enough for a search: no rule here needs more. */
function codeLines(source: Source): { readonly line: number; readonly code: string }[] {
  const blank = (text: string): string => text.replace(/[^\n]/g, " ");
  return source.text
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/(^|\s)\/\/.*$/gm, blank)
    .split("\n")
    .map((code, i) => ({ line: i + 1, code }));
}

function circles(sources: readonly Source[]): string[] {
  const graph = new Map(sources.map(({ path, imports }) => [path, imports]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(" > "));
    if (trail.includes(path) || done.has(path)) return;
    for (const { file } of graph.get(path) ?? []) {
      if (file !== undefined) visit(file, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  return found;
}

function compile(folder: string): string {
  try {
    const tsc = join(ROOT, "node_modules/.bin/tsc");
    return execFileSync(tsc, ["-p", folder], { encoding: "utf8" });
  } catch (error) {
    return String((error as { stdout?: string }).stdout);
  }
}

/** Targets of inline links outside code, without those that leave the repository. */
function linksOf(markdown: string): string[] {
  const prose = markdown.replace(/```[\s\S]*?```/g, "").replace(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? "")
    .filter((link) => !/^(https?|mailto):/.test(link));
}

function linkIsGood(from: string, link: string): boolean {
  const [target = "", anchor] = link.split("#");
  const file = target === "" ? join(ROOT, from) : join(ROOT, dirname(from), target);
  if (!existsSync(file)) return false;
  if (anchor === undefined) return true;
  const relativePath = target === "" ? from : join(dirname(from), target);
  return headingsOf(readText(relativePath)).includes(anchor);
}

/** Anchors as GitHub makes them. */
function headingsOf(markdown: string): string[] {
  return [...markdown.replace(/```[\s\S]*?```/g, "").matchAll(/^#+ (.*)$/gm)].map((match) =>
    (match[1] ?? "")
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function isAtLeast(version: string, least: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number);
  for (let i = 0; i < least.length; i++) {
    if ((parts[i] ?? 0) !== least[i]) return (parts[i] ?? 0) > (least[i] ?? 0);
  }
  return true;
}
