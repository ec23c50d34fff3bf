/** One node's storage in one folder: the outbox and the model slots. */

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { openOutboxFile } from "./outbox-file.ts";
import { fileFlash } from "./slot-files.ts";
import type { NodeStorage } from "./storage.ts";

export async function fileStorage(folder: string, slotBytes: number): Promise<NodeStorage> {
  await mkdir(folder, { recursive: true });
  return {
    flash: fileFlash(folder, slotBytes),
    openOutbox: (options) => openOutboxFile({ path: join(folder, "outbox"), ...options }),
  };
}
