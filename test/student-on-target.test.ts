/** The estimate of a student's cost: it follows the shapes, and states where its figures come from. */

import { describe, expect, it } from "vitest";
import { estimateOn } from "../src/cost/student-on-target.ts";
import { TARGET_NAMES, TARGETS } from "../src/cost/targets.ts";
import { workOf } from "../src/cost/work.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import { studentCost } from "../src/model/student-cost.ts";
import { noiseWindows, randomFloatStudent, SPECS } from "./student-samples.ts";

const students = Object.values(SPECS).map((spec) =>
  quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 2, 1), 31.25),
);

describe("the work of a student", () => {
  it("has every multiply-accumulate that its cost counts, exit by exit", () => {
    for (const student of students) {
      let macs = 0;
      const sums = workOf(student).map((stage) => {
        for (const work of stage) if (work.kind !== "pool") macs += work.macs;
        return macs;
      });
      expect(sums).toEqual(studentCost(student).map((exit) => exit.macs));
    }
  });
});

describe("an estimate", () => {
  it.each(TARGET_NAMES)("for %s grows with the exit and follows from its constants", (name) => {
    const target = TARGETS[name];
    for (const student of students) {
      const { exits, ramBytes, flashBytes } = estimateOn(name, student, 16_000);
      expect(exits).toHaveLength(student.stages.length);
      expect(flashBytes).toBeGreaterThan(16_000);
      expect(ramBytes).toBeGreaterThan(studentCost(student).at(-1)?.ramBytes ?? 0);
      exits.reduce((before, exit) => {
        expect(exit.instructions).toBeGreaterThan(before.instructions);
        expect(exit.cycles).toBeGreaterThan(before.cycles);
        return exit;
      });
      for (const { cycles, milliseconds, microjoules } of exits) {
        expect(milliseconds * target.clockMhz.value * 1000).toBeCloseTo(cycles, 3);
        const watts = (target.supplyVolt.value * target.currentMilliampere.value) / 1000;
        expect(microjoules).toBeCloseTo(milliseconds * 1000 * watts, 6);
      }
    }
  });

  it("names a source and a status for every constant, and how uncertain all of it is", () => {
    for (const target of Object.values(TARGETS)) {
      const constants = Object.values(target).filter((value) => typeof value === "object");
      expect(constants).toHaveLength(7);
      expect(target.uncertainty).toBeGreaterThanOrEqual(0.3);
      for (const { source, status, value } of constants) {
        expect(source.length).toBeGreaterThan(5);
        expect(["datasheet", "published", "derived", "assumed"]).toContain(status);
        expect(value).toBeGreaterThan(0);
      }
    }
  });
});
