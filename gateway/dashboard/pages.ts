/**
 * Every page that the gateway shows: where it is, what it is called, and what it is made of. Pure.
 *
 * The gateway puts each into `layout.html` when it starts (`page-files.ts`), with a link in the
 * navigation of all of them; tests look at every page that stands here.
 */

export type Page = {
  readonly path: `/${string}`;
  /** The heading, and in the title of the browser's window. */
  readonly title: string;
  /** Its words in the navigation; without, other pages link to it where it means something. */
  readonly link?: string;
  /** What stands between `<main>` and `</main>`, a file of this folder. */
  readonly content: `${string}.html`;
  /** Its script, a module of this folder. */
  readonly script: `${string}-page.ts`;
  /** Besides `page.css`, which all have. */
  readonly styles: readonly `${string}.css`[];
};

/** In the order of the navigation. */
export const PAGES: readonly Page[] = [
  {
    path: "/",
    title: "Bellwether",
    link: "Herd",
    content: "herd.html",
    script: "herd-page.ts",
    styles: ["herd.css"],
  },
  {
    path: "/loop",
    title: "The loop",
    link: "Loop",
    content: "loop.html",
    script: "loop-page.ts",
    styles: ["loop.css"],
  },
  {
    path: "/animal",
    title: "One animal",
    content: "animal.html",
    script: "animal-page.ts",
    styles: ["animal.css"],
  },
  {
    path: "/group",
    title: "One group",
    content: "group.html",
    script: "group-page.ts",
    styles: ["animal.css"],
  },
  {
    path: "/labels",
    title: "Label inbox",
    link: "Labels",
    content: "labels.html",
    script: "labels-page.ts",
    styles: ["animal.css", "labels.css"],
  },
  {
    path: "/models",
    title: "Models",
    link: "Models",
    content: "models.html",
    script: "models-page.ts",
    styles: ["admin.css"],
  },
  {
    path: "/settings",
    title: "Settings",
    link: "Settings",
    content: "settings.html",
    script: "settings-page.ts",
    styles: ["admin.css"],
  },
];
