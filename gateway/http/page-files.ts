/**
 * The files of the pages, as browsers are sent them: each page put into the layout that all share,
 * and every module and style sheet of `dashboard/`.
 *
 * The scripts are TypeScript like everything here; their types are stripped when somebody asks for
 * them first, so that there is no build, nothing built in the repository, and no start that waits for
 * pages that nobody looks at. Sources are read at the start: a page is of one version.
 */

import { readdirSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { gzipSync } from "node:zlib";
import { assert } from "../../src/assert.ts";
import { PAGES, type Page } from "../dashboard/pages.ts";

const FOLDER = new URL("../dashboard/", import.meta.url);

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  ts: "text/javascript; charset=utf-8",
} as const;

export type PageFile = {
  readonly path: string;
  readonly type: string;
  /** A page, not a part of one. */
  readonly isPage: boolean;
  /** Both are made at the first call, then kept. */
  readonly text: () => string;
  readonly gzipped: () => Buffer;
};

/** Every page by its path, every module and style sheet of the folder by its name. */
export function readPage(): readonly PageFile[] {
  const layout = readDashboard("layout.html");
  const pages = PAGES.map((page) => {
    const text = laidOut(layout, page);
    return fileOf(page.path, TYPES.html, () => text);
  });
  const parts = readdirSync(FOLDER)
    .sort()
    .flatMap((name) => {
      const isStyle = name.endsWith(".css");
      if (!isStyle && !name.endsWith(".ts")) return [];
      const source = readDashboard(name);
      return isStyle
        ? fileOf(`/${name}`, TYPES.css, () => source)
        : fileOf(`/${name}`, TYPES.ts, () => withoutTypes(source));
    });
  return [...pages, ...parts];
}

function fileOf(path: string, type: string, make: () => string): PageFile {
  const text = once(make);
  return { path, type, isPage: type === TYPES.html, text, gzipped: once(() => gzipSync(text())) };
}

/** Made at the first call, then kept. */
export function once<Made>(make: () => Made): () => Made {
  let kept: { readonly made: Made } | undefined;
  return () => {
    kept ??= { made: make() };
    return kept.made;
  };
}

function readDashboard(name: string): string {
  return readFileSync(new URL(name, FOLDER), "utf8");
}

function laidOut(layout: string, page: Page): string {
  const { title, styles, script } = page;
  // Of pages that show an offloaded window, for `window-card.ts`.
  const card = readDashboard("window-card.html").trimEnd();
  return filled(layout, {
    title: title === "Bellwether" ? title : `${title} - Bellwether`,
    heading: title,
    parts: [
      ...styles.map((style) => `<link rel="stylesheet" href="/${style}" />`),
      `<script type="module" src="/${script}"></script>`,
    ].join("\n    "),
    links: PAGES.flatMap((one) => (one.link === undefined ? [] : linkTo(one, one === page))).join(
      " ",
    ),
    content: filled(readDashboard(page.content).trimEnd(), { card }),
  });
}

/** What is put in is ours and plain: nobody's name and nothing that was received. */
function filled(html: string, parts: Readonly<Record<string, string>>): string {
  return html.replaceAll(/\$(\w+)/g, (mark, name: string) => {
    const text = parts[name];
    assert(text !== undefined, `nothing is put in for ${mark}`);
    return text;
  });
}

function linkTo({ path, link = "" }: Page, isThis: boolean): string {
  return `<a href="${path}"${isThis ? ' aria-current="page"' : ""}>${link}</a>`;
}

/** Node says at the first call that this may change; the version that runs us is pinned. */
export function withoutTypes(source: string): string {
  const emitWarning = process.emitWarning.bind(process);
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    process.emitWarning = emitWarning;
  }
}
