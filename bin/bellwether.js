#!/usr/bin/env node
// The launcher: runs under whatever Node is installed and hands over to the pinned one.
//
// The sources are TypeScript that Node 24 runs as they are. That Node comes with `npm ci` as the
// package `node`; this file is plain JavaScript so that an older Node can start it.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
const pinned = fileURLToPath(
  new URL(
    process.platform === "win32"
      ? "../node_modules/node/bin/node.exe"
      : "../node_modules/node/bin/node",
    import.meta.url,
  ),
);
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const canRunTypeScript = major >= 24 || (major === 22 && minor >= 18);

if (!existsSync(pinned) && !canRunTypeScript) {
  process.stderr.write(
    `bellwether: Node ${process.versions.node} cannot run it and the pinned Node is not there. ` +
      "Run `npm ci` in its folder first.\n",
  );
  process.exit(2);
}

// A gateway has four threads, and V8 lets the young objects of each grow to 16 MB and more before it
// looks at them. One megabyte keeps a small machine's memory for what is needed, also where one node
// runs on it; the unit in deploy/pi says the same. Where the kept compilations cannot be written, Node
// goes on without.
const command = process.argv.slice(2);
const wanted = command.find((word) => !word.startsWith("-"));
const isLean = ["gateway", "node"].includes(wanted);
const flags = isLean ? ["--max-semi-space-size=1"] : [];
const compiled = fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url));
const environment = { MALLOC_ARENA_MAX: "2", NODE_COMPILE_CACHE: compiled, ...process.env };

const node = existsSync(pinned) ? pinned : process.execPath;
if (wanted === "node") compileAhead(join(environment.NODE_COMPILE_CACHE, "ahead-node"));

const child = spawn(node, [...flags, main, ...command], {
  stdio: "inherit",
  env: environment,
});
// Ctrl-C reaches the child through the terminal; this process only waits for it to end cleanly.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => child.kill("SIGTERM"));
process.on("SIGHUP", () => child.kill("SIGHUP"));
child.on("error", (error) => {
  process.stderr.write(`bellwether: cannot start Node: ${error.message}\n`);
  process.exit(3);
});
child.on("exit", (code, signal) => {
  if (signal) process.kill(process.pid, signal);
  else process.exit(code ?? 1);
});

// The first start after an installation compiles, and holds Node's compiler of TypeScript, 20 MB, for as
// long as it runs: for months. So a process that ends at once compiles before it, once. Not for a
// gateway, whose threads load sources that its help does not.
function compileAhead(mark) {
  if (existsSync(mark)) return;
  try {
    mkdirSync(mark, { recursive: true });
  } catch {
    return;
  }
  spawnSync(node, [...flags, main, wanted, "--help"], { stdio: "ignore", env: environment });
}
