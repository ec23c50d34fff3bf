/**
 * Subjects and labels out of the paths of files: `{subject}/acc_{label}_{}.csv`, where `{}` is any
 * piece of one folder's or file's name. A template is held against the end of a path.
 */

import { EdgeError } from "../src/assert.ts";

export type PathFields = { readonly subject?: string; readonly label?: string };

/** @throws EdgeError `csv-path` for a template that names anything else */
export function pathTemplate(template: string): (path: string) => PathFields {
  const fields = [...template.matchAll(/\{([^}]*)\}/g)].map(([, name]) => name);
  const known = ["subject", "label", ""];
  const named = fields.filter((name) => name !== "");
  const isTwice = new Set(named).size < named.length;
  if (named.length === 0 || isTwice || fields.some((name) => !known.includes(name ?? ""))) {
    throw new EdgeError({
      code: "csv-path",
      message: `"${template}" is no template of a path`,
      where: "--path",
      hint: "Write such as {subject}/acc_{label}_{}.csv: {subject} and {label} once, {} for any piece.",
    });
  }
  const pieces = template.split(/(\{[^}]*\})/).map((piece) => {
    if (piece === "{}") return "[^/]*?";
    const name = /^\{(.+)\}$/.exec(piece)?.[1];
    return name === undefined ? escaped(piece) : `(?<${name}>[^/]+?)`;
  });
  const pattern = new RegExp(`(?:^|/)${pieces.join("")}(?:\\.gz)?$`);
  return (path) => {
    const match = pattern.exec(path.replaceAll("\\", "/"));
    if (match !== null) return { ...match.groups };
    throw new EdgeError({
      code: "csv-path",
      message: `does not end like ${template}`,
      where: path,
      hint: "Name the files that do, or mend --path.",
    });
  };
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
