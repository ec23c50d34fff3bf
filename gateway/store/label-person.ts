/**
 * What people have said of windows, in the store: a table that is only ever added to.
 *
 * The last row about a window counts. An answer that says again what counts already is not stored
 * again, so that a request may come twice; one that takes an answer back is a row like any other, and
 * who said what when stays readable.
 */

import type { StatementSync } from "node:sqlite";
import { DEEDS, type StoreRow } from "./label-rows.ts";

export const PERSON_TABLES = `
CREATE TABLE IF NOT EXISTS person_labels (
  id INTEGER PRIMARY KEY,
  offload INTEGER NOT NULL,
  deed INTEGER NOT NULL,
  class INTEGER NOT NULL,
  who TEXT NOT NULL,
  labelled_ms INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS person_labels_offload ON person_labels (offload, id);
`;

/** Of what has no class. */
const NO_CLASS = -1;

export const PERSON_INSERT = {
  person: `INSERT INTO person_labels (offload, deed, class, who, labelled_ms) VALUES (?,?,?,?,?)`,
  personLast: `SELECT deed, class FROM person_labels WHERE offload = ? ORDER BY id DESC LIMIT 1`,
  personMay: "SELECT 1 FROM labels WHERE offload = ?",
} as const;

/** Of each window the row that counts. */
const LATEST = `(SELECT max(id) AS id FROM person_labels GROUP BY offload) latest
  JOIN person_labels p ON p.id = latest.id`;

export const PERSON_SELECT = {
  hasPeople: "SELECT 1 FROM sqlite_schema WHERE name = 'person_labels'",
  /** Labels above an id that count, and when the newest was given. */
  personFresh: `SELECT count(*) AS fresh, coalesce(max(p.labelled_ms), 0) AS newest_ms
    FROM ${LATEST} WHERE p.deed = 0 AND p.id > ?`,
  personWords: `SELECT p.offload, p.class, p.who FROM ${LATEST} WHERE p.deed = 0`,
  personAnswers: `SELECT p.offload, p.deed FROM ${LATEST} WHERE p.deed <> 2`,
  /** @param columns of an offload, as `offloads o` and `nodes n` give them */
  personLabels: (columns: string): string =>
    `SELECT ${columns}, l.teacher, l.answered_ms, l.trusted, l.probabilities,
      p.id AS person_id, p.class AS person_class, p.who, p.labelled_ms
    FROM ${LATEST} JOIN labels l ON l.offload = p.offload
    JOIN offloads o ON o.id = p.offload JOIN nodes n ON n.id = o.node
    WHERE p.deed = 0 ORDER BY p.id DESC LIMIT ?`,
} as const;

type Statements = { readonly [Name in keyof typeof PERSON_INSERT]: StatementSync };

/** Returns whether anything is another than before; a window that nobody knows changes nothing. */
export function storePerson(
  statements: Statements,
  { offloadId, deed, classIndex, who, nowMs }: Extract<StoreRow, { kind: "person" }>,
): boolean {
  if (statements.personMay.get(offloadId) === undefined) return false;
  const last = statements.personLast.get(offloadId) as { deed: number; class: number } | undefined;
  const before = last === undefined ? "undo" : DEEDS[last.deed];
  const named = deed === "label" ? classIndex : NO_CLASS;
  if (before === deed && (deed !== "label" || last?.class === named)) return false;
  statements.person.run(offloadId, DEEDS.indexOf(deed), named, who, nowMs);
  return true;
}
