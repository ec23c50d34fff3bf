/**
 * The label inbox of a running gateway: what is asked, and answers made durable before they count.
 *
 * An answer resolves when the store has committed it, and fails where the store cannot; asked again it
 * changes nothing more. What to ask is worked out anew each time, from the newest answers of the
 * teacher, so that there is no second list to keep in step.
 */

import { EdgeError } from "../../src/assert.ts";
import { judgeByPeople, PEOPLE_MOST } from "../distil/people-labels.ts";
import type { GatewayNews } from "../gateway-state.ts";
import type { LabelReader } from "../store/label-reader.ts";
import type { Deed, SoftLabel, StoreRow } from "../store/label-rows.ts";
import { chooseInbox, DEFAULT_INBOX_RULE, type InboxItem } from "./inbox-choice.ts";

/** The newest answers of the teacher are looked at, a second of a Raspberry Pi at most. */
const ROWS_MOST = 1_000;
/** A commit takes 50 ms, of a slow disk some hundred. */
const COMMIT_MS = 10_000;
/** All that people may ever say of one herd: with 48 in ten minutes, 350 hours of work. */
const LABELS_MOST = 100_000;

export type InboxParts = {
  readonly classes: readonly string[];
  readonly teacherId: string;
  readonly labels: () => LabelReader;
  /** New labels with which a distillation begins. */
  readonly wanted: number;
  readonly store: (row: StoreRow) => void;
  readonly listen: (hear: (news: GatewayNews) => void) => void;
};

export type Inbox = {
  readonly items: readonly InboxItem[];
  readonly labels: number;
};

type Waiting = {
  readonly offloadId: number;
  readonly stored: (fresh: boolean) => void;
  readonly failed: (reason: string) => void;
};

export class InboxDesk {
  readonly parts: InboxParts;
  #waiting: Waiting[] = [];

  constructor(parts: InboxParts) {
    this.parts = parts;
    parts.listen((news) => this.#hear(news));
  }

  inbox(): Inbox {
    const reader = this.parts.labels();
    const rows = reader.softLabels({ limit: ROWS_MOST, newestFirst: true, learnableOnly: true });
    const { labelled, skipped } = reader.personAnswers();
    const people = judgeByPeople(reader.personLabels(PEOPLE_MOST), this.parts.teacherId);
    const answered = new Set([...labelled, ...skipped]);
    const items = chooseInbox(rows, answered, people, DEFAULT_INBOX_RULE);
    return { items, labels: labelled.size };
  }

  /**
   * Resolves when it is stored, with whether that changed anything.
   *
   * @throws EdgeError `window-unknown`, `labels-full`, `store-failed`
   */
  async answer(
    offloadId: number,
    deed: Deed,
    classIndex: number,
    who: string,
    nowMs: number,
  ): Promise<{ readonly label: SoftLabel; readonly changed: boolean }> {
    const reader = this.parts.labels();
    const label = reader.softLabel(offloadId);
    if (label === undefined) throw unknownWindow(offloadId);
    if (reader.personFresh(0).fresh >= LABELS_MOST) throw full();
    const row = {
      kind: "person",
      node: label.node,
      nowMs,
      offloadId,
      deed,
      classIndex,
      who,
    } as const;
    const stored = this.#stored(offloadId);
    this.parts.store(row);
    return { label, changed: await stored };
  }

  #stored(offloadId: number): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => waiting.failed("the disk does not answer"), COMMIT_MS);
      const over = (): void => {
        clearTimeout(timer);
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
      };
      const waiting: Waiting = {
        offloadId,
        stored: (fresh) => {
          over();
          resolve(fresh);
        },
        failed: (reason) => {
          over();
          reject(notStored(reason));
        },
      };
      this.#waiting.push(waiting);
    });
  }

  #hear(news: GatewayNews): void {
    if (news.kind === "person") {
      this.#waiting.find(({ offloadId }) => offloadId === news.offloadId)?.stored(news.fresh);
    } else if (news.kind === "store-failed") {
      for (const { failed } of [...this.#waiting]) failed(news.reason);
    }
  }
}

function unknownWindow(offloadId: number): EdgeError {
  return new EdgeError({
    code: "window-unknown",
    message: `the teacher has answered no window ${offloadId}`,
    where: "window",
    hint: "labels/inbox lists those that are asked about.",
  });
}

function full(): EdgeError {
  return new EdgeError({
    code: "labels-full",
    message: `people have labelled ${LABELS_MOST} windows already`,
    where: "labels",
    hint: "Train a teacher on them: `bellwether export labels --windows`.",
  });
}

function notStored(reason: string): EdgeError {
  return new EdgeError({
    code: "store-failed",
    message: `it is not stored: ${reason}`,
    where: "labels",
    hint: "Make room on the disk and say it again; said twice it counts once.",
  });
}
