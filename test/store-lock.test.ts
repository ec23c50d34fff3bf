import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { lockStore } from "../device-sim/store-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe("lockStore", () => {
  it("lets one in at a time, and the next when it is let go", () => {
    const unlock = lockStore(folder);
    expect(() => lockStore(folder)).toThrow(/store-in-use/);
    unlock();
    lockStore(folder)();
  });

  it("takes over from a process that died, and from a file that says nothing", () => {
    const dead = spawnSync(process.execPath, ["-e", "console.log(process.pid)"]);
    for (const text of [dead.stdout.toString(), "", "who knows", "-1"]) {
      writeFileSync(join(folder, "fleet.lock"), text);
      lockStore(folder)();
    }
  });

  it("takes over what an earlier start of the machine left, whoever bears its number now", () => {
    for (const pid of [process.pid, 1]) {
      writeFileSync(join(folder, "fleet.lock"), `${pid} 00000000-0000-4000-8000-000000000000`);
      lockStore(folder)();
    }
  });

  it("says what is in the way where it cannot write", () => {
    const file = join(folder, "a-file");
    writeFileSync(file, "");
    expect(() => lockStore(join(file, "store"))).toThrow(/a-file.*store-unwritable.*--store/);
  });

  it("respects a process that lives", () => {
    writeFileSync(join(folder, "fleet.lock"), "1");
    expect(() => lockStore(folder)).toThrow(/process 1 runs a fleet/);
  });
});
