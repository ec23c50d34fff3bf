/**
 * The modules of the phone's page, as a browser loads them: the node program itself, from the same
 * sources, with types stripped and nothing else.
 *
 * The graph of imports is served as it is and not made into one file. A bundler would be a dependency
 * of the gateway that ten kilobytes of glue do not justify, and a linker of our own would be a second
 * program between the source that is tested and the one that runs. What that costs, requests and not
 * bytes, is paid once: a service worker keeps what it has fetched. Imports are followed at the start,
 * for the paths; types are stripped and files compressed when somebody asks, so that a gateway that
 * no phone looks at pays a few milliseconds.
 *
 * Packages by name are what a browser does not know; they become paths. mqtt has a bundle for
 * browsers; of zod we take the part that we use, since its own entry brings sixty languages.
 */

import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { assert } from "../../src/assert.ts";
import { once, withoutTypes } from "./page-files.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Under which every module is asked for. */
export const MODULE_PATH = "/node/m";
const PACKAGE_PATH = `${MODULE_PATH}/npm`;

/** What stands for a package: a module of ours over files of that package. */
type Package = {
  /** A file of the package, as Node finds it, and from there to the package's folder. */
  readonly folder: string;
  readonly text: string;
  /** Files of the package that are served empty. */
  readonly empty: readonly string[];
};

const PACKAGES: Readonly<Record<string, Package>> = {
  // Its bundle for browsers has nothing but a default export.
  mqtt: {
    folder: packageFolder("mqtt"),
    text: 'import mqtt from "./mqtt/dist/mqtt.esm.js";\nexport const { connect } = mqtt;\n',
    empty: [],
  },
  // Without code that is made while it runs, which the page's policy refuses.
  zod: {
    folder: packageFolder("zod"),
    text:
      'import { config } from "./zod/v4/core/core.js";\n' +
      'import english from "./zod/v4/locales/en.js";\n' +
      'import * as z from "./zod/v4/classic/schemas.js";\n' +
      "config({ ...english(), jitless: true });\nexport { z };\n",
    // All languages at once: nobody on the page asks for one by name.
    empty: ["v4/locales/index.js"],
  },
};

export type PhoneModule = {
  readonly path: string;
  /** Gzipped JavaScript; made at the first call, then kept. */
  readonly gzipped: () => Buffer;
};

export type PhoneModules = {
  readonly modules: readonly PhoneModule[];
  /** Changes with any byte of any of them. */
  readonly version: string;
};

/** Imports and re-exports with a value in them, over several lines where they are so written. */
const IMPORT = /^(?:import|export)\s+(?!type\b)[^;"]*?from\s+"([^"]+)"/gm;

/** @param entries source files, relative to the repository */
export function readPhoneModules(entries: readonly string[]): PhoneModules {
  const found = new Map<string, string>();
  const open = entries.map((entry) => entry);
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (found.has(name)) continue;
    const text = sourceOf(name);
    found.set(name, text);
    for (const [, specifier = ""] of text.matchAll(IMPORT)) open.push(resolve(name, specifier));
  }
  const hash = createHash("sha256");
  const names = [...found.keys()].sort();
  for (const name of names) hash.update(name).update(found.get(name) ?? "");
  return {
    version: hash.digest("hex").slice(0, 16),
    modules: names.map((name) => ({
      path: urlOf(name),
      gzipped: once(() => gzipSync(scriptOf(name, found.get(name) ?? ""))),
    })),
  };
}

/** As a browser reads it. */
export function scriptOf(name: string, source: string): string {
  const script = name.endsWith(".ts") ? withoutTypes(source) : source;
  return script.replace(IMPORT, (statement, specifier: string) =>
    specifier.startsWith(".")
      ? statement
      : statement.replace(/"[^"]+"$/, `"${urlOf(resolve(name, specifier))}"`),
  );
}

/** A module's name from the repository's root; of packages `npm/<package>.js` and what is under it. */
function resolve(from: string, specifier: string): string {
  if (specifier.startsWith(".")) return path.posix.join(path.posix.dirname(from), specifier);
  assert(PACKAGES[specifier] !== undefined, `${from} imports ${specifier}: no browser knows that`);
  return `npm/${specifier}.js`;
}

function urlOf(name: string): string {
  const inPackages = name.startsWith("npm/");
  return inPackages ? `${PACKAGE_PATH}/${name.slice("npm/".length)}` : `${MODULE_PATH}/${name}`;
}

function sourceOf(name: string): string {
  const [, packageName = "", rest] = /^npm\/([a-z]+)(?:\.js$|\/(.*)$)/.exec(name) ?? [];
  const found = PACKAGES[packageName];
  if (found === undefined) return readFileSync(path.join(ROOT, name), "utf8");
  if (rest === undefined) return found.text;
  if (found.empty.includes(rest)) return "export {};\n";
  return readFileSync(path.join(found.folder, rest), "utf8");
}

/** The folder with the package's own `package.json`, upwards from the file that Node would load. */
function packageFolder(name: string): string {
  let folder = path.dirname(fileURLToPath(import.meta.resolve(name)));
  const isIt = (): boolean => {
    const file = path.join(folder, "package.json");
    return existsSync(file) && JSON.parse(readFileSync(file, "utf8")).name === name;
  };
  while (!isIt()) {
    assert(path.dirname(folder) !== folder, `the package ${name} has a folder`);
    folder = path.dirname(folder);
  }
  return folder;
}
