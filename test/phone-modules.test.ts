import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { MODULE_PATH, readPhoneModules } from "../gateway/http/phone-modules.ts";

const ENTRY = "device-sim/browser/phone-page.ts";

describe("the phone's modules", () => {
  const beganMs = performance.now();
  const { modules, version } = readPhoneModules([ENTRY]);
  const followedMs = performance.now() - beganMs;
  const textOf = (path: string): string =>
    gunzipSync(modules.find((one) => one.path === path)?.gzipped() ?? "").toString();

  it("import nothing but each other, by paths that a browser can ask for", () => {
    const paths = new Set(modules.map(({ path }) => path));
    expect(paths).toContain(`${MODULE_PATH}/device-sim/node.ts`);
    const wrong: string[] = [];
    let imports = 0;
    for (const { path } of modules) {
      for (const [, to = ""] of textOf(path).matchAll(
        /^(?:import|export)\s[^;"]*?from\s+"([^"]+)"/gm,
      )) {
        imports += 1;
        const { pathname } = new URL(to, `http://gateway${path}`);
        if (!/^[./]/.test(to) || !paths.has(pathname)) wrong.push(`${path} imports ${to}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(imports).toBeGreaterThan(200);
  });

  it("hold nothing of Node's, of the gateway's and of the command's", () => {
    for (const { path } of modules) {
      expect(path).toMatch(/^\/node\/m\/(src|device-sim|recordings|npm)\/[A-Za-z0-9/._-]+\.[jt]s$/);
      expect(textOf(path)).not.toMatch(/from "node:/);
    }
  });

  it("are half a megabyte at most as they are sent, and their number is said", () => {
    const again = readPhoneModules([ENTRY]).modules;
    const askedMs = performance.now();
    const bytes = again.reduce((sum, { gzipped }) => sum + gzipped().length, 0);
    const madeMs = performance.now() - askedMs;
    console.log(
      `${modules.length} modules, ${bytes} bytes gzipped; followed in ${followedMs.toFixed(0)} ms ` +
        `at the start, made in ${madeMs.toFixed(0)} ms when all are asked for`,
    );
    expect(modules.length).toBeGreaterThan(60);
    expect(bytes).toBeLessThan(512 * 1024);
  });

  it("have a version that follows from their bytes alone", () => {
    expect(readPhoneModules([ENTRY]).version).toBe(version);
    expect(readPhoneModules(["device-sim/node.ts"]).version).not.toBe(version);
    expect(version).toMatch(/^[0-9a-f]{16}$/);
  });
});
