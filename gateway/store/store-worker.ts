/** The thread that holds the label log: commits batch after batch. See `store-thread.ts`. */

import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../src/assert.ts";
import { problemOf } from "../teacher/thread-problems.ts";
import { LabelLog, type LabelLogOptions } from "./label-log.ts";
import type { FromStore, ToStore } from "./store-thread.ts";

const port = parentPort;
assert(port !== null, "runs as a worker");
const answer = (message: FromStore): void => port.postMessage(message);

function openLog(): LabelLog | undefined {
  try {
    return new LabelLog(workerData as LabelLogOptions);
  } catch (error) {
    answer({ kind: "refused", problem: problemOf(error) });
    return undefined;
  }
}

const log = openLog();
if (log !== undefined) {
  answer({ kind: "opened", file: log.file, setAside: log.setAside });
  port.on("message", (message: ToStore) => {
    if (message.kind === "commit") {
      answer({ kind: "committed", result: log.commit(message.rows) });
    } else {
      log.close();
      answer({ kind: "closed" });
    }
  });
}
