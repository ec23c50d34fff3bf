/** The `data` commands, run as the command line runs them, without a process each. */

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CommandSpec, commandInput, EXIT, parseOption } from "../cli/command.ts";
import { command } from "../cli/data.ts";
import { readRecordings } from "../recordings/read.ts";
import { assert } from "../src/assert.ts";
import { parseEmulatorParameters } from "../src/signal/emulator-parameters.ts";
import { silentIo } from "./command-io.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "bellwether-data-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

type Ran = {
  readonly code: number;
  readonly lines: string[];
  readonly json: unknown;
  notes: string[];
};

/** @param path names of the commands below `data`, then the arguments */
async function run(
  path: readonly string[],
  args: readonly string[],
  options: Readonly<Record<string, string | boolean>>,
  json = false,
): Promise<Ran> {
  let spec: CommandSpec = command;
  for (const name of path) {
    assert("commands" in spec, "a group");
    const next = spec.commands.find((one) => one.name === name);
    assert(next !== undefined, `there is a command ${name}`);
    spec = next;
  }
  assert("run" in spec, "a command");
  const values: Record<string, unknown> = {};
  for (const option of spec.options) {
    const long = /--([a-z0-9-]+)/.exec(option.flags)?.[1] ?? "";
    const key = long.replace(/-([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
    const given = options[long];
    if (given === true) values[key] = true;
    else if (typeof given === "string") values[key] = parseOption(option, given);
    else if (option.default !== undefined) values[key] = option.default;
  }
  const lines: string[] = [];
  const notes: string[] = [];
  const printed: unknown[] = [];
  const io = silentIo({
    print: (line) => void lines.push(line),
    printJson: (value) => void printed.push(value),
    note: (line) => void notes.push(line),
    json,
  });
  const code = await spec.run(commandInput(values, args), io);
  return { code, lines, json: printed.at(-1), notes };
}

describe("bellwether data", () => {
  it("says where it looked when there is nothing, and how to get something", async () => {
    const { code, lines } = await run(["list"], [], { data: folder });
    expect(code).toBe(EXIT.ok);
    expect(lines.join("\n")).toMatch(new RegExp(`No recordings in ${folder}.*data pull`, "s"));
    await expect(run(["show"], ["goats"], { data: folder })).rejects.toThrow(/no-recordings/);
  });

  it("imports a CSV, lists it, shows it, and does not replace it unasked", async () => {
    const file = join(folder, "goats.csv");
    const rows = ["1", "2"].flatMap((goat) =>
      ["eat", "lie"].flatMap((label, b) =>
        Array.from({ length: 900 }, (_, i) => `${b * Math.sin(i)},0,1,${label},${goat}`),
      ),
    );
    await writeFile(file, `ax,ay,az,what,who\n${rows.join("\n")}\nNaN,0,1,eat,2\n`);
    const options = {
      columns: "ax,ay,az,what,who",
      units: "g",
      rate: "10",
      name: "goats",
      data: folder,
      "skip-bad-rows": true,
    };
    const imported = await run(["import", "csv"], [file], options);
    expect(imported.lines[0]).toMatch(/goats: 0\.10 h at 10 Hz, 4 segments/);
    expect(imported.notes).toEqual([
      "1 rows were left out: no numbers, or a time that repeats or goes back",
    ]);
    await expect(run(["import", "csv"], [file], options)).rejects.toThrow(/dataset-exists/);
    const again = await run(["import", "csv"], [file], { ...options, replace: true }, true);
    expect(again.json).toMatchObject({ segments: 4, skippedRows: 1, subjects: ["1", "2"] });

    expect((await run(["list"], [], { data: folder })).lines[1]).toMatch(
      /goats +10 Hz +2 subjects/,
    );
    const shown = await run(["show"], ["goats"], { data: folder }, true);
    expect(shown.json).toMatchObject({
      windows: 140,
      bouts: 4,
      profile: { classes: ["eat", "lie"] },
    });
    expect((await run(["show"], ["goats"], { data: folder })).lines.join("\n")).toMatch(
      /eat +3\.0 {2}eat/,
    );
  });

  it.each([
    [{}, /--units.*m\/s2/],
    [{ units: "g" }, /--name/],
    [{ units: "g", name: "x" }, /--columns.*x,y,z/],
    [{ units: "g", name: "../x", columns: "1,2,3", label: "a", rate: "10" }, /cannot be the name/],
  ])("asks for what an import of a CSV needs: %j", async (options, message) => {
    const file = join(folder, "still.csv");
    await writeFile(file, "0,0,1\n".repeat(100));
    const given = { ...options, data: folder };
    await expect(run(["import", "csv"], [file], given)).rejects.toThrow(message);
  });

  it("fits an emulator and writes emulated recordings", async () => {
    const out = join(folder, "fitted", "emulator.json");
    const fitted = await run(["fit-emulator"], ["goats"], { data: folder, out }, true);
    expect(fitted.json).toMatchObject({ profile: "goats", individuals: 2 });
    const parameters = parseEmulatorParameters(await readFile(out, "utf8"), out);
    expect(parameters.classes).toEqual(["eat", "lie"]);
    await expect(
      run(["fit-emulator"], ["goats"], { data: folder, out, subjects: "1,9" }),
    ).rejects.toThrow(/no subject "9"/);

    await run(["emulate"], ["cattle"], { data: folder, minutes: "0.5" });
    const emulated = await readRecordings(join(folder, "emulated-cattle"));
    expect(emulated.subjects.length).toBeGreaterThan(3);
    await expect(run(["emulate"], ["watch"], { data: folder })).rejects.toThrow(/no-emulator/);
  });
});
