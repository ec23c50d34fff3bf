/**
 * The commands of docs/OPERATIONS.md, run as they stand there, in their order, in one folder: a farm
 * with an operator and a collar. What needs root or systemd is looked at by `documented-commands`.
 */

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AccessStore } from "../gateway/access/access-store.ts";
import { openReleaseKeys } from "../gateway/release/release-keys.ts";
import { fillAnimal } from "./animal-kit.ts";
import { gatewayEnvironment, removeFolder, temporaryFolder } from "./gateway-kit.ts";

const ROOT = path.join(import.meta.dirname, "..");
const COMMANDS = [
  ...readFileSync(path.join(ROOT, "docs/OPERATIONS.md"), "utf8").matchAll(
    /```bash\n([\s\S]*?)```/g,
  ),
]
  .flatMap(([, block = ""]) => block.split("\n"))
  .filter((line) => line.startsWith("bellwether "));
/** These ask a gateway that runs, or read a device: `labels-command` and `node-command` run such. Here
 * only what they are called with is held to their help. */
const NEEDS_ANOTHER = /^bellwether (labels (list|answer|skip)|node) /;

let folder: string;

function run(line: string): { readonly status: number | null; readonly said: string } {
  const main = `"${process.execPath}" "${path.join(ROOT, "cli/main.ts")}"`;
  const script = `bellwether() { ${main} "$@"; }\n${line}`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script], {
    cwd: folder,
    // Ports that another test, or whoever runs this, may be using.
    env: {
      ...gatewayEnvironment(),
      BELLWETHER_CONFIG_BROKER_PORT: "0",
    },
    encoding: "utf8",
  });
  return { status, said: `${stdout}${stderr}` };
}

beforeAll(() => {
  folder = temporaryFolder();
  const farm = path.join(folder, "farm");
  mkdirSync(farm);
  writeFileSync(
    path.join(folder, "farm.yaml"),
    "data_directory: ./farm\nbroker: { port: 0 }\nbehaviours: { groups: { heifers: [collar-7] } }\n",
  );
  fillAnimal(farm, "collar-7", Date.UTC(2026, 2, 15, 14, 20));
  openReleaseKeys(path.join(farm, "keys"));
  const access = new AccessStore(farm);
  const identity = {
    ...{ secret: null, mosquitto: null, certificate: null, joinHash: null },
    ...{ createdMs: 1, changedMs: 1, proven: true },
  };
  access.put({ ...identity, name: "operator", role: "operator" });
  access.put({ ...identity, name: "collar-7", role: "node" });
  access.close();
});

afterAll(() => removeFolder(folder));

describe("docs/OPERATIONS.md", () => {
  it.each(COMMANDS.filter((line) => !NEEDS_ANOTHER.test(line)))("%s", (line) => {
    const { status, said } = run(line);
    expect(status, said).toBe(0);
  });

  it.each(COMMANDS.filter((line) => NEEDS_ANOTHER.test(line)))("knows all of %s", (line) => {
    const words = /^bellwether (labels \w+|node)/.exec(line)?.[0] ?? "";
    const { status, said } = run(`${words} --help`);
    expect(status, said).toBe(0);
    const options = [...line.matchAll(/ (--[a-z-]+)/g)].map(([, option = ""]) => option);
    expect(options.length).toBeGreaterThan(0);
    for (const option of options) expect(said).toMatch(new RegExp(`^ +(-\\w, )?${option}\\b`, "m"));
  });

  it("has led to a directory that came back, and to new credentials", () => {
    expect(COMMANDS.length).toBeGreaterThan(6);
    expect(existsSync(path.join(folder, "farm-again", "labels.db"))).toBe(true);
    expect(existsSync(path.join(folder, "farm", "tls", "server.pem"))).toBe(true);
    const access = new AccessStore(path.join(folder, "farm"));
    const changed = access.identities().map(({ name, changedMs }) => [name, changedMs > 1]);
    access.close();
    expect(changed).toEqual([
      ["collar-09", true],
      ["collar-7", true],
      ["operator", true],
    ]);
  });
});
