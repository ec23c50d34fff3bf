/**
 * What labels are called from the import on: `--labels 1=walking,2=running,unknown=-,*=-`. A dash
 * leaves rows out, a star stands for every label that is not named. A table of many names comes from a
 * file, as data sets with hundreds of annotations have one.
 */

import { EdgeError } from "../src/assert.ts";

/** Of labels that say that there is none, so that people are asked about them. */
const EMPTY_LABEL =
  /^(<?un(known|defined|labell?ed)>?|null|none|nan|n\/?a|no[ _-]?label|transitions?|other|0|-1|-)$/i;

/** Labels that are carried in a message to people at most. */
const TOLD_LABELS = 40;

export class LabelNames {
  readonly #names = new Map<string, string | null>();
  /** What all that are not named are called; null leaves them out, undefined leaves them alone. */
  #others: string | null | undefined = undefined;
  readonly #table: ReadonlyMap<string, string>;
  readonly #met = new Set<string>();

  /**
   * @param table names of labels that need not occur; pairs go before it
   * @throws EdgeError `csv-labels` for what is no `old=new`
   */
  constructor(pairs: readonly string[], table: ReadonlyMap<string, string> = new Map()) {
    this.#table = table;
    for (const pair of pairs) {
      const at = pair.lastIndexOf("=");
      const [from, to] = [pair.slice(0, at).trim(), pair.slice(at + 1).trim()];
      if (at < 1 || from === "" || to === "") {
        throw new EdgeError({
          code: "csv-labels",
          message: `"${pair}" is no old=new`,
          where: "--labels",
          hint: "Write 1=walking,2=running; unknown=- leaves rows out, *=- all that is not named.",
        });
      }
      if (from === "*") this.#others = to === "-" ? null : to;
      else this.#names.set(from, to === "-" ? null : to);
    }
  }

  /** What a recorded label is called, or null where its rows are left out. */
  nameOf(recorded: string): string | null {
    this.#met.add(recorded);
    const named = this.#names.get(recorded);
    if (named !== undefined) return named;
    const listed = this.#table.get(recorded);
    if (listed !== undefined) return listed === "" || listed === "-" ? null : listed;
    return this.#others === undefined ? recorded : this.#others;
  }

  /** @throws EdgeError `csv-labels` naming labels that were to be renamed and never came */
  finish(where: string): void {
    const missing = [...this.#names.keys()].filter((name) => !this.#met.has(name));
    if (missing.length === 0 || this.#met.size === 0) return;
    throw new EdgeError({
      code: "csv-labels",
      message: `there is no label ${missing.map((name) => `"${name}"`).join(", ")}`,
      where,
      hint: `Recorded labels: ${[...this.#met].slice(0, TOLD_LABELS).join(", ")}.`,
    });
  }
}

/** Those of the labels that look as if they said that there is no label. */
export function emptyLabels(labels: readonly string[]): readonly string[] {
  return labels.filter((label) => EMPTY_LABEL.test(label));
}
