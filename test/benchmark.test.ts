/** The bench as a script meets it, and the arithmetic under its tables. */

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { machine, median, quantile, table } from "../bench/benchmark.ts";
import { ROOT } from "./house-sources.ts";

function bench(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, "bench/main.ts"), ...args],
    { encoding: "utf8" },
  );
  return { status, stdout, stderr };
}

describe("the bench", () => {
  it("lists what there is, with what each is about", () => {
    const { status, stdout, stderr } = bench();
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const listed = (stdout.split("Benchmarks\n")[1] ?? "").trim().split("\n");
    expect(listed.length).toBeGreaterThan(0);
    for (const line of listed) expect(line.trim()).toMatch(/^[a-z0-9-]+ {2,}\S.{20,}/);
  });

  it.each([
    [["nothing"], /no benchmark "nothing".*Choose one of/],
    [["learn", "--seeds", "many"], /--seeds many.*whole number/],
    [["learn", "--student", "clever"], /--student clever.*default or/],
    [["learn", "--data"], /--data has no value/],
    [["learn", "--data", "--json"], /--data has no value/],
  ])("answers %j with code 2 and a way out", (args, message) => {
    const { status, stdout, stderr } = bench(...args);
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });
});

describe("a table", () => {
  it("puts figures to the right and words to the left", () => {
    const rows = [
      ["model", "accuracy", "note"],
      ["teacher", ".97", "two by 9"],
      ["student, int8", 0.9312, "-"],
    ];
    expect(table(rows)).toEqual([
      "model          accuracy  note",
      "-------------  --------  --------",
      "teacher             .97  two by 9",
      "student, int8    0.9312  -",
    ]);
  });

  it("of nothing is nothing worse than empty", () => {
    expect(table([])).toEqual(["", ""]);
  });
});

describe("quantiles", () => {
  it("agree with a hand-made example, and with the extremes", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([10, 20, 30, 40, 50], 0.9)).toBeCloseTo(46);
    expect(median([])).toBeNaN();
    fc.assert(
      fc.property(
        // Minus zero is no other figure than zero.
        fc.array(
          fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
          { minLength: 1 },
        ),
        (values) => {
          expect(quantile(values, 0)).toBe(Math.min(...values));
          expect(quantile(values, 1)).toBe(Math.max(...values));
        },
      ),
    );
  });
});

describe("the machine", () => {
  it("is named, so that a figure can be told from another's", () => {
    expect(machine().node).toBe(process.version);
    expect(machine().cores).toBeGreaterThan(0);
  });
});
