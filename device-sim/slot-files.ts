/**
 * Model slots as files of a folder: `slot-0.record`, `slot-0.header`, `slot-0.image`, the same for
 * slot 1, `floor` and `gate`.
 *
 * Records are replaced atomically (written beside, flushed, renamed, folder flushed), and only
 * after the slot's image and header have been flushed. Writes happen in the order of the calls.
 */

import { type FileHandle, mkdir, open, rename } from "node:fs/promises";
import { join } from "node:path";
import { readIfThere, syncFolder } from "./outbox-file.ts";
import type { Flash, FlashContent, FlashWrite, SlotContent, SlotNumber } from "./storage.ts";

export function fileFlash(folder: string, slotBytes: number): Flash {
  let work: Promise<unknown> = mkdir(folder, { recursive: true });
  /** In turn, whatever became of the one before. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = work.then(act, act);
    work = turn.catch(() => undefined);
    return turn;
  };
  const path = (slot: SlotNumber, part: string): string => join(folder, `slot-${slot}.${part}`);
  const readSlot = async (slot: SlotNumber): Promise<SlotContent> => ({
    record: (await readIfThere(path(slot, "record"))) ?? null,
    header: (await readIfThere(path(slot, "header"))) ?? null,
    image: (await readIfThere(path(slot, "image"))) ?? new Uint8Array(0),
  });
  return {
    slotBytes,
    load: () =>
      inTurn(
        async (): Promise<FlashContent> => ({
          floor: (await readIfThere(join(folder, "floor"))) ?? null,
          gate: (await readIfThere(join(folder, "gate"))) ?? null,
          slots: [await readSlot(0), await readSlot(1)],
        }),
      ),
    write: (write) => inTurn(() => perform(folder, write)),
    read: (slot) =>
      inTurn(async () => (await readIfThere(path(slot, "image"))) ?? new Uint8Array(0)),
  };
}

async function perform(folder: string, write: FlashWrite): Promise<void> {
  switch (write.region) {
    case "floor":
    case "gate":
      await replaceFile(folder, write.region, write.bytes);
      return;
    case "header":
      await writeAt(join(folder, `slot-${write.slot}.header`), write.bytes, 0, true);
      return;
    case "image":
      await writeAt(join(folder, `slot-${write.slot}.image`), write.bytes, write.offset, false);
      return;
    case "record":
      await flushIfThere(join(folder, `slot-${write.slot}.image`));
      await flushIfThere(join(folder, `slot-${write.slot}.header`));
      await replaceFile(folder, `slot-${write.slot}.record`, write.bytes);
      return;
  }
}

async function replaceFile(folder: string, name: string, bytes: Uint8Array): Promise<void> {
  const path = join(folder, name);
  await using(`${path}.new`, "w", async (file) => {
    await file.writeFile(bytes);
    await file.sync();
  });
  await rename(`${path}.new`, path);
  await syncFolder(folder);
}

async function writeAt(
  path: string,
  bytes: Uint8Array,
  offset: number,
  cut: boolean,
): Promise<void> {
  const flags = (await readable(path)) ? "r+" : "w";
  await using(path, flags, async (file) => {
    await file.write(bytes, 0, bytes.length, offset);
    if (cut) await file.truncate(bytes.length);
  });
}

async function flushIfThere(path: string): Promise<void> {
  if (!(await readable(path))) return;
  await using(path, "r+", (file) => file.sync());
}

async function readable(path: string): Promise<boolean> {
  try {
    await (await open(path, "r")).close();
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

async function using(
  path: string,
  flags: string,
  act: (file: FileHandle) => Promise<void>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await act(file);
  } finally {
    await file.close();
  }
}
