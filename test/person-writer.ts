/**
 * A process that labels windows on and on as a person would, and says after each commit which one:
 * for kills.
 *
 *     node test/person-writer.ts <directory>
 */

import { LabelLog } from "../gateway/store/label-log.ts";
import { nodeId } from "../src/wire/topics.ts";

const [directory = ""] = process.argv.slice(2);
const log = new LabelLog({ directory, nowMs: Date.now() });
const node = nodeId("collar-1");
let next = 1;
setInterval(() => {
  const about = { kind: "person", node, nowMs: next, deed: "label", who: "anna" } as const;
  const row = { ...about, offloadId: next, classIndex: next % 3 };
  // A request that comes twice, as one does whose answer was lost.
  const result = log.commit([row, row]);
  if (!result.ok) throw new Error(result.message);
  process.stdout.write(`${next}\n`);
  next += 1;
}, 1);
