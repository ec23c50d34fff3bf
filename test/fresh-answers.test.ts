/** Answers that nobody uses for days. */

import { expect, it } from "vitest";
import { DEFAULT_TRIGGER_RULE, decideDistillation } from "../gateway/distil/distil-trigger.ts";
import { FRESH_MOST, FreshAnswers } from "../gateway/distil/fresh-answers.ts";
import { DEFAULT_TRUST_RULE } from "../gateway/teacher/teacher-trust.ts";
import { nodeId } from "../src/wire/topics.ts";

const node = nodeId("collar-1");
const answer = (offloadId: number) => ({ offloadId, node, trusted: false, answeredMs: offloadId });

it("are kept as far as they are read, however many come, and all of them are used", () => {
  const fresh = new FreshAnswers([], 3);
  expect(fresh.newestOffloadId).toBe(3);
  // More than a call has room for as arguments.
  const count = 300_000;
  for (let id = 4; id <= count; id++) fresh.add(answer(id));
  expect(fresh.all.length).toBeLessThanOrEqual(1.1 * FRESH_MOST);
  expect(fresh.all.slice(-FRESH_MOST)[0]?.offloadId).toBe(count - FRESH_MOST + 1);
  expect(fresh.newestOffloadId).toBe(count);
  const rule = { ...DEFAULT_TRIGGER_RULE, trust: DEFAULT_TRUST_RULE };
  const state = { alarms: new Map([[node, 0]]), fresh: fresh.all, lastDistilMs: 0 };
  expect(decideDistillation(state, rule, count).kind).toBe("not-trusted");
  fresh.clear();
  expect(fresh.all).toEqual([]);
  expect(fresh.newestOffloadId).toBe(count);
});
