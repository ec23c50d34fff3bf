/** The answer to who joins: what a node reads by hand is what the schema of the documents says. */

import fc from "fast-check";
import { expect, it } from "vitest";
import { readJoinResponse } from "../src/wire/join.ts";
import { JoinResponseSchema } from "../src/wire/join-schema.ts";

const text = (bound: number) =>
  fc.oneof(
    fc.string({ maxLength: 3 }),
    fc.integer({ min: bound - 1, max: bound + 1 }).map((length) => "x".repeat(length)),
    fc.anything(),
  );
const key = fc.oneof(
  fc.constant(null),
  fc.constantFrom("0f".repeat(32), "0F".repeat(32), "0f".repeat(33), `${"0f".repeat(32)}\n`),
  fc.anything(),
);
const answer = fc.record(
  {
    v: fc.oneof({ weight: 9, arbitrary: fc.constant(1) }, fc.constantFrom(2, "1", null)),
    status: fc.oneof({ weight: 9, arbitrary: fc.constantFrom("ok", "error") }, fc.anything()),
    node: text(64),
    password: text(128),
    key,
    error: text(64),
    later: fc.anything(),
  },
  { requiredKeys: ["v", "status"] },
);

it("is read by hand as by its schema", () => {
  const seen = { ok: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof({ weight: 9, arbitrary: answer }, fc.anything()), (value) => {
      const json = JSON.stringify(value) ?? "";
      const read = readJoinResponse(json);
      let parsed: unknown;
      try {
        parsed = JoinResponseSchema.parse(JSON.parse(json));
      } catch {
        parsed = undefined;
      }
      expect(read).toEqual(parsed);
      if (read === undefined) seen.refused++;
      else seen.ok++;
    }),
    { numRuns: 3_000 },
  );
  // Both kinds came often, so that this means something.
  expect(Math.min(seen.ok, seen.refused)).toBeGreaterThan(100);
});
