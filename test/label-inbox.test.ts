/** The label inbox: what it asks, what is learned of the answers, and who judges it. */

import { describe, expect, it } from "vitest";
import { DEFAULT_LABEL_RULE } from "../gateway/distil/distil-labels.ts";
import { chooseLessons } from "../gateway/distil/distil-lessons.ts";
import {
  DEFAULT_PUBLISH_RULE,
  type Measure,
  reasonsAgainst,
} from "../gateway/distil/distil-measure.ts";
import { DEFAULT_TRIGGER_RULE, decideDistillation } from "../gateway/distil/distil-trigger.ts";
import { judgeByPeople, NO_PEOPLE, peopleWindows } from "../gateway/distil/people-labels.ts";
import { chooseInbox, DEFAULT_INBOX_RULE } from "../gateway/inbox/inbox-choice.ts";
import { agreesEnough } from "../gateway/release/rollout-evidence.ts";
import type { PersonLabel, SoftLabel } from "../gateway/store/label-rows.ts";
import { DEFAULT_TRUST_RULE } from "../gateway/teacher/teacher-trust.ts";
import { nodeId } from "../src/wire/topics.ts";
import { cattle, offloadOf } from "./gateway-kit.ts";

const first = nodeId("collar-1");
const TEACHER = "feedfeedfeedfeed";

/** A window of a bout of its own, with values of its own. */
function softLabel(id: number, more: Partial<SoftLabel> = {}): SoftLabel {
  const { kind: _kind, ...offload } = offloadOf(id, { windowIndex: 100 * id });
  const window = offload.window.map((value) => Math.trunc((value * (1 + (id % 7))) / 7));
  return {
    ...{ ...offload, window, offloadId: id, node: first, teacherId: TEACHER },
    ...{ trusted: false, answeredMs: id, probabilities: Float32Array.of(0.9, 0.05, 0.05) },
    ...more,
  };
}

function personLabel(id: number, personClass: number, more: Partial<SoftLabel> = {}): PersonLabel {
  return { ...softLabel(id, more), personId: id, personClass, who: "anna", labelledMs: id };
}

const ids = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + i);

describe("what is asked", () => {
  it("is what the teacher does not know or is unsure of, and nothing else", () => {
    const sure = softLabel(1, { trusted: true });
    const unsure = softLabel(2, { trusted: true, probabilities: Float32Array.of(0.5, 0.45, 0.05) });
    const asked = chooseInbox([sure, unsure, softLabel(3)], new Set(), NO_PEOPLE);
    expect(new Map(asked.map(({ label, reason }) => [label.offloadId, reason]))).toEqual(
      new Map([
        [2, "unsure"],
        [3, "not-trusted"],
      ]),
    );
  });

  it("is everything of a node on which people contradict the teacher", () => {
    const people = judgeByPeople(
      ids(1, 8).map((id) => personLabel(id, 1, { trusted: true })),
      TEACHER,
    );
    expect(people).toEqual({ contradicted: [first], labels: 8, agreement: 0 });
    const rows = [
      softLabel(20, { trusted: true }),
      softLabel(21, { trusted: true, node: nodeId("other") }),
    ];
    const asked = chooseInbox(rows, new Set(), people);
    expect(asked.map(({ label, reason }) => [label.offloadId, reason])).toEqual([
      [20, "contradicted"],
    ]);
    // Seven say nothing yet, and two slips of eight are a person's; the teacher says the first class.
    const seven = ids(1, 7).map((id) => personLabel(id, 1));
    expect(judgeByPeople(seven, TEACHER).contradicted).toEqual([]);
    const slips = (count: number) => {
      const eight = ids(1, 8).map((id) => personLabel(id, id <= count ? 1 : 0));
      return judgeByPeople(eight, TEACHER).contradicted;
    };
    expect([slips(2), slips(3)]).toEqual([[], [first]]);
    // And what they contradicted of another teacher says nothing of this one.
    const other = personLabel(8, 1, { teacherId: "another" });
    expect(judgeByPeople([...seven, other], TEACHER)).toMatchObject({
      contradicted: [],
      labels: 7,
    });
  });

  it("is few of a bout, none twice, and no more than a person has patience for", () => {
    const bout = ids(1, 9).map((id) => softLabel(id, { windowIndex: 5_000 + id }));
    expect(chooseInbox(bout, new Set(), NO_PEOPLE)).toHaveLength(DEFAULT_INBOX_RULE.boutMost);
    expect(chooseInbox(bout, new Set([4]), NO_PEOPLE)).toHaveLength(1);
    const many = ids(1, 400).map((id) => softLabel(id));
    expect(chooseInbox(many, new Set(), NO_PEOPLE)).toHaveLength(DEFAULT_INBOX_RULE.nodeMost);
    expect(chooseInbox(many, new Set(ids(1, 40)), NO_PEOPLE)).toHaveLength(8);
    expect(chooseInbox(many, new Set(ids(1, 48)), NO_PEOPLE)).toEqual([]);
    const herd = many.map((row, i) => ({ ...row, node: nodeId(`collar-${i % 5}`) }));
    expect(chooseInbox(herd, new Set(), NO_PEOPLE)).toHaveLength(DEFAULT_INBOX_RULE.windowsMost);
  });

  it("is no bout of another life, though its windows have the same numbers", () => {
    const rows = ids(1, 8).map((id) => softLabel(id, { windowIndex: id % 4, epoch: 1 + (id % 2) }));
    expect(chooseInbox(rows, new Set(), NO_PEOPLE)).toHaveLength(2 * DEFAULT_INBOX_RULE.boutMost);
  });

  it("is nothing that shows a broken sensor, which a person cannot name either", () => {
    const stuck = Int8Array.from({ length: 150 }, (_, i) => (i % 3 === 0 ? 5 : (7 * i) % 90));
    expect(chooseInbox([softLabel(1, { window: stuck })], new Set(), NO_PEOPLE)).toEqual([]);
    const moving = stuck.map((value, i) => value + (i % 2));
    expect(chooseInbox([softLabel(1, { window: moving })], new Set(), NO_PEOPLE)).toHaveLength(1);
  });

  it("differs: the next is the one furthest from what is asked, or was answered", () => {
    const flat = (id: number, value: number): SoftLabel =>
      softLabel(id, { window: Int8Array.from({ length: 150 }, (_, i) => value + (i % 2)) });
    const rows = [flat(1, 10), flat(2, 11), flat(3, 90), flat(4, 12)];
    const asked = chooseInbox(rows, new Set(), NO_PEOPLE).map(({ label }) => label.offloadId);
    expect(asked.slice(0, 2)).toEqual([1, 3]);
    expect(chooseInbox(rows, new Set([1]), NO_PEOPLE)[0]?.label.offloadId).toBe(3);
  });

  it("comes from every node in doubt in turn", () => {
    const rows = [
      ...ids(1, 60).map((id) => softLabel(id)),
      ...ids(100, 3).map((id) => softLabel(id, { node: nodeId("other") })),
    ];
    const nodes = chooseInbox(rows, new Set(), NO_PEOPLE).map(({ label }) => label.node);
    expect(nodes.slice(0, 4)).toEqual([first, "other", first, "other"]);
  });
});

describe("what is learned", () => {
  const trusted = (unknownShare: number) => ({
    trusted: unknownShare < 0.5,
    unknownShare,
    unknownNodes: [],
  });
  const about = { profile: cattle, teacherId: TEACHER, seed: 1, judge: "people" as const };

  it("is people's word alone where the teacher is not trusted, with whole bouts held out", () => {
    // Two windows of each bout, which must not be parted.
    const boutOf = (id: number): number => Math.trunc(id / 2);
    const people = ids(0, 40).map((id) =>
      personLabel(id, boutOf(id) % 3, {
        ...{ windowIndex: 100 * boutOf(id) + (id % 2), chanceQ16: 3_277 },
      }),
    );
    const rows = ids(100, 40).map((id) => softLabel(id, { trusted: true }));
    const lessons = chooseLessons(
      rows,
      people,
      { ...about, verdict: trusted(1) },
      DEFAULT_LABEL_RULE,
    );
    expect(lessons.labels.train.windows.count).toBe(0);
    const { train, heldOut } = lessons.people;
    expect(train.windows.count + heldOut.windows.count).toBe(40);
    expect(heldOut.windows.count).toBeGreaterThanOrEqual(8);
    // Nobody drew them by chance: each stands for itself.
    expect(new Set(train.weights)).toEqual(new Set([1]));
    const bouts = new Set(train.windows.bouts);
    expect(bouts.size + new Set(heldOut.windows.bouts).size).toBe(20);
    expect([...heldOut.windows.bouts].filter((bout) => bouts.has(bout))).toEqual([]);
    const row = train.windows.labels[0] ?? 0;
    expect([...train.probabilities.subarray(0, 3)]).toEqual(
      [0, 1, 2].map((c) => (c === row ? 1 : 0)),
    );
  });

  it("is people's word in place of the teacher's, and none of the teacher's where it is wrong", () => {
    const people = ids(1, 10).map((id) => personLabel(id, 1, { trusted: true }));
    const other = nodeId("other");
    const rows = [
      ...ids(1, 20).map((id) => softLabel(id, { trusted: true })),
      ...ids(200, 20).map((id) => softLabel(id, { trusted: true, node: other })),
    ];
    const lessons = chooseLessons(
      rows,
      people,
      { ...about, verdict: trusted(0) },
      DEFAULT_LABEL_RULE,
    );
    const subjects = [
      ...lessons.labels.train.windows.subjects,
      ...lessons.labels.heldOut.windows.subjects,
    ];
    expect(new Set(subjects)).toEqual(new Set([other]));
    expect(new Set(lessons.people.train.windows.subjects)).toEqual(new Set([first]));
  });

  it("leaves out labels that were made under another profile, and windows in 2 bits", () => {
    const used = (label: PersonLabel): number => {
      const { train, heldOut } = peopleWindows([label], cattle, 1);
      return train.windows.count + heldOut.windows.count;
    };
    expect(used(personLabel(1, 2))).toBe(1);
    expect(used(personLabel(1, 7))).toBe(0);
    expect(used(personLabel(1, 2, { channels: 6 }))).toBe(0);
    expect(used(personLabel(1, 2, { windowSamples: 25 }))).toBe(0);
    expect(used(personLabel(1, 2, { rateCentihertz: 2_500 }))).toBe(0);
    expect(used(personLabel(1, 2, { inputMilligPerStep: 32 }))).toBe(0);
    expect(used(personLabel(1, 2, { encoding: "companded2" }))).toBe(0);
  });

  it("begins with enough labels, or with fewer when nobody goes on", () => {
    const rule = { ...DEFAULT_TRIGGER_RULE, trust: DEFAULT_TRUST_RULE };
    const at = (fresh: number, ageMs: number) =>
      decideDistillation(
        { alarms: new Map(), fresh: [], lastDistilMs: 0, people: { fresh, newestMs: 1_000 } },
        rule,
        1_000 + ageMs,
      ).kind;
    expect(at(rule.peopleWanted, 0)).toBe("distil");
    expect(at(rule.peopleWanted - 1, 0)).toBe("idle");
    expect(at(rule.peopleLeast, rule.peopleQuietMs)).toBe("distil");
    expect(at(rule.peopleLeast - 1, rule.peopleQuietMs)).toBe("idle");
  });
});

describe("the publish gate", () => {
  const now: Measure = {
    anchorAccuracy: 0.97,
    anchorRecall: [0.97],
    agreement: 0.9,
    peopleAgreement: 0.4,
  };
  const anchor = peopleWindows([], cattle, 1).train.windows;
  const against = (then: Partial<Measure>, judge: "teacher" | "people") =>
    reasonsAgainst(now, { ...now, ...then }, 1, anchor, ["grazing"], DEFAULT_PUBLISH_RULE, judge);

  it("asks people where they taught, and does not let the teacher be forgotten", () => {
    expect(against({ peopleAgreement: 0.9 }, "people")).toEqual([]);
    expect(against({ peopleAgreement: 0.4 }, "people")[0]).toContain("people");
    expect(against({ peopleAgreement: 0.9, agreement: 0.7 }, "people")[0]).toContain("teacher");
    expect(against({ agreement: 0.95, peopleAgreement: 0.2 }, "teacher")[0]).toContain("people");
    // Of a herd that the teacher knows nothing about there is no agreement with it.
    expect(against({ peopleAgreement: 0.9, agreement: Number.NaN }, "people")).toEqual([]);
    expect(against({ peopleAgreement: Number.NaN }, "people")).toHaveLength(1);
  });

  it("lets a release spread without audits only where people taught it", () => {
    const rule = { auditsLeast: 8, agreementMargin: 0.1 };
    const none = { audits: 0, agreements: 0 };
    const expected = { agreement: 0.9, offloadShare: 0.1 };
    expect(agreesEnough(expected, none, rule)).toBe(false);
    expect(agreesEnough({ ...expected, auditsOptional: true }, none, rule)).toBe(true);
    expect(agreesEnough({ ...expected, agreement: null }, none, rule)).toBe(true);
    const bad = { audits: 20, agreements: 4 };
    expect(agreesEnough({ ...expected, auditsOptional: true }, bad, rule)).toBe(false);
  });
});
