/**
 * A process that stores offloads on and on and says after each commit up to which one: for power cuts.
 *
 *     node test/label-writer.ts <directory> store | careless
 *
 * `careless` does the same with SQLite's `synchronous=NORMAL`, which is said to be safe with a
 * write-ahead log and is not: it keeps the file whole and loses what was committed last.
 */

import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { LABEL_LOG_FILE, LabelLog } from "../gateway/store/label-log.ts";
import { INSERT, SCHEMA } from "../gateway/store/label-schema.ts";
import { nodeId } from "../src/wire/topics.ts";
import { offloadOf } from "./gateway-kit.ts";

const [directory = "", mode = ""] = process.argv.slice(2);
const ROWS = 8;
const PAUSE_MS = 2;

function storing(): (from: number) => void {
  const log = new LabelLog({ directory, nowMs: Date.now() });
  const node = nodeId("collar-1");
  return (from) => {
    const rows = Array.from({ length: ROWS }, (_, i) => {
      return {
        kind: "offload",
        node,
        nowMs: 1,
        offload: offloadOf(from + i),
        teachable: true,
      } as const;
    });
    const result = log.commit(rows);
    if (!result.ok) throw new Error(result.message);
  };
}

function careless(): (from: number) => void {
  const database = new DatabaseSync(path.join(directory, LABEL_LOG_FILE));
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; ${SCHEMA}`);
  database.exec("INSERT OR IGNORE INTO nodes (id, name) VALUES (1, 'collar-1')");
  const offload = database.prepare(INSERT.offload);
  const waiting = database.prepare(INSERT.waiting);
  const window = new Uint8Array(150);
  return (from) => {
    database.exec("BEGIN IMMEDIATE");
    for (let seq = from; seq < from + ROWS; seq++) {
      const row = offload.run(
        ...[1, 1, seq, 1, "0123456789abcdef", seq, 1, 0, 65_535, 0, 128, 0, 50, 3, 16, 1_000, 0],
        window,
      );
      waiting.run(1, row.lastInsertRowid);
    }
    database.exec("COMMIT");
  };
}

const commit = mode === "careless" ? careless() : storing();
let next = 0;
setInterval(() => {
  commit(next);
  next += ROWS;
  process.stdout.write(`${next}\n`);
}, PAUSE_MS);
