/**
 * The ports' hardware layers against stubs of their SDKs: spelled right, and all of the layer there.
 * Whether the real SDKs agree is not shown, see `port-stubs.ts`.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { FIRMWARE_FOLDER, findProgram, TARGETS } from "../deploy/firmware/tools/toolchain.ts";
import { projectFiles, readText } from "./house-sources.ts";
import { PORT_STUBS } from "./port-stubs.ts";

const compiler = findProgram(TARGETS.host.compiler);
const lister = findProgram("nm");
const isThere = compiler !== undefined && lister !== undefined;
if (!isThere) console.warn("the ports are not compiled against stubs: no gcc or no nm");
const folder = mkdtempSync(join(tmpdir(), "bellwether-ports-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FUNCTIONS = ["transmit", "receive", "clock", "sleep", "flash_write", "flash"];
const PORTS = Object.entries(PORT_STUBS);

describe("ports of the hardware layer", () => {
  it.skipIf(!isThere).each(PORTS)("%s compiles against stubs and has all of it", (name, port) => {
    for (const [path, text] of Object.entries(port.headers)) {
      const file = join(folder, name, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${text}\n`);
    }
    const object = join(folder, `${name}.o`);
    // The SDKs' own dialect is GNU's.
    const flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-Wno-int-to-pointer-cast", "-c"];
    const include = [join(folder, name), join(FIRMWARE_FOLDER, "node")].map((dir) => `-I${dir}`);
    const source = join(FIRMWARE_FOLDER, "ports", port.source);
    execFileSync(compiler as string, [...flags, ...include, source, "-o", object], {
      stdio: "pipe",
    });
    const symbols = execFileSync(lister as string, ["-g", "--defined-only", object], {
      encoding: "utf8",
    });
    for (const wanted of FUNCTIONS) expect(symbols).toMatch(new RegExp(` bw_hal_${wanted}$`, "m"));
  });

  it("say in each file that nobody has compiled or run them", () => {
    for (const [, { source }] of PORTS) {
      const text = readText(`deploy/firmware/ports/${source}`).replace(/[\s*]+/g, " ");
      expect(text).toMatch(
        /has not been compiled with \S+ headers and has not run on a (board|chip)/,
      );
    }
    const guide = readText("deploy/firmware/PORTING.md");
    expect(guide).toContain("Nothing on this page has run on silicon");
    const files = projectFiles().filter((path) => path.startsWith("deploy/firmware/ports/"));
    expect(files.length).toBeGreaterThan(PORTS.length);
    for (const file of files) expect(guide).toContain(`(${file.slice("deploy/firmware/".length)})`);
  });
});
