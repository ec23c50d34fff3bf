/** Which soft labels are read to learn from: windows in 2 bits take no place among them. */

import { afterEach, beforeEach, expect, it } from "vitest";
import { FreshAnswers } from "../gateway/distil/fresh-answers.ts";
import { LabelLog } from "../gateway/store/label-log.ts";
import type { StoreRow } from "../gateway/store/label-rows.ts";
import { nodeId } from "../src/wire/topics.ts";
import { MODEL, offloadOf, removeFolder, temporaryFolder } from "./gateway-kit.ts";

const node = nodeId("collar-1");
let folder: string;
beforeEach(() => {
  folder = temporaryFolder();
});
afterEach(() => removeFolder(folder));

function labelRow(offloadId: number): StoreRow {
  return {
    ...{ kind: "label", node, nowMs: 9, offloadId, modelId: MODEL },
    chosen: { audit: false, chanceQ16: 65_535 },
    teacherId: "feedfeedfeedfeed",
    ...{ trusted: true, agrees: true },
    probabilities: Float32Array.of(1, 0, 0),
  };
}

it("are those of whole windows alone, however many came in 2 bits since", () => {
  const log = new LabelLog({ directory: folder, nowMs: 1_000 });
  const coarse = [3, 4].map((seq) => ({ ...offloadOf(seq), encoding: "companded2" as const }));
  const offloads = [offloadOf(2), ...coarse];
  const result = log.commit(
    offloads.map((offload) => ({ kind: "offload", node, nowMs: 5, offload, teachable: true })),
  );
  const ids = result.ok ? result.stored.map(({ offloadId }) => offloadId) : [];
  log.commit(ids.map(labelRow));
  expect(log.reader.softLabels().map(({ seq }) => seq)).toEqual([2, 3, 4]);
  const query = { limit: 1, newestFirst: true, learnableOnly: true };
  expect(log.reader.softLabels(query).map(({ seq }) => seq)).toEqual([2]);
  expect(FreshAnswers.from(log.reader, 0).all.map(({ offloadId }) => offloadId)).toEqual([ids[0]]);
  log.close();
});
