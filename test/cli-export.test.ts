/** `bellwether export` as a person meets it: files, exit codes, and what refuses what. */

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { C_FLAGS, findProgram, TARGETS } from "../deploy/firmware/tools/toolchain.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";
import { ROOT } from "./house-sources.ts";

const folder = mkdtempSync(join(tmpdir(), "bellwether-cli-export-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MODEL = join(ROOT, "profiles/cattle/student.bwm");

function run(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, "cli/main.ts"), "export", ...args],
    { encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } },
  );
  return {
    code: status,
    stdout,
    stderr,
    json: () => JSON.parse(stdout.trim().split("\n").at(-1) ?? ""),
  };
}

describe("bellwether export c", () => {
  it("writes a folder that compiles on its own and whose example holds its self-test", () => {
    const out = join(folder, "collar");
    const { code, stdout, stderr, json } = run(
      ...["c", MODEL, "--out", `${out}/`, "--name", "collar", "--example", "--json"],
    );
    expect(stdout).toContain(": collar.h, collar.c, bw.h, bw_kernels_packed.h, bw_packed_blocks.h");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { files, ramBytes, macs, encoder, encoderId } = json();
    expect(files.map((path: string) => path.slice(out.length + 1)).sort()).toEqual(
      readdirSync(out).sort(),
    );
    const header = readFileSync(join(out, "collar.h"), "utf8");
    expect(header).toContain(`#define COLLAR_RAM_BYTES ${ramBytes}\n`);
    expect(header).toContain(`#define COLLAR_MACS_EXIT_2 ${macs[1]}\n`);
    expect(header).toContain(`#define COLLAR_CODE_BYTES ${encoder.codeBytes}\n`);
    const tail = readFileSync(join(ROOT, "profiles/cattle/tail.onnx"));
    expect(onnxMetadata(tail).get("encoder")?.slice(0, 8)).toBe(encoderId);
    const program = join(out, "example");
    const sources = ["collar.c", "main.c"].map((file) => join(out, file));
    execFileSync(TARGETS.host.compiler, [...C_FLAGS, "-O2", ...sources, "-o", program]);
    const lines = execFileSync(program, { encoding: "utf8" }).trim().split("\n");
    expect(lines).toHaveLength(3);
    expect(lines.pop()).toMatch(/^codes:( [0-3])+$/);
    for (const line of lines) {
      expect(line).toMatch(/^exit \d: (grazing|resting|moving|\w+), logit -?\d+ \/ 256$/);
    }
  });

  const needed = TARGETS["cortex-m4"].compiler;
  if (findProgram(needed) === undefined) console.log(`firmware is skipped: it needs ${needed}`);
  it.skipIf(findProgram(needed) === undefined)("compiles for a Cortex-M4 as well", () => {
    const out = join(folder, "m4");
    expect(run("c", MODEL, "--out", out)).toMatchObject({ code: 0 });
    const flags = [...TARGETS["cortex-m4"].machineFlags, "-O3", "-fno-schedule-insns", "-c"];
    const object = join(out, "student.o");
    execFileSync(needed, [...C_FLAGS, ...flags, join(out, "student.c"), "-o", object]);
    expect(existsSync(object)).toBe(true);
  });

  it("writes over nothing without --force", () => {
    const out = join(folder, "again");
    expect(run("c", MODEL, "--out", out)).toMatchObject({ code: 0 });
    writeFileSync(join(out, "student.c"), "mine");
    const refused = run("c", MODEL, "--out", out);
    expect(refused).toMatchObject({ code: 2, stdout: "" });
    expect(refused.stderr).toMatch(/student\.h: exists \(file-exists\).*--force/);
    expect(readFileSync(join(out, "student.c"), "utf8")).toBe("mine");
    expect(run("c", MODEL, "--out", out, "--force")).toMatchObject({ code: 0 });
    expect(readFileSync(join(out, "student.c"), "utf8")).toContain("student_next_exit");
  });
});

describe("bellwether export onnx", () => {
  it("writes a file that ONNX Runtime runs, and that says what it is", async () => {
    const out = join(folder, "made/student.onnx");
    const { code, stderr, json } = run("onnx", MODEL, "--out", out, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const onnx = readFileSync(out);
    expect(json()).toMatchObject({ file: out, bytes: onnx.length });
    const program = await onnxRuntime().compile(onnx);
    expect(program.outputs.map(({ name }) => name)).toEqual(json().outputs);
    const metadata = onnxMetadata(onnx);
    expect(JSON.parse(metadata.get("classes") ?? "")).toContain("grazing");
    expect(metadata.get("model")).toBe(json().model);
    expect(run("onnx", MODEL, "--out", out)).toMatchObject({ code: 2, stdout: "" });
    expect(run("onnx", MODEL, "--out", out, "--force")).toMatchObject({ code: 0 });
  });
});

describe.each(["c", "onnx"])("bellwether export %s", (form) => {
  it("has help with examples", () => {
    const { code, stdout } = run(form, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain(`$ bellwether export ${form} profiles/cattle/student.bwm --out`);
  });

  it("says what is wrong, and how to mend it", () => {
    const broken = join(folder, "broken.bwm");
    writeFileSync(broken, readFileSync(MODEL).subarray(0, 100));
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [[MODEL], /--out <\w+>: is missing/],
      [["nowhere.bwm", "--out", "x"], /nowhere\.bwm.*no such file/],
      [[broken, "--out", join(folder, "x")], /container/],
      [[MODEL, "--out", join(broken, "x")], /file-unwritable/],
    ];
    for (const [args, message] of cases) {
      const { code, stdout, stderr } = run(form, ...args);
      expect(stderr).toMatch(message);
      expect(stderr).not.toContain("    at ");
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    }
  });
});
