/** What choosing alone could gain, by tables of what asking was worth. */
import { describe, expect, it } from "vitest";
import { gainAt, kindOf, sumOf, worthByKind } from "../bench/value-table.ts";

const belief = (beliefQ15: readonly number[], classIndex: number, marginQ8: number) => ({
  beliefQ15: Int32Array.from(beliefQ15),
  classIndex,
  marginQ8,
});

describe("kindOf", () => {
  it("tells answers, the next class, octaves and the first exit's answer apart, and no more", () => {
    const seen = belief([20000, 9000, 3768], 0, 300);
    const kinds = [
      kindOf(seen, 0),
      kindOf(seen, 1),
      kindOf({ ...seen, marginQ8: 700 }, 0),
      kindOf(belief([20000, 3768, 9000], 0, 300), 0),
      kindOf(belief([9000, 20000, 3768], 1, 300), 1),
    ];
    expect(new Set(kinds).size).toBe(kinds.length);
    expect(kindOf({ ...seen, marginQ8: 500 }, 0)).toBe(kinds[0]);
    expect(kindOf(seen, 2)).toBe(kinds[1]);
    // Above twelve octaves nothing is told apart.
    expect(kindOf({ ...seen, marginQ8: 12 * 256 }, 0)).toBe(kindOf({ ...seen, marginQ8: 5120 }, 0));
  });
});

describe("gainAt", () => {
  /** Kind 1 is worth asking about for the first subject alone, kind 2 a little for both. */
  const subjects = [
    worthByKind([1, 1, 1, 1, 2, 2, 2, 2, 3, 3], [1, 1, 1, 1, 1, 0, 0, 0, 0, -1]),
    worthByKind([1, 1, 1, 1, 2, 2, 2, 2, 3, 3], [-1, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
  ];

  it("gains all that there is at full share, whatever is known", () => {
    for (const knows of ["all", "others"] as const) expect(gainAt(subjects, 1, knows)).toBe(4);
    expect(gainAt(subjects, 0, "all")).toBe(0);
  });

  it("asks about the most worthy kinds first, and about part of one where the share ends in it", () => {
    // Kind 1 is worth 3 in 8 windows; all of them are 8 of 20.
    expect(gainAt(subjects, 0.4, "all")).toBeCloseTo(3, 12);
    expect(gainAt(subjects, 0.2, "all")).toBeCloseTo(1.5, 12);
    expect(gainAt(subjects.slice(0, 1), 0.2, "all")).toBeCloseTo(2, 12);
  });

  it("knows less of a subject from the others than from himself", () => {
    expect(gainAt(subjects, 0.4, "others")).toBeLessThan(gainAt(subjects, 0.4, "all"));
  });

  it("adds up a subject's trainings", () => {
    const both = sumOf(subjects);
    expect(both.get(1)).toEqual({ windows: 8, gain: 3 });
    expect(both.get(3)).toEqual({ windows: 4, gain: -1 });
  });
});
