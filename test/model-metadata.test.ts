/** What a model's file says of itself, text by text. */

import { describe, expect, it } from "vitest";
import {
  choiceOf,
  type Metadata,
  needed,
  numberOf,
  textsOf,
} from "../gateway/teacher/model-metadata.ts";

const saying =
  (text: string | undefined): Metadata =>
  (name) =>
    name === "it" ? text : undefined;

describe("a model's metadata", () => {
  it("are taken where they are what they should be, and missing ones are nothing", () => {
    expect(textsOf(saying('["a","b"]'), "it")).toEqual(["a", "b"]);
    expect(numberOf(saying(" 12.5 "), "it", { low: 1 })).toBe(12.5);
    expect(numberOf(saying("4"), "it", { low: 1, high: 4, isWhole: true })).toBe(4);
    expect(choiceOf(saying("b"), "it", ["a", "b"])).toBe("b");
    const nothing = saying(undefined);
    expect([textsOf(nothing, "it"), choiceOf(nothing, "it", ["a"])]).toEqual([
      ...[undefined, undefined],
    ]);
    expect(numberOf(nothing, "it", { low: 0 })).toBeUndefined();
    expect(() => needed(undefined, "it")).toThrow("it is missing");
  });

  it.each(["", "[", '{"a":1}', '["a",1]', '"a"'])("%s is no list of texts", (text) => {
    expect(() => textsOf(saying(text), "it")).toThrow(/it is ".*no JSON list/);
  });

  it.each(["", "x", "NaN", "Infinity", "0.9", "4.5", "2.5"])("%s is out of range", (text) => {
    const range = { low: 1, high: 4, isWhole: true };
    expect(() => numberOf(saying(text), "it", range)).toThrow(/no whole number from 1 to 4/);
  });

  it("is none of the choices where it is another", () => {
    expect(() => choiceOf(saying("c"), "it", ["a", "b"])).toThrow(/none of a, b/);
  });
});
