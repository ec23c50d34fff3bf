import { describe, expect, test } from "vitest";
import {
  DEFAULT_TRIGGER_RULE,
  decideDistillation,
  type FreshAnswer,
  type TriggerState,
} from "../gateway/distil/distil-trigger.ts";
import { toBegin } from "../gateway/distil/loop-control.ts";
import { DEFAULT_TRUST_RULE } from "../gateway/teacher/teacher-trust.ts";
import type { NodeId } from "../src/wire/messages.ts";

const rule = { ...DEFAULT_TRIGGER_RULE, labelsWanted: 60, trust: DEFAULT_TRUST_RULE };
const HOUR = 3_600_000;
const [a, b] = ["a", "b"] as [NodeId, NodeId];

const answers = (node: NodeId, count: number, known = count, answeredMs = 1000): FreshAnswer[] =>
  Array.from({ length: count }, (_, i) => ({
    offloadId: i,
    node,
    trusted: i < known,
    answeredMs,
  }));

const state = (
  fresh: FreshAnswer[],
  alarms: readonly (readonly [NodeId, number])[] = [],
): TriggerState => ({ fresh, alarms: new Map(alarms), lastDistilMs: 0 });

describe("when to distil", () => {
  test("an alarm collects answers of the nodes that raised it, from then on", () => {
    const alarms = [[a, 500]] as const;
    expect(decideDistillation(state([], alarms), rule, 1000)).toEqual({
      kind: "collect",
      missing: 60,
      nodes: [a],
    });
    const others = [...answers(b, 300), ...answers(a, 100, 100, 400)];
    expect(decideDistillation(state(others, alarms), rule, 1000)).toMatchObject({ missing: 60 });
    const enough = decideDistillation(state(answers(a, 60, 50), alarms), rule, 1000);
    expect(enough).toMatchObject({ kind: "distil", cause: "drift" });
  });

  test("patience ends: fewer will do, but not too few", () => {
    const few = state(answers(a, 30), [[a, 500]]);
    expect(decideDistillation(few, rule, HOUR)).toMatchObject({ kind: "collect", missing: 30 });
    expect(decideDistillation(few, rule, HOUR + 501)).toMatchObject({ kind: "distil" });
    const tooFew = state(answers(a, 20), [[a, 500]]);
    expect(decideDistillation(tooFew, rule, 100 * HOUR)).toMatchObject({ kind: "collect" });
  });

  test("a teacher that does not know the windows stops it", () => {
    const lost = state(answers(a, 60, 10), [[a, 500]]);
    expect(decideDistillation(lost, rule, 1000)).toMatchObject({
      kind: "not-trusted",
      verdict: { unknownNodes: [a] },
    });
    const lostHerd = { ...state(answers(a, 2000, 500)), lastDistilMs: 0 };
    expect(decideDistillation(lostHerd, rule, 1000)).toMatchObject({ kind: "not-trusted" });
  });

  test("more is collected while too few of the answers are trusted", () => {
    const half = state([...answers(a, 60, 22)], [[a, 500]]);
    const trust = { ...rule.trust, herdShareMost: 0.9, nodeShareMost: 0.9 };
    expect(decideDistillation(half, { ...rule, trust }, 1000)).toEqual({
      kind: "collect",
      missing: 1,
      nodes: [a],
    });
  });

  test("without alarm it goes by count and by schedule", () => {
    expect(decideDistillation(state(answers(a, 499)), rule, 1000)).toEqual({ kind: "idle" });
    const counted = decideDistillation(state(answers(a, 500)), rule, 1000);
    expect(counted).toMatchObject({ kind: "distil", cause: "count" });
    const week = 7 * 24 * HOUR;
    expect(decideDistillation(state(answers(a, 30)), rule, week - 1)).toEqual({ kind: "idle" });
    const due = decideDistillation(state(answers(a, 30)), rule, week);
    expect(due).toMatchObject({ kind: "distil", cause: "schedule" });
    const never = { ...rule, scheduleMs: 0 };
    expect(decideDistillation(state(answers(a, 30)), never, week)).toEqual({ kind: "idle" });
  });

  test("an operator's word is refused where nothing would begin, and people's labels go before", () => {
    const idle = { isWorking: false, isSpreading: false, least: rule.labelsLeast };
    const ask = (asked: TriggerState, trusted: number) =>
      toBegin({
        ...idle,
        trusted,
        decision: decideDistillation({ ...asked, asked: true }, rule, 1000),
      });
    const refusal = (code: string) => expect.objectContaining({ code }) as Error;
    const half = state([...answers(a, 30), ...answers(b, 60, 0)]);
    expect(() => ask(state(answers(a, 10)), 10)).toThrow(refusal("labels-few"));
    expect(() => ask(half, 30)).toThrow(refusal("teacher-not-trusted"));
    expect(ask(state(answers(a, 30)), 30)).toMatchObject({ cause: "request" });
    const people = { fresh: rule.peopleWanted, newestMs: 1000 };
    expect(ask({ ...half, people }, 30)).toMatchObject({ cause: "people" });
    expect(ask({ ...state([]), people }, 0)).toMatchObject({ cause: "people" });
  });
});
