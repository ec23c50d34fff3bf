/**
 * A process to be killed: writes entries to an outbox file and says which are durable.
 *
 *     node test/outbox-writer.ts <path> fast      puts and removes until it is killed
 *     node test/outbox-writer.ts <path> fill      puts 1 KiB entries until the disk refuses, then
 *                                                 removes most of them, and ends when all is durable
 *     node test/outbox-writer.ts <path> careless  appends by itself, never flushes, and says that
 *                                                 all is durable: what a power cut must find out
 */

import { openSync, writeSync } from "node:fs";
import { setImmediate as turn, setTimeout as wait } from "node:timers/promises";
import { openOutboxFile } from "../device-sim/outbox-file.ts";
import { encodeOutboxRecord } from "../device-sim/outbox-log.ts";

const [path = "", mode] = process.argv.slice(2);

/** Written at once and by itself: what is said must have been true when the process died. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

let failing = false;
let durable = -1;
const store = await openOutboxFile({
  path,
  newEpoch: () => 4711,
  groupMs: 5,
  listener: {
    durable: (seq) => {
      durable = seq;
      failing = false;
      say(`durable ${seq}`);
    },
    failing: (reason) => {
      failing = true;
      say(`failing ${reason}`);
    },
  },
});

function frameOf(seq: number, bytes: number): Uint8Array {
  return new Uint8Array(bytes).fill(seq % 251);
}

let seq = store.image.nextSeq;
function put(bytes: number): void {
  const entry = { seq, kind: "report", frame: frameOf(seq, bytes) } as const;
  store.append({ kind: "put", entry, nextWindow: seq + 1 });
  seq += 1;
}

if (mode === "fast") {
  const owed = store.image.entries.map((entry) => entry.seq);
  for (;;) {
    for (let i = 0; i < 5; i++) {
      owed.push(seq);
      put(100 + (seq % 400));
    }
    while (owed.length > 200) {
      const seqs = owed.splice(0, 4);
      // Said before it is done: whether it was, only the file can tell.
      say(`remove ${seqs.join(" ")}`);
      store.append({ kind: "remove", seqs });
    }
    await turn();
  }
}

if (mode === "careless") {
  const file = openSync(path, "a");
  for (;;) {
    const entry = { seq, kind: "report", frame: frameOf(seq, 300) } as const;
    const record = { kind: "put", entry, nextWindow: seq + 1 } as const;
    writeSync(file, encodeOutboxRecord(store.image.epoch, record));
    say(`durable ${seq++}`);
    await wait(2);
  }
}

if (mode === "fill") {
  while (!failing) {
    put(1024);
    await wait(1);
  }
  // It goes on taking what comes, and remembers.
  for (let i = 0; i < 10; i++) put(1024);
  const last = seq - 1;
  store.append({ kind: "remove", seqs: Array.from({ length: last - 20 }, (_, i) => i) });
  while (durable < last) await wait(20);
  await store.close();
  say(`done ${last}`);
}
