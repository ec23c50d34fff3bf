/**
 * The tables of the store, as SQL.
 *
 * An offload and its soft label are two rows, so that answering does not write the window again.
 * `waiting` lists what no teacher has answered: small, and by node, so that a node with a long
 * backlog cannot hide another's. Model ids are kept as their 16 hex digits; reasons, classes and
 * outcomes as the numbers that travel. `audit_counts` are sums over the others, kept as they grow:
 * a log of a million windows is not read again to say how a student fares. They begin with the
 * first gateway that has the table. `teachers` gives the classes their names, for who reads the
 * store without a gateway; the one seen last is the present one.
 */

import { COUNT_NAMES } from "../../src/gate/audit-counts.ts";
import { BOUT_INSERT, BOUT_TABLES } from "./label-bouts.ts";
import { PERSON_INSERT, PERSON_SELECT, PERSON_TABLES } from "./label-person.ts";

/** Rises when an older gateway could not read the file. 2 is a log with codes in it or
 * with windows in 2 bits, which one of before would take for whole windows: it becomes so with the
 * first of them, and is 1 until then. */
export const SCHEMA_VERSION = 2;
export const SCHEMA_VERSION_WITHOUT_CODES = 1;

export const SCHEMA = `
CREATE TABLE IF NOT EXISTS nodes (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  epoch INTEGER NOT NULL DEFAULT 0,
  firmware TEXT NOT NULL DEFAULT '',
  cohort TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '0000000000000000',
  release INTEGER NOT NULL DEFAULT 0,
  format INTEGER NOT NULL DEFAULT 1,
  slot_bytes INTEGER NOT NULL DEFAULT 0,
  ram_bytes INTEGER NOT NULL DEFAULT 0,
  wake_ms INTEGER NOT NULL DEFAULT 0,
  last_seen_ms INTEGER NOT NULL DEFAULT 0,
  battery INTEGER,
  drift_q8 INTEGER NOT NULL DEFAULT 0,
  alarm INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  windows INTEGER NOT NULL DEFAULT 0,
  offloads INTEGER NOT NULL DEFAULT 0,
  trusted INTEGER NOT NULL DEFAULT 0,
  agreed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS offloads (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  model TEXT NOT NULL,
  window_index INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  reason INTEGER NOT NULL,
  chance_q16 INTEGER NOT NULL,
  class INTEGER NOT NULL,
  confidence_q8 INTEGER NOT NULL,
  exit INTEGER NOT NULL,
  samples INTEGER NOT NULL,
  channels INTEGER NOT NULL,
  millig_per_step INTEGER NOT NULL,
  rate_chz INTEGER NOT NULL,
  window BLOB NOT NULL,
  encoding INTEGER NOT NULL DEFAULT 0,
  encoder TEXT NOT NULL DEFAULT '',
  UNIQUE (node, epoch, seq)
);
CREATE TABLE IF NOT EXISTS waiting (
  node INTEGER NOT NULL,
  offload INTEGER NOT NULL,
  PRIMARY KEY (node, offload)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS labels (
  offload INTEGER PRIMARY KEY,
  teacher TEXT NOT NULL,
  answered_ms INTEGER NOT NULL,
  trusted INTEGER NOT NULL,
  probabilities BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS reports (
  node INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  drift_q8 INTEGER NOT NULL,
  alarm INTEGER NOT NULL,
  battery INTEGER NOT NULL,
  dropped INTEGER NOT NULL,
  PRIMARY KEY (node, epoch, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS behaviours (
  node INTEGER NOT NULL,
  epoch INTEGER NOT NULL,
  window_index INTEGER NOT NULL,
  time_ms INTEGER NOT NULL,
  class INTEGER NOT NULL,
  confidence_q8 INTEGER NOT NULL,
  exit INTEGER NOT NULL,
  offloaded INTEGER NOT NULL,
  model TEXT NOT NULL,
  PRIMARY KEY (node, epoch, window_index)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit_counts (
  node INTEGER NOT NULL,
  model TEXT NOT NULL,
  windows INTEGER NOT NULL,
  certain INTEGER NOT NULL,
  certain_trusted INTEGER NOT NULL,
  certain_agreed INTEGER NOT NULL,
  audits INTEGER NOT NULL,
  audits_trusted INTEGER NOT NULL,
  weight REAL NOT NULL,
  weight_squared REAL NOT NULL,
  weight_agreed REAL NOT NULL,
  PRIMARY KEY (node, model)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS teachers (
  id TEXT PRIMARY KEY,
  classes TEXT NOT NULL,
  seen_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
  id INTEGER PRIMARY KEY,
  node INTEGER NOT NULL,
  received_ms INTEGER NOT NULL,
  release INTEGER NOT NULL,
  model TEXT NOT NULL,
  outcome TEXT NOT NULL
);
${BOUT_TABLES}${PERSON_TABLES}`;

/** For a log of before windows came in more than one encoding, and of before there were encoders. */
export const ADD_ENCODING = "ALTER TABLE offloads ADD COLUMN encoding INTEGER NOT NULL DEFAULT 0";
export const ADD_ENCODER = "ALTER TABLE offloads ADD COLUMN encoder TEXT NOT NULL DEFAULT ''";

/** Which teacher a gateway has, said at each start. */
export const PUT_TEACHER =
  "INSERT OR REPLACE INTO teachers (id, classes, seen_ms) VALUES (?, ?, ?)";

/** In the order of `COUNT_NAMES`. */
export const AUDIT_COLUMNS = COUNT_NAMES.map((name) =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
);

export const INSERT = {
  ...BOUT_INSERT,
  ...PERSON_INSERT,
  node: "INSERT INTO nodes (name) VALUES (?) ON CONFLICT (name) DO NOTHING",
  nodeId: "SELECT id FROM nodes WHERE name = ?",
  hello: `UPDATE nodes SET epoch = ?, firmware = ?, cohort = ?, model = ?, release = ?, format = ?,
    slot_bytes = ?, ram_bytes = ?, wake_ms = ?, last_seen_ms = ? WHERE id = ?`,
  offload: `INSERT OR IGNORE INTO offloads (node, epoch, seq, received_ms, model, window_index,
    time_ms, reason, chance_q16, class, confidence_q8, exit, samples, channels, millig_per_step,
    rate_chz, encoding, encoder, window) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
  offloadId: "SELECT id FROM offloads WHERE node = ? AND epoch = ? AND seq = ?",
  waiting: "INSERT OR IGNORE INTO waiting (node, offload) VALUES (?, ?)",
  countOffload: "UPDATE nodes SET offloads = offloads + 1, last_seen_ms = ? WHERE id = ?",
  label: `INSERT OR IGNORE INTO labels (offload, teacher, answered_ms, trusted, probabilities)
    VALUES (?,?,?,?,?)`,
  answered: "DELETE FROM waiting WHERE node = ? AND offload = ?",
  countLabel: "UPDATE nodes SET trusted = trusted + ?, agreed = agreed + ? WHERE id = ?",
  report: `INSERT OR IGNORE INTO reports (node, epoch, seq, received_ms, drift_q8, alarm, battery,
    dropped) VALUES (?,?,?,?,?,?,?,?)`,
  behaviour: `INSERT OR IGNORE INTO behaviours (node, epoch, window_index, time_ms, class,
    confidence_q8, exit, offloaded, model) VALUES (?,?,?,?,?,?,?,?,?)`,
  countReport: `UPDATE nodes SET windows = windows + ?, epoch = ?, drift_q8 = ?, alarm = ?,
    battery = ?, dropped = ?, last_seen_ms = ? WHERE id = ?`,
  audit: `INSERT INTO audit_counts (node, model, ${AUDIT_COLUMNS.join(", ")})
    VALUES (?,?,${AUDIT_COLUMNS.map(() => "?").join(",")}) ON CONFLICT (node, model) DO UPDATE SET
    ${AUDIT_COLUMNS.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`,
  outcome: `INSERT INTO outcomes (node, received_ms, release, model, outcome) VALUES (?,?,?,?,?)`,
} as const;

/** Codes have no channels: nothing is learned from them. Holds for a log without the column too. */
const WINDOWS_ONLY = "o.channels > 0";

/** @param encoding the columns of how it came, or constants where a log has none */
const offloadColumns = (
  encoding: string,
): string => `o.id, n.name, o.epoch, o.seq, o.model, o.window_index, o.time_ms, o.reason,
  o.chance_q16, o.class, o.confidence_q8, o.exit, o.samples, o.channels, o.millig_per_step,
  o.rate_chz, ${encoding}, o.window`;

export const SELECT = {
  waitingNodes: "SELECT DISTINCT n.name FROM waiting w JOIN nodes n ON n.id = w.node",
  waiting: (
    encoding: string,
  ): string => `SELECT ${offloadColumns(encoding)} FROM waiting w JOIN offloads o ON o.id = w.offload
    JOIN nodes n ON n.id = w.node
    WHERE w.node = (SELECT id FROM nodes WHERE name = ?) AND w.offload > ?
    ORDER BY w.offload LIMIT ?`,
  /** @param encodings of which windows are read, as numbers */
  softLabels: (encoding: string, encodings: readonly number[], newestFirst: boolean): string =>
    `SELECT ${offloadColumns(encoding)}, l.teacher, l.answered_ms, l.trusted, l.probabilities
    FROM labels l JOIN offloads o ON o.id = l.offload JOIN nodes n ON n.id = o.node
    WHERE l.offload > ? AND l.answered_ms >= ? AND l.trusted >= ? AND ${WINDOWS_ONLY}
      AND encoding IN (${encodings.join(", ")}) AND o.time_ms >= ? AND o.time_ms < ?
    ORDER BY l.offload ${newestFirst ? "DESC" : "ASC"} LIMIT ?`,
  window: (encoding: string): string =>
    `SELECT ${offloadColumns(encoding)}, l.teacher, l.answered_ms, l.trusted, l.probabilities
    FROM offloads o JOIN nodes n ON n.id = o.node LEFT JOIN labels l ON l.offload = o.id
    WHERE o.id = ? AND n.name = ?`,
  /** One answered window. */
  softLabel: (encoding: string): string =>
    `SELECT ${offloadColumns(encoding)}, l.teacher, l.answered_ms, l.trusted, l.probabilities
    FROM labels l JOIN offloads o ON o.id = l.offload JOIN nodes n ON n.id = o.node
    WHERE l.offload = ? AND ${WINDOWS_ONLY}`,
  hasPeople: PERSON_SELECT.hasPeople,
  personAnswers: PERSON_SELECT.personAnswers,
  personFresh: PERSON_SELECT.personFresh,
  personWords: PERSON_SELECT.personWords,
  personLabels: (encoding: string): string => PERSON_SELECT.personLabels(offloadColumns(encoding)),
  softLabelCount: "SELECT count(*) AS total, coalesce(sum(trusted), 0) AS trusted FROM labels",
  nodes: "SELECT * FROM nodes ORDER BY name",
  nodeNamed: "SELECT 1 FROM nodes WHERE name = ?",
  auditCounts: "SELECT * FROM audit_counts WHERE node = ? AND model = ?",
  modelAudits: `SELECT model, ${AUDIT_COLUMNS.map((name) => `SUM(${name}) AS ${name}`).join(", ")}
    FROM audit_counts GROUP BY model`,
  hasAuditCounts: "SELECT 1 FROM sqlite_schema WHERE name = 'audit_counts'",
  hasEncoding: "SELECT 1 FROM pragma_table_info('offloads') WHERE name = 'encoding'",
  hasEncoder: "SELECT 1 FROM pragma_table_info('offloads') WHERE name = 'encoder'",
  hasTeachers: "SELECT 1 FROM sqlite_schema WHERE name = 'teachers'",
  classes: "SELECT classes FROM teachers ORDER BY seen_ms DESC LIMIT 1",
  lastBehaviour: `SELECT * FROM behaviours WHERE node = ? AND epoch = ?
    ORDER BY window_index DESC LIMIT 1`,
} as const;
