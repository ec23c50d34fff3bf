/** Requests about the label inbox: what is asked, and what a person answers. */

import { EdgeError } from "../../src/assert.ts";
import type { DataOf, RequestOf } from "../../src/wire/requests.ts";
import type { InboxDesk } from "../inbox/inbox-desk.ts";
import type { Deed } from "../store/label-rows.ts";
import type { Asker, Done, RequestTable } from "./request-desk.ts";

export function inboxRequests(desk: InboxDesk) {
  const { classes, labels: reader, wanted } = desk.parts;
  const answer = async (
    window: number,
    deed: Deed,
    classIndex: number,
    { user = "somebody" }: Asker,
  ): Promise<Done<DataOf<"labels/label">>> => {
    const { label, changed } = await desk.answer(window, deed, classIndex, user, Date.now());
    const what =
      deed === "label" ? `window ${window} is ${classes[classIndex]}` : `window ${window}`;
    const labels = reader().personFresh(0).fresh;
    return { data: { window, node: label.node, changed, labels }, what, node: label.node };
  };
  return {
    "labels/inbox": ({ limit }: RequestOf<"labels/inbox">) => {
      const { items, labels } = desk.inbox();
      const windows = items.slice(0, limit).map(({ label, reason }) => {
        const { offloadId: window, node, timeMs: time } = label;
        return { window, node, time, reason };
      });
      const waiting = items.length;
      return { data: { classes: [...classes], windows, waiting, labels, wanted } };
    },
    "labels/label": ({ window, behaviour }: RequestOf<"labels/label">, asker: Asker) => {
      const classIndex = classes.indexOf(behaviour);
      if (classIndex < 0) throw unknownBehaviour(behaviour, classes);
      return answer(window, "label", classIndex, asker);
    },
    "labels/skip": ({ window }: RequestOf<"labels/skip">, asker: Asker) =>
      answer(window, "skip", 0, asker),
    "labels/undo": ({ window }: RequestOf<"labels/undo">, asker: Asker) =>
      answer(window, "undo", 0, asker),
  } satisfies RequestTable;
}

function unknownBehaviour(behaviour: string, classes: readonly string[]): EdgeError {
  return new EdgeError({
    code: "behaviour-unknown",
    message: `there is no behaviour ${JSON.stringify(behaviour)}`,
    where: "behaviour",
    hint: `The teacher knows ${classes.join(", ")}.`,
  });
}
